"""The examples of attribution, run as a user would run them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from policyscope.recordings.read import open_recording

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
FIGURES = {"deletion", "insertion", "infidelity", "untrained", "spread", "removal"}


def ran(name, folder):
    """What an example puts out, on one core."""
    script = EXAMPLES / f"attribution_{name}.py"
    assert f"python examples/{script.name}" in script.read_text(encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), "out"], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def table(told, head):
    """Lines of a table by their first word, the numbers of each; it ends with an empty line."""
    lines = told.split(head)[1].split("\n\n")[0].splitlines()[1:]
    rows = [line.split() for line in lines]
    return {row[0]: [float(n) for n in row[1:]] for row in rows if len(row) > 1 and is_number(row)}


def is_number(row):
    return all(re.fullmatch(r"-?\d+(\.\d+)?|NaN", cell) for cell in row[1:])


@pytest.mark.slow  # 10 s on an idle core
@pytest.mark.timeout(400)
def test_the_intersection(tmp_path):
    told = ran("highway", tmp_path)
    recording = open_recording(tmp_path / "out/rec")
    decisions = int(recording.episodes["steps"].sum())
    assert f"over {decisions} decisions" in told
    figures = table(told, f"over {decisions} decisions:")
    assert set(figures) == FIGURES
    whole, slopes = zip(*figures.values(), strict=True)
    assert len(set(whole)) > 3
    assert figures["infidelity"][0] < figures["infidelity"][1]  # the path beats the slope
    episode, step = map(int, re.search(r"episode (\d+), step (\d+), and", told).groups())
    seen = recording.episode(episode)["row_identity"].values[step]
    vehicles = {k: v for k, v in table(told, "the scene without it:").items() if k.isdigit()}
    assert set(map(int, vehicles)) == set(seen[seen > 0].tolist())
    assert -1 <= float(re.search(r"rank correlation: (-?\d\.\d+)", told)[1]) <= 1
    assert "plotly" in (tmp_path / "out/attribution.html").read_text(encoding="utf-8").lower()


@pytest.mark.slow  # 16 s on an idle core
@pytest.mark.timeout(400)
def test_coinrun(tmp_path):
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    told = ran("coinrun", tmp_path)
    assert set(table(told, "over 8 frames:")) == FIGURES
    kinds = [
        table(told, f"{method}: what each kind") for method in ("integrated_gradients", "grad_cam")
    ]
    assert "coin" in kinds[0]
    assert set(kinds[0]) == set(kinds[1])
    for kind, (share, count, removal) in kinds[0].items():
        assert (count, removal) == tuple(kinds[1][kind][1:])  # the scene is the same for both
        assert share != kinds[1][kind][0]
        assert count == int(count) >= 1
    for method in ("integrated_gradients", "grad_cam"):
        assert (tmp_path / f"out/{method}.html").stat().st_size > 10_000

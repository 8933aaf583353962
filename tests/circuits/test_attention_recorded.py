"""The explanation of a recording on disk, and its command."""

import json
import subprocess
import sys

import numpy as np
import pytest

from policyscope.agents.store import save_agent
from policyscope.circuits.attention import explain
from policyscope.circuits.config import AttentionConfig
from policyscope.cli.main import main
from policyscope.core.result import Result
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record

QUICK = AttentionConfig(resamples=100)
FAST = ["--attention.resamples", "100"]


@pytest.fixture(scope="module")
def folder(agents, tmp_path_factory):
    """Eight real episodes of random weights, with the attention recorded."""
    agent = agents["random"](scale=2.0)
    agent.env = EnvSpec("highway/intersection")
    out = tmp_path_factory.mktemp("explained") / "rec"
    record(agent, episodes=8, out=out)
    return out


def test_real_recording_passes_every_check(folder):
    result = explain(open_recording(folder), QUICK)
    assert result.passed, [str(c) for c in result.checks if not c.passed]
    names = [c.name for c in result.checks]
    assert "rows show the vehicles they are said to show" in names
    assert "recorded attention is that of the recorded observation" in names
    assert result.unchecked is None
    recording = open_recording(folder)
    shown = recording.rows(["sites/attention_layer.pattern"])["sites/attention_layer.pattern"]
    assert np.array_equal(result.data["attention"].sel(weights="trained"), shown[:, :, 0])


def test_distances_are_those_of_the_scene(folder):
    recording = open_recording(folder)
    data = explain(recording, QUICK).data
    first = data.isel(decision=0)
    scene = recording.entities(int(first["episode"])).query("step == 0").set_index("identity")
    for who, distance in zip(
        first["identity"].values[1:], first["distance"].values[1:], strict=True
    ):
        if who < 0:
            assert np.isnan(distance)
            continue
        offset = scene.loc[who, ["x", "y"]].astype(float) - scene.loc[0, ["x", "y"]].astype(float)
        assert distance == pytest.approx(np.hypot(*offset))


def test_command_writes_result_and_figure_and_tells_verdicts(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["explain", str(folder), "--out", str(out), *FAST]) == 0
    text = capsys.readouterr().out
    assert "Aims at vehicles likely to collide" in text
    assert "17 of 17 passed" in text
    assert all(len(line) <= 80 for line in text.splitlines() if str(tmp_path) not in line)
    loaded = Result.load(out)
    assert loaded.method == "attention"
    page = (out / "figure.html").read_text()
    assert page.count("plotly.js v") == 1
    assert "<script src=" not in page
    assert "Where the action changes" in page or loaded.data.sizes["change"] == 0


def test_command_puts_out_json_alone(folder, tmp_path, capsys):
    argv = ["explain", str(folder), "--out", str(tmp_path / "out"), "--json", "-", *FAST]
    assert main(argv) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["n"]["episodes"] == 8
    assert len(values["claims"]) == 7
    assert values["passed"] is True
    assert values["measures"]["self.mean"]["unit"] == "attention"


def test_default_folder_is_in_the_recording_which_stays_whole(folder, tmp_path):
    file = tmp_path / "values.json"
    assert main(["explain", str(folder), "--json", str(file), *FAST]) == 0
    assert json.loads(file.read_text())["n"]["episodes"] == 8
    assert (folder / "explain" / "attention" / "result.json").is_file()
    assert len(open_recording(folder)) == 8


def test_command_without_recorded_attention_computes_it_again(agents, tmp_path, capsys):
    agent = agents["random"](scale=2.0)
    agent.env = EnvSpec("highway/intersection")
    record(agent, episodes=1, sites=[], out=tmp_path / "rec")
    assert main(["explain", str(tmp_path / "rec"), *FAST]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "computed again, one forward pass" in text
    assert "not measurable" in text, "one episode has no interval"


def test_another_agent_in_the_folder_fails_the_checks(agents, folder, tmp_path, capsys):
    """A recording whose agent was exchanged must not pass as explained."""
    import shutil

    copy = tmp_path / "rec"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("explain"))
    save_agent(agents["random"](scale=2.0, seed=9), copy / "agent")
    assert main(["explain", str(copy), *FAST]) == 3
    assert "FAILED: recorded attention" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--method", "atention"], "unknown method 'atention'. Did you mean attention"),
        (["--attention.resamples", "3"], "resamples must be at least 100"),
        (["--attention.level", "1.5"], "level must be 0.5 or more"),
        (["--attention.horizon", "0"], "horizon must be positive"),
        (["--site", "output_layer.relus.1"], "--site belongs to --method traces"),
        (["--episode", "1"], "--episode belongs to --method traces"),
        (["--json", "nowhere/file.json"], "its folder does not exist"),
    ],
)
def test_errors_are_one_line_with_the_mend(folder, capsys, argv, message):
    assert main(["explain", str(folder), *argv]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_no_recording_and_a_foreign_out_folder(folder, tmp_path, capsys):
    assert main(["explain", str(tmp_path)]) == 2
    assert "is no recording" in capsys.readouterr().err
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["explain", str(folder), "--out", str(tmp_path)]) == 2
    assert "exists and is no result" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_help_imports_no_torch():
    code = (
        "import sys, contextlib, io\n"
        "from policyscope.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main(['explain', '--help'])\n"
        "assert 'torch' not in sys.modules and 'plotly' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

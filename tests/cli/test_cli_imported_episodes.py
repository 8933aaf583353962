"""Every verb on episodes of other programs, which come without their agent."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest

from policyscope.cli.main import main
from policyscope.recordings.read import open_recording

#: Verbs that need an agent, and what their one line says; {} stands for the recording.
NEED_AN_AGENT = [
    ("import its checkpoint", ["field", "{}:0:2"]),
    ("import its checkpoint", ["why-not", "{}:0:2", "0"]),
    ("import its checkpoint", ["fork", "{}:0:2", "--edit", "remove saw"]),
    ("import its checkpoint", ["explain", "{}", "--method", "integrated_gradients"]),
    ("import its checkpoint", ["explain", "{}", "--method", "through_time"]),
    ("import its checkpoint", ["explain", "{}", "--audit"]),
    ("holds neither its agent nor", ["explain", "{}"]),
    ("imported without their agent (give an agent's folder)", ["evaluate", "{}"]),
    ("imported without their agent (give an agent's folder)", ["doctor", "{}"]),
    ("imported without their agent", ["train", "ppo", "--env", "gym:CartPole-v1", "--preset",
                                      "classic", "--start", "{}", "--out", "{}-run"]),
    ("is not the folder of a training run", ["curve", "{}"]),
]  # fmt: skip


def vectors(folder):
    """Three episodes of CartPole, 20 rewards of 0.1 each: no float32 adds them up as float64."""
    rng = np.random.default_rng(0)
    np.savez(
        folder / "final.npz",
        obs=rng.normal(size=(63, 4)).astype(np.float32),
        acts=rng.integers(0, 2, 60),
        rews=rng.random(60, np.float32),
        terminal=[True, False, True],
        indices=[20, 40],
    )
    return folder / "final.npz", ["--env", "gym:CartPole-v1"]


def frames(folder):
    """Two worlds of rl_clarity; what runs before the first and after the last cut is unknown."""
    rng, shape = np.random.default_rng(1), (2, 24)
    firsts = np.zeros(shape, bool)
    firsts[:, [0, 8, 16]] = True
    values = {
        "observations": rng.integers(0, 256, (*shape, 64, 64, 3), np.uint8),
        "actions": rng.integers(0, 15, shape),
        "rewards": rng.random(shape, np.float32),
        "firsts": firsts,
    }
    path = folder / "rollouts.trajectories.jd"
    path.write_bytes(pickle.dumps(values))
    return path, []


@pytest.fixture(scope="module", params=[vectors, frames])
def recording(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param.__name__)
    path, flags = request.param(folder)
    assert main(["import", str(path), *flags, "--out", str(folder / "rec")]) == 0
    return folder / "rec"


def told(capsys, *argv):
    assert main([str(a) for a in argv]) == 0
    return capsys.readouterr().out


def test_rewards_of_single_precision_add_up_and_are_exported(recording, capsys, tmp_path):
    assert "whole" in told(capsys, "check", recording)
    made = open_recording(recording)
    rows = made.rows(["reward"])
    whole = made.episodes["return"].dropna()
    assert len(whole) >= 2
    for k in whole.index:
        assert whole[k] == pytest.approx(rows["reward"][rows["episode"] == k].sum(), rel=1e-12)
    told(capsys, "export", recording, "--out", tmp_path / "steps.parquet")
    table = pd.read_parquet(tmp_path / "steps.parquet")
    np.testing.assert_array_equal(table["reward"], rows["reward"])
    assert f"all {len(made)} episodes" in told(capsys, "export", recording, "--out",
                                               tmp_path / "page.html")  # fmt: skip
    told(capsys, "export", recording, "--to", "minari", "--out", tmp_path / "kept-v0")
    told(capsys, "import", tmp_path / "kept-v0", "--out", tmp_path / "again")
    again = open_recording(tmp_path / "again").rows(["reward", "obs"])
    np.testing.assert_array_equal(again["reward"], rows["reward"])
    np.testing.assert_array_equal(again["obs"], made.rows(["obs"])["obs"])


def test_moments_are_found_by_what_is_known(recording, capsys):
    made = open_recording(recording)
    found = json.loads(told(capsys, "find", recording, "reward top 2", "--json", "-"))["found"]
    greatest = np.sort(made.rows(["reward"])["reward"])[-2:]
    assert sorted(line["number"] for line in found) == pytest.approx(greatest, rel=1e-6)
    assert main(["find", str(recording), "value top 2"]) == 2
    assert "the recording has no such number" in capsys.readouterr().err
    moments = json.loads(told(capsys, "highlights", recording, "--clips", 2, "--json", "-"))
    assert [moment["kind"] for moment in moments["moments"]] == ["failure"] * 2


@pytest.mark.parametrize(("said", "argv"), NEED_AN_AGENT, ids=lambda v: v[0] if v[1:] else v)
def test_what_needs_an_agent_says_so_in_one_line(recording, capsys, said, argv):
    capsys.readouterr()
    assert main([a.format(recording) for a in argv]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_a_report_tells_what_it_lacks_and_why(recording, capsys, tmp_path):
    page = tmp_path / "report.html"
    values = json.loads(told(capsys, "report", f"{recording}:0:2", "--out", page, "--json", "-"))
    assert values["attribution"] is None
    assert values["missing"]["why not"] == "the recording holds no outputs of the policy"
    assert "holds no agent" in values["missing"]["attribution"]
    where = "gym:CartPole-v1" if recording.parent.name.startswith("vectors") else "an unknown env"
    assert values["headline"].startswith(f"In {where}")
    assert page.stat().st_size > 1000

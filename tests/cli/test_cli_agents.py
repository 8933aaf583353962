"""``policyscope import``, ``show`` and ``watch``."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.store import load_agent, save_agent, shipped_agents
from policyscope.cli.main import main
from policyscope.core.checks import Check
from policyscope.core.result import Result
from policyscope.envs.make import make_lane
from policyscope.envs.spec import EnvSpec

ENV = EnvSpec("highway/intersection", {"duration": 3})


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def folder(tmp_path):
    net, space = build_network("ego_attention", {}), make_lane(ENV).space
    card = {"evaluation": {"return": {"mean": 4.25}, "n": 100}}
    save_agent(
        Agent(net, ("ego_attention", {}), "q", space, env=ENV, card=card), tmp_path / "agent"
    )
    return str(tmp_path / "agent")


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "latest.tar"
    weights = build_network("ego_attention", {}).state_dict()
    torch.save({"state_dict": weights, "optimizer": {"state": {}}}, path)
    return path


def told(capsys, *argv):
    assert main(list(argv)) == 0
    return capsys.readouterr().out


def refused(capsys, *argv):
    assert main(list(argv)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_import_writes_an_agent_that_loads(checkpoint, tmp_path, capsys):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model": {"attention_layer": {"heads": 2}}}))
    out = tmp_path / "imported"
    words = told(capsys, "import", str(checkpoint), "--config", str(config), "--out", str(out))
    assert "34,243 parameters" in words
    agent = load_agent(out)
    assert agent.network[1]["heads"] == 2
    assert agent.env.id == "highway/intersection"
    assert agent.card["provenance"]["command"] == "policyscope import latest.tar"
    assert str(tmp_path) not in (out / "agent.json").read_text()


def test_import_names_what_is_wrong(checkpoint, folder, tmp_path, capsys):
    out = str(tmp_path / "new")
    assert "--heads" in refused(capsys, "import", str(checkpoint), "--out", out)
    assert "positive" in refused(capsys, "import", str(checkpoint), "--heads", "0", "--out", out)
    assert "no such file" in refused(capsys, "import", "no.tar", "--heads", "4", "--out", out)
    exists = refused(capsys, "import", str(checkpoint), "--heads", "4", "--out", folder)
    assert "exists already" in exists
    checkpoint.write_bytes(checkpoint.read_bytes()[:-500])
    err = refused(capsys, "import", str(checkpoint), "--heads", "4", "--out", out)
    assert "truncated" in err
    assert not Path(out).exists()


def test_show_describes_an_agent(folder, capsys):
    out = told(capsys, "show", folder)
    for words in (
        "34,243", "SLOWER, IDLE, FASTER", "attention_layer.pattern", "4 x 1 x 15",
        "evaluation.return.mean", "4.25", "highway/intersection", "EgoAttentionNetwork",
    ):  # fmt: skip
        assert words in out, words


def test_show_keeps_site_names_whole_on_a_narrow_terminal(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out = told(capsys, "show", folder)
    for name in load_agent(folder).sites():
        assert name in out


def test_show_describes_a_result(tmp_path, capsys):
    data = xr.Dataset({"weight": (("head", "step"), np.zeros((4, 9)))})
    checks = (Check.at_most("parity gap", 2e-7, 1e-6, n=64),)
    Result("attention", data, {"sites": ["a"]}, {}, checks).save(tmp_path / "result")
    out = told(capsys, "show", str(tmp_path / "result"))
    for words in ("attention", "head 4, step 9", "parity gap", "passed"):
        assert words in out, words


def test_show_describes_a_recording(folder, tmp_path, capsys):
    from policyscope.recordings.record import record

    record(load_agent(folder), ENV, 2, 0, (), tmp_path / "rec")
    out = told(capsys, "show", str(tmp_path / "rec"))
    assert "2, seeds 0 to 1" in out
    assert "timed_out" in out


def test_show_lists_the_shipped_agents_with_what_they_reach(capsys):
    out = told(capsys, "show")
    for name in shipped_agents():
        line = next(line for line in out.splitlines() if name in line)
        assert load_agent(name).env.id in line
    assert "6.61 [6.3, 6.91], n 500" in " ".join(out.split())
    assert "--card needs an agent" in refused(capsys, "show", "--card")


def test_show_of_nothing_is_one_line(tmp_path, capsys):
    assert "unknown agent" in refused(capsys, "show", "nowhere")
    assert "holds no agent, no training run" in refused(capsys, "show", str(tmp_path))
    (tmp_path / "result.json").write_text("{")
    assert "not JSON" in refused(capsys, "show", str(tmp_path))


def test_watch_writes_a_video_of_each_episode(folder, tmp_path, capsys):
    av = pytest.importorskip("av")
    out = tmp_path / "videos"
    words = told(
        capsys, "watch", folder, "--out", str(out), "--episodes", "2", "--seed", "7",
        "--size", "96", "--fps", "4",
    )  # fmt: skip
    assert sorted(p.name for p in out.iterdir()) == ["seed_00007.mp4", "seed_00008.mp4"]
    assert "3 steps" in words
    with av.open(str(out / "seed_00007.mp4")) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 4
    assert len(frames) == 3
    assert frames[0].shape[0] == 96
    assert frames[0].shape[1] > 96
    scene, strip = frames[0][:, :96], frames[0][:, 96:]
    assert scene.std() > 5
    assert strip.std() > 5
    assert np.abs(frames[0].astype(int) - frames[2]).mean() > 0.5


def test_watch_shows_its_progress_on_a_terminal_and_keeps_stdout_clean(
    folder, tmp_path, capsys, monkeypatch
):
    flags = ["--episodes", "2", "--size", "64", "--out", str(tmp_path / "videos")]
    assert main(["watch", str(folder), *flags]) == 0
    told, err = capsys.readouterr()
    assert err == ""
    monkeypatch.setenv("FORCE_COLOR", "1")  # stands for a terminal
    assert main(["watch", str(folder), *flags]) == 0
    out, err = capsys.readouterr()
    steps = sum(int(n) for n in re.findall(r"(\d+) steps", told))
    assert "drawing frames" in err
    assert f"{steps}/{steps}" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", err)
    assert re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out) == told


def test_watch_names_what_is_wrong(folder, tmp_path, capsys):
    out = str(tmp_path / "videos")
    assert "--fps" in refused(capsys, "watch", folder, "--out", out, "--fps", "0")
    assert "unknown agent" in refused(capsys, "watch", "nowhere", "--out", out)
    (tmp_path / "file").write_text("")
    assert "cannot be made" in refused(capsys, "watch", folder, "--out", str(tmp_path / "file"))

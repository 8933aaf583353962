"""Checkpoints of train-procgen-pytorch's forks that choose among nine actions."""

import json
from collections import OrderedDict

import numpy as np
import pytest
import torch

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.agents.importers.recognise import import_agent
from policyscope.agents.store import load_agent
from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.make import make_lane
from policyscope.envs.procgen.actions import REDUCED
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start
from policyscope.recordings.check import check_recording
from policyscope.recordings.read import open_recording

PLACE = ["--env", "procgen/coinrun", "--env-set", "mode=easy"]


def layer(name, *shape):
    return {f"{name}.weight": torch.randn(shape) / 3, f"{name}.bias": torch.zeros(shape[0])}


@pytest.fixture
def checkpoint(tmp_path):
    """Weights of a small IMPALA network that mostly goes right, under the lineage's names."""
    torch.manual_seed(0)
    weights, before = {}, 3
    for i, width in enumerate((2, 2, 2), 1):
        weights |= layer(f"embedder.block{i}.conv", width, before, 3, 3)
        for res in ("res1", "res2"):
            for conv in ("conv1", "conv2"):
                weights |= layer(f"embedder.block{i}.{res}.{conv}", width, width, 3, 3)
        before = width
    weights |= layer("embedder.fc", 8, 128) | layer("fc_policy", 9, 8) | layer("fc_value", 1, 8)
    weights["fc_policy.weight"] /= 10
    weights["fc_policy.bias"][[REDUCED.index("RIGHT"), REDUCED.index("RIGHT_UP")]] = 3.0
    path = tmp_path / "model_80412672.pth"
    torch.save({"model_state_dict": OrderedDict(weights), "optimizer_state_dict": {}}, path)
    return str(path)


def test_it_is_imported_evaluated_and_recorded(checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("POLICYSCOPE_CACHE", str(tmp_path / "cache"))
    agent, kept = str(tmp_path / "agent"), tmp_path / "rec"
    assert main(["import", checkpoint, *PLACE, "--env-set", "actions=9", "--out", agent]) == 0
    assert load_agent(agent).space.actions == REDUCED
    assert load_agent(agent).env.options == {"mode": "easy", "actions": 9}
    capsys.readouterr()
    few = ["--episodes", "3", "--workers", "0"]
    assert main(["evaluate", agent, *few, "--baselines", "constant:RIGHT_UP", "--json", "-"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert list(values["agent"]["actions"]) == list(REDUCED)
    assert values["agent"]["actions"]["RIGHT"] + values["agent"]["actions"]["RIGHT_UP"] > 0.5
    assert main(["record", agent, *few, "--out", str(kept)]) == 0
    recording = open_recording(kept)
    assert recording.space.actions == REDUCED
    assert recording.episodes["return"].mean() == values["agent"]["return"]["mean"]
    assert recording.episodes["outcome"].isin({"coin", "saw", "enemy_left", "enemy_right", "lava",
                                               "timed_out"}).all()  # fmt: skip
    assert check_recording(kept) == []
    replayed(recording)


def replayed(recording):
    """What was recorded, played again by the engine's own numbers in the world of all actions."""
    lane = make_lane(EnvSpec("procgen/coinrun", {"mode": "easy"}))
    for k in range(len(recording)):
        data = recording.episode(k)
        obs = lane.start(Start(level=int(data.attrs["level"])))
        for t, action in enumerate(data["action"].values.tolist()):
            assert np.array_equal(data["obs"].values[t], obs)
            step = lane.step(action)
            obs = step.obs
            assert step.reward == data["reward"].values[t]
        assert step.terminated or step.truncated
        assert "+".join(lane.outcome()) == data.attrs["outcome"]
    lane.close()


def test_it_says_where_it_can_play(checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("POLICYSCOPE_CACHE", str(tmp_path / "cache"))
    out = str(tmp_path / "agent")
    assert main(["import", checkpoint, *PLACE, "--out", out]) == 2
    told = "actions: 9, procgen/coinrun has 15; were they LEFT_DOWN to RIGHT_UP? then --env-set act"
    assert told in capsys.readouterr().err
    with pytest.raises(PolicyscopeError, match="ask for actions: 9, gym:CartPole-v1 has 2|shape"):
        import_agent(checkpoint, env=EnvSpec("gym:CartPole-v1"))
    assert main(["import", checkpoint, "--out", out]) == 0
    assert load_agent(out).space.actions == REDUCED
    capsys.readouterr()
    small = ["evaluate", out, "--episodes", "1", "--baselines", "none", "--workers", "0"]
    assert main([*small, *PLACE]) == 2
    assert "the agent was made for actions ('LEFT_DOWN'" in capsys.readouterr().err
    assert main([*small, *PLACE, "--env-set", "actions=9", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["env"]["options"]["actions"] == 9

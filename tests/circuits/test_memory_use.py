"""The method memory: agents that need their memory and such that carry it in vain."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.memory import flat_row, flat_rows, from_flat_rows, memory_row
from policyscope.agents.preprocess import Pixels
from policyscope.agents.store import load_agent, save_agent
from policyscope.circuits import memory
from policyscope.circuits.config import MemoryConfig
from policyscope.circuits.report import memory_report
from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError
from policyscope.core.registry import register
from policyscope.envs.make import make, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record
from policyscope.rollouts.baselines import baseline

FEW = MemoryConfig(resamples=100)


class Recalls(nn.Module):
    """Remembers the observation before; its policy leans on it by a weight."""

    recurrent = True

    def __init__(self, lean: float = 1.0):
        super().__init__()
        self.see = nn.Linear(4, 2)
        self.recall = nn.Linear(4, 2, bias=False)
        self.lean = lean

    def initial_state(self, n):
        return {"before": self.see.weight.new_zeros(n, 4), "steps": self.see.weight.new_zeros(n)}

    def forward(self, x, state):
        logits = self.see(x) + self.lean * self.recall(state["before"])
        return {"logits": logits, "value": state["steps"]}, {
            "before": x,
            "steps": state["steps"] + 1,
        }


def recalling(lean):
    register("network", "recalls", f"{__name__}:Recalls")
    torch.manual_seed(0)
    spec = versioned(EnvSpec("gym:CartPole-v1"))
    network = ("recalls", {"lean": lean})
    net = build_network(*network)
    with torch.no_grad():
        net.recall.weight *= 8
    return Agent(net, network, "categorical", make(spec).space, env=spec)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    for lean in (0.0, 1.0):
        record(recalling(lean), None, 12, 0, [], folder / str(lean))
    return {lean: open_recording(folder / str(lean)) for lean in (0.0, 1.0)}


@pytest.fixture(scope="module")
def coinrun(tmp_path_factory):
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    torch.manual_seed(0)
    spec = versioned(EnvSpec("procgen/coinrun"))
    network = ("impala_gru", {"widths": [4, 4, 4], "embedding": 16, "memory": 8})
    agent = Agent(
        build_network(*network), network, "categorical", make(spec).space, acting="sample",
        preprocess=Pixels(),
        env=spec,
    )  # fmt: skip
    with torch.no_grad():  # mostly to the right, where an episode ends sooner
        agent.net.fc_policy.bias[7:9] += 1.5
    folder = tmp_path_factory.mktemp("coinrun") / "rec"
    record(agent, None, 4, 0, [], folder)
    return open_recording(folder)


def test_the_divergence_is_that_of_the_two_softmaxes(recordings):
    rec = recordings[1.0]
    result = memory.memory_use(rec, FEW)
    net, rows = rec.agent.net, rec.rows(["obs", "logits"])
    with torch.no_grad():
        reset = net.see(torch.from_numpy(rows["obs"])).double().log_softmax(-1).numpy()
    kept = torch.from_numpy(rows["logits"]).double().log_softmax(-1).numpy()
    expected = (np.exp(kept) * (kept - reset)).sum(-1)
    assert result.data["kl"].values == pytest.approx(expected, abs=1e-6)
    assert result.data["agreement"].values == pytest.approx(
        (kept.argmax(-1) == reset.argmax(-1)).astype(float)
    )
    assert result.data["value_change"].values == pytest.approx(rows["step"])
    later = rows["step"] > 0
    found = memory_report(result)["reset"]["kl"]
    assert found["estimate"] == pytest.approx(expected[later].mean())
    assert 0.01 < found["low"] < found["estimate"] < found["high"]
    assert result.passed
    assert len(result.checks) == 2
    assert "no velocity" in result.data.attrs["notes"]


def test_a_memory_that_nothing_reads_has_no_effect(recordings):
    found = memory_report(memory.memory_use(recordings[0.0], FEW))["reset"]
    assert found["kl"]["estimate"] == 0
    assert found["kl"]["high"] == 0
    assert found["agreement"]["estimate"] == 1


def test_a_memory_that_is_not_reset_at_the_first_step_fails_its_check(recordings, monkeypatch):
    rec = recordings[1.0]
    rows = type(rec).rows

    def carried(self, names, episodes=None):
        found = rows(self, names, episodes)
        return {**found, "state_in": found["state_in"] + (found["step"] == 0)[:, None]}

    monkeypatch.setattr(type(rec), "rows", carried)
    result = memory.memory_use(rec, FEW)
    assert not result.passed
    assert {c.name for c in result.checks if not c.passed} >= {"divergence at the first step"}


def test_flat_rows_come_back_in_their_form(recordings):
    state = {"before": torch.arange(12.0).view(3, 4), "steps": torch.arange(3.0)}
    flat = np.stack([flat_row(memory_row(state, row)) for row in range(3)])
    back = from_flat_rows(flat, recordings[1.0].agent.initial_state(1))
    assert all(torch.equal(back[name], state[name]) for name in state)
    assert torch.equal(
        flat_rows({"a": torch.ones(2, 3, 1), "b": torch.zeros(2, 2)}),
        torch.tensor([[1.0, 1, 1, 0, 0]] * 2),
    )


def planted(noise):
    rng = np.random.default_rng(0)
    episode = np.repeat(np.arange(20), 50)
    velocity = rng.normal(size=(1000, 2))
    held = velocity @ rng.normal(size=(2, 6)) + noise * rng.normal(size=(1000, 6))
    frame = rng.normal(size=(1000, 5))
    step = np.tile(np.arange(50), 20)
    nothing = np.zeros(1000)
    return memory.Used(episode, step, nothing, nothing, nothing, held, frame, velocity, 0.0)


def test_a_planted_velocity_is_read_where_it_was_put():
    data, chance = memory._velocity(planted(0.0), FEW)
    assert data["read"].sel(source="memory").values == pytest.approx([1, 1], abs=1e-6)
    assert (abs(data["read"].sel(source="frame").values) < 0.05).all()
    assert (data["read_low"].sel(source="difference").values > 0.9).all()
    assert chance.passed
    assert chance.value < 0.02
    less = memory._velocity(planted(2.0), FEW)[0]["read"].sel(source="memory").values
    assert ((less > 0.2) & (less < 0.9)).all()


def test_a_direction_without_motion_is_left_unknown():
    still = replace(planted(0.0), velocity=planted(0.0).velocity * [1, 0])
    data, chance = memory._velocity(still, FEW)
    assert data["read"].sel(source="memory", direction="right") == pytest.approx(1, abs=1e-6)
    assert data["read"].sel(direction="down").isnull().all()
    assert chance.passed


def test_rows_are_taken_in_pieces_that_change_nothing(recordings, monkeypatch):
    whole = memory.memory_use(recordings[1.0], FEW).data
    monkeypatch.setattr(memory, "ROWS", 7)
    pieces = memory.memory_use(recordings[1.0], FEW).data
    assert pieces["kl"].values == pytest.approx(whole["kl"].values, abs=1e-6)


def test_a_frame_is_encoded_where_memory_does_not_reach_yet(coinrun, recordings):
    assert memory.frame_site(coinrun.agent) == "embedder.relufc"
    assert memory.frame_site(recordings[1.0].agent) == "see"


def test_the_velocity_is_that_of_the_player(coinrun):
    moved, told = [], []
    for k in coinrun.episodes["episode"]:
        table = coinrun.entities(k)
        player = table[table["kind"] == "player"]
        moved.append(np.diff(player[["x", "y"]].to_numpy(), axis=0))
        told.append(memory._moving(coinrun, k)[1 : len(player)])
    moved, told = np.concatenate(moved), np.concatenate(told)
    assert len(moved) > 200
    for axis in range(2):  # walls stop a step short of its velocity
        assert np.corrcoef(moved[:, axis], told[:, axis])[0, 1] > 0.8
        assert (abs(moved[:, axis] - told[:, axis]) < 1e-3).mean() > 0.5


def test_coinrun_is_read_whole(coinrun):
    values = memory_report(memory.memory_use(coinrun, MemoryConfig(resamples=100, folds=2)))
    assert set(values["velocity"]) == {"memory", "frame", "difference"}
    read = values["velocity"]["memory"]["right"]
    assert read["estimate"] <= 1
    assert read["low"] is None  # four episodes tell too little of the spread
    assert values["frame"] == "embedder.relufc"
    assert values["n"]["episodes"] == 4


def test_the_command_writes_result_figure_and_card(recordings, tmp_path, capsys):
    rec = recordings[1.0]
    agent = tmp_path / "agent"
    save_agent(rec.agent, agent)
    line = ["explain", str(rec.path), "--method", "memory", "--out", str(tmp_path / "out")]
    assert main([*line, "--memory.resamples", "100", "--card", str(agent), "--json", "-"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert load_agent(agent).card["memory"]["reset"] == values["reset"]
    assert "What the memory does" in (tmp_path / "out" / "figure.html").read_text()
    other = recalling(0.0)
    save_agent(other, tmp_path / "other")
    assert main([*line, "--card", str(tmp_path / "other")]) != 0
    assert "has other weights than those that were recorded" in capsys.readouterr().err
    assert main([*line, "--attention.turn", "0.2"]) != 0
    assert "--attention.* flags belong to --method attention" in capsys.readouterr().err


def test_an_agent_without_memory_has_none_to_explain(recordings, tmp_path):
    spec = versioned(EnvSpec("gym:CartPole-v1"))
    network = ("mlp", {"features": 4, "widths": [4], "actions": 2})
    plain = Agent(build_network(*network), network, "q", make(spec).space, env=spec)
    record(plain, None, 2, 0, [], tmp_path / "rec")
    with pytest.raises(PolicyscopeError, match="has no memory to explain"):
        memory.memory_use(open_recording(tmp_path / "rec"))
    with pytest.raises(PolicyscopeError, match="'memoryless' needs an agent with memory"):
        baseline("memoryless", plain)


def test_the_memoryless_baseline_forgets_at_every_step(recordings):
    agent = recordings[1.0].agent
    without = baseline("memoryless", agent)
    assert not without.agent.recurrent
    assert without.act == "greedy"
    obs = torch.randn(5, 4)
    told, _ = without.agent.forward(obs, None)
    assert torch.equal(told["logits"], agent.net.see(obs))
    kept, _ = agent.forward(obs, {"before": obs, "steps": torch.zeros(5)})
    assert not torch.allclose(told["logits"], kept["logits"])

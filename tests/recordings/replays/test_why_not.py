"""Why-not: planted reasons are found, and the least change is the least."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch import nn

from policyscope.agents.agent import Agent
from policyscope.agents.store import load_agent
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.registry import register
from policyscope.envs.make import make, versioned
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.record import record
from policyscope.recordings.replays.whatif import ask
from policyscope.recordings.replays.why_not import why_not


class Afraid(nn.Module):
    """Q-values of the intersection that depend on one thing: is any vehicle nearer than 12 m?"""

    recurrent = False

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.out = nn.Identity()

    def forward(self, x):
        ego, others = x[:, :1], x[:, 1:]
        there = others[..., 0] > 0
        far = ((others[..., 1:3] - ego[..., 1:3]) * 100).norm(dim=-1)
        nearest = torch.where(there, far, torch.inf).amin(1).clamp(max=60)
        quick = self.scale * (nearest - 12) / 10
        return {"q": self.out(torch.stack([-quick, torch.full_like(quick, -9.0), quick], 1))}


@pytest.fixture(scope="module")
def afraid(tmp_path_factory):
    register("network", "afraid", f"{__name__}:Afraid")
    spec = versioned(EnvSpec("highway/intersection", {"duration": 6}))
    stepper = make(spec, 1)
    agent = Agent(Afraid(), ("afraid", {}), "q", stepper.space, env=spec)
    stepper.close()
    return record(agent, None, 12, 3, [], tmp_path_factory.mktemp("afraid") / "rec")


def near(recording, episode, step):
    """Identities nearer than 12 m to the ego, and the nearest distance."""
    table = recording.entities(episode).query(f"step == {step} and row >= 0")
    ego = table[table["kind"] == "ego"].iloc[0]
    others = table[table["kind"] != "ego"]
    far = np.hypot(others["x"] - ego["x"], others["y"] - ego["y"])
    return others["identity"][far < 12].tolist(), far.min()


def moment(recording, wanted):
    """The first step of a recording with so many vehicles near."""
    for k in recording.episodes["episode"]:
        for t in range(int(recording.line(k)["steps"])):
            if len(near(recording, k, t)[0]) == wanted:
                return int(k), t
    raise AssertionError(f"no step with {wanted} near vehicles")


def test_the_one_near_vehicle_is_the_reason(afraid):
    episode, step = moment(afraid, 1)
    (blamed,), distance = near(afraid, episode, step)
    result = why_not(afraid, episode, step, "FASTER")
    assert result.passed
    assert result.data.attrs["margin"] == pytest.approx(2 * (distance - 12) / 10, abs=1e-3)
    data = result.data.to_dataframe()
    enough = data[data["margin"] > 0]
    assert set(enough["identity"]) == {blamed}
    assert 0 not in set(data["identity"]), "the ego does not keep itself from acting"
    assert "remove" in set(enough[enough["identity"] == blamed]["kind"])
    others = data[data["identity"] != blamed]
    assert (others["margin"] <= 0).all()
    assert (data["margin"] > 0).tolist() == sorted(data["margin"] > 0, reverse=True)


def test_the_least_move_is_found_to_a_halving(afraid):
    episode, step = moment(afraid, 1)
    (blamed,), distance = near(afraid, episode, step)
    data = why_not(afraid, episode, step, "FASTER").data.to_dataframe()
    move = data[(data["identity"] == blamed) & (data["kind"] == "move")].iloc[0]
    assert move["margin"] > 0
    table = afraid.entities(episode).query(f"step == {step}").set_index("identity")
    here, ego = table.loc[blamed], table.loc[0]
    step_in = np.array([move["x"] - here["x"], move["y"] - here["y"]])
    assert np.hypot(*step_in) == pytest.approx(move["distance"], abs=1e-6)
    shorter = 0.75 * step_in
    after = np.hypot(here["x"] + shorter[0] - ego["x"], here["y"] + shorter[1] - ego["y"])
    assert after < 12 + 0.1, "a quarter less would not do"
    edit = SceneEdit("move", int(blamed), {"x": float(move["x"]), "y": float(move["y"])})
    changed = ask(afraid, episode, step, [edit]).changed
    assert afraid.space.actions[int(changed.action)] == "FASTER"


def test_two_near_vehicles_are_no_single_reason(afraid):
    episode, step = moment(afraid, 2)
    blamed = near(afraid, episode, step)[0]
    data = why_not(afraid, episode, step, 2).data.to_dataframe()
    assert (data[data["identity"].isin(blamed)]["margin"] <= 0).all()


def test_what_is_told_and_drawn(afraid, monkeypatch):
    episode, step = moment(afraid, 1)
    result = why_not(afraid, episode, step, "FASTER")
    data = result.data
    assert np.isnan(data["logp"]).all()
    assert all(math.isnan(d) == (k == "remove") for d, k in
               zip(data["distance"].values, data["kind"].values, strict=True))  # fmt: skip
    dots = [trace for trace in result.figure().data if trace.mode == "markers"][0]
    assert list(dots.y) == [str(told) for told in data["told"].values[:20]]
    monkeypatch.chdir(afraid.path.parent)
    found: dict = {}
    exec(result.python, found)
    assert found["result"].data.equals(data)


def test_actions_that_do_the_same_count_as_one(tmp_path):
    """A policy in CoinRun prefers what is most likely in sum, whichever of them it is asked for."""
    coins = record(load_agent("coinrun-gru"), None, 1, 8, [], tmp_path / "rec")
    names = list(coins.space.actions)
    idle = [names.index(name) for name in ("IDLE", "D", "A", "W", "S", "Q", "E")]
    logits = coins.episode(0)["logits"].values.astype(float)
    still, right = logsumexp(logits[:, idle], axis=1), np.delete(logits, idle, axis=1).max(1)
    step = int(np.argmax((still > right) & (logits[:, idle].max(1) < right)))
    found = [why_not(coins, 0, step, name).data for name in ("IDLE", "E")]
    for data in found:
        assert data.attrs["margin"] == pytest.approx(still[step] - right[step], abs=1e-4)
    one = found[0].isel(change=0)
    place = {name: float(one[name]) for name in ("x", "y")} if one["kind"] == "move" else {}
    edit = SceneEdit(str(one["kind"].values), int(one["identity"]), place)
    after = ask(coins, 0, step, [edit]).changed.outputs["logits"].astype(float)
    whole = logsumexp(after[idle])
    assert float(one["margin"]) == pytest.approx(whole - np.delete(after, idle).max(), abs=1e-4)
    assert float(one["logp"]) == pytest.approx(whole - logsumexp(after), abs=1e-4)


def test_what_cannot_be_asked(afraid):
    with pytest.raises(UnknownName, match="unknown action 'FLY'"):
        why_not(afraid, 0, 0, "FLY")
    with pytest.raises(UnknownName, match="unknown action '7'"):
        why_not(afraid, 0, 0, 7)
    with pytest.raises(PolicyscopeError, match="episode 0 has no step 99"):
        why_not(afraid, 0, 99, "FASTER")

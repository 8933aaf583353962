"""What record writes: contents, bytes, one forward pass, identities."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
import zarr

from policyscope.agents.agent import Agent
from policyscope.agents.networks.ego_attention import EgoAttentionNetwork
from policyscope.agents.networks.mlp import MLPNetwork
from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName
from policyscope.core.files import digest
from policyscope.envs.make import make
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.plan import LANES, default_sites, make_plan
from policyscope.recordings.read import Recording, open_recording
from policyscope.recordings.record import record
from policyscope.rollouts.loop import rollout, seeded_episodes


def test_layout_is_that_of_the_contract(recorded):
    header = json.loads((recorded / "recording.json").read_text())
    assert header["schema"] == 1
    assert {
        k: header[k] for k in ("act", "seed", "episodes", "shard_episodes", "lanes", "outputs")
    } == {
        "act": "greedy", "seed": 3, "episodes": 10, "shard_episodes": 4, "lanes": 8,
        "outputs": {"q": [3]},
    }  # fmt: skip
    assert header["env"]["options"] == {"duration": 6}
    assert header["sites"]["attention_layer.pattern"] == [4, 1, 15]
    assert header["scene"]["kind"] == "road"
    assert header["provenance"]["seed"] == 3
    assert sorted(p.name for p in recorded.iterdir()) == [
        "agent", "episodes.parquet", "recording.json", "shards",
    ]  # fmt: skip
    assert sorted(p.name for p in (recorded / "shards").iterdir()) == ["00000", "00001", "00002"]
    shard = recorded / "shards/00001"
    assert sorted(p.name for p in shard.iterdir()) == [
        "arrays.zarr", "entities.parquet", "episodes.parquet", "shard.json",
    ]  # fmt: skip
    assert json.loads((shard / "shard.json").read_text())["episodes"] == [4, 5, 6, 7]
    arrays = zarr.open_group(shard / "arrays.zarr", mode="r")
    rows = json.loads((shard / "shard.json").read_text())["rows"]
    dtypes = {
        "episode": "int32", "step": "int32", "obs": "float32", "action": "int64",
        "policy_action": "int64", "logp": "float32", "reward": "float64", "terminated": "bool",
        "truncated": "bool", "outputs/q": "float32", "sites/attention_layer.pattern": "float32",
        "row_identity": "int32",
    }  # fmt: skip
    for name, dtype in dtypes.items():
        assert (arrays[name].dtype, arrays[name].shape[0]) == (dtype, rows), name
    assert arrays["final_obs"].shape == (4, 15, 7)
    assert arrays["has_final_obs"][...].all()
    assert "state_in" not in arrays


def test_default_sites_are_the_small_nonlinear_ones(agent):
    sites = default_sites(agent)
    assert "attention_layer.pattern" in sites
    assert "output_layer.relus.0" in sites
    assert not [s for s in sites if s.endswith("_all") or ".layers." in s or s == "preprocess"]


def rows_of(agent, episodes):
    stepper = make(agent.env, LANES)
    rows = rollout(agent, stepper, seeded_episodes(3, episodes), seed=3)
    found: dict[int, list] = {}
    for row in rows:
        found.setdefault(row.episode, []).append(row)
    return found


def test_the_rows_are_those_of_the_rollout(recording, agent):
    found = rows_of(agent, 4)
    taken = set()
    for k, rows in found.items():
        data = recording.episode(k)
        for name in ("obs", "action", "policy_action", "logp", "reward", "terminated", "truncated"):
            np.testing.assert_array_equal(data[name], [getattr(r, name) for r in rows])
        np.testing.assert_array_equal(data["q"], [r.outputs["q"] for r in rows])
        np.testing.assert_array_equal(data["final_obs"], rows[-1].final_obs)
        assert data.attrs == {
            "episode": k, "seed": 3 + k, "steps": len(rows),
            "return": sum(r.reward for r in rows), "outcome": "+".join(rows[-1].outcome),
        }  # fmt: skip
        taken |= set(data["action"].values.tolist())
    assert len(taken) > 1, "a constant policy would hide rows of the wrong state"


@pytest.mark.parametrize(
    "workers",
    [pytest.param(1, marks=pytest.mark.slow), 2],  # 4 s on an idle machine
)
def test_the_same_seed_gives_the_same_bytes_for_any_number_of_workers(
    recorded, agent, tmp_path, workers
):
    record(agent, None, 10, 3, None, tmp_path / "rec", shard_episodes=4, workers=workers)
    assert digest(tmp_path / "rec/shards") == digest(recorded / "shards")
    assert digest(tmp_path / "rec/agent") == digest(recorded / "agent")
    table = (tmp_path / "rec/episodes.parquet").read_bytes()
    assert table == (recorded / "episodes.parquet").read_bytes()


def test_another_seed_and_sampling_give_other_bytes(recorded, agent, tmp_path):
    record(agent, None, 10, 4, None, tmp_path / "rec", shard_episodes=4)
    assert digest(tmp_path / "rec/shards") != digest(recorded / "shards")


def passes(monkeypatch, agent: Agent, out) -> tuple[int, int]:
    """Forward passes of the full lockstep batch, and decisions of it."""
    count = 0
    forward = EgoAttentionNetwork.forward

    def counting(self, x):
        nonlocal count
        count += len(x) == LANES
        return forward(self, x)

    with monkeypatch.context() as patch:
        patch.setattr(EgoAttentionNetwork, "forward", counting)
        made = record(agent, None, 8, 3, None, out, shard_episodes=4)
    return count, int(made.episodes["steps"].max())  # all episodes of both shards at once


def test_one_forward_pass_a_decision(monkeypatch, agent, tmp_path):
    count, decisions = passes(monkeypatch, agent, tmp_path / "rec")
    assert count == decisions > 0


def test_the_count_sees_a_second_pass(monkeypatch, agent, tmp_path):
    act = Agent.act

    def twice(self, obs, state=None, *, sample=None, generator=None):
        return act(self, obs, act(self, obs, state).state, sample=sample, generator=generator)

    monkeypatch.setattr(Agent, "act", twice)
    with pytest.raises(PolicyscopeError, match="fired twice"):
        passes(monkeypatch, agent, tmp_path / "rec")
    bare = make_plan(agent, agent.env, 8, 3, [])
    assert bare.sites == {}


def attention_gap(recording: Recording, agent: Agent, shift: int) -> float:
    """Stored patterns against those computed again from the stored observation ``shift`` later."""
    worst = 0.0
    for k in range(len(recording)):
        data = recording.episode(k)
        obs = np.concatenate([data["obs"].values, data["final_obs"].values[None]])
        obs = obs[shift : shift + data.sizes["step"]]
        seen = []
        layer = agent.modules()["attention_layer.pattern"]
        handle = layer.register_forward_hook(lambda m, i, out, seen=seen: seen.append(out))
        with torch.no_grad():
            agent.net(torch.as_tensor(obs))
        handle.remove()
        stored = data["sites/attention_layer.pattern"].values
        worst = max(worst, float(np.abs(seen[0].numpy() - stored).max()))
    return worst


def test_attention_is_that_of_the_state_that_decided(recording, agent):
    assert attention_gap(recording, agent, 0) < 1e-6
    assert attention_gap(recording, agent, 1) > 1e-3, "the next observation would pass as well"


def ego_gap(recording: Recording, shift: int) -> float:
    """Ego position in the entities of step t + shift against the observation of step t, metres."""
    worst = 0.0
    for k in range(len(recording)):
        obs = recording.episode(k)["obs"].sel(row="ego")
        table = recording.entities(k)
        ego = table[table["kind"] == "ego"].sort_values("step")
        for axis in ("x", "y"):
            shown = obs.sel(feature=axis).values * 100
            place = ego[axis].to_numpy()
            n = len(shown) - shift
            worst = max(worst, float(np.abs(shown[:n] - place[shift : shift + n]).max()))
    return worst


def test_entities_are_those_of_the_scene_before_the_step(recording):
    assert ego_gap(recording, 0) < 1e-3
    assert ego_gap(recording, 1) > 1


def jumps(recording: Recording, by: str) -> float:
    """Largest move in one second, metres, of what observations show under one identity."""
    worst = 0.0
    for k in range(len(recording)):
        data = recording.episode(k)
        names = data["row_identity"].values if by == "identity" else None
        last: dict[int, np.ndarray] = {}
        for t, obs in enumerate(data["obs"].values):
            now = {}
            for row in range(1, 15):
                name = int(names[t, row]) if names is not None else row
                if obs[row, 0] > 0.5:
                    now[name] = obs[row, 1:3] * 100
            near = [n for n in now if n in last and np.abs(now[n]).max() < 99]
            worst = max([worst, *(float(np.linalg.norm(now[n] - last[n])) for n in near)])
            last = now
    return worst


def test_rows_are_tracked_by_identity(recording):
    """At most 9 m/s plus acceleration; the rows themselves are reshuffled each step."""
    assert 1 < jumps(recording, "identity") < 16
    assert jumps(recording, "row") > 30


def test_absent_rows_have_no_identity_and_present_ones_have_one(recording):
    rows = recording.rows(["obs", "row_identity"])
    np.testing.assert_array_equal(rows["row_identity"] >= 0, rows["obs"][:, :, 0] > 0.5)
    assert (rows["row_identity"][:, 0] == 0).all()


def test_row_identity_agrees_with_the_entities(recording):
    data, table = recording.episode(2), recording.entities(2)
    shown = table[table["row"] >= 0]
    named = data["row_identity"].values[shown["step"], shown["row"]]
    np.testing.assert_array_equal(named, shown["identity"])


def test_a_world_without_rows_or_entities(tmp_path):
    spec = EnvSpec("gym:CartPole-v1")
    torch.manual_seed(0)
    net = MLPNetwork(4, (8,), 2)
    arguments = {"features": 4, "widths": [8], "actions": 2}
    agent = Agent(net, ("mlp", arguments), "categorical", make(spec).space, "sample")
    rec = record(agent, spec, 3, 0, None, tmp_path / "rec")
    data = rec.episode(1)
    assert data["logits"].dims == ("step", "action_name")
    assert data["sites/relus.0"].shape == (data.sizes["step"], 8)
    assert "row_identity" not in data
    assert rec.entities(1).empty
    assert rec.act == "sample"
    assert (data["logp"] < 0).all()
    np.testing.assert_array_equal(data["policy_action"], data["action"])
    again = record(agent, spec, 3, 0, None, tmp_path / "again")
    pd.testing.assert_frame_equal(again.episodes, rec.episodes)


def test_errors_of_the_plan(agent, tmp_path):
    out = tmp_path / "rec"
    with pytest.raises(UnknownName, match=r"unknown site 'atention_layer\.pattern'.*attention_lay"):
        record(agent, None, 4, 0, ["atention_layer.pattern"], out)
    with pytest.raises(PolicyscopeError, match="episodes must be at least 1, got 0"):
        record(agent, None, 0, 0, None, out)
    with pytest.raises(PolicyscopeError, match="seed must be at least 0"):
        record(agent, None, 1, -1, None, out)
    with pytest.raises(PolicyscopeError, match="use --act greedy"):
        record(agent, None, 1, 0, None, out, act="sample")
    with pytest.raises(PolicyscopeError, match="act must be greedy or sample"):
        record(agent, None, 1, 0, None, out, act="gready")
    fewer = EnvSpec("highway/intersection", {"observation.vehicles_count": 9})
    with pytest.raises(PolicyscopeError, match=r"made for obs shape \(15, 7\).*\(9, 7\)"):
        record(agent, fewer, 1, 0, None, out)
    with pytest.raises(PolicyscopeError, match="names no environment"):
        record(Agent(agent.net, agent.network, "q", agent.space), None, 1, 0, None, out)
    assert not out.exists(), "nothing is written before the plan stands"


def test_foreign_folders_are_left_alone(agent, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BadFile, match=r"is no recording \(holds thesis.txt\)"):
        record(agent, None, 1, 0, None, tmp_path)
    with pytest.raises(BadFile, match="is not a folder"):
        record(agent, None, 1, 0, None, tmp_path / "thesis.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(BadFile, match=r"holds no recording\.json"):
        open_recording(tmp_path)

"""The budget, against recordings that were really made."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.networks.mlp import MLPNetwork
from policyscope.agents.store import load_agent
from policyscope.cli.main import main
from policyscope.envs.make import make, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.budget import Budget, estimate, mean_length, spread_out
from policyscope.recordings.plan import make_plan, read_plan
from policyscope.recordings.record import record_plan
from policyscope.recordings.show import size_on_disk


def cartpole() -> Agent:
    spec = versioned(EnvSpec("gym:CartPole-v1"))
    torch.manual_seed(0)
    net = MLPNetwork(4, (8,), 2)
    arguments = {"features": 4, "widths": [8], "actions": 2}
    return Agent(net, ("mlp", arguments), "categorical", make(spec).space, "sample", env=spec)


def compare(agent: Agent, folder, episodes: int, sites=None, **options) -> Budget:
    """Predict, record, and hold the prediction within 20 %."""
    plan = make_plan(agent, agent.env, episodes, 0, sites, **options)
    budget = estimate(agent, plan, seconds=8)
    made = record_plan(agent, plan, folder)
    steps = int(made.episodes["steps"].sum())
    told = f"{budget} against {steps} steps, {size_on_disk(made)} bytes"
    assert budget.steps == pytest.approx(steps, rel=0.2), told
    assert budget.low <= steps <= budget.high, told
    assert budget.bytes == pytest.approx(size_on_disk(made), rel=0.2), told
    maps = [folder.glob(f"shards/*/arrays.zarr/sites/{name}/*") for name in plan.convolutional]
    stored = sum(path.stat().st_size for found in maps for path in found)
    assert budget.convolutional == pytest.approx(stored, rel=0.3), told
    return budget


def test_a_small_recording(tmp_path):
    budget = compare(cartpole(), tmp_path / "rec", 60)
    assert budget.ended
    assert budget.convolutional == 0
    assert 0 < budget.seconds < 60


@pytest.mark.slow  # 20, 15 and 90 s
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["highway-ego-attention", "cartpole", "coinrun-gru"])
def test_two_hundred_episodes(tmp_path, name):
    if name == "coinrun-gru":
        pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    agent = cartpole() if name == "cartpole" else load_agent(name)
    compare(agent, tmp_path / "rec", 200)


@pytest.mark.slow  # 20 s each
@pytest.mark.timeout(300)
@pytest.mark.parametrize("every", [1, 10])
def test_feature_maps_have_their_own_line(tmp_path, every):
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    agent = load_agent("coinrun-gru")
    sites = ["embedder.relu3", "embedder.block3.conv", "gru.gru.memory"]
    budget = compare(agent, tmp_path / "rec", 32, sites, every=every)
    share = budget.convolutional / budget.bytes
    assert share > 0.5 if every == 1 else share < 0.4


def test_episodes_of_the_probe_are_spread():
    for count in (1, 2, 7, 200, 1001):
        order = spread_out(count, count)
        assert sorted(order) == list(range(count))
        few = np.sort(spread_out(count, 20))
        assert len(few) == min(20, count)
        assert np.diff([-1, *few, count]).max() <= max(1, count // 8)


def test_the_mean_length_counts_episodes_that_still_run():
    rng = np.random.default_rng(0)
    true = rng.exponential(100, 4000).round() + 1
    cut = rng.uniform(20, 200, 4000)
    seen, over = np.minimum(true, cut), true <= cut
    assert seen[over].mean() < 0.6 * true.mean(), "short ones end first"
    assert mean_length(seen, over) == pytest.approx(true.mean(), rel=0.08)
    assert mean_length(true, np.ones(4000, bool)) == pytest.approx(true.mean())
    same = np.array([50.0] * 9 + [30.0])
    assert mean_length(same, same == 50) == pytest.approx(50)
    assert mean_length(np.array([7.0, 9.0]), np.zeros(2, bool)) == 8


def test_a_probe_that_saw_no_end_says_at_least(tmp_path, monkeypatch):
    agent = replace(load_agent("highway-ego-attention"))
    plan = make_plan(agent, EnvSpec("highway/intersection", {"duration": 500}), 4, 0, [])
    monkeypatch.setattr("policyscope.recordings.budget.LONG_SECONDS", 0.0)
    budget = estimate(agent, plan, seconds=0.0)
    assert not budget.ended
    assert budget.steps < 100


def test_workers_take_their_part_and_their_start(recorded, agent):
    budget = Budget(100, 90, 110, 10, 0, 60.0, True)
    assert budget.seconds_with(0) == 60
    assert budget.seconds_with(1) > 60
    assert budget.seconds_with(1000) == budget.seconds_with(1001)
    plan = read_plan(recorded)
    assert estimate(agent, plan).steps == pytest.approx(plan.episodes * 6, rel=0.4)


def test_the_command_line_prints_both_lines(tmp_path, capsys):
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    flags = ["--sites", "embedder.relu3", "--every", "5", "--out", str(tmp_path / "rec")]
    assert main(["record", "coinrun-gru", "--episodes", "2", *flags]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("2 episodes, shards: 1, sites: 1, acting sample: about ")
    assert " on disk, " in lines[0]
    assert lines[1].startswith("convolutional sites: 1 in float16, at one step of 5: ")

"""Evaluation of agents that see images, on Procgen."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.preprocess import Pixels
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.make import make
from policyscope.envs.procgen.outcomes import CAUSES
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start
from policyscope.rollouts import evaluate as module
from policyscope.rollouts import worlds
from policyscope.rollouts.baselines import agent_policy, baseline
from policyscope.rollouts.evaluate import Plan, evaluate, evaluate_all
from policyscope.rollouts.loop import rollout, seeded_episodes
from policyscope.rollouts.summary import report
from policyscope.rollouts.worlds import Worlds

MAZE = EnvSpec("procgen/maze", {"mode": "easy"})
ARGUMENTS = {"widths": [2, 2, 2, 2, 2], "dense": [4, 4], "actions": 15, "shape": [3, 64, 64]}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("POLICYSCOPE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def agent():
    """Made for CoinRun, whose frames and actions are those of Maze."""
    stepper = make(EnvSpec("procgen/coinrun"))
    space = stepper.space
    stepper.close()
    made = ("clear_cnn", ARGUMENTS)
    env = EnvSpec("procgen/coinrun")
    net = build_network(*made).eval()
    return Agent(net, made, "categorical", space, "sample", preprocess=Pixels(), env=env)


def random_by_hand(seeds, noise_seed):
    """Length and outcome of uniform actions, from numpy's own Philox and the lane alone."""
    stepper, rows = make(MAZE), []
    for number, seed in enumerate(seeds):
        stepper.start([Start(seed=seed)])
        steps = 0
        while stepper.running.any():
            bits = np.random.Philox(key=noise_seed, counter=[0, 0, number, steps])
            uniform = np.random.Generator(bits).random(15).astype(np.float32)
            step = stepper.step([int((-np.log(-np.log(uniform))).argmax())])
            steps += 1
        rows.append((step.reward[0], steps, "+".join(stepper.call(0, "outcome"))))
    stepper.close()
    return rows


def test_random_on_images_is_as_counted_by_hand(agent):
    table = evaluate(baseline("random", agent), MAZE, 3, seed=40)
    found = list(zip(table["return"], table["steps"], table["outcome"], strict=True))
    assert found == random_by_hand(range(40, 43), 40)


def test_an_agent_of_coinrun_is_evaluated_in_a_maze(agent):
    plan = Plan((agent_policy(agent), baseline("random", agent)), MAZE, 2)
    tables = evaluate_all(plan)
    values = report(tables.pop("agent"), tables)
    for policy in (values["agent"], values["baselines"]["random"]):
        assert list(policy["outcomes"]) == list(CAUSES["maze"])
        assert sum(rate["rate"] for rate in policy["outcomes"].values()) == 1
        assert policy["act"] == "sample"
    assert values["env"]["options"] == {"mode": "easy"}


def test_an_untrained_network_of_its_own_for_every_episode(agent, monkeypatch):
    """One lane, so that no other network's rows are computed."""
    asked, real = [], module.rollout

    def noted(agent, stepper, part, **choices):
        weights = float(agent.net.dense.weight.detach().sum())
        asked.append((weights, stepper.lanes, len(part), choices["padded"]))
        return real(agent, stepper, part, **choices)

    monkeypatch.setattr(module, "rollout", noted)
    table = evaluate(baseline("untrained", agent), MAZE, 2)
    assert len({weights for weights, *_ in asked}) == 2
    assert [rest for _, *rest in asked] == [[1, 1, False]] * 2
    other = replace(agent, net=build_network(*agent.network).eval())
    for known in (agent, other):  # fresh weights do not depend on the agent's
        kept = evaluate(baseline("untrained", known), MAZE, 2)
        pd.testing.assert_frame_equal(table, kept)
    assert len(asked) == 2, "the cache served both"
    again = evaluate_all(Plan((baseline("untrained", agent),), MAZE, 2, cached=False), workers=1)
    pd.testing.assert_frame_equal(table, again["untrained"])


def test_worlds_are_made_once_for_all_shards_and_closed(agent, monkeypatch):
    made, real = [], worlds.make
    monkeypatch.setattr(worlds, "make", lambda *given: made.append(real(*given)) or made[-1])
    monkeypatch.setattr(module, "SHARD", 2)
    whole = evaluate_all(Plan((baseline("random", agent),), MAZE, 4, cached=False))["random"]
    (stepper,) = made
    assert not stepper.running.any()
    monkeypatch.setattr(Worlds, "open", lambda self, lanes: real(self.env, lanes))
    anew = evaluate_all(Plan((baseline("random", agent),), MAZE, 4, cached=False))["random"]
    pd.testing.assert_frame_equal(whole, anew)


def test_worlds_do_not_travel_and_those_of_gymnasium_are_not_kept():
    kept = Worlds(MAZE)
    two = kept.open(2)
    assert kept.open(2) is two
    assert pickle.loads(pickle.dumps(kept)).env == MAZE
    one = kept.open(1)
    assert (one.lanes, one is two) == (1, False)
    kept.close()
    kept.close()
    foreign = Worlds(EnvSpec("gym:CartPole-v1"))
    first = foreign.open(2)
    assert foreign.open(2) is not first
    foreign.close()


def test_actions_of_another_game_are_refused(agent):
    with pytest.raises(PolicyscopeError, match="made for obs shape"):
        evaluate(agent, EnvSpec("highway/intersection"), 1)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_frame_that_was_never_shown_is_no_final_observation(agent, workers):
    """Procgen repeats the frame before its last step; a recording must not keep it as the last."""
    spec = EnvSpec("procgen/coinrun", {"mode": "easy"})
    stepper = make(spec, 2, workers)
    policy = baseline("random", agent)
    rows = list(rollout(policy.agent, stepper, seeded_episodes(0, 2), act="sample"))
    stepper.close()
    assert sum(row.last for row in rows) == 2
    assert all(row.final_obs is None for row in rows)

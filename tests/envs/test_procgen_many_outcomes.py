"""Thousands of episodes, random and of a trained agent: hardly any end is unexplained."""

from pathlib import Path

import pytest

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.agents.importers.rl_clarity import import_checkpoint
from policyscope.envs.procgen.outcomes import CAUSES
from policyscope.envs.spec import EnvSpec
from policyscope.rollouts.baselines import agent_policy, baseline
from policyscope.rollouts.evaluate import Plan, evaluate_all

TRAINED = Path(__file__).resolve().parents[3] / "shared/data/coinrun_clear.jd"
MANY = 2000
GAMES = (("coinrun", "hard"), ("coinrun", "easy"), ("maze", "easy"))


@pytest.fixture
def agent():
    if not TRAINED.is_file():
        pytest.skip(f"needs shared/data/{TRAINED.name} beside the repository")
    return import_checkpoint(TRAINED)


def counts(table, game, most_unknown):
    """How often each outcome was met, after all that must hold of them."""
    goal = "coin" if game == "coinrun" else "cheese"
    parts = table["outcome"].str.split("+")
    assert {name for outcome in parts for name in outcome} <= {*CAUSES[game], "unknown"}
    assert ((table["outcome"] == goal) == (table["return"] == 10)).all()
    assert (table["truncated"] == (table["outcome"] == "timed_out")).all()
    assert (table["truncated"] != table["terminated"]).all()
    found = {
        name: int(parts.map(lambda outcome, name=name: name in outcome).sum())
        for name in (*CAUSES[game], "unknown")
    }
    assert found["unknown"] <= most_unknown, found
    return found


def played(policy, game, mode, episodes, workers):
    env = EnvSpec(f"procgen/{game}", {"mode": mode})
    return evaluate_all(Plan((policy,), env, episodes, cached=False), workers)[policy.name]


def test_a_trained_agent_ends_its_levels_for_known_reasons(agent):
    table = played(agent_policy(agent), "coinrun", "easy", 8, 0)
    assert counts(table, "coinrun", 0)["coin"] >= 6
    worse = table.assign(outcome="unknown")
    with pytest.raises(AssertionError):
        counts(worse, "coinrun", 0)


@pytest.mark.slow  # 3 to 6 minutes of processor time each
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("game", "mode"), GAMES)
def test_two_thousand_random_episodes_end_for_known_reasons(agent, game, mode):
    found = counts(played(baseline("random", agent), game, mode, MANY, 2), game, MANY // 100 - 1)
    assert found["timed_out"] > 5
    assert found["coin" if game == "coinrun" else "cheese"] > 5


@pytest.mark.slow  # CoinRun 5 minutes of processor time each, the maze more
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("game", "mode"), GAMES)
def test_two_thousand_episodes_of_an_agent_end_for_known_reasons(agent, game, mode):
    found = counts(played(agent_policy(agent), game, mode, MANY, 2), game, MANY // 100 - 1)
    if game == "coinrun":
        assert found["coin"] > 0.95 * MANY

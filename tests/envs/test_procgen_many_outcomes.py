"""Thousands of episodes, random and of a trained agent: hardly any end is unexplained."""

import pytest

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.agents.store import load_agent
from policyscope.envs.procgen.outcomes import CAUSES
from policyscope.envs.spec import EnvSpec
from policyscope.rollouts.baselines import agent_policy, baseline
from policyscope.rollouts.evaluate import Plan, evaluate_all

MANY, FEWER = 2000, 500
GAMES = (("coinrun", "hard", MANY), ("coinrun", "easy", FEWER), ("maze", "easy", FEWER))


@pytest.fixture
def agent():
    return load_agent("coinrun-gru")


def counts(table, game, most_unknown):
    """How often each outcome was met, after all that must hold of them."""
    goal, limit = ("coin", 1000) if game == "coinrun" else ("cheese", 500)
    parts = table["outcome"].str.split("+")
    assert {name for outcome in parts for name in outcome} <= {*CAUSES[game], "unknown"}
    assert ((table["outcome"] == goal) == (table["return"] == 10)).all()
    assert (table["truncated"] == (table["outcome"] == "timed_out")).all()
    assert (table["truncated"] != table["terminated"]).all()
    assert (table["steps"] <= limit).all()
    assert (table["steps"][table["truncated"]] == limit).all()
    found = {
        name: int(parts.map(lambda outcome, name=name: name in outcome).sum())
        for name in (*CAUSES[game], "unknown")
    }
    assert found["unknown"] <= most_unknown, found
    return found


def played(policy, game, mode, episodes, workers):
    env = EnvSpec(f"procgen/{game}", {"mode": mode, **PLAIN[game]})
    return evaluate_all(Plan((policy,), env, episodes, cached=False), workers)[policy.name]


PLAIN = {"coinrun": {"use_backgrounds": False}, "maze": {}}


def test_a_trained_agent_ends_its_levels_for_known_reasons(agent):
    table = played(agent_policy(agent), "coinrun", "easy", 8, 0)
    assert counts(table, "coinrun", 0)["coin"] >= 5
    for wrong in ({"outcome": "unknown"}, {"steps": 1001}):
        with pytest.raises(AssertionError):
            counts(table.assign(**wrong), "coinrun", 0)


@pytest.mark.slow  # up to 5 minutes of processor time each
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("game", "mode", "many"), GAMES)
def test_thousands_of_random_episodes_end_for_known_reasons(agent, game, mode, many):
    table = played(baseline("random", agent), game, mode, many, 2)
    found = counts(table, game, many // 100 - 1)
    met = {name for name, count in found.items() if count > (5 if many == MANY else 1)}
    assert {"timed_out", "coin" if game == "coinrun" else "cheese"} <= met, found
    if many == MANY:
        assert met >= {*CAUSES[game]} - {"fell"}, found


@pytest.mark.slow  # a minute of processor time each, the maze more
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("game", "mode", "many"), GAMES)
def test_thousands_of_episodes_of_an_agent_end_for_known_reasons(agent, game, mode, many):
    found = counts(played(agent_policy(agent), game, mode, many, 2), game, many // 100 - 1)
    if game == "coinrun":
        assert found["coin"] > 0.75 * many
        assert found["saw"] + found["enemy_left"] + found["enemy_right"] > 0.005 * many

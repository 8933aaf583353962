import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from policyscope.core.errors import PolicyscopeError
from policyscope.rollouts.summary import compare, outcome_names, report, summary

ENV = {"id": "highway/intersection", "options": {}, "versions": {}}


def table(returns, outcomes=None, seeds=None, env=ENV):
    n = len(returns)
    frame = pd.DataFrame(
        {
            "episode": range(n),
            "seed": range(n) if seeds is None else seeds,
            "return": np.asarray(returns, float),
            "steps": [5] * n,
            "outcome": outcomes or ["arrived"] * n,
            "action_SLOWER": [1] * n,
            "action_FASTER": [4] * n,
        }
    )
    frame.attrs.update(policy="agent", act="greedy", env=env)
    return frame


def test_rates_are_wilson_and_may_add_to_more_than_one():
    outcomes = ["arrived"] * 5 + ["crashed"] * 3 + ["arrived+crashed"] * 2
    values = summary(table(range(10), outcomes), ["arrived", "crashed", "timed_out"])
    rates = values["outcomes"]
    assert [rates[k]["rate"] for k in rates] == [0.7, 0.5, 0.0]
    for name, k in (("arrived", 7), ("crashed", 5), ("timed_out", 0)):
        expected = stats.binomtest(k, 10).proportion_ci(0.95, "wilson")
        assert rates[name]["low"] == pytest.approx(expected.low, abs=1e-12)
        assert rates[name]["high"] == pytest.approx(expected.high, abs=1e-12)
    assert values["actions"] == {"SLOWER": 0.2, "FASTER": 0.8}
    assert values["n"] == 10
    assert values["act"] == "greedy"


def test_return_interval_is_that_of_the_mean():
    returns = np.random.default_rng(0).exponential(2, 400)
    values = summary(table(returns))["return"]
    half = stats.norm.ppf(0.975) * returns.std(ddof=1) / 20
    assert values["mean"] == pytest.approx(returns.mean())
    assert values["low"] == pytest.approx(returns.mean() - half, abs=0.05)
    assert values["high"] == pytest.approx(returns.mean() + half, abs=0.05)


def test_pairing_removes_what_the_seeds_share():
    """The planted difference is 0.5; seeds differ by far more."""
    rng = np.random.default_rng(0)
    shared, n = rng.normal(0, 5, 100), 100
    a, b = shared + 0.5 + rng.normal(0, 0.2, n), shared + rng.normal(0, 0.2, n)
    paired = compare(table(a), table(b))
    assert paired["difference"]["low"] < 0.5 < paired["difference"]["high"]
    assert paired["difference"]["low"] > 0.3
    assert paired["p"] < 0.001
    assert paired["minimum_detectable_effect"] < 0.2
    wrong = compare(table(a), table(rng.permutation(b)))  # pairs torn apart
    assert wrong["difference"]["low"] < 0 < wrong["difference"]["high"]
    assert wrong["p"] > 0.05
    assert wrong["minimum_detectable_effect"] > 1


def test_no_difference_is_no_difference():
    values = compare(table([1.0, 2.0, 3.0]), table([1.0, 2.0, 3.0]))
    assert values["difference"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert values["p"] == 1.0
    assert values["n"] == 3


def test_intervals_and_p_hold_their_level_under_the_null():
    rng = np.random.default_rng(0)
    inside, small = 0, 0
    for _ in range(60):
        values = compare(table(rng.normal(size=40)), table(rng.normal(size=40)))
        inside += values["difference"]["low"] < 0 < values["difference"]["high"]
        small += values["p"] < 0.05
    assert inside >= 50
    assert small <= 9


def test_other_seeds_cannot_be_paired():
    with pytest.raises(PolicyscopeError, match="same episode seeds"):
        compare(table([1, 2]), table([1, 2], seeds=[0, 5]))
    with pytest.raises(PolicyscopeError, match="same episode seeds"):
        compare(table([1, 2]), table([1, 2, 3]))


def test_report_is_json_with_the_same_outcomes_everywhere():
    agent = table([1.0, 2.0], ["arrived", "left_road"])
    values = report(agent, {"random": table([0.0, 0.5], ["crashed", "crashed"])})
    text = json.dumps(values, allow_nan=False)
    names = ["arrived", "crashed", "timed_out", "left_road"]
    assert list(values["agent"]["outcomes"]) == names
    assert list(values["baselines"]["random"]["outcomes"]) == names
    assert values["baselines"]["random"]["outcomes"]["left_road"]["rate"] == 0
    assert values["paired"]["random"]["difference"]["mean"] == 1.25
    assert values["seeds"] == [0, 1]
    assert json.loads(text) == values


def test_a_baseline_of_fewer_episodes_is_paired_on_those_alone():
    agent, few = table([1.0, 2.0, 30.0, 40.0]), table([0.0, 0.5])
    values = report(agent, {"random": few})
    assert values["paired"]["random"] == compare(table([1.0, 2.0]), few)
    assert values["paired"]["random"]["n"] == values["baselines"]["random"]["n"] == 2
    assert values["n"] == 4
    assert values["agent"] == report(agent, {})["agent"]
    with pytest.raises(PolicyscopeError, match="same episode seeds"):
        report(agent, {"random": table([0.0, 0.5], seeds=[1, 2])})
    with pytest.raises(PolicyscopeError, match="same episode seeds"):
        report(few, {"random": agent})


def test_one_episode_says_nothing_of_the_spread():
    values = report(table([1.0]), {"random": table([0.0])})
    assert values["agent"]["return"] == {"mean": 1.0, "low": "-inf", "high": "inf"}
    assert values["paired"]["random"]["minimum_detectable_effect"] == "inf"
    json.dumps(values, allow_nan=False)


def test_no_episode_has_no_summary():
    with pytest.raises(PolicyscopeError, match="no episode"):
        summary(table([]))
    assert outcome_names([table([1, 2], ["b", "a+b"])], ["x"]) == ["x", "b", "a"]

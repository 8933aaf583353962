"""Return and outcomes with their intervals."""

import numpy as np
import pandas as pd
import pytest

from policyscope.core.stats import bootstrap_mean, wilson
from policyscope.panel.shelf.summary import mean_return, outcome_shares


def test_the_interval_is_the_one_the_command_line_tells():
    returns = np.random.default_rng(0).normal(3, 2, 50)
    found, told = mean_return(returns), bootstrap_mean(returns, seed=0)
    assert (found.value, found.low, found.high, found.n) == (told.mean, told.low, told.high, 50)


def test_nothing_is_said_of_no_episode_and_of_what_is_no_number():
    assert mean_return([]) is None
    assert mean_return([np.nan]) is None
    assert mean_return([1.0, np.nan, 3.0]).value == 2.0


def test_many_episodes_take_fewer_resamples(monkeypatch):
    monkeypatch.setattr("policyscope.panel.shelf.summary.MOST_DRAWN", 20_000)
    returns = np.arange(10.0)
    told = bootstrap_mean(returns, seed=0, resamples=2000)
    assert mean_return(returns).low == told.low


def test_double_outcomes_count_in_both_and_usual_ones_first():
    table = pd.DataFrame({"outcome": ["crashed+arrived", "crashed", "left", ""]})
    shares = outcome_shares(table, "highway/intersection")
    assert [(s.name, s.value) for s in shares] == [
        ("arrived", 0.25), ("crashed", 0.5), ("timed_out", 0.0), ("left", 0.25),
    ]  # fmt: skip
    crashed = wilson(2, 4)
    assert shares[1].low == pytest.approx(crashed.low)
    assert shares[1].high == pytest.approx(crashed.high)
    assert [s.name for s in outcome_shares(table, "gym:X-v0")] == ["crashed", "arrived", "left"]
    assert outcome_shares(table[:0], "highway/intersection") == []

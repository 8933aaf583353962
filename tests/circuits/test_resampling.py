"""Bootstrap by episodes."""

import numpy as np
import pytest
from scipy import stats

from policyscope.circuits import resampling, within
from policyscope.core.stats import spearman


def clustered(episodes=30, steps=10, seed=0):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(episodes), steps)
    x = rng.normal(size=episodes)[group] + 0.1 * rng.normal(size=len(group))
    return group, np.round(x, 1), rng


def test_rank_correlations_are_those_of_scipy_and_of_the_core():
    group, x, rng = clustered()
    y = np.round(x + rng.normal(size=len(x)), 1)
    weights = resampling.episode_weights(30, 2000, seed=0)
    draws = resampling.rank_correlations(weights, np.column_stack([x, y]), group)
    assert draws[0, 0, 1] == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    found = resampling.band(draws[:, 0, 1], 0.95, 30)
    core = spearman(x, y, groups=group, seed=1)
    assert (found.low, found.high) == pytest.approx((core.low, core.high), abs=0.03)


def test_a_resample_is_the_rows_of_its_episodes_repeated():
    group, x, rng = clustered(6, 5)
    y = rng.normal(size=len(x))
    weights = resampling.episode_weights(6, 3, seed=1)
    draws = resampling.rank_correlations(weights, np.column_stack([x, y]), group)
    for b in range(4):
        rows = np.repeat(np.arange(len(x)), weights[b, group].astype(int))
        assert draws[b, 0, 1] == pytest.approx(stats.spearmanr(x[rows], y[rows]).statistic)


def test_intervals_know_that_decisions_of_an_episode_are_alike():
    """Resampling decisions instead of episodes gives an interval several times too narrow."""
    group, x, _ = clustered()
    whole = resampling.mean(resampling.episode_weights(30, 500, 0), x[:, None], group)
    rows = np.arange(len(x))
    wrong = resampling.mean(resampling.episode_weights(len(x), 500, 0), x[:, None], rows)
    a, b = resampling.band(whole, 0.95, 30), resampling.band(wrong, 0.95, 30)
    assert a.high - a.low > 2.5 * (b.high - b.low)


def test_few_episodes_have_no_interval():
    draws = np.random.default_rng(0).normal(size=(100, 2))
    for episodes, known in ((4, False), (5, True)):
        found = resampling.band(draws, 0.95, episodes)
        assert np.isfinite(found.low).all() == known
        assert np.isfinite(found.estimate).all()


def test_an_estimate_that_is_often_undefined_has_no_interval():
    draws = np.ones((101, 1))
    draws[1:20] = np.nan
    assert np.isnan(resampling.band(draws, 0.95, 50).low).all()


def test_a_constant_has_no_rank_correlation():
    group, x, _ = clustered(6, 5)
    draws = resampling.rank_correlations(
        resampling.episode_weights(6, 2, 0), np.column_stack([x, np.ones_like(x)]), group
    )
    assert np.isnan(draws[:, 0, 1]).all()


def test_partial_correlation_is_that_of_the_residuals():
    rng = np.random.default_rng(0)
    z = rng.normal(size=5000)
    x, y = z + rng.normal(size=5000), z + rng.normal(size=5000)
    xy, xz, yz = (np.corrcoef(a, b)[0, 1] for a, b in ((x, y), (x, z), (y, z)))
    left, right = (v - np.polyval(np.polyfit(z, v, 1), z) for v in (x, y))
    expected = np.corrcoef(left, right)[0, 1]
    assert resampling.partial(*(np.array([r]) for r in (xy, xz, yz))) == pytest.approx(
        expected, abs=1e-10
    )
    assert xy > 0.4
    assert abs(expected) < 0.05


def test_ranks_within_a_decision_are_those_of_scipy():
    rng = np.random.default_rng(0)
    values, mask = rng.integers(0, 5, (40, 9)).astype(float), rng.random((40, 9)) < 0.7
    found = within.centred_ranks(values, mask)
    for v, m, row in zip(values, mask, found, strict=True):
        if m.any():
            ranks = stats.rankdata(v[m])
            assert row[m] == pytest.approx(ranks - ranks.mean())
        assert (row[~m] == 0).all()


def test_slope_with_another_quantity_held_is_that_of_least_squares():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 60, 8))
    y = 2 * x - 3 * z + 0.1 * rng.normal(size=(60, 8))
    everything = np.ones((60, 8), bool)
    cx, cz, cy = (within.centred(v, everything) for v in (x, z, y))
    found = within.slope(np.ones((1, 60)), np.arange(60), cx, cy[:, None], cz)
    design = np.column_stack([cx.ravel(), cz.ravel()])
    expected = np.linalg.lstsq(design, cy.ravel(), rcond=None)[0][0]
    assert found[0, 0] == pytest.approx(expected, abs=1e-10)


def test_what_is_looked_at_is_compared_with_the_plain_mean():
    pattern = np.array([[[0.5, 0.4, 0.1, 0.0], [0.25, 0.25, 0.25, 0.25]]])
    near, mask = np.array([[np.nan, 10.0, 20.0, np.nan]]), np.array([[False, True, True, False]])
    found = within.looked_at(pattern, near, mask)
    assert found[0] == pytest.approx([12 - 15, 0])

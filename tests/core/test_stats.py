import math

import numpy as np
import pytest
from scipy import stats

from policyscope.core.errors import PolicyscopeError
from policyscope.core.stats import (
    Interval,
    _weighted_spearman,
    bootstrap_mean,
    minimum_detectable_effect,
    paired_bootstrap,
    permutation,
    spearman,
    wilson,
)

SETS = 400
#: Coverage of a true 95 % interval over that many data sets stays within these with 99.9 %.
LOWEST, HIGHEST = (stats.binom.ppf(p, SETS, 0.95) / SETS for p in (5e-4, 1 - 5e-4))


def rng(seed=0):
    return np.random.default_rng(seed)


def coverage(make_interval, truth, sets=SETS):
    hits = [i.low <= truth <= i.high for i in map(make_interval, range(sets))]
    return float(np.mean(hits))


def test_bootstrap_agrees_with_scipy():
    x = rng().exponential(size=60)
    ours = bootstrap_mean(x, seed=1, resamples=20_000)
    theirs = stats.bootstrap(
        (x,), np.mean, n_resamples=20_000, method="percentile", rng=rng(2)
    ).confidence_interval
    assert ours.mean == pytest.approx(x.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.02 * x.std())
    assert ours.high == pytest.approx(theirs.high, abs=0.02 * x.std())
    assert ours.n == 60


def test_bootstrap_follows_its_seed_and_level():
    x = rng().normal(size=50)
    assert bootstrap_mean(x, 3) == bootstrap_mean(x, 3)
    assert bootstrap_mean(x, 3) != bootstrap_mean(x, 4)
    narrow, wide = bootstrap_mean(x, 3, level=0.5), bootstrap_mean(x, 3, level=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_work_in_pieces_gives_every_resample():
    x = rng().normal(size=900)
    found = bootstrap_mean(x, 0, resamples=5_000)
    expected = 1.96 * x.std() / 30
    assert found.high - found.low == pytest.approx(2 * expected, rel=0.06)


def test_bootstrap_covers():
    def make(k):
        return bootstrap_mean(rng(k).gamma(2, size=100), seed=k, resamples=1_000)

    assert LOWEST <= coverage(make, 2.0) <= HIGHEST


def test_one_sample_has_no_bounded_interval():
    found = bootstrap_mean([3.0], seed=0)
    assert (found.mean, found.low, found.high) == (3.0, -math.inf, math.inf)


@pytest.mark.parametrize(
    ("x", "says"),
    [([], "row of numbers"), ([[1.0]], "row of numbers"), ([1.0, math.nan], "finite")],
)
def test_bad_samples_are_refused(x, says):
    with pytest.raises(PolicyscopeError, match=says):
        bootstrap_mean(np.array(x), seed=0)


def pairs(k, shift=0.0, n=60):
    """Episodes differ much from each other; the edit shifts each a little."""
    draw = rng(k)
    base = draw.normal(scale=10, size=n)
    return base + shift + draw.normal(scale=1, size=n), base


def unpaired_bootstrap(a, b, seed):
    """The mistake: the two sides are resampled apart from each other."""
    draw = rng(seed)
    means = [draw.choice(a, len(a)).mean() - draw.choice(b, len(b)).mean() for _ in range(1_000)]
    return Interval(0, *np.quantile(means, [0.025, 0.975]), len(a))


def test_pairing_finds_what_resampling_apart_misses():
    a, b = pairs(0, shift=1.0)
    paired, apart = paired_bootstrap(a, b, seed=0), unpaired_bootstrap(a, b, 0)
    assert paired.low > 0
    assert apart.low < 0 < apart.high
    assert paired.mean == pytest.approx((a - b).mean())
    assert (paired.high - paired.low) * 4 < apart.high - apart.low


def test_paired_interval_covers_where_the_unpaired_one_is_far_too_wide():
    right = coverage(lambda k: paired_bootstrap(*pairs(k, 1.0), k, resamples=1_000), 1.0)
    assert LOWEST <= right <= HIGHEST
    apart = [unpaired_bootstrap(*pairs(k, 1.0), k) for k in range(40)]
    assert all(i.low <= 1.0 <= i.high and i.high - i.low > 2 for i in apart)


@pytest.mark.parametrize("test", [paired_bootstrap, permutation])
def test_pairs_need_one_length(test):
    with pytest.raises(PolicyscopeError, match="one length, got 3 and 2"):
        test([1.0, 2, 3], [1.0, 2], seed=0)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (37, 2000), (0, 1)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_agrees_with_scipy(k, n, level):
    theirs = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    ours = wilson(k, n, level)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert ours.mean == k / n


@pytest.mark.parametrize(("k", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_impossible_proportions_are_refused(k, n):
    with pytest.raises(PolicyscopeError, match=f"got {k} of {n}"):
        wilson(k, n)


@pytest.mark.parametrize("n", [3, 8, 12])
def test_few_pairs_are_tested_exactly_as_scipy_does(n):
    a, b = pairs(n, shift=0.8, n=n)
    theirs = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert permutation(a, b) == pytest.approx(theirs.pvalue)


def test_ties_count_in_the_exact_test():
    assert permutation([1.0, 1, 1, 1], [0.0, 0, 0, 0]) == pytest.approx(2 / 16)
    assert permutation([1.0, 2, 3], [1.0, 2, 3]) == 1.0


@pytest.mark.parametrize(("paired", "kind"), [(True, "samples"), (False, "independent")])
def test_many_samples_are_tested_as_scipy_does(paired, kind):
    a, b = pairs(5, shift=0.25)
    a, b = (a, b) if paired else (a, b - 4)
    theirs = stats.permutation_test(
        (a, b),
        lambda x, y, axis: np.mean(x, axis) - np.mean(y, axis),
        permutation_type=kind,
        vectorized=True,
        n_resamples=10_000,
        rng=rng(1),
    )
    found = permutation(a, b, paired=paired, seed=2)
    assert 0.005 < theirs.pvalue < 0.5
    assert found == pytest.approx(theirs.pvalue, abs=4 * math.sqrt(0.25 / 10_000))


def test_samples_of_different_size_can_be_unpaired():
    assert permutation(rng().normal(size=20), rng(1).normal(3, size=9), paired=False) < 0.001


def test_p_values_are_uniform_without_an_effect_and_pairing_has_the_power():
    null = [permutation(*pairs(k, n=20), seed=k, resamples=500) for k in range(SETS)]
    assert stats.kstest(null, "uniform").pvalue > 1e-3
    a, b = pairs(0, shift=1.0)
    assert permutation(a, b) < 0.001
    assert permutation(a, b, paired=False) > 0.2


@pytest.mark.parametrize("n", [5, 20, 200])
def test_the_detectable_effect_is_detected_four_times_in_five(n):
    effect = minimum_detectable_effect(3.0, n)
    draws = rng(n).normal(effect, 3.0, size=(4_000, n))
    found = (stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean()
    assert found == pytest.approx(0.8, abs=0.025)
    assert minimum_detectable_effect(3.0, n, power=0.9) > effect
    assert minimum_detectable_effect(3.0, n, level=0.99) > effect
    assert minimum_detectable_effect(3.0, 1) == math.inf


def test_spearman_agrees_with_scipy_with_and_without_ties():
    draw = rng()
    for x in (draw.normal(size=80), draw.integers(0, 5, 80).astype(float)):
        y = x + draw.normal(size=80)
        assert spearman(x, y).mean == pytest.approx(stats.spearmanr(x, y).statistic)


def test_weighted_ranks_equal_those_of_repeated_rows():
    draw = rng()
    x, y = draw.integers(0, 4, 30).astype(float), draw.normal(size=30)
    weights = draw.integers(0, 4, (6, 30))
    found = _weighted_spearman(x, y, weights)
    rows = [np.repeat(np.arange(30), w) for w in weights]
    expected = [stats.spearmanr(x[r], y[r]).statistic for r in rows]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def grouped(k, groups=50, size=6):
    """Unrelated quantities, each nearly constant within an episode."""
    draw = rng(k)
    episode = np.repeat(np.arange(groups), size)
    x, y = draw.normal(size=(2, groups))[:, episode] + 0.2 * draw.normal(size=(2, len(episode)))
    return x, y, episode


def test_resampling_episodes_covers_and_resampling_rows_does_not():
    def make(k):
        return spearman(*grouped(k), seed=k, resamples=200)

    def rows(k):
        x, y, _ = grouped(k)
        return spearman(x, y, None, seed=k, resamples=200)

    assert LOWEST <= coverage(make, 0.0) <= HIGHEST
    assert coverage(rows, 0.0, sets=100) < 0.75


def test_spearman_counts_groups_and_needs_two():
    x, y, episode = grouped(0)
    assert spearman(x, y, episode).n == 50
    assert spearman(x, y, [f"e{e}" for e in episode], seed=0) == spearman(x, y, episode, seed=0)
    alone = spearman(x, y, np.zeros(len(x)))
    assert (alone.low, alone.high, alone.n) == (-1.0, 1.0, 1)
    with pytest.raises(PolicyscopeError, match="constant"):
        spearman(x, np.ones(len(x)))
    with pytest.raises(PolicyscopeError, match="need as many groups"):
        spearman(x, y, episode[:-1])


def test_intervals_overlap():
    a = Interval(1, 0, 2, 5)
    assert a.overlaps(Interval(2.5, 1.5, 3, 5))
    assert not a.overlaps(Interval(3, 2.5, 4, 5))
    assert str(a) == "1 [0, 2] (n=5)"

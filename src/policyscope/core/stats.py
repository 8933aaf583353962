"""Intervals, tests and the smallest effect that could have been seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from policyscope.core.errors import PolicyscopeError
from policyscope.core.numbers import rounded

Numbers = np.ndarray | Sequence[Any]

#: Numbers drawn at once; bounds the memory of resampling.
_CHUNK = 2_000_000


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval.

    Args:
        mean: the estimate.
        low: lower end.
        high: upper end.
        n: how many independent samples it rests on.
        level: nominal coverage.
    """

    mean: float
    low: float
    high: float
    n: int
    level: float = 0.95

    def __str__(self) -> str:
        mean, low, high = (rounded(number, 4) for number in (self.mean, self.low, self.high))
        return f"{mean} [{low}, {high}] (n={self.n})"

    def overlaps(self, other: "Interval") -> bool:
        """Whether the two intervals share a value."""
        return self.low <= other.high and other.low <= self.high


def _sample(x: Numbers, name: str) -> np.ndarray:
    values = np.asarray(x, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise PolicyscopeError(f"{name} must be a row of numbers, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise PolicyscopeError(f"{name} holds {(~np.isfinite(values)).sum()} values not finite")
    return values


def _pair(a: Numbers, b: Numbers) -> tuple[np.ndarray, np.ndarray]:
    a, b = _sample(a, "a"), _sample(b, "b")
    if len(a) != len(b):
        raise PolicyscopeError(f"paired samples need one length, got {len(a)} and {len(b)}")
    return a, b


def _ends(draws: np.ndarray, level: float) -> tuple[float, float]:
    low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_mean(x: Numbers, seed: int, resamples: int = 10_000, level: float = 0.95) -> Interval:
    """Mean with its percentile bootstrap interval.

    Args:
        x: (n,) independent samples, e.g. returns of episodes.
        seed: seed of the resampling.
        resamples: how often to resample.
        level: nominal coverage.

    Returns:
        The interval; one sample tells nothing of the spread, its interval is unbounded.

    Reference: Efron & Tibshirani 1993, chapter 13.

    Example:
        >>> str(bootstrap_mean(np.ones(3), seed=0))
        '1 [1, 1] (n=3)'
    """
    x = _sample(x, "x")
    mean, n = float(x.mean()), len(x)
    if n == 1:
        return Interval(mean, -np.inf, np.inf, n, level)
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // n)
    means = [
        x[rng.integers(0, n, (min(rows, resamples - done), n))].mean(1)
        for done in range(0, resamples, rows)
    ]
    return Interval(mean, *_ends(np.concatenate(means), level), n, level)


def paired_bootstrap(
    a: Numbers, b: Numbers, seed: int, resamples: int = 10_000, level: float = 0.95
) -> Interval:
    """Mean of ``a - b`` over pairs, e.g. the same episode seeds with and without an edit.

    Args:
        a: (n,) one side.
        b: (n,) the other, pair by pair.
        seed: seed of the resampling.
        resamples: how often to resample.
        level: nominal coverage.

    Raises:
        PolicyscopeError: different lengths.
    """
    a, b = _pair(a, b)
    return bootstrap_mean(a - b, seed, resamples, level)


def wilson(k: int, n: int, level: float = 0.95) -> Interval:
    """Proportion with its Wilson score interval.

    Args:
        k: how many of the n.
        n: how many in all.
        level: nominal coverage.

    Raises:
        PolicyscopeError: n is 0 or k lies outside 0..n.

    Reference: Wilson 1927.

    Example:
        >>> str(wilson(1, 10))
        '0.1 [0.01788, 0.4042] (n=10)'
    """
    if n < 1 or not 0 <= k <= n:
        raise PolicyscopeError(f"a proportion needs 0 <= k <= n and n >= 1, got {k} of {n}")
    z = scipy.stats.norm.ppf((1 + level) / 2)
    share, weight = k / n, 1 + z**2 / n
    centre = (share + z**2 / (2 * n)) / weight
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / weight
    low = 0.0 if k == 0 else float(centre - half)
    high = 1.0 if k == n else float(centre + half)
    return Interval(share, low, high, n, level)


def permutation(
    a: Numbers, b: Numbers, paired: bool = True, seed: int = 0, resamples: int = 10_000
) -> float:
    """Two-sided p-value of a difference in means.

    Args:
        a: (n,) one side.
        b: (m,) the other.
        paired: sample i of both belongs together: signs of differences are flipped. Otherwise
            samples are dealt anew to the two sides.
        seed: seed of the draws.
        resamples: how many draws; all sign patterns where there are no more than that.

    Raises:
        PolicyscopeError: pairs of different lengths.

    Reference: Phipson & Smyth 2010 for the 1 added to both counts of random draws.
    """
    rng = np.random.default_rng(seed)
    if paired:
        a, b = _pair(a, b)
        difference = a - b
        observed = abs(difference.mean())
        if 2 ** len(difference) <= resamples:
            patterns = np.arange(2 ** len(difference))[:, None] >> np.arange(len(difference)) & 1
            draws = (1 - 2 * patterns) @ difference / len(difference)
            return float((np.abs(draws) >= _just_below(observed)).mean())
        null = _sign_flips(difference, rng, resamples)
    else:
        a, b = _sample(a, "a"), _sample(b, "b")
        observed = abs(a.mean() - b.mean())
        null = _relabelled(a, b, rng, resamples)
    return float((1 + (np.abs(null) >= _just_below(observed)).sum()) / (1 + resamples))


def _just_below(observed: float) -> float:
    return observed * (1 - 1e-12)  # the observed labelling itself must count despite rounding


def _sign_flips(difference: np.ndarray, rng: np.random.Generator, resamples: int) -> np.ndarray:
    rows = max(1, _CHUNK // len(difference))
    parts = [
        (1 - 2 * rng.integers(0, 2, (min(rows, resamples - done), len(difference)))) @ difference
        for done in range(0, resamples, rows)
    ]
    return np.concatenate(parts) / len(difference)


def _relabelled(
    a: np.ndarray, b: np.ndarray, rng: np.random.Generator, resamples: int
) -> np.ndarray:
    both = np.concatenate([a, b])
    sums = np.array([rng.permutation(both)[: len(a)].sum() for _ in range(resamples)])
    return sums / len(a) - (both.sum() - sums) / len(b)


def minimum_detectable_effect(
    sd_of_differences: float, n: int, power: float = 0.8, level: float = 0.95
) -> float:
    """Smallest true mean difference that n pairs would show with the given power.

    Args:
        sd_of_differences: standard deviation of the paired differences, in the unit of the effect.
        n: number of pairs.
        power: chance to find a difference of that size.
        level: confidence level of the two-sided test.

    Returns:
        The effect; below it a result is undecided, not absent. Infinite for n < 2.

    Reference: Bloom 1995 (multiplier of the standard error, t quantiles).
    """
    if n < 2:
        return float("inf")
    quantiles = scipy.stats.t.ppf([(1 + level) / 2, power], n - 1)
    return float(quantiles.sum() * sd_of_differences / np.sqrt(n))


def spearman(
    x: Numbers,
    y: Numbers,
    groups: Numbers | None = None,
    seed: int = 0,
    resamples: int = 2_000,
    level: float = 0.95,
) -> Interval:
    """Rank correlation with a bootstrap interval that resamples whole groups.

    Args:
        x: (rows,) one quantity.
        y: (rows,) the other.
        groups: (rows,) what each row depends on, e.g. its episode; None for independent rows.
        seed: seed of the resampling.
        resamples: how often to resample.
        level: nominal coverage.

    Returns:
        The interval; its n is the number of groups. One group tells nothing of the spread: -1 to 1.

    Raises:
        PolicyscopeError: different lengths, or one quantity is constant.

    Cost: resamples x rows numbers, worked through in pieces.

    Reference: Field & Welsh 2007 (bootstrap of clusters).
    """
    x, y = _pair(x, y)
    labels = np.arange(len(x)) if groups is None else _numbered(groups)
    if len(labels) != len(x):
        raise PolicyscopeError(f"{len(x)} rows need as many groups, got {len(labels)}")
    count = int(labels.max()) + 1
    rho = float(_weighted_spearman(x, y, np.ones((1, len(x))))[0])
    if np.isnan(rho):
        raise PolicyscopeError("a constant quantity has no rank correlation")
    if count == 1:
        return Interval(rho, -1.0, 1.0, 1, level)
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // len(x))
    draws = []
    for done in range(0, resamples, rows):
        size = min(rows, resamples - done)
        weights = rng.multinomial(count, np.full(count, 1 / count), size)
        draws.append(_weighted_spearman(x, y, weights[:, labels]))
    return Interval(rho, *_ends(np.concatenate(draws), level), count, level)


def _numbered(groups: Numbers) -> np.ndarray:
    """Groups as 0, 1, ... in order of appearance: their names do not change what is drawn."""
    _, first, label = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[label]


def _weighted_spearman(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Correlation of mid-ranks with row i present ``weights[b, i]`` times, for each b."""
    ranks = []
    for values in (x, y):
        _, place = np.unique(values, return_inverse=True)
        order = np.argsort(place, kind="stable")
        starts = np.flatnonzero(np.diff(place[order], prepend=-1))
        size = np.add.reduceat(weights[:, order], starts, axis=1)
        rank = (np.cumsum(size, 1) - size + (size + 1) / 2)[:, place]
        ranks.append(rank - (weights * rank).sum(1, keepdims=True) / weights.sum(1, keepdims=True))
    a, b = ranks
    scale = np.sqrt((weights * a * a).sum(1) * (weights * b * b).sum(1))
    product = (weights * a * b).sum(1)
    return np.divide(product, scale, out=np.full(len(scale), np.nan), where=scale > 1e-9)

"""Bootstrap by whole episodes: decisions of one episode are no independent draws.

Every quantity is computed once for each row of a table of episode weights (resamples + 1, E). Its
first row is all ones, the estimate itself; the others say how often a resample drew each episode.
One table serves all quantities, so differences between them are paired. Letter B: rows of it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

CHUNK = 2_000_000
#: With fewer episodes a bootstrap of episodes tells too little of the spread to be shown.
MIN_EPISODES = 5


@dataclass(frozen=True)
class Band:
    """Estimates with their bootstrap intervals; arrays of one shape.

    Args:
        estimate: value on all episodes.
        low: lower end.
        high: upper end.
    """

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray


def episode_weights(episodes: int, resamples: int, seed: int) -> Float[np.ndarray, "B E"]:
    """How often each resample draws each episode; the first row is the data as they are."""
    draws = np.random.default_rng(seed).multinomial(
        episodes, np.full(episodes, 1 / episodes), size=resamples
    )
    return np.vstack([np.ones(episodes), draws])


def per_episode(
    values: Float[np.ndarray, "N ..."], group: Int[np.ndarray, " N"], episodes: int
) -> Float[np.ndarray, "E ..."]:
    """Sums of values by episode."""
    sums = np.zeros((episodes, *values.shape[1:]))
    np.add.at(sums, group, values)
    return sums


def ratio(
    weights: Float[np.ndarray, "B E"],
    numerator: Float[np.ndarray, "E ..."],
    denominator: Float[np.ndarray, "E ..."],
) -> Float[np.ndarray, "B ..."]:
    """Weighted sum of the numerators over that of the denominators; NaN where that is 0."""
    above = np.tensordot(weights, numerator, 1)
    below = np.tensordot(weights, denominator, 1)
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def mean(
    weights: Float[np.ndarray, "B E"],
    values: Float[np.ndarray, "N ..."],
    group: Int[np.ndarray, " N"],
) -> Float[np.ndarray, "B ..."]:
    """Mean of the rows that are not NaN."""
    known = ~np.isnan(values)
    episodes = weights.shape[1]
    return ratio(
        weights,
        per_episode(np.where(known, values, 0.0), group, episodes),
        per_episode(known.astype(float), group, episodes),
    )


def rank_correlations(
    weights: Float[np.ndarray, "B E"],
    variables: Float[np.ndarray, "N M"],
    group: Int[np.ndarray, " N"],
) -> Float[np.ndarray, "B M M"]:
    """Spearman correlations of all pairs of variables, ranked anew in every resample.

    Cost: B * N * M numbers ranked, in chunks of some 16 MB; 1000 resamples of 5000 rows and
    10 variables take a second or two.
    """
    rows, count = variables.shape
    out = np.full((len(weights), count, count), np.nan)
    if rows < 3:
        return out
    sorting = [np.unique(column, return_inverse=True) for column in variables.T]
    size = max(1, CHUNK // (rows * count))
    for begin in range(0, len(weights), size):
        drawn = weights[begin : begin + size][:, group]
        total = drawn.sum(-1)
        ranks = np.stack([_ranks(drawn, inverse, len(u)) for u, inverse in sorting], axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            ranks -= (ranks * drawn[:, None]).sum(-1, keepdims=True) / total[:, None, None]
            weighted = ranks * np.sqrt(drawn)[:, None]
            products = weighted @ weighted.transpose(0, 2, 1)
            scale = np.sqrt(np.einsum("bii->bi", products))
            scale = np.where(scale > 1e-9 * rows, scale, np.nan)
            out[begin : begin + size] = products / scale[:, :, None] / scale[:, None, :]
    return out


def _ranks(drawn: np.ndarray, inverse: np.ndarray, distinct: int) -> np.ndarray:
    """Mid-ranks of one variable when row n counts ``drawn[b, n]`` times."""
    order = np.argsort(inverse, kind="stable")
    starts = np.searchsorted(inverse[order], np.arange(distinct))
    held = np.add.reduceat(drawn[:, order], starts, axis=1)
    return (held.cumsum(1) - held / 2)[:, inverse]


def partial(
    xy: Float[np.ndarray, "..."], xz: Float[np.ndarray, "..."], yz: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """Correlation of x and y with z held, from the three plain correlations."""
    rest = (1 - xz**2) * (1 - yz**2)
    known = rest > 1e-12
    return np.where(known, (xy - xz * yz) / np.sqrt(np.where(known, rest, 1.0)), np.nan)


def band(draws: Float[np.ndarray, "B ..."], level: float, episodes: int) -> Band:
    """Percentile intervals of estimates.

    Args:
        draws: the estimates, then their resamples.
        level: nominal coverage.
        episodes: how many episodes the estimates rest on.

    Returns:
        The bands; ends are NaN with fewer than five episodes, or where over a tenth of the
        resamples are undefined.

    Reference: Field & Welsh 2007 (bootstrap of clusters).
    """
    estimate, resampled = np.asarray(draws[0]), draws[1:]
    known = ~np.isnan(resampled)
    enough = (known.mean(0) >= 0.9) & ~np.isnan(estimate) & (episodes >= MIN_EPISODES)
    tail = (1 - level) / 2
    filled = np.where(enough & ~known, estimate, resampled)
    low, high = np.quantile(np.where(enough, filled, 0.0), [tail, 1 - tail], axis=0)
    return Band(estimate, np.where(enough, low, np.nan), np.where(enough, high, np.nan))

"""Linear read-outs: what a ridge regression finds in activations, on episodes it never saw.

Letters: N rows, W features, T targets, E episodes.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from policyscope.core.errors import PolicyscopeError

#: Penalties tried, in units of the number of rows (features have unit variance).
STRENGTHS = 10.0 ** np.arange(-5, 2)
#: Share of the episodes learned from that chooses the penalty.
CHOOSING = 0.25
#: Rows that are held in float64 at a time.
BLOCK = 65_536


def read_out(
    features: Float[np.ndarray, "N W"],
    targets: Float[np.ndarray, "N T"],
    episode: Int[np.ndarray, " N"],
    folds: int = 5,
    seed: int = 0,
) -> Float[np.ndarray, "N T"]:
    """Predict targets linearly, each row by a regression that saw nothing of its episode.

    The penalty is chosen for each fold by episodes that are then learned from too.

    Args:
        features: what is read from.
        targets: what is to be read.
        episode: number of the episode of each row.
        folds: parts that the episodes are dealt to.
        seed: seed of the dealing.

    Returns:
        Predictions, in the units of the targets.

    Raises:
        PolicyscopeError: fewer than two episodes in a fold.

    Cost: folds x (N W^2 + W^3) operations; memory beside the features for one block of rows.

    Reference: Hoerl & Kennard 1970; Alain & Bengio 2016 for linear probes.
    """
    numbers, group = np.unique(episode, return_inverse=True)
    if len(numbers) < 2 * folds:
        raise PolicyscopeError(
            f"{folds} folds need at least {2 * folds} episodes, got {len(numbers)}; record more, "
            "or make fewer folds (--memory.folds)"
        )
    dealt = np.random.default_rng(seed).permutation(len(numbers))
    predicted = np.empty(targets.shape)
    for fold in range(folds):
        rest = np.delete(dealt, np.s_[fold::folds])
        chooses = np.isin(group, rest[: max(1, int(CHOOSING * len(rest)))])
        learned = np.isin(group, rest)
        first = learned & ~chooses
        seen = moments(features, targets, first)
        tried = [
            _predict(features, solve(seen, strength), chooses) - targets[chooses]
            for strength in STRENGTHS
        ]
        best = STRENGTHS[int(np.argmin([_scaled(error, targets[first]) for error in tried]))]
        fitted = solve(moments(features, targets, learned), best)
        predicted[~learned] = _predict(features, fitted, ~learned)
    return predicted


@dataclass(frozen=True)
class Moments:
    """What a regression needs to know of its rows.

    Args:
        centre: (W,) means of the features.
        spread: (W,) their standard deviations; infinite for those that do not vary.
        gram: (W, W) mean products of the features in units of their spread.
        cross: (W, T) mean products with the targets, less their means.
        middle: (T,) means of the targets.
    """

    centre: np.ndarray
    spread: np.ndarray
    gram: np.ndarray
    cross: np.ndarray
    middle: np.ndarray


def moments(
    features: Float[np.ndarray, "N W"],
    targets: Float[np.ndarray, "N T"],
    rows: Bool[np.ndarray, " N"],
) -> Moments:
    """Means and products of some rows, summed in float64 a block at a time.

    Args:
        features: of any scale.
        targets: what is predicted.
        rows: which to take.
    """
    chosen, width = np.flatnonzero(rows), features.shape[1]
    count = len(chosen)
    middle = targets[chosen].mean(0)
    centre, square = np.zeros(width), np.zeros(width)
    for part in _parts(chosen):
        centre += features[part].sum(0, dtype=np.float64) / count
    gram, cross = np.zeros((width, width)), np.zeros((width, targets.shape[1]))
    for part in _parts(chosen):
        x = features[part] - centre
        square += (x**2).sum(0) / count
        gram += x.T @ x / count
        cross += x.T @ (targets[part] - middle) / count
    spread = np.sqrt(square)
    spread = np.where(spread > 1e-12, spread, np.inf)
    return Moments(centre, spread, gram / np.outer(spread, spread), cross / spread[:, None], middle)


def solve(
    seen: Moments, strength: float
) -> tuple[Float[np.ndarray, "W T"], Float[np.ndarray, " T"]]:
    """Slopes and intercepts that make the mean squared error plus a penalty least.

    Args:
        seen: of the rows that are learned from.
        strength: weight of the squared slopes of features of unit variance.
    """
    known = np.isfinite(seen.spread)
    slopes = np.zeros(seen.cross.shape)
    inner = seen.gram[np.ix_(known, known)] + strength * np.eye(int(known.sum()))
    slopes[known] = np.linalg.lstsq(inner, seen.cross[known])[0]
    slopes /= seen.spread[:, None]
    return slopes, seen.middle - seen.centre @ slopes


def ridge(
    features: Float[np.ndarray, "N W"], targets: Float[np.ndarray, "N T"], strength: float
) -> tuple[Float[np.ndarray, "W T"], Float[np.ndarray, " T"]]:
    """``solve`` on all rows.

    Args:
        features: of any scale; the penalty is on features of unit variance.
        targets: what is predicted.
        strength: weight of the squared slopes.

    Example:
        >>> x = np.arange(4.0)[:, None]
        >>> slopes, intercepts = ridge(x, 3 * x + 1, 0.0)
        >>> slopes.round(6).item(), intercepts.round(6).item()
        (3.0, 1.0)
    """
    return solve(moments(features, targets, np.ones(len(features), bool)), strength)


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    return np.array_split(rows, -(-len(rows) // BLOCK))


def _predict(
    features: np.ndarray, fitted: tuple[np.ndarray, np.ndarray], asked: np.ndarray
) -> np.ndarray:
    slopes, intercepts = fitted
    parts = _parts(np.flatnonzero(asked))
    return np.concatenate([features[part] @ slopes + intercepts for part in parts])


def _scaled(error: np.ndarray, targets: np.ndarray) -> float:
    """Squared error over all targets, each in units of its own variance."""
    variance = targets.var(0)
    return float((error**2).mean(0)[variance > 0] @ (1 / variance[variance > 0]))

"""Linear read-outs: what a ridge regression finds in activations, on episodes it never saw.

Letters: N rows, W features, T targets, E episodes.
"""

import numpy as np
from jaxtyping import Float, Int

from policyscope.core.errors import PolicyscopeError

#: Penalties tried, in units of the number of rows (features have unit variance).
STRENGTHS = 10.0 ** np.arange(-5, 2)
#: Share of the episodes learned from that chooses the penalty.
CHOOSING = 0.25


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

    Cost: folds x (N W^2 + W^3) operations.

    Reference: Hoerl & Kennard 1970; Alain & Bengio 2016 for linear probes.
    """
    numbers, group = np.unique(episode, return_inverse=True)
    if len(numbers) < 2 * folds:
        raise PolicyscopeError(
            f"{folds} folds need at least {2 * folds} episodes, got {len(numbers)}; record more"
        )
    dealt = np.random.default_rng(seed).permutation(len(numbers))
    predicted = np.empty(targets.shape)
    for fold in range(folds):
        rest = np.delete(dealt, np.s_[fold::folds])
        chooses = np.isin(group, rest[: max(1, int(CHOOSING * len(rest)))])
        learned = np.isin(group, rest)
        first = learned & ~chooses
        tried = [
            _predict(features, targets, first, chooses, strength) - targets[chooses]
            for strength in STRENGTHS
        ]
        best = STRENGTHS[int(np.argmin([_scaled(error, targets[first]) for error in tried]))]
        asked = ~learned
        predicted[asked] = _predict(features, targets, learned, asked, best)
    return predicted


def ridge(
    features: Float[np.ndarray, "N W"], targets: Float[np.ndarray, "N T"], strength: float
) -> tuple[Float[np.ndarray, "W T"], Float[np.ndarray, " T"]]:
    """Slopes and intercepts that make the mean squared error plus a penalty least.

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
    centre, spread = features.mean(0), features.std(0)
    spread = np.where(spread > 1e-12, spread, np.inf)
    x, middle = (features - centre) / spread, targets.mean(0)
    gram = x.T @ x / len(x) + strength * np.eye(x.shape[1])
    known = np.isfinite(spread)
    slopes = np.zeros((x.shape[1], targets.shape[1]))
    inner = gram[np.ix_(known, known)]
    slopes[known] = np.linalg.lstsq(inner, (x.T @ (targets - middle) / len(x))[known])[0]
    slopes /= spread[:, None]
    return slopes, middle - centre @ slopes


def _predict(
    features: np.ndarray,
    targets: np.ndarray,
    learned: np.ndarray,
    asked: np.ndarray,
    strength: float,
) -> np.ndarray:
    slopes, intercepts = ridge(features[learned], targets[learned], strength)
    return features[asked] @ slopes + intercepts


def _scaled(error: np.ndarray, targets: np.ndarray) -> float:
    """Squared error over all targets, each in units of its own variance."""
    variance = targets.var(0)
    return float((error**2).mean(0)[variance > 0] @ (1 / variance[variance > 0]))

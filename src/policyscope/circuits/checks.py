"""Checks that an explanation of attention must pass to be believed.

Letters: R decisions, K heads, V rows, W width, D head width, A actions.
"""

import numpy as np
from jaxtyping import Bool, Float

from policyscope.core.checks import Check

ABSENT_MASS = 1e-6
FLOAT32 = 1e-5
FLOAT64 = 1e-9


def absent_mass(pattern: Float[np.ndarray, "R K V"], shown: Bool[np.ndarray, "R V"]) -> Check:
    """Most attention that any head spends on rows which show nothing.

    Args:
        pattern: attention.
        shown: rows that show the ego or another vehicle.
    """
    mass = np.where(shown[:, None], 0.0, pattern).sum(-1)
    return Check.at_most("attention on absent rows", float(mass.max()), ABSENT_MASS, mass.size)


def gap(name: str, ours: np.ndarray, theirs: np.ndarray, bound: float) -> Check:
    """Largest difference of two computations of the same quantity, in any decision.

    It is relative to the largest value of the decision where that exceeds 1: scores of a trained
    network reach the hundreds, and float32 sums them no better than a part in a million.

    Args:
        name: of the check.
        ours: (R, ...) one computation.
        theirs: (R, ...) the other.
        bound: what the difference must not exceed.
    """
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    difference = np.abs(ours - theirs).reshape(len(ours), -1).max(-1)
    scale = np.abs(theirs).reshape(len(theirs), -1).max(-1)
    return Check.at_most(name, float((difference / np.maximum(1.0, scale)).max()), bound, len(ours))


def greedy_actions(action: np.ndarray, q: Float[np.ndarray, "R A"]) -> Check:
    """Share of recorded actions that are the best of the recorded action values."""
    same = action == q.argmax(-1)
    return Check.at_least(
        "actions are the best by the recorded values", float(same.mean()), 1.0, len(q)
    )


def row_positions(
    drawn: Float[np.ndarray, "R V 2"], seen: Float[np.ndarray, "R V 2"]
) -> Check | None:
    """Whether each row shows the vehicle whose identity it carries.

    The x and y that the agent saw must be one affine function of the x and y of those vehicles in
    the scene, either in the world or relative to the ego; clipped values are left out.

    Args:
        drawn: position of the vehicle that each row is said to show, metres, NaN where absent.
        seen: its position as observed.

    Returns:
        The smaller correlation of x and y, at least 0.999; None with too few vehicles to tell.
    """
    found = []
    for place in (drawn, drawn - drawn[:, :1]):
        known = ~np.isnan(place).any(-1) & (np.abs(seen) < 1).all(-1)
        known[:, 0] = False
        spread = [(place[known, i], seen[known, i]) for i in (0, 1)]
        if known.sum() >= 10 and all(a.std() > 0 and b.std() > 0 for a, b in spread):
            r = min(abs(np.corrcoef(a, b)[0, 1]) for a, b in spread)
            found.append((float(r), int(known.sum())))
    if not found:
        return None
    best, n = max(found)
    return Check.at_least("rows show the vehicles they are said to show", best, 0.999, n)

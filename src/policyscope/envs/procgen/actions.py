"""The actions of Procgen's games, and lists of them as the engine takes them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from policyscope.core.errors import PolicyscopeError

ACTIONS = (
    "LEFT_DOWN", "LEFT", "LEFT_UP", "DOWN", "IDLE", "UP", "RIGHT_DOWN", "RIGHT", "RIGHT_UP",
    "D", "A", "W", "S", "Q", "E",
)  # fmt: skip
_IDLE = 4
_VALID = frozenset(range(len(ACTIONS)))


def whole_actions(actions: Sequence[Any], running: np.ndarray, going: int) -> np.ndarray:
    """Actions as the engine takes them, idle where no episode runs, so in all but ``going`` lanes.

    Args:
        actions: one for each lane.
        running: (N,) bool, where an episode runs.
        going: in how many lanes one does.

    Raises:
        PolicyscopeError: one of a running lane is none.

    Example:
        >>> whole_actions([7, None], np.array([True, False]), 1).tolist()
        [7, 4]
    """
    try:
        if going == len(running) and _VALID.issuperset(
            actions
        ):  # what most steps have, and cheap to see
            return np.array(actions, np.int32)
    except TypeError:  # one that has no hash, an array for example
        pass
    chosen = np.array([a if r else _IDLE for a, r in zip(actions, running.tolist(), strict=True)])
    fits = (chosen >= 0) & (chosen < len(ACTIONS)) & (chosen == np.floor(chosen))
    if not fits.all():
        wrong = actions[int(np.flatnonzero(~fits)[0])]
        raise PolicyscopeError(
            f"action {wrong} is not one of 0..{len(ACTIONS) - 1} ({', '.join(ACTIONS)})"
        )
    return chosen.astype(np.int32)

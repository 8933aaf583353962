"""The actions of Procgen's games, and lists of them as the engine takes them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from policyscope.core.errors import PolicyscopeError

ACTIONS = (
    "LEFT_DOWN", "LEFT", "LEFT_UP", "DOWN", "IDLE", "UP", "RIGHT_DOWN", "RIGHT", "RIGHT_UP",
    "D", "A", "W", "S", "Q", "E",
)  # fmt: skip
REDUCED = ACTIONS[:9]
"""Those that move; in CoinRun and Maze the six others do nothing, as IDLE does."""

SETS = {len(names): names for names in (ACTIONS, REDUCED)}
"""Sets of actions by their size, each numbered as the engine numbers them."""

_IDLE = ACTIONS.index("IDLE")
_VALID = {size: frozenset(range(size)) for size in SETS}


def whole_actions(
    actions: Sequence[Any], running: np.ndarray, going: int, names: tuple[str, ...] = ACTIONS
) -> np.ndarray:
    """Actions as the engine takes them, idle where no episode runs, so in all but ``going`` lanes.

    Args:
        actions: one for each lane.
        running: (N,) bool, where an episode runs.
        going: in how many lanes one does.
        names: one of ``SETS``.

    Raises:
        PolicyscopeError: one of a running lane is none.

    Example:
        >>> whole_actions([7, None], np.array([True, False]), 1).tolist()
        [7, 4]
    """
    try:
        if going == len(running) and _VALID[len(names)].issuperset(
            actions
        ):  # what most steps have, and cheap to see
            return np.array(actions, np.int32)
    except TypeError:  # one that has no hash, an array for example
        pass
    chosen = np.array([a if r else _IDLE for a, r in zip(actions, running.tolist(), strict=True)])
    fits = (chosen >= 0) & (chosen < len(names)) & (chosen == np.floor(chosen))
    if not fits.all():
        wrong = actions[int(np.flatnonzero(~fits)[0])]
        raise PolicyscopeError(
            f"action {wrong} is not one of 0..{len(names) - 1} ({', '.join(names)})"
        )
    return chosen.astype(np.int32)

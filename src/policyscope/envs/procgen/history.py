"""What each lane did, and when the next state of its episode is due to be kept."""

from collections.abc import Sequence

import numpy as np

KEYFRAME_STEPS, RARE_STEPS = 100, 500
"""Between states kept of an episode that may end badly, where keeping and replaying then cost a
random player about the same, and of one that ends by its goal or the time limit alone."""

_NEVER = 2**62


class History:
    """Actions of all lanes, one row a step, which is what makes a step cheap.

    Args:
        lanes: how many.
        longest: after how many actions every episode ends.
    """

    def __init__(self, lanes: int, longest: int) -> None:
        self._longest, self._now = longest, 0
        # A ring; what an episode did stays in it until the episode must have ended.
        self._rows = np.zeros((longest + 1, lanes), np.int16)
        self._begun = [0] * lanes
        self._earlier: list[list[int]] = [[] for _ in range(lanes)]
        self._every = [KEYFRAME_STEPS] * lanes
        self._due = np.full(lanes, _NEVER)
        self._soonest = _NEVER

    def begin(self, lane: int, actions: Sequence[int], every: int) -> None:
        """Forget a lane's episode for one that has had some actions.

        Args:
            lane: which lane.
            actions: what the new episode has had.
            every: after how many steps the next state is kept, and each one after it.
        """
        self._begun[lane], self._earlier[lane] = self._now, list(actions)
        self._every[lane] = every
        self.kept(lane)

    def end(self, lane: int) -> None:
        """Keep no more states of a lane's episode."""
        self._set_due(lane, _NEVER)

    def add(self, actions: np.ndarray) -> None:
        """Note the action of each lane, (N,) whole numbers."""
        self._rows[self._now % len(self._rows)] = actions
        self._now += 1

    def count(self, lane: int) -> int:
        """How many actions the running episode of a lane has had."""
        return len(self._earlier[lane]) + self._now - self._begun[lane]

    def actions(self, lane: int) -> list[int]:
        """All actions of the running episode of a lane."""
        rows = np.arange(self._begun[lane], self._now) % len(self._rows)
        return self._earlier[lane] + self._rows[rows, lane].tolist()

    def due(self) -> list[int]:
        """Lanes of whose running episodes a state is due."""
        if self._now < self._soonest:
            return []
        found: list[int] = (self._due <= self._now).nonzero()[0].tolist()
        return found

    def kept(self, lane: int) -> None:
        """Note that the present state of a lane was kept."""
        # One more before the time limit, where the last step is always made again.
        done, last = self.count(lane), self._longest - 1
        wait = min(self._every[lane], last - done) if done < last else _NEVER
        self._set_due(lane, self._now + wait)

    def _set_due(self, lane: int, at: int) -> None:
        self._due[lane] = at
        self._soonest = int(self._due.min())

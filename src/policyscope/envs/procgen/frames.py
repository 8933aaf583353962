"""Frames of many lanes, handed out without asking the system for memory at every step."""

import sys

import numpy as np

_KEPT = 4


def _references(arrays: list[np.ndarray], at: int) -> int:
    return sys.getrefcount(arrays[at])


_ONLY_OURS = _references([np.zeros(1)], 0)


class Handout:
    """Copies of an array; one that nobody holds any more is written over by a later copy.

    Fresh memory for 64 frames costs several times as much as copying them. Views, tensors and
    buffers made of an array hold it, so whoever could still see it keeps it from being used again.

    Example:
        >>> give = Handout()
        >>> first = give.copy_of(np.zeros(3))
        >>> second = give.copy_of(np.ones(3))
        >>> first.tolist()
        [0.0, 0.0, 0.0]
    """

    def __init__(self) -> None:
        self._given: list[np.ndarray] = []

    def copy_of(self, array: np.ndarray) -> np.ndarray:
        """A copy that stays as it is for as long as anybody holds it."""
        for at in range(len(self._given)):
            if _references(self._given, at) == _ONLY_OURS:
                self._given[at][...] = array
                return self._given[at]
        fresh = array.copy()
        self._given = [fresh, *self._given][:_KEPT]
        return fresh

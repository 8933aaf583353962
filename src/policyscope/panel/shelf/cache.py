"""A memory of bounded size for what is dear to make and asked for again."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

MEGABYTE = 2**20
T = TypeVar("T")


class Cache:
    """Values by key; the least recently used go when they are more than a number of bytes.

    Safe to use from several threads: two that miss the same key may both make it.

    Args:
        limit: bytes kept at most; a value larger than that is made anew each time.
    """

    def __init__(self, limit: int = 64 * MEGABYTE):
        self.limit, self.used = limit, 0
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """The value of a key, made where it is not kept.

        Args:
            key: what it is known by.
            make: makes it.
            size: gives its bytes.

        Example:
            >>> Cache().get("a", lambda: b"abc", len)
            b'abc'
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
        value = make()
        self._keep(key, value, size(value))
        return value

    def _keep(self, key: Hashable, value: Any, size: int) -> None:
        if size > self.limit:
            return
        with self._lock:
            self.used += size - self._values.pop(key, (None, 0))[1]
            self._values[key] = value, size
            while self.used > self.limit:
                self.used -= self._values.popitem(last=False)[1][1]

    def forget(self, whose: Callable[[Any], bool]) -> None:
        """Drop the values whose key fulfils a condition."""
        with self._lock:
            for key in [k for k in self._values if whose(k)]:
                self.used -= self._values.pop(key)[1]

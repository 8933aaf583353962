"""Shards that are recorded side by side: which episode comes next, and which shard is full.

A shard ends when its longest episode does. Without the next shard's episodes, most lanes would wait
for that: half of the time, where some episodes are three times as long as others.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush

from policyscope.rollouts.loop import Episode, Row

#: Shards open at a time: while the longest episode of one runs, the lanes fill the next. A third
#: would gain 0.4 % of the time on CoinRun's episodes; a kill would cost it too.
MOST_OPEN = 2


class OpenShards:
    """Shards that some lanes fill, in the order in which their numbers are given.

    Args:
        shard_episodes: episodes in a shard.
        most: shards open at a time.

    Example:
        >>> from policyscope.rollouts.loop import seeded_episodes
        >>> shards = OpenShards(2, most=1)
        >>> given = shards.episodes(seeded_episodes(0, 4), iter([1, 0]))
        >>> [episode and episode.index for _, episode in zip(range(4), given)]
        [2, 3, None, None]
    """

    def __init__(self, shard_episodes: int, most: int = MOST_OPEN):
        self.shard_episodes, self.most = shard_episodes, most
        self._running: dict[int, int] = {}
        self._rows: dict[int, list[Row]] = {}

    def episodes(
        self, every: Sequence[Episode], numbers: Iterator[int]
    ) -> Iterator[Episode | None]:
        """What the lanes run next; None while as many shards are open as may be.

        Args:
            every: all episodes of the recording, in order.
            numbers: of the shards, asked for one by one when they are needed.
        """
        for number in numbers:
            first = number * self.shard_episodes
            mine = every[first : first + self.shard_episodes]
            self._running[number], self._rows[number] = len(mine), []
            yield from mine
            while len(self._running) >= self.most:
                yield None

    def filled(self, rows: Iterable[Row]) -> Iterator[tuple[int, list[Row]]]:
        """Numbers of the shards as their last episodes end, and their rows.

        Args:
            rows: of the episodes given, each one's in order of time.
        """
        for row in rows:
            number = row.episode // self.shard_episodes
            self._rows[number].append(row)
            if row.last:
                self._running[number] -= 1
                if not self._running[number]:
                    del self._running[number]
                    yield number, self._rows.pop(number)


def steps_together(
    lengths: Sequence[float], lanes: int, shard_episodes: int, most: int = MOST_OPEN
) -> float:
    """Steps in lockstep until all episodes have ended.

    Args:
        lengths: steps of each episode, in order.
        lanes: worlds in lockstep.
        shard_episodes: episodes in a shard.
        most: shards open at a time.

    Example:
        >>> steps_together([9, 1, 1, 1], 2, 2), steps_together([9, 1, 1, 1], 2, 2, most=1)
        (9.0, 10.0)
    """
    free, ends = [0.0] * lanes, list[float]()
    for first in range(0, len(lengths), shard_episodes):
        mine = lengths[first : first + shard_episodes]
        opened = sorted(ends)[-most] if len(ends) >= most else 0
        last = 0.0
        for steps in mine:
            end = max(heappop(free), opened) + steps
            heappush(free, end)
            last = max(last, end)
        ends = [*sorted(ends)[-most:], last]
    return max(ends, default=0)

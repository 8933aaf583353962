"""Shuffled batches of windows for training, decoded by worker processes.

Some shards are held decoded at a time, together of at least so many episodes. Their order is drawn;
in each turn every held shard gives an equal part of its windows, drawn too, and all of these are
shuffled; then the oldest shard makes room for the next. So every window comes once an epoch,
every shard is decoded once, and what is drawn follows from the seed alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from policyscope.core.errors import PolicyscopeError
from policyscope.recordings.arrays.decoding import Decoders
from policyscope.recordings.arrays.lazy import Rows, Source
from policyscope.recordings.arrays.windows import window_counts
from policyscope.recordings.shards.store import shard_folder

NAMES = ("obs", "action", "reward", "terminated", "truncated")
EPISODES = 64


def batches(
    recording: Source,
    length: int = 34,
    batch: int = 32,
    *,
    names: Sequence[str] | None = None,
    seed: int = 0,
    epoch: int = 0,
    skip: int = 0,
    workers: int = 2,
    episodes: int = EPISODES,
    stride: int = 1,
    among: pd.DataFrame | None = None,
) -> Iterator[dict[str, np.ndarray]]:
    """Every window of an epoch once, shuffled, in batches; the last one may be smaller.

    Args:
        recording: an open recording.
        length: steps of a window, all in one episode.
        batch: windows of a batch.
        names: columns; by default obs, action, reward, terminated, truncated and, for agents with
            memory, state_in.
        seed: equal seeds give equal batches, with any number of workers.
        epoch: another order for each.
        skip: batches that were seen already; the rest comes as it would have.
        workers: processes that decode; 0 decodes in this one.
        episodes: a batch is drawn from shards that together hold at least so many, or from all.
        stride: steps from the beginning of one window to the next in its episode.
        among: lines of the table ``episodes`` to take windows from; all by default.

    Yields:
        By name (batch, length, ...), and ``episode`` and ``step`` (batch,) of the first step.

    Raises:
        UnknownName: no such column.
        PolicyscopeError: a number is out of range, no episode is long enough, or a worker died.
        BadFile: a shard is torn.

    Cost: holds the decoded columns of the episodes and of a shard for each worker.

    Example:
        >>> train, held = recording.split(hold_out=0.1)  # doctest: +SKIP
        >>> for batch in train.batches(length=34, batch=32, epoch=0):  # doctest: +SKIP
        ...     frames = torch.from_numpy(batch["obs"])
    """
    least = {"length": length, "batch": batch, "episodes": episodes, "stride": stride}
    for what, value in least.items():
        if value < 1:
            raise PolicyscopeError(f"{what} must be at least 1, got {value}")
    for what, value in {"workers": workers, "skip": skip, "epoch": epoch, "seed": seed}.items():
        if value < 0:
            raise PolicyscopeError(f"{what} must be 0 or more, got {value}")
    table = recording.episodes if among is None else among
    shards = _shards(table, length, stride)
    if not shards:
        raise PolicyscopeError(f"no episode has {length} steps; ask for shorter windows")
    stored = _stored(Rows(recording, table), names)
    order = np.random.default_rng([seed, epoch, 0]).permutation(len(shards))
    plan = _Plan([shards[i] for i in order], length, stride, episodes, (seed, epoch))
    return _batches(recording, plan, stored, batch, skip * batch, workers)


@dataclass(frozen=True, eq=False)
class _Shard:
    """Episodes of a shard that have windows; their numbers, first rows there and window counts."""

    number: int
    episodes: np.ndarray
    rows: np.ndarray
    counts: np.ndarray


def _shards(table: pd.DataFrame, length: int, stride: int) -> list[_Shard]:
    found = []
    for number, lines in table.groupby("shard"):
        counts = window_counts(lines["steps"].to_numpy(np.int64), length, stride)
        kept = counts > 0
        if kept.any():
            episodes, rows = (lines[name].to_numpy(np.int64)[kept] for name in ("episode", "row"))
            found.append(_Shard(int(str(number)), episodes, rows, counts[kept]))
    return found


def _stored(rows: Rows, names: Sequence[str] | None) -> dict[str, str]:
    """Names on disk by names."""
    if names is None:
        names = [*NAMES, *(["state_in"] if "state_in" in rows.names else [])]
    for name in names:
        rows.kind(name)
    outputs = rows.recording.outputs
    return {
        name: f"outputs/{name}" if name in outputs else name
        for name in names
        if name not in ("episode", "step")
    }


class _Plan:
    """Which windows come when; nothing here touches a disk.

    Args:
        shards: in the order in which they are decoded.
        length: steps of a window.
        stride: steps from one window to the next.
        episodes: least number of episodes of the shards held.
        seeds: what the draws follow from.
    """

    def __init__(
        self, shards: list[_Shard], length: int, stride: int, episodes: int, seeds: tuple[int, int]
    ):
        self.shards, self.length, self.stride, self._seeds = shards, length, stride, seeds
        fewest = np.cumsum(sorted(len(shard.episodes) for shard in shards))
        self.held = min(int(np.searchsorted(fewest, episodes)) + 1, len(shards))
        self.turns = len(shards) - self.held + 1

    def present(self, turn: int) -> range:
        """Places of the shards held in a turn."""
        return range(turn, turn + self.held)

    def count(self, turn: int) -> int:
        """Windows of a turn."""
        return sum(self._part(place, turn, int(self.shards[place].counts.sum()))[1]
                   for place in self.present(turn))  # fmt: skip

    def windows(self, turn: int) -> np.ndarray:
        """(N, 4) place of the shard, first row in it, episode, first step; in the order drawn."""
        parts = []
        for place in self.present(turn):
            shard = self.shards[place]
            total = int(shard.counts.sum())
            first, count = self._part(place, turn, total)
            drawn = np.random.default_rng([*self._seeds, 1, shard.number]).permutation(total)
            mine = drawn[first : first + count]
            line = np.searchsorted(np.cumsum(shard.counts), mine, side="right")
            step = (mine - (np.cumsum(shard.counts) - shard.counts)[line]) * self.stride
            where = np.full(len(mine), place)
            parts.append(np.stack([where, shard.rows[line] + step, shard.episodes[line], step], 1))
        every = np.concatenate(parts)
        draws = np.random.default_rng([*self._seeds, 2, turn])
        return every[draws.permutation(len(every))]

    def _part(self, place: int, turn: int, total: int) -> tuple[int, int]:
        """First and number of a shard's windows that come in a turn."""
        begin, end = max(0, place - self.held + 1), min(place, self.turns - 1)
        turns = end - begin + 1
        first = total * (turn - begin) // turns
        return first, total * (turn - begin + 1) // turns - first


def _batches(
    recording: Source, plan: _Plan, stored: dict[str, str], batch: int, skip: int, workers: int
) -> Iterator[dict[str, np.ndarray]]:
    turn = 0
    while turn < plan.turns and skip >= plan.count(turn):
        skip -= plan.count(turn)
        turn += 1
    if turn == plan.turns:
        return
    decoders = Decoders(workers)
    try:
        for shard in plan.shards[turn:]:
            folder = shard_folder(recording.path, shard.number)
            rows = recording.reader(shard.number).rows
            decoders.ask(folder / "arrays.zarr", list(stored.values()), rows)
        held: dict[int, dict[str, np.ndarray]] = {}
        filling = _Filling(batch, plan.length)
        for now in range(turn, plan.turns):
            held = {
                place: held[place]
                if place in held
                else dict(zip(stored, decoders.take(), strict=True))
                for place in plan.present(now)
            }
            for place, row, episode, step in plan.windows(now)[skip:].tolist():
                if filling.add(held[place], row, episode, step):
                    yield filling.take()
            skip = 0
        if filling.count:
            yield filling.take()
    finally:
        decoders.close()


class _Filling:
    """A batch that windows are copied into one by one."""

    def __init__(self, batch: int, length: int):
        self._batch, self._length = batch, length
        self.count, self._arrays = 0, dict[str, np.ndarray]()

    def add(self, columns: dict[str, np.ndarray], row: int, episode: int, step: int) -> bool:
        """Add a window; whether the batch is full."""
        if not self.count:
            self._arrays = {
                name: np.empty((self._batch, self._length, *column.shape[1:]), column.dtype)
                for name, column in columns.items()
            }
            for name in ("episode", "step"):
                self._arrays[name] = np.empty(self._batch, np.int32)
        for name, column in columns.items():
            self._arrays[name][self.count] = column[row : row + self._length]
        self._arrays["episode"][self.count], self._arrays["step"][self.count] = episode, step
        self.count += 1
        return self.count == self._batch

    def take(self) -> dict[str, np.ndarray]:
        """The windows added since the last one."""
        count, self.count = self.count, 0
        return {name: array[:count] for name, array in self._arrays.items()}

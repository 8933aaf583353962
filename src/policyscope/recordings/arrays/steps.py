"""Columns of some steps of a recording, read straight from the chunks when they are asked for."""

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from policyscope.core.errors import BadFile, UnknownName
from policyscope.recordings.plan import thinned_error
from policyscope.recordings.read import Recording
from policyscope.recordings.shards.chunks import read_rows
from policyscope.recordings.shards.gather import KEPT_ROWS
from policyscope.recordings.shards.store import MEND, shard_folder

BLOCK = 20_000
_NO_COLUMNS = {".", "outputs", "sites", "final_obs", "has_final_obs", KEPT_ROWS}


@lru_cache(256)
def _arrays_in(group: Path, changed: int) -> frozenset[str]:
    """Names of a group's arrays and groups; ``changed`` is when its folder last was."""
    return frozenset(p.parent.relative_to(group).as_posix() for p in group.rglob("zarr.json"))


class Steps:
    """Successive steps of whole episodes; columns are read once, when they are asked for.

    Args:
        recording: an opened recording.
        pieces: number of a shard and which of its rows, in order.
    """

    def __init__(self, recording: Recording, pieces: Sequence[tuple[int, slice]]):
        self.recording = recording
        self._pieces = list(pieces)
        self._columns: dict[str, np.ndarray] = {}

    @cached_property
    def names(self) -> list[str]:
        """Names that ``column`` knows."""
        shard = self._pieces[0][0] if self._pieces else 0
        arrays = shard_folder(self.recording.path, shard) / "arrays.zarr"
        found = _arrays_in(arrays, arrays.stat().st_mtime_ns) if arrays.is_dir() else frozenset()
        thinned = {f"sites/{name}" for name in self.recording.plan.thinned}
        return sorted(name.removeprefix("outputs/") for name in found - _NO_COLUMNS - thinned)

    @property
    def episode(self) -> np.ndarray:
        """(N,) number of the episode of each step."""
        return self.column("episode")

    @property
    def step(self) -> np.ndarray:
        """(N,) number of each step within its episode."""
        return self.column("step")

    def __len__(self) -> int:
        return len(self.episode)

    def column(self, name: str) -> np.ndarray:
        """One column: (N, ...).

        Args:
            name: such as obs, q, reward, ``sites/attention_layer.pattern``.

        Raises:
            UnknownName: no such column.
            PolicyscopeError: a site that was not kept at every step.
            BadFile: a shard is torn.
        """
        if name not in self._columns:
            plan = self.recording.plan
            if name.startswith("sites/") and name.removeprefix("sites/") in plan.thinned:
                raise thinned_error(name, plan)
            if name not in self.names:
                raise UnknownName("column", name, self.names)
            stored = f"outputs/{name}" if name in self.recording.outputs else name
            parts = [self._read(shard, stored, rows) for shard, rows in self._pieces]
            self._columns[name] = np.concatenate(parts)
        return self._columns[name]

    def _read(self, shard: int, name: str, rows: slice) -> np.ndarray:
        folder = shard_folder(self.recording.path, shard)
        try:
            return read_rows(folder / "arrays.zarr" / name, rows)
        except BadFile as error:
            raise BadFile(folder, f"torn shard: {error}", MEND) from None

    @cached_property
    def entities(self) -> dict[str, np.ndarray]:
        """Entities of these steps: identity, x and y (metres), speed (m/s), and ``at``.

        ``at`` is the place of an entity's step among these steps.

        Raises:
            BadFile: a shard is torn.
        """
        return self.entity_columns(["identity", "x", "y", "speed"])

    def entity_columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Some columns of the entities of these steps, and ``at``, as ``entities`` has it.

        Args:
            names: of columns, such as kind and identity.

        Raises:
            BadFile: a shard is torn.
        """
        columns = ["episode", "step", *names]
        parts = []
        for shard in dict.fromkeys(shard for shard, _ in self._pieces):
            folder = shard_folder(self.recording.path, shard)
            try:
                # a fifth of the time of pq.read_table, which makes a data set of one file first
                path = folder / "entities.parquet"
                with pq.ParquetFile(path, page_checksum_verification=True) as file:
                    parts.append(file.read(columns=columns, use_threads=False))
            except (OSError, pa.ArrowException) as error:
                raise BadFile(folder, f"torn shard: {' '.join(str(error).split())}", MEND) from None
        table = {name: pa.concat_tables(parts)[name].to_numpy() for name in columns}
        first = self.step == 0
        numbers, starts = self.episode[first], np.flatnonzero(first)
        order = np.argsort(numbers)
        place = np.searchsorted(numbers, table["episode"], sorter=order)
        place = order[np.minimum(place, len(order) - 1)]
        mine = numbers[place] == table["episode"]
        at = starts[place] + table["step"]
        return {"at": at[mine], **{name: table[name][mine] for name in columns[2:]}}


def of_episode(recording: Recording, k: int) -> Steps:
    """The steps of one episode.

    Args:
        recording: an opened recording.
        k: number of the episode.

    Raises:
        UnknownName: no such episode.
    """
    line = recording.line(k)
    first = int(line["row"])
    return Steps(recording, [(int(line["shard"]), slice(first, first + int(line["steps"])))])


def rows_of_episode(recording: Recording, k: int, first: int, count: int) -> Steps:
    """Some successive steps of one episode.

    Args:
        recording: an opened recording.
        k: number of the episode.
        first: the first of them.
        count: how many, all within the episode.

    Raises:
        UnknownName: no such episode.
    """
    line = recording.line(k)
    row = int(line["row"]) + first
    return Steps(recording, [(int(line["shard"]), slice(row, row + count))])


def blocks(recording: Recording, rows: int = BLOCK) -> Iterator[Steps]:
    """All steps in the order of the shards, some shards at a time.

    Args:
        recording: an opened recording.
        rows: steps of a block, which ends with the shard that fills it.

    Cost: memory of one block at a time.
    """
    counts = recording.episodes.groupby("shard")["steps"].sum()
    pieces: list[tuple[int, slice]] = []
    filled = 0
    for shard, steps in counts.items():
        pieces.append((int(shard), slice(0, int(steps))))
        filled += int(steps)
        if filled >= rows:
            yield Steps(recording, pieces)
            pieces, filled = [], 0
    if pieces:
        yield Steps(recording, pieces)

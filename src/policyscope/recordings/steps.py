"""Columns of some steps of a recording, read straight from the chunks when they are asked for.

zarr-python needs 10 ms to open a shard's group and 1 ms for each array: too long where 100,000
steps lie in hundreds of shards. What is read here was written by ``zarr_files.write_group``.
"""

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numcodecs.zstd import Zstd

from policyscope.core.errors import BadFile, UnknownName
from policyscope.recordings.read import Recording
from policyscope.recordings.store import MEND, shard_folder

BLOCK = 20_000
_NO_COLUMNS = {".", "outputs", "sites", "final_obs", "has_final_obs"}


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
        found = {p.parent.relative_to(arrays).as_posix() for p in arrays.rglob("zarr.json")}
        return sorted(name.removeprefix("outputs/") for name in found - _NO_COLUMNS)

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
            BadFile: a shard is torn.
        """
        if name not in self._columns:
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
                with pq.ParquetFile(folder / "entities.parquet") as file:
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


def read_rows(folder: Path, rows: slice) -> np.ndarray:
    """Some rows of an array that ``zarr_files.write_group`` wrote.

    Args:
        folder: of the array.
        rows: from start up to stop, both given.

    Raises:
        BadFile: a chunk is missing or damaged, or the array is laid out in another way.
    """
    dtype, shape, length = _layout(folder)
    first = rows.start // length
    last = max(-(-min(rows.stop, shape[0]) // length), first + 1)
    chunks = [_chunk(folder, number, dtype, (length, *shape[1:])) for number in range(first, last)]
    values = np.concatenate(chunks)[rows.start - first * length : rows.stop - first * length]
    if rows.stop > shape[0]:
        raise BadFile(folder, f"holds {shape[0]} rows, {rows.stop} are expected")
    return values


def _layout(folder: Path) -> tuple[np.dtype, tuple[int, ...], int]:
    """Type, shape, and rows of a chunk."""
    try:
        values = json.loads((folder / "zarr.json").read_bytes())
        chunk = values["chunk_grid"]["configuration"]["chunk_shape"]
        separator = values["chunk_key_encoding"]["configuration"]["separator"]
        codecs = [codec["name"] for codec in values["codecs"]]
        shape, dtype = tuple(values["shape"]), np.dtype(values["data_type"]).newbyteorder("<")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadFile(folder, f"has no readable zarr.json: {error!r}") from None
    if codecs != ["bytes", "zstd"] or separator != "." or tuple(chunk[1:]) != shape[1:]:
        raise BadFile(folder, "is laid out in another way than recordings are")
    return dtype, shape, int(chunk[0])


def _chunk(folder: Path, number: int, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    path = folder / ".".join(["c", str(number), *["0"] * (len(shape) - 1)])
    try:
        return np.frombuffer(Zstd().decode(path.read_bytes()), dtype).reshape(shape)
    except (OSError, ValueError, RuntimeError) as error:
        raise BadFile(path, f"the chunk is missing or damaged: {error}") from None

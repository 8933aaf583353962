"""One episode as one file of numbers, of which a request reads only what it asks for.

First come the entities, then the arrays with one row a step, the small ones first, the sites last.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import get_args

import numpy as np

from policyscope.core.errors import BadFile
from policyscope.panel.contract.episode import ArrayRef
from policyscope.panel.ranges import Read
from policyscope.panel.shelf.entity_columns import Entities, entities
from policyscope.panel.shelf.shelf import Shelf
from policyscope.panel.shelf.version import check_version, shard_version
from policyscope.recordings.arrays.steps import read_rows
from policyscope.recordings.read import Recording
from policyscope.recordings.shards.store import MEND, ShardReader

ALIGNMENT = 8
_LEFT_OUT = ("episode", "step")
_TYPES = frozenset(get_args(ArrayRef.model_fields["dtype"].annotation))
_STAND_IN = {"uint16": "int32", "uint32": "int64", "uint64": "float64"}


@dataclass(frozen=True, eq=False)
class Part:
    """One array of a file.

    Args:
        name: of the array.
        dtype: of its numbers.
        shape: its first axis are the rows that can be read by themselves.
        offset: its first byte.
        rows: reads rows from the first argument up to the second.
    """

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int
    rows: Callable[[int, int], np.ndarray]

    @property
    def bytes(self) -> int:
        """Its size."""
        return self.dtype.itemsize * int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class EpisodeFile:
    """The file of an episode: its arrays one after the other.

    Args:
        parts: the arrays in their order.
        kinds: names that the codes of entities/kind stand for.
        bytes: size of the file.
    """

    parts: list[Part]
    kinds: list[str]
    bytes: int


def open_bytes(shelf: Shelf, rec: str, k: int, version: str = "") -> tuple[int, Read]:
    """Size of an episode's file, and how to read it.

    Args:
        shelf: what is served.
        rec: id of the recording.
        k: number of the episode.
        version: of the layout that the request was made from; empty for whatever is there.

    Raises:
        UnknownName: no such recording or episode.
        Changed: the episode was written anew.
        BadFile: the recording or a shard is torn; the reader raises it too.
    """
    recording = shelf.recording(rec)
    check_version(version, shard_version(recording.place(k)[0].folder))
    file = episode_file(shelf, recording, k)
    return file.bytes, partial(read, file)


def refs(file: EpisodeFile, url: str) -> list[ArrayRef]:
    """Where the arrays of a file lie.

    Args:
        file: the file.
        url: address of the file.
    """
    return [
        ArrayRef.model_validate({
            "name": p.name, "url": url, "dtype": p.dtype.name, "shape": list(p.shape),
            "offset": p.offset, "bytes": p.bytes,
        })
        for p in file.parts
    ]  # fmt: skip


def episode_file(shelf: Shelf, recording: Recording, k: int) -> EpisodeFile:
    """The file of an episode, laid out from shapes and types alone.

    Args:
        shelf: keeps what was read last.
        recording: open.
        k: number of the episode.

    Raises:
        UnknownName: no such episode.
        BadFile: its shard is torn.
    """
    shard, span = recording.place(k)
    scene = entities(shelf, recording, k)
    steps = span.stop - span.start
    arrays = [
        Part(name, sendable(dtype), (steps, *shape[1:]), 0,
             partial(_array_rows, shelf, recording, shard, name, span.start))
        for name, (dtype, shape, _) in shard.layout.items()
        if name not in _LEFT_OUT
    ]  # fmt: skip
    arrays.sort(key=lambda part: (part.name.startswith("sites/"), part.bytes, part.name))
    return concatenate([*_columns(scene), *arrays], scene.kinds)


def concatenate(parts: list[Part], kinds: list[str]) -> EpisodeFile:
    """Lay arrays one after the other, each from a multiple of 8 bytes on."""
    placed, end = [], 0
    for part in parts:
        offset = -(-end // ALIGNMENT) * ALIGNMENT
        placed.append(Part(part.name, part.dtype, part.shape, offset, part.rows))
        end = offset + part.bytes
    return EpisodeFile(placed, kinds, end)


def read(file: EpisodeFile, start: int, stop: int) -> bytes:
    """Bytes of a file, reading only the rows of the arrays that they lie in.

    Args:
        file: the file.
        start: first byte.
        stop: behind the last byte.

    Raises:
        BadFile: a shard is torn.
    """
    answer = bytearray(max(0, stop - start))
    for part in file.parts:
        first, last = max(start, part.offset), min(stop, part.offset + part.bytes)
        if first >= last:
            continue
        row = part.bytes // part.shape[0]
        low, high = (first - part.offset) // row, -(-(last - part.offset) // row)
        values = np.ascontiguousarray(part.rows(low, high), part.dtype).tobytes()
        skip = first - part.offset - low * row
        answer[first - start : last - start] = values[skip : skip + last - first]
    return bytes(answer)


def sendable(dtype: np.dtype) -> np.dtype:
    """The type in which numbers are sent: their own, little-endian, where the contract has it."""
    name = np.dtype(dtype).name
    return np.dtype(name if name in _TYPES else _STAND_IN.get(name, "float64")).newbyteorder("<")


def _array_rows(
    shelf: Shelf, recording: Recording, shard: ShardReader, name: str, start: int, low: int,
    high: int,
) -> np.ndarray:  # fmt: skip
    """Rows of an array from whole chunks, which are kept: whoever scrubs asks for the next row."""
    _, shape, length = shard.layout[name]
    first, last = start + low, start + high
    parts = []
    for number in range(first // length, -(-last // length)):
        begin = number * length
        end = min(begin + length, shape[0])
        chunk = shelf.kept(
            recording, ("chunk", shard.folder, name, number),
            partial(_chunk, shard, name, slice(begin, end)), lambda values: values.nbytes,
        )  # fmt: skip
        parts.append(chunk[max(first - begin, 0) : last - begin])
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _chunk(shard: ShardReader, name: str, rows: slice) -> np.ndarray:
    try:
        return read_rows(shard.folder / "arrays.zarr" / name, rows)
    except BadFile as error:
        raise BadFile(shard.folder, f"torn shard: {error}", MEND) from None


def _columns(scene: Entities) -> list[Part]:
    return [
        Part(f"entities/{name}", sendable(values.dtype), values.shape, 0, partial(_some, values))
        for name, values in scene.columns.items()
    ]


def _some(values: np.ndarray, low: int, high: int) -> np.ndarray:
    return values[low:high]

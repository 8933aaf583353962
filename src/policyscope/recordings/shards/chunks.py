"""Rows of arrays that ``zarr_files.write_group`` wrote, decoded chunk by chunk.

zarr-python needs 10 ms to open a shard's group and 1 ms for each array: too long where 100,000
steps lie in hundreds of shards.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numcodecs.zstd import Zstd

from policyscope.core.errors import BadFile


def read_rows(folder: Path, rows: slice) -> np.ndarray:
    """Some successive rows of an array.

    Args:
        folder: of the array.
        rows: from start up to stop, both given.

    Raises:
        BadFile: a chunk is missing or damaged, or the array is laid out in another way.

    Cost: decodes the chunks that hold them.
    """
    dtype, shape, length = _layout(folder)
    if rows.stop > shape[0]:
        raise BadFile(folder, f"holds {shape[0]} rows, {rows.stop} are expected")
    out = np.empty((max(0, rows.stop - rows.start), *shape[1:]), dtype)
    at = rows.start
    while at < rows.stop:
        number, inside = divmod(at, length)
        count = min(length - inside, rows.stop - at)
        chunk = _chunk(folder, number, dtype, (length, *shape[1:]))
        out[at - rows.start :][:count] = chunk[inside:][:count]
        at += count
    return out


def take_rows(folder: Path, rows: np.ndarray) -> np.ndarray:
    """Any rows of an array, in the order asked for.

    Args:
        folder: of the array.
        rows: (N,) numbers of rows, 0 or more.

    Raises:
        BadFile: a chunk is missing or damaged, or the array is laid out in another way.

    Cost: decodes each chunk that holds one of them once.
    """
    dtype, shape, length = _layout(folder)
    if len(rows) and int(rows.max()) >= shape[0]:
        raise BadFile(folder, f"holds {shape[0]} rows, {int(rows.max()) + 1} are expected")
    out = np.empty((len(rows), *shape[1:]), dtype)
    for number, places in grouped(rows // length):
        chunk = _chunk(folder, number, dtype, (length, *shape[1:]))
        out[places] = chunk[rows[places] - number * length]
    return out


def grouped(keys: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each key that occurs, rising, and where.

    Args:
        keys: (N,) whole numbers.

    Example:
        >>> [(key, places.tolist()) for key, places in grouped(np.array([7, 2, 7]))]
        [(2, [1]), (7, [0, 2])]
    """
    order = np.argsort(keys, kind="stable")
    found, first = np.unique(keys[order], return_index=True)
    for key, places in zip(found.tolist(), np.split(order, first[1:]), strict=False):
        yield int(key), places


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

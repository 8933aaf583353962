"""Zarr v3 groups of arrays along a leading axis, written fast and read with every chunk checked.

zarr-python spends about 2 ms on each small array, which would be a tenth of a recording's time; the
files written here are byte for byte those that it writes (a test compares them). Chunks lie beside
their metadata (separator "."), because making folders is most of the work.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs.zstd import Zstd

from policyscope.core.errors import BadFile, UnknownName

LEVEL = 3
CHUNK_BYTES = 2**18
CHUNK_STEPS = 32


def chunk_length(array: np.ndarray) -> int:
    """Rows of a chunk: about 256 KiB, but at least 32 steps and at most all rows."""
    row = max(1, array.itemsize * int(np.prod(array.shape[1:], dtype=np.int64)))
    return max(1, min(len(array), max(CHUNK_STEPS, CHUNK_BYTES // row)))


def write_group(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as one zarr v3 group.

    Args:
        folder: where to; must not exist.
        arrays: by name; a name ``sites/x`` lies in the group ``sites``. Split along the first axis.
    """
    folder.mkdir()
    _write_metadata(folder, _group())
    for group in dict.fromkeys(name.rpartition("/")[0] for name in arrays):
        if group:
            (folder / group).mkdir()
            _write_metadata(folder / group, _group())
    for name, array in arrays.items():
        _write_array(folder / name, array)


def _write_array(folder: Path, array: np.ndarray) -> None:
    length = chunk_length(array)
    folder.mkdir()
    _write_metadata(folder, _array(array, length))
    codec = Zstd(level=LEVEL, checksum=True)
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    for number, first in enumerate(range(0, len(array), length)):
        piece = little[first : first + length]
        if len(piece) < length:
            fill = np.zeros((length - len(piece), *piece.shape[1:]), piece.dtype)
            piece = np.concatenate([piece, fill])
        place = folder / ".".join(["c", str(number), *["0"] * (array.ndim - 1)])
        place.write_bytes(codec.encode(np.ascontiguousarray(piece).reshape(-1).view(np.uint8)))


def _write_metadata(folder: Path, values: dict[str, Any]) -> None:
    (folder / "zarr.json").write_text(json.dumps(values, indent=2))


def _group() -> dict[str, Any]:
    return {"attributes": {}, "zarr_format": 3, "node_type": "group"}


def _array(array: np.ndarray, length: int) -> dict[str, Any]:
    order: dict[str, Any] = {"name": "bytes"}
    if array.dtype.itemsize > 1:
        order["configuration"] = {"endian": "little"}
    zstd = {"name": "zstd", "configuration": {"level": LEVEL, "checksum": True}}
    return {
        "shape": list(array.shape),
        "data_type": array.dtype.newbyteorder("=").name,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [length, *array.shape[1:]]},
        },
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "fill_value": array.dtype.type(0).item(),
        "codecs": [order, zstd],
        "attributes": {},
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }


def open_group(folder: Path) -> dict[str, zarr.Array]:
    """Arrays of a group by name, read on demand.

    Raises:
        BadFile: no readable zarr group.
    """
    try:
        root = zarr.open_group(folder, mode="r", zarr_format=3)
        arrays: dict[str, zarr.Array] = dict(root.arrays())
        for group, inner in root.groups():
            arrays |= {f"{group}/{name}": array for name, array in inner.arrays()}
    except Exception as error:
        raise BadFile(folder, f"cannot be read: {_line(error)}") from None
    return arrays


def array_layouts(folder: Path) -> dict[str, tuple[np.dtype, tuple[int, ...], int]]:
    """Type, shape and rows of a chunk of each array of a group, from its metadata alone.

    Args:
        folder: of a group that ``write_group`` wrote.

    Raises:
        BadFile: an array's metadata is damaged, or there is none.
    """
    found = {}
    for path in sorted(folder.rglob("zarr.json")):
        try:
            values = json.loads(path.read_bytes())
            if values["node_type"] == "array":
                chunk = int(values["chunk_grid"]["configuration"]["chunk_shape"][0])
                name = path.parent.relative_to(folder).as_posix()
                found[name] = np.dtype(values["data_type"]), tuple(map(int, values["shape"])), chunk
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise BadFile(path, f"cannot be read: {error!r}") from None
    if not found:
        raise BadFile(folder, "holds no array")
    return found


def read_array(
    folder: Path, arrays: Mapping[str, zarr.Array], name: str, rows: slice | None = None
) -> np.ndarray:
    """Rows of one array.

    Args:
        folder: the group's folder, for its chunk files.
        arrays: what ``open_group`` gave.
        name: one of its names.
        rows: which rows; all by default.

    Raises:
        UnknownName: no such array.
        BadFile: a chunk is missing (zarr would read it as zeros) or damaged.
    """
    if name not in arrays:
        raise UnknownName("array", name, arrays)
    array = arrays[name]
    expected = -(-array.shape[0] // array.chunks[0])
    present = sum(1 for _ in (folder / name).glob("c.*"))
    if present < expected:
        raise BadFile(folder / name, f"{expected - present} of {expected} chunks are missing")
    try:
        return np.asarray(array[slice(None) if rows is None else rows])
    except Exception as error:
        raise BadFile(folder / name, f"a chunk is damaged: {_line(error)}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__

"""Zarr files: byte for byte those of zarr-python, and no missing chunk read as zeros."""

import numpy as np
import pytest
import zarr
from zarr.codecs import ZstdCodec

from policyscope.core.errors import BadFile, UnknownName
from policyscope.recordings.shards.zarr_files import (
    chunk_length,
    open_group,
    read_array,
    write_group,
)

RNG = np.random.default_rng(0)
ARRAYS = {
    "obs": RNG.integers(0, 255, (100, 64, 64, 3)).astype(np.uint8),
    "flag": RNG.random(100) < 0.5,
    "step": np.arange(100, dtype=np.int32),
    "action": RNG.integers(0, 3, 100),
    "reward": RNG.normal(size=100),
    "half": RNG.normal(size=(100, 3)).astype(np.float16),
    "zeros": np.zeros((100, 2), np.float32),
    "sites/a.pattern": RNG.normal(size=(100, 4, 1, 15)).astype(np.float32),
    "outputs/q": RNG.normal(size=(100, 3)).astype(np.float32),
}


def write_with_zarr(folder, arrays):
    root = zarr.create_group(folder, zarr_format=3)
    for name, values in arrays.items():
        array = root.create_array(
            name,
            shape=values.shape,
            dtype=values.dtype,
            chunks=(chunk_length(values), *values.shape[1:]),
            compressors=[ZstdCodec(level=3, checksum=True)],
            chunk_key_encoding={"name": "default", "separator": "."},
            config={"write_empty_chunks": True},
        )
        array[...] = values


def files(folder) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_the_files_are_those_of_zarr_python(tmp_path):
    write_group(tmp_path / "ours", ARRAYS)
    write_with_zarr(tmp_path / "theirs", ARRAYS)
    ours, theirs = files(tmp_path / "ours"), files(tmp_path / "theirs")
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert sum("obs/c." in name for name in ours) == 4, "frames are chunked by 32 steps"


def test_zarr_python_reads_what_was_written(tmp_path):
    write_group(tmp_path / "g", ARRAYS)
    root = zarr.open_group(tmp_path / "g", mode="r")
    for name, values in ARRAYS.items():
        np.testing.assert_array_equal(root[name][...], values)
        assert root[name].dtype == values.dtype


def test_big_endian_arrays_keep_their_values(tmp_path):
    write_group(tmp_path / "g", {"x": np.arange(5, dtype=">f8")})
    values = read_array(tmp_path / "g", open_group(tmp_path / "g"), "x")
    assert values.tolist() == [0, 1, 2, 3, 4]


def test_rows_are_read_by_slice(tmp_path):
    write_group(tmp_path / "g", ARRAYS)
    arrays = open_group(tmp_path / "g")
    for name, values in ARRAYS.items():
        found = read_array(tmp_path / "g", arrays, name, slice(30, 70))
        np.testing.assert_array_equal(found, values[30:70])


def test_a_missing_chunk_is_not_zeros(tmp_path):
    write_group(tmp_path / "g", ARRAYS)
    (tmp_path / "g/obs/c.1.0.0.0").unlink()
    assert not zarr.open_group(tmp_path / "g")["obs"][40].any(), "zarr itself reads zeros"
    with pytest.raises(BadFile, match="1 of 4 chunks are missing"):
        read_array(tmp_path / "g", open_group(tmp_path / "g"), "obs")


@pytest.mark.parametrize("harm", ["flip", "cut", "empty"])
def test_a_damaged_chunk_is_named(tmp_path, harm):
    write_group(tmp_path / "g", ARRAYS)
    chunk = tmp_path / "g/reward/c.0"
    data = bytearray(chunk.read_bytes())
    if harm == "flip":
        data[len(data) // 2] ^= 1
    chunk.write_bytes({"flip": data, "cut": data[:-9], "empty": b""}[harm])
    with pytest.raises(BadFile, match="reward: a chunk is damaged"):
        read_array(tmp_path / "g", open_group(tmp_path / "g"), "reward")


def test_unknown_arrays_and_foreign_folders(tmp_path):
    write_group(tmp_path / "g", ARRAYS)
    with pytest.raises(UnknownName, match="Did you mean reward"):
        read_array(tmp_path / "g", open_group(tmp_path / "g"), "rewards")
    (tmp_path / "other").mkdir()
    with pytest.raises(BadFile, match="cannot be read"):
        open_group(tmp_path / "other")

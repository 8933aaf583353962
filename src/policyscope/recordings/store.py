"""Shards on disk: folders of whole episodes, written beside and renamed."""

import errno
import shutil
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from policyscope.core.errors import BadFile, UnknownName, system_cause
from policyscope.core.files import atomic_file, read_json, write_json
from policyscope.recordings.gather import EPISODE_COLUMNS, Columns
from policyscope.recordings.zarr_files import (
    array_layouts,
    open_group,
    read_array,
    write_group,
)

SCHEMA = 1
MEND = "delete this shard's folder and record into the recording again"


def shard_folder(recording: Path, number: int) -> Path:
    """Folder of a finished shard."""
    return recording / "shards" / f"{number:05d}"


def finished_shards(recording: Path) -> list[int]:
    """Numbers of the shards that were written to their end, in order."""
    return sorted(int(p.name) for p in (recording / "shards").glob("[0-9]*") if p.is_dir())


def remove_parts(recording: Path) -> None:
    """Remove what a killed recorder left of its open shards."""
    for part in (recording / "shards").glob(".*.part"):
        shutil.rmtree(part)


def write_shard(recording: Path, number: int, columns: Columns) -> None:
    """Write a shard beside, then rename it; nothing is left of it if that fails.

    Args:
        recording: folder of the recording.
        number: number of the shard.
        columns: its content.

    Raises:
        BadFile: a file cannot be written (no space, no permission).
    """
    target = shard_folder(recording, number)
    part = target.with_name(f".{target.name}.part")
    try:
        part.mkdir(parents=True)
        write_group(part / "arrays.zarr", columns.arrays)
        _write_table(part / "entities.parquet", columns.entities)
        _write_table(part / "episodes.parquet", columns.episodes)
        values = {
            "schema": SCHEMA,
            "episodes": columns.episodes["episode"].to_pylist(),
            "rows": len(columns.arrays["step"]),
        }
        write_json(part / "shard.json", values)
        part.rename(target)
    except OSError as error:
        raise unwritable(recording, f"shard {number}", error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def unwritable(recording: Path, what: str, error: Exception) -> BadFile:
    """The one line for a recording that cannot be written to."""
    reason = system_cause(error)
    cause = f"cannot write {what}: {reason}; finished shards are kept"
    return BadFile(recording, cause, "make room or mend the folder, then run the same command")


def _write_table(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, compression="zstd")


class ShardReader:
    """A finished shard, read on demand.

    Args:
        folder: its folder.

    Raises:
        BadFile: the shard is torn or of another schema.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        values = _shard_json(folder)
        self.episode_numbers: list[int] = values["episodes"]
        self.rows: int = values["rows"]

    @cached_property
    def _arrays(self) -> dict[str, Any]:
        return self._guard(open_group, self.folder / "arrays.zarr")

    def names(self) -> list[str]:
        """Names of the arrays with one entry a row."""
        return [n for n in self._arrays if n not in ("final_obs", "has_final_obs")]

    def array(self, name: str, rows: slice | None = None) -> np.ndarray:
        """Rows of one array.

        Raises:
            UnknownName: no such array.
            BadFile: the shard is torn.
        """
        values = self._guard(read_array, self.folder / "arrays.zarr", self._arrays, name, rows)
        whole = len(self.episode_numbers) if name.endswith("final_obs") else self.rows
        expected = len(range(*(rows or slice(None)).indices(whole)))
        if len(values) != expected:
            cause = f"torn shard: {len(values)} of {expected} rows of {name}"
            raise BadFile(self.folder, cause, MEND)
        return values

    def span(self, episode: int) -> tuple[int, slice]:
        """Place of an episode in the shard: its position and its rows."""
        position = self.episode_numbers.index(episode)
        line = self.episodes.iloc[position]
        return position, slice(int(line["row"]), int(line["row"] + line["steps"]))

    @cached_property
    def episode_table(self) -> pa.Table:
        """One line for each episode of the shard, as it is on disk."""
        return self._guard(read_table, self.folder / "episodes.parquet")

    @cached_property
    def episodes(self) -> pd.DataFrame:
        """One line for each episode of the shard."""
        return self.episode_table.to_pandas()

    def entity_table(self) -> pa.Table:
        """Entities of all rows of the shard, as they are on disk; read each time."""
        return self._guard(read_table, self.folder / "entities.parquet")

    def entities(self) -> pd.DataFrame:
        """Entities of all rows of the shard; read each time."""
        return self.entity_table().to_pandas()

    @cached_property
    def layout(self) -> dict[str, tuple[np.dtype, tuple[int, ...], int]]:
        """Type, shape and rows of a chunk of each array with one entry a row; no number is read.

        Raises:
            BadFile: the shard is torn.

        Cost: 2 ms; opening the arrays with zarr would take 10 ms and keep 30 kB.
        """
        found = self._guard(array_layouts, self.folder / "arrays.zarr")
        for name in ("final_obs", "has_final_obs"):
            found.pop(name, None)
        for name, (_, shape, _) in found.items():
            held = shape[0] if shape else 0
            if held != self.rows:
                raise BadFile(
                    self.folder, f"torn shard: {held} of {self.rows} rows of {name}", MEND
                )
        return found

    def _guard(self, read: Any, *arguments: Any) -> Any:
        try:
            return read(*arguments)
        except UnknownName:
            raise
        except BadFile as error:
            raise BadFile(self.folder, f"torn shard: {error}", MEND) from None


def _shard_json(folder: Path) -> dict[str, Any]:
    try:
        values = read_json(folder / "shard.json")
    except BadFile as error:
        raise BadFile(folder, f"torn shard: {error}", MEND) from None
    if not isinstance(values, dict) or not {"schema", "episodes", "rows"} <= set(values):
        raise BadFile(folder, "torn shard: shard.json lacks entries", MEND)
    if values["schema"] != SCHEMA:
        raise BadFile(folder, f"shard schema {values['schema']}, this reads {SCHEMA}", MEND)
    return values


def read_table(path: Path) -> pa.Table:
    """A parquet table.

    Raises:
        BadFile: it is missing or damaged.
    """
    try:
        return pq.read_table(path, use_threads=False)
    except FileNotFoundError:
        raise BadFile(path, "no such table") from None
    except (OSError, pa.ArrowException) as error:
        cause = " ".join(str(error).split())
        raise BadFile(path, f"is not a whole parquet table: {cause}") from None


def rebuild_episodes(recording: Path, numbers: list[int]) -> pd.DataFrame:
    """Gather the episodes of shards into the recording's table and write it where possible.

    Args:
        recording: folder of the recording.
        numbers: shards to gather.
    """
    schema = pa.schema(list(EPISODE_COLUMNS.items()))
    tables = [ShardReader(shard_folder(recording, n)).episode_table for n in numbers]
    table = pa.concat_tables([schema.empty_table(), *tables])
    try:
        with atomic_file(recording / "episodes.parquet") as beside:
            _write_table(beside, table)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise  # a recording on a read-only disk can still be read
    return table.to_pandas()

"""Shards on disk: folders of whole episodes, written beside and renamed."""

import errno
import io
import re
import shutil
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from policyscope.core.errors import BadFile, UnknownName, system_cause
from policyscope.core.files import atomic_file, read_json, write_json
from policyscope.recordings.levels import LEVEL
from policyscope.recordings.shards.checksums import folder_sums, sealed
from policyscope.recordings.shards.gather import EPISODE_COLUMNS, KEPT_ROWS, Columns
from policyscope.recordings.shards.zarr_files import (
    array_layouts,
    open_group,
    read_array,
    write_group,
)

SCHEMA = 1
MEND = "delete this shard's folder and record into the recording again"
#: Arrays with other rows than the shard's.
_OTHER_ROWS = ("final_obs", "has_final_obs", KEPT_ROWS)
#: Names as ``shard_folder`` writes them; others, such as a copy put aside, are no shards.
_SHARD = re.compile(r"[0-9]{5}|[1-9][0-9]{5,}")
_WRITER = re.compile(r"parquet-cpp-arrow version \d+\.\d+\.\d+\S*")


def shard_folder(recording: Path, number: int) -> Path:
    """Folder of a finished shard."""
    return recording / "shards" / f"{number:05d}"


def finished_shards(recording: Path) -> list[int]:
    """Numbers of the shards that were written to their end, in order."""
    found = (p for p in (recording / "shards").glob("[0-9]*") if _SHARD.fullmatch(p.name))
    return sorted(int(p.name) for p in found if p.is_dir())


def remove_parts(recording: Path) -> None:
    """Remove what a killed recorder left of its open shards and files."""
    for pattern in ("shards/.*.part", ".*.part", "agent/*.part"):
        for part in recording.glob(pattern):
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink()


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
    # On a cluster a shard can be written twice, where a worker was taken for dead.
    part = target.with_name(f".{target.name}.{uuid4().hex[:8]}.part")
    try:
        part.mkdir(parents=True)
        write_group(part / "arrays.zarr", columns.arrays)
        write_table(part / "entities.parquet", columns.entities)
        write_table(part / "episodes.parquet", columns.episodes)
        values = {
            "schema": SCHEMA,
            "episodes": columns.episodes["episode"].to_pylist(),
            "rows": len(columns.arrays["step"]),
            **({"thinned": columns.thinned} if columns.thinned else {}),
            "files": folder_sums(part),
        }
        write_json(part / "shard.json", sealed(values))
        try:
            part.rename(target)
        except OSError:
            if not (target / "shard.json").is_file():
                raise
    except OSError as error:
        raise unwritable(recording, f"shard {number}", error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def unwritable(recording: Path, what: str, error: Exception) -> BadFile:
    """The one line for a recording that cannot be written to."""
    reason = system_cause(error)
    cause = f"cannot write {what}: {reason}; finished shards are kept"
    return BadFile(recording, cause, "make room or mend the folder, then run the same command")


def write_table(path: Path, table: pa.Table) -> None:
    """Write a parquet table whose pages have checksums."""
    path.write_bytes(_table_bytes(table, True))


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
        #: Arrays that hold the rows ``kept_rows`` alone.
        self.thinned: list[str] = values.get("thinned", [])

    @cached_property
    def _arrays(self) -> dict[str, Any]:
        return self._guard(open_group, self.folder / "arrays.zarr")

    def names(self) -> list[str]:
        """Names of the arrays with one entry a row."""
        return [n for n in self._arrays if n not in (*_OTHER_ROWS, *self.thinned)]

    @cached_property
    def kept_rows(self) -> np.ndarray:
        """Rows of the shard that the thinned arrays hold, rising.

        Raises:
            BadFile: the shard is torn.
        """
        return self._guard(read_array, self.folder / "arrays.zarr", self._arrays, KEPT_ROWS)

    def kept(self, rows: slice) -> slice:
        """Where the thinned arrays hold what they have of some rows of the shard."""
        first, last = np.searchsorted(self.kept_rows, (rows.start, rows.stop)).tolist()
        return slice(first, last)

    def array(self, name: str, rows: slice | None = None) -> np.ndarray:
        """Rows of one array; a thinned one counts its own rows, see ``kept``.

        Raises:
            UnknownName: no such array.
            BadFile: the shard is torn.
        """
        values = self._guard(read_array, self.folder / "arrays.zarr", self._arrays, name, rows)
        counts = {
            "final_obs": len(self.episode_numbers),
            "has_final_obs": len(self.episode_numbers),
        }
        if name in self.thinned:
            counts[name] = len(self.kept_rows)
        whole = counts.get(name, self.rows)
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
        for name in (*_OTHER_ROWS, *self.thinned):
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
        return pq.read_table(path, use_threads=False, page_checksum_verification=True)
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
    table = _gathered(recording, numbers)
    try:
        with atomic_file(recording / "episodes.parquet") as beside:
            write_table(beside, table)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise  # a recording on a read-only disk can still be read
    return table.to_pandas()


def same_table(recording: Path, numbers: list[int]) -> bool:
    """Whether the recording's table of episodes is the one that its shards make.

    Args:
        recording: folder of the recording.
        numbers: its shards.

    Raises:
        BadFile: the table is missing or damaged, or a shard is torn.
    """
    path, table = recording / "episodes.parquet", _gathered(recording, numbers)
    found = path.read_bytes() if path.is_file() else b""
    if found in (_table_bytes(table, True), _table_bytes(table, False)):
        return True
    if not read_table(path).to_pandas().equals(table.to_pandas()):
        return False
    with pq.ParquetFile(path) as file:
        writer = str(file.metadata.created_by)
    ours = f"parquet-cpp-arrow version {pa.__version__}"
    return writer != ours and _WRITER.fullmatch(writer) is not None  # another version's bytes


def _gathered(recording: Path, numbers: list[int]) -> pa.Table:
    tables = [ShardReader(shard_folder(recording, n)).episode_table for n in numbers]
    leveled = any(LEVEL in table.schema.names for table in tables)
    columns = {n: kind for n, kind in EPISODE_COLUMNS.items() if n != LEVEL or leveled}
    # Shards of an early recording that was gone on with have no levels.
    every = [pa.schema(list(columns.items())).empty_table(), *tables]
    return pa.concat_tables(every, promote_options="default")


def _table_bytes(table: pa.Table, checksums: bool) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd", write_page_checksum=checksums)
    return out.getvalue()

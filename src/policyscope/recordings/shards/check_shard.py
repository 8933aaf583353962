"""Check one shard: its files against their checksums, and its rows against its tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from policyscope.core.errors import BadFile, system_cause
from policyscope.recordings.levels import LEVEL, levels
from policyscope.recordings.plan import NO_SEED, UNKNOWN, Plan
from policyscope.recordings.shards.checksums import file_names, file_sum, require_seal
from policyscope.recordings.shards.chunks import read_rows
from policyscope.recordings.shards.gather import ENTITY_COLUMNS, EPISODE_COLUMNS, KEPT_ROWS
from policyscope.recordings.shards.store import MEND, ShardReader, read_table, shard_folder
from policyscope.recordings.shards.zarr_files import array_layouts

_SCALARS = {
    "episode": "int32", "step": "int32", "logp": "float32", "reward": "float64",
    "terminated": "bool", "truncated": "bool",
}  # fmt: skip
#: Entries of a shard.json without checksums.
_ENTRIES = ("schema", "episodes", "rows", "thinned")


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with a recording.

    Args:
        place: file or folder, from the recording's folder on.
        cause: what is wrong.
        mend: what to do.
    """

    place: str
    cause: str
    mend: str


def check_shard(recording: Path, number: int, plan: Plan | None) -> tuple[list[Fault], bool]:
    """Faults of one shard, and whether it holds checksums of its files.

    Args:
        recording: folder of the recording.
        number: of the shard.
        plan: of the recording; None where it cannot be read, and is not compared with.

    Cost: reads the shard's bytes twice, one chunk at a time.
    """
    folder = shard_folder(recording, number)
    try:
        values = require_seal(folder / "shard.json", "files", _ENTRIES)
        shard = ShardReader(folder)
    except BadFile as error:
        return [_fault(number, "shard.json", error, folder)], True
    sums = values.get("files")
    if sums is not None:
        faults = list(_files(folder, number, sums))
        if faults:
            return faults, True
    try:
        _require_decodes(folder)
        causes = _contents(shard, number, plan)
        return [Fault(_place(number, name), cause, MEND) for name, cause in causes], bool(sums)
    except BadFile as error:
        return [_fault(number, "", error, folder)], bool(sums)
    except (ValueError, TypeError, KeyError, IndexError, pa.ArrowException) as error:
        cause = f"cannot be read: {' '.join(repr(error).split())}"
        return [Fault(_place(number, ""), cause, MEND)], bool(sums)


def _place(number: int, name: str) -> str:
    return f"shards/{number:05d}" + (f"/{name}" if name else "")


def _fault(number: int, name: str, error: BadFile, folder: Path) -> Fault:
    """A fault at the file that an error names."""
    told = str(error).removesuffix(f" ({MEND})").removeprefix(f"{folder}: torn shard: ")
    if told.startswith(f"{folder}/"):
        found, _, told = told.removeprefix(f"{folder}/").partition(": ")
        name = found
    return Fault(_place(number, name), told.removeprefix(f"{folder}: "), MEND)


def _files(folder: Path, number: int, sums: dict[str, str]) -> Iterator[Fault]:
    present = {*file_names(folder)} - {"shard.json"}
    for name in sorted(present | set(sums)):
        if name not in sums:
            cause = "is not a part of the shard"
        elif name not in present:
            cause = "is missing"
        else:
            try:
                whole = file_sum(folder / name) == sums[name]
                cause = "" if whole else "its bytes are not those that were written"
            except OSError as error:
                cause = f"cannot be read: {system_cause(error)}"
        if cause:
            yield Fault(_place(number, name), cause, MEND)


def _require_decodes(folder: Path) -> None:
    """Decode every chunk, one at a time; zstd's checksum tells a changed one."""
    arrays = folder / "arrays.zarr"
    for inner in [arrays, *(p for p in arrays.rglob("*") if p.is_dir())]:
        if not (inner / "zarr.json").is_file():
            raise BadFile(inner / "zarr.json", "is missing")
    for name, (_, shape, length) in array_layouts(arrays).items():
        for first in range(0, shape[0], length):
            read_rows(arrays / name, slice(first, min(first + length, shape[0])))


def _contents(shard: ShardReader, number: int, plan: Plan | None) -> Iterator[tuple[str, str]]:
    """Places and causes where the parts of a shard contradict each other or the plan."""
    table = shard.episode_table
    known = table.schema.names
    if known != [n for n in EPISODE_COLUMNS if n != LEVEL or n in known]:
        yield "episodes.parquet", f"has the columns {', '.join(known)}"
        return
    lines = {name: table[name].to_pylist() for name in known}
    steps, episodes = np.array(lines["steps"], np.int64), shard.episode_numbers
    if not episodes or episodes != lines["episode"] or steps.min() < 1:
        yield "episodes.parquet", "its episodes are not those of shard.json"
        return
    if steps.sum() != shard.rows or lines["row"] != [0, *np.cumsum(steps)[:-1].tolist()]:
        yield "episodes.parquet", f"its steps do not make the {shard.rows} rows of shard.json"
        return
    if set(lines["shard"]) != {number}:
        yield "episodes.parquet", "is that of another shard"
    if plan is not None:
        first = number * plan.shard_episodes
        if episodes != list(range(plan.episodes))[first : first + plan.shard_episodes]:
            yield "shard.json", f"holds episodes {episodes[0]} to {episodes[-1]}, not its own"
        if plan.seed != NO_SEED and lines["seed"] != [plan.seed + k for k in episodes]:
            yield "episodes.parquet", "its seeds are not those of recording.json"
        if LEVEL in lines and lines[LEVEL] != levels(plan.env, lines["seed"]):
            yield "episodes.parquet", "its levels are not those of its seeds"
    wrong = list(_shapes(shard, plan))
    yield from wrong
    if not wrong:
        yield from _rows(shard, lines, steps, imported=plan is None or plan.act == UNKNOWN)
        yield from _entities(shard, steps)


def _shapes(shard: ShardReader, plan: Plan | None) -> Iterator[tuple[str, str]]:
    """Arrays that are missing, or of another shape or type than the plan says."""
    known = array_layouts(shard.folder / "arrays.zarr")
    rows, episodes = shard.rows, len(shard.episode_numbers)
    wanted: dict[str, tuple[str, int, tuple[int, ...] | None]] = {
        **{name: (dtype, rows, ()) for name, dtype in _SCALARS.items()},
        "action": ("", rows, None), "policy_action": ("", rows, None), "obs": ("", rows, None),
        "final_obs": ("", episodes, None), "has_final_obs": ("bool", episodes, ()),
    }  # fmt: skip
    if plan is not None:
        obs = plan.space.obs_dtype, plan.space.obs_shape
        wanted |= {"obs": (obs[0], rows, obs[1]), "final_obs": (obs[0], episodes, obs[1])}
        wanted |= {f"outputs/{name}": ("", rows, shape) for name, shape in plan.outputs.items()}
        kept = len(known[KEPT_ROWS][1]) and known[KEPT_ROWS][1][0] if KEPT_ROWS in known else 0
        for name, shape in plan.sites.items():
            dtype = "float16" if name in plan.convolutional else "float32"
            count = kept if name in plan.thinned else rows
            wanted[f"sites/{name}"] = dtype, count, shape
        if plan.thinned:
            wanted[KEPT_ROWS] = "int32", kept, ()
    for name, (dtype, count, row) in wanted.items():
        place = f"arrays.zarr/{name}"
        if name not in known:
            yield place, "is missing"
            continue
        found_type, found, _ = known[name]
        if found[:1] != (count,):
            yield place, f"holds {found[0] if found else 0} of {count} rows"
        elif (row is not None and found[1:] != tuple(row)) or (dtype and found_type != dtype):
            yield place, f"is {found_type} {found[1:]} a row, not {dtype} {row}"


def _rows(
    shard: ShardReader, lines: dict[str, list], steps: np.ndarray, imported: bool
) -> Iterator[tuple[str, str]]:
    def column(name: str) -> np.ndarray:
        return read_rows(shard.folder / "arrays.zarr" / name, slice(0, shard.rows))

    if not np.array_equal(column("episode"), np.repeat(shard.episode_numbers, steps)):
        yield "arrays.zarr/episode", "its rows are not those of the episodes"
    step = np.concatenate([np.arange(count) for count in steps])
    if not np.array_equal(column("step"), step):
        yield "arrays.zarr/step", "does not rise from 0 by 1 in each episode"
    last = np.cumsum(steps) - 1
    over = np.zeros(shard.rows, bool)
    for name in ("terminated", "truncated"):
        flags = column(name)
        if np.delete(flags, last).any():
            yield f"arrays.zarr/{name}", "an episode goes on behind its end"
        if flags[last].tolist() != lines[name]:
            yield f"arrays.zarr/{name}", "its ends are not those of episodes.parquet"
        over |= flags
    if not imported and not over[last].all():
        yield "arrays.zarr/terminated", "an episode has no end"
    if not imported and not all(lines["outcome"]):
        yield "episodes.parquet", "an episode has no outcome"
    reward = np.split(column("reward"), last[:-1] + 1)
    for total, parts, k in zip(lines["return"], reward, shard.episode_numbers, strict=True):
        if not (imported and np.isnan(total)) and not np.isclose(
            total, parts.sum(), rtol=1e-9, atol=1e-9, equal_nan=True
        ):
            yield "episodes.parquet", f"the return of episode {k} is not the sum of its rewards"
    if (shard.folder / "arrays.zarr" / KEPT_ROWS).is_dir():
        rows = shard.kept_rows
        if not (np.diff(rows) > 0).all() or not set(np.flatnonzero(step == 0)) <= {*rows.tolist()}:
            yield f"arrays.zarr/{KEPT_ROWS}", "does not rise, or lacks the first row of an episode"


def _entities(shard: ShardReader, steps: np.ndarray) -> Iterator[tuple[str, str]]:
    table = read_table(shard.folder / "entities.parquet")
    if table.schema.names != list(ENTITY_COLUMNS):
        yield "entities.parquet", f"has the columns {', '.join(table.schema.names)}"
        return
    episode, step = (table[name].to_numpy() for name in ("episode", "step"))
    numbers = np.array(shard.episode_numbers)
    place = np.minimum(np.searchsorted(numbers, episode), len(numbers) - 1)
    if not (numbers[place] == episode).all():
        yield "entities.parquet", "holds an episode that is not of this shard"
    elif ((step < 0) | (step >= steps[place])).any():
        yield "entities.parquet", "holds a step that is not of its episode"

"""Check a recording: every byte against its checksum, and what the parts say against each other."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from policyscope.agents.fit import fingerprint
from policyscope.agents.store import load_agent
from policyscope.core.errors import BadFile, PolicyscopeError, system_cause
from policyscope.recordings.plan import (
    OPTIONAL,
    UNKNOWN,
    Plan,
    plan_of,
    read_header,
    require_layout,
)
from policyscope.recordings.shards.check_shard import Fault, check_shard
from policyscope.recordings.shards.checksums import file_names, file_sum, require_seal
from policyscope.recordings.shards.remote import SEAL, TABLE, is_url, outline
from policyscope.recordings.shards.store import finished_shards, same_table, shard_folder

Progress = Callable[[int, int], None]
#: Entries of a recording.json without checksums.
_ENTRIES = ("schema", "provenance", *(f.name for f in fields(Plan)))
AGAIN = "run the same record command again"
ANEW = "delete it and run the same record command into the folder again; finished shards are kept"


@dataclass(frozen=True)
class Checked:
    """What came of checking a recording.

    Args:
        faults: what is wrong; empty for a whole recording.
        notes: what could not be checked, or is not the recording's, a sentence each.
        files: how many files were read.
        bytes: their size.
    """

    faults: list[Fault]
    notes: list[str]
    files: int
    bytes: int


def check_recording(path: str | Path, progress: Progress | None = None) -> list[Fault]:
    """Faults of a recording; none for a whole one.

    Args:
        path: its folder, or a URL of any file system that fsspec knows.
        progress: called with the numbers of checked and of all shards.

    Raises:
        BadFile: the folder holds no part of a recording.

    Cost: reads every byte twice, one chunk at a time. At a URL, fetches every byte and keeps one
    shard of them.

    Example:
        >>> check_recording("runs/rec")  # doctest: +SKIP
        []
    """
    return examine(path, progress).faults


def examine(path: str | Path, progress: Progress | None = None) -> Checked:
    """Check a recording; see ``check_recording``."""
    source: AbstractContextManager[tuple[Path, Callable[[str], None] | None]] = (
        outline(str(path)) if is_url(path) else nullcontext((Path(path), None))
    )
    with source as (folder, fetch):
        try:
            return _examined(folder, fetch, progress or (lambda done, total: None))
        except BadFile as error:
            if fetch is None:
                raise
            raise BadFile(path, str(error).removeprefix(f"{folder}: ")) from None


def _examined(folder: Path, fetch: Callable[[str], None] | None, tell: Progress) -> Checked:
    """Check what lies in a folder; ``fetch`` brings a shard there, whose arrays go again."""
    if not (folder / "recording.json").exists() and not (folder / "shards").is_dir():
        read_header(folder)  # says what is missing
    faults: list[Fault] = []
    notes = [f"{name} is not a part of the recording" for name in _foreign(folder)]
    plan, agent_files = _header(folder, faults)
    if plan is not None:
        faults += _agent(folder / "agent", plan, agent_files, notes)
    numbers = finished_shards(folder)
    faults += _missing(plan, numbers)
    tell(0, len(numbers))
    torn, unsealed, gone = 0, 0, []
    for done, number in enumerate(numbers):
        shard = shard_folder(folder, number)
        if fetch:
            fetch(shard.relative_to(folder).as_posix())
        require_layout(folder, [number])
        found, sums = check_shard(folder, number, plan)
        faults += found
        torn, unsealed = torn + bool(found), unsealed + (not sums)
        if fetch:
            gone += _emptied(shard)
        tell(done + 1, len(numbers))
    faults += _strays(folder / "shards", numbers)
    if unsealed - torn > 0:
        notes.append(
            f"{unsealed} of {len(numbers)} shards hold no checksums (written by an older version): "
            "their chunks were decoded and their parts compared, a changed byte of a table may go "
            "unseen"
        )
    if not torn and plan is not None and len(numbers) == plan.shards:
        faults += _table(folder, numbers)
    sizes = [*gone, *((folder / name).lstat().st_size for name in file_names(folder))]
    return Checked(faults, notes, len(sizes), sum(sizes))


def _emptied(shard: Path) -> list[int]:
    """Remove all of a shard but what is compared with the others; sizes of what was removed."""
    files = [shard / name for name in file_names(shard) if name not in (SEAL, TABLE)]
    sizes = [file.lstat().st_size for file in files]
    for file in files:
        file.unlink()
    return sizes


def _foreign(folder: Path) -> Iterator[str]:
    for entry in sorted(folder.iterdir()):
        if entry.name not in ("recording.json", *OPTIONAL):
            yield entry.name


def _header(folder: Path, faults: list[Fault]) -> tuple[Plan | None, dict[str, str] | None]:
    """Plan of the recording, and the checksums of its agent's files, as far as they can be read."""
    try:
        values = require_seal(folder / "recording.json", "agent_files", _ENTRIES)
        return plan_of(folder, read_header(folder)), values.get("agent_files")
    except PolicyscopeError as error:
        cause = str(error).removeprefix(f"{folder / 'recording.json'}: ")
        faults.append(Fault("recording.json", cause.removeprefix(f"{folder}: "), ANEW))
        return None, None


def _agent(
    folder: Path, plan: Plan, sums: dict[str, str] | None, notes: list[str]
) -> Iterator[Fault]:
    if plan.act == UNKNOWN and not plan.weights:
        return
    mend = "copy the file from the agent that was recorded"
    if sums is None:
        notes.append("recording.json holds no checksums of the agent's files: its weights count")
        try:
            if fingerprint(load_agent(folder)) != plan.weights:
                yield Fault("agent", "its weights are not those that were recorded", mend)
        except PolicyscopeError as error:
            yield Fault("agent", str(error), mend)
        return
    for name, known in sums.items():
        cause = changed(folder / name, known)
        if cause and name == "agent.json":
            yield Fault(f"agent/{name}", cause, f"{mend}; leave it if its card was added to")
        elif cause:
            yield Fault(f"agent/{name}", cause, mend)
    for name in sorted({*file_names(folder)} - set(sums)):
        yield Fault(f"agent/{name}", "is not a part of the recording", "move it elsewhere")


def changed(path: Path, known: str) -> str:
    """Why a file is not the one of a checksum; empty where it is."""
    if not path.is_file():
        return "is missing"
    try:
        return "" if file_sum(path) == known else "its bytes are not those that were written"
    except OSError as error:
        return f"cannot be read: {system_cause(error)}"


def _missing(plan: Plan | None, numbers: list[int]) -> Iterator[Fault]:
    last = -1
    ends = [*numbers, max([plan.shards if plan else 0, *(n + 1 for n in numbers)])]
    for number in ends:
        if number > last + 1:
            names = dict.fromkeys(f"{n:05d}" for n in (last + 1, number - 1))
            cause = "is missing" if len(names) == 1 else "are missing"
            yield Fault(f"shards/{' to '.join(names)}", cause, AGAIN)
        last = number


def _strays(shards: Path, numbers: list[int]) -> Iterator[Fault]:
    """What is no shard."""
    known = {shard_folder(shards.parent, number) for number in numbers}
    for entry in sorted(shards.iterdir()) if shards.is_dir() else ():
        place = f"shards/{entry.name}"
        if entry.name.startswith(".") and entry.name.endswith(".part"):
            cause = "an open shard: a recorder was stopped, or is at work"
            yield Fault(place, cause, f"{AGAIN}, which removes it")
        elif entry not in known:
            yield Fault(place, "is not a part of the recording", "move it elsewhere")


def _table(folder: Path, numbers: list[int]) -> Iterator[Fault]:
    try:
        whole = same_table(folder, numbers)
        cause = "" if whole else "differs from the tables of the shards"
    except BadFile as error:
        cause = str(error).removeprefix(f"{folder / 'episodes.parquet'}: ")
    if cause:
        mend = "delete it; it is made again from the shards when the recording is opened"
        yield Fault("episodes.parquet", cause, mend)


def as_json(path: str | Path, checked: Checked) -> dict[str, Any]:
    """A check as JSON values."""
    faults = [{"place": f.place, "cause": f.cause, "mend": f.mend} for f in checked.faults]
    return {
        "recording": str(path), "whole": not faults, "faults": faults, "notes": checked.notes,
        "files": checked.files, "bytes": checked.bytes,
    }  # fmt: skip

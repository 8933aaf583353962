"""Check a recording: every byte against its checksum, and what the parts say against each other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from policyscope.agents.fit import fingerprint
from policyscope.agents.store import load_agent
from policyscope.core.errors import BadFile, PolicyscopeError, system_cause
from policyscope.recordings.check_shard import Fault, check_shard
from policyscope.recordings.checksums import file_names, file_sum, require_seal
from policyscope.recordings.plan import OPTIONAL, UNKNOWN, Plan, read_header
from policyscope.recordings.store import finished_shards, same_table, shard_folder

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
        path: its folder.
        progress: called with the numbers of checked and of all shards.

    Raises:
        BadFile: the folder holds no part of a recording.

    Cost: reads every byte twice, one chunk at a time.

    Example:
        >>> check_recording("runs/rec")  # doctest: +SKIP
        []
    """
    return examine(path, progress).faults


def examine(path: str | Path, progress: Progress | None = None) -> Checked:
    """Check a recording; see ``check_recording``."""
    folder = Path(path)
    if not (folder / "recording.json").exists() and not (folder / "shards").is_dir():
        read_header(folder)  # says what is missing
    faults: list[Fault] = []
    notes = [f"{name} is not a part of the recording" for name in _foreign(folder)]
    plan, agent_files = _header(folder, faults)
    if plan is not None:
        faults += _agent(folder / "agent", plan, agent_files, notes)
    numbers = finished_shards(folder)
    faults += _missing(plan, numbers)
    tell = progress or (lambda done, total: None)
    tell(0, len(numbers))
    torn, unsealed = 0, 0
    for done, number in enumerate(numbers):
        found, sums = check_shard(folder, number, plan)
        faults += found
        torn, unsealed = torn + bool(found), unsealed + (not sums)
        tell(done + 1, len(numbers))
    faults += _strays(folder / "shards", numbers)
    if unsealed - torn > 0:
        notes.append(
            f"{unsealed} shards hold no checksums (written by an older version): their chunks were "
            "decoded and their parts compared, a changed byte of a table may go unseen"
        )
    if not torn and plan is not None and len(numbers) == plan.shards:
        faults += _table(folder, numbers)
    sizes = [(folder / name).lstat().st_size for name in file_names(folder)]
    return Checked(faults, notes, len(sizes), sum(sizes))


def _foreign(folder: Path) -> Iterator[str]:
    for entry in sorted(folder.iterdir()):
        if entry.name not in ("recording.json", *OPTIONAL):
            yield entry.name


def _header(folder: Path, faults: list[Fault]) -> tuple[Plan | None, dict[str, str] | None]:
    """Plan of the recording, and the checksums of its agent's files, as far as they can be read."""
    try:
        values = require_seal(folder / "recording.json", "agent_files", _ENTRIES)
        return Plan.from_json(read_header(folder)), values.get("agent_files")
    except (PolicyscopeError, KeyError, TypeError, ValueError, AttributeError) as error:
        told = str(error).removeprefix(f"{folder / 'recording.json'}: ")
        cause = told if isinstance(error, PolicyscopeError) else f"cannot be read: {error!r}"
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

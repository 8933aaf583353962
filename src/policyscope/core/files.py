"""Files that are whole or absent: JSON, folders written beside and renamed, schema versions."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from policyscope.core.errors import BadFile


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: str | Path, values: Any) -> None:
    """Write JSON beside, then rename: a reader sees the old file or the new one.

    Args:
        path: file to write; its folder exists.
        values: plain values. Infinities and NaN are refused, JSON has no form for them.

    Raises:
        BadFile: a value that JSON has no form for.
    """
    path = Path(path)
    try:
        text = json.dumps(values, indent=2, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise BadFile(path, f"cannot be written as JSON: {error}") from None
    write_text(path, text)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text beside, then rename: a reader sees the old file or the new one.

    Args:
        path: file to write; its folder exists.
        text: all of it.

    Raises:
        OSError: the system refuses; the error names ``path``.
    """
    with atomic_file(path) as beside:
        beside.write_text(text, encoding="utf-8")


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Give a place to write one file to that takes its name only when the block ends well.

    Args:
        path: where the file is to be; its folder exists. A link is followed; a device or pipe is
            written to directly, for renaming would replace it.

    Yields:
        A free name beside ``path``. An exception in the block leaves what was there before.

    Raises:
        OSError: the system refuses; the error names ``path``.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_file(f"{folder}/a.txt") as beside:
        ...         _ = beside.write_bytes(b"whole")
        ...     Path(folder, "a.txt").read_bytes()
        b'whole'
    """
    named, path = path, Path(os.path.realpath(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(named))
    if Path(named).exists() and not path.is_file():
        yield Path(named)
        return
    beside = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    with _naming(beside, named):
        try:
            yield beside
            _sync(beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        _sync(path.parent)


@contextmanager
def _naming(beside: Path, path: str | Path) -> Iterator[None]:
    """Let the system's errors name what the user asked for, not the place beside it."""
    try:
        yield
    except OSError as error:
        if error.errno and str(error.filename or beside).startswith(str(beside)):
            error.filename, error.filename2 = str(path), None
        raise


def read_json(path: str | Path) -> Any:
    """Values of a JSON file.

    Raises:
        BadFile: it is missing or not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadFile(path, "no such file", "check the path") from None
    except OSError as error:
        raise BadFile(path, f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BadFile(path, f"is not JSON: {error}", "the file is damaged") from None


def check_schema(values: Any, kind: str, version: int, path: str | Path) -> dict[str, Any]:
    """Check that a JSON object is of a kind and version that this code reads.

    Args:
        values: what ``read_json`` gave; an object with ``kind`` and ``version``.
        kind: e.g. ``result``.
        version: the version that this code reads and writes.
        path: file the values came from, for the message.

    Returns:
        The values.

    Raises:
        BadFile: another kind, or another version: both versions are named.

    Example:
        >>> check_schema({"kind": "result", "version": 1}, "result", 1, "result.json")["kind"]
        'result'
    """
    if not isinstance(values, dict) or values.get("kind") != kind:
        found = values.get("kind") if isinstance(values, dict) else type(values).__name__
        raise BadFile(path, f"is not a {kind}, found {found!r}", f"give the folder of a {kind}")
    found = values.get("version")
    if found != version:
        newer = isinstance(found, int) and found > version
        mend = "update policyscope" if newer else f"make the {kind} again"
        raise BadFile(
            path, f"{kind} schema version {found}, this code reads version {version}", mend
        )
    return values


@contextmanager
def atomic_folder(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Give a folder to write into that takes its place only when the block ends well.

    Args:
        path: where the folder is to be.
        overwrite: replace what is there. The old folder is moved aside before the new one takes
            its name: a crash between the two renames leaves neither under it, and both on disk.

    Yields:
        An empty folder beside ``path``. An exception in the block removes it.

    Raises:
        BadFile: something is there already and ``overwrite`` is false.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise BadFile(path, "exists already", "choose another path or overwrite it")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid4().hex[:8]}.part")
    with _naming(beside, path):
        beside.mkdir()
        try:
            yield beside
            for entry in [*beside.rglob("*"), beside]:
                _sync(entry)
            _take_place(beside, path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        _sync(path.parent)


def _take_place(beside: Path, path: Path) -> None:
    if not path.exists():
        beside.rename(path)
        return
    aside = path.with_name(f".{path.name}.{uuid4().hex[:8]}.old")
    path.rename(aside)
    try:
        beside.rename(path)
    except OSError:
        aside.rename(path)
        raise
    if aside.is_dir():
        shutil.rmtree(aside)
    else:
        aside.unlink()


def digest(folder: str | Path) -> str:
    """SHA-256 of the names and bytes of all files under a folder.

    Cost: reads every byte once.
    """
    total = hashlib.sha256()
    root = Path(folder)
    for file in sorted(p for p in root.rglob("*") if p.is_file()):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        total.update(f"{file.relative_to(root).as_posix()}\0{content}\n".encode())
    return total.hexdigest()


def json_number(value: float) -> float | str:
    """A number as JSON can hold it: NaN and infinities become text that ``float`` reads back."""
    value = float(value)
    return value if value == value and abs(value) != float("inf") else str(value)

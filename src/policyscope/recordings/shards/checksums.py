"""Checksums of a recording's files, kept beside them: a changed byte has a name."""

import hashlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from policyscope.core.errors import BadFile
from policyscope.core.files import read_json

SEAL = "sha256"


def file_sum(path: Path) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_sums(folder: Path, without: Iterable[str] = ()) -> dict[str, str]:
    """SHA-256 of every file under a folder, by its path there.

    Args:
        folder: its root.
        without: paths that are left out.

    Raises:
        OSError: a file cannot be read.
    """
    return {name: file_sum(folder / name) for name in sorted(set(file_names(folder)) - {*without})}


def file_names(folder: Path) -> list[str]:
    """Paths of all files under a folder, relative to it."""
    return [p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()]


def sealed(values: dict[str, Any]) -> dict[str, Any]:
    """JSON values with a checksum of their own.

    Example:
        >>> sealed({"rows": 3})["sha256"][:8]
        '2bafd462'
    """
    rest = {name: value for name, value in values.items() if name != SEAL}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return {**rest, SEAL: hashlib.sha256(text.encode()).hexdigest()}


def require_seal(path: Path, sums: str, known: Collection[str]) -> dict[str, Any]:
    """Values of a JSON file that was written with its own checksum, or by a version without one.

    Args:
        path: of a file that ``write_json`` wrote.
        sums: entry with the checksums of other files; where it stands, its own must stand too.
        known: all entries that versions without checksums wrote.

    Raises:
        BadFile: it is not JSON, or no longer what was written.
    """
    values = read_json(path)
    if not isinstance(values, dict):
        raise BadFile(path, "holds no JSON object")
    if not isinstance(values.get(sums, {}), dict):
        raise BadFile(path, f"its {sums} are no table of checksums")
    if SEAL not in values:
        if sums in values:
            raise BadFile(path, f"lacks its own checksum ({SEAL})")
        if unknown := sorted(set(values) - {*known}):
            raise BadFile(path, f"has unknown entries: {', '.join(unknown)}")
        return values
    whole = sealed(values) == values
    if not whole or path.read_text(encoding="utf-8") != json.dumps(values, indent=2) + "\n":
        raise BadFile(path, "its bytes are not those that were written (checksum)")
    return values

"""Finished work on disk, found again by what it was computed from.

An entry that is missing, torn or damaged is none: the work is done again.
"""

import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import policyscope
from policyscope.core.files import write_json

SCHEMA = 1
COUNTED = ("core", "envs", "agents", "rollouts")


def cache_folder() -> Path:
    """Folder of the cache.

    ``POLICYSCOPE_CACHE``, else ``policyscope`` in ``XDG_CACHE_HOME``, else in ``~/.cache``.
    """
    if own := os.environ.get("POLICYSCOPE_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "policyscope"


def cache_key(values: dict[str, Any]) -> str:
    """Name of the entry that was computed from JSON values.

    Example:
        >>> cache_key({"a": 1, "b": 2}) == cache_key({"b": 2, "a": 1})
        True
    """
    return _digest({"schema": SCHEMA, **values})


@cache
def source_digest(package: Path = Path(policyscope.__file__).parent) -> str:
    """SHA-256 of all code of ours that an episode runs through, so that no edit finds old numbers.

    Args:
        package: folder of the package; its folders ``core``, ``envs``, ``agents`` and ``rollouts``
            count.

    Cost: about 5 ms, once a process.
    """
    total = hashlib.sha256()
    for file in sorted(path for folder in COUNTED for path in (package / folder).rglob("*.py")):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        total.update(f"{file.relative_to(package).as_posix()}\0{content}\n".encode())
    return total.hexdigest()


def read_cache(key: str) -> Any | None:
    """Values of an entry; None where there is none that can be trusted."""
    try:
        entry = json.loads(_place(key).read_text(encoding="utf-8"))
        values = entry["values"]
        return values if entry["sha256"] == _digest(values) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_cache(key: str, values: Any) -> None:
    """Keep JSON values; a cache that cannot be written is only slower."""
    path = _place(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"sha256": _digest(values), "values": values})
    except OSError:
        return


def _place(key: str) -> Path:
    return cache_folder() / "evaluations" / key[:2] / f"{key}.json"


def _digest(values: Any) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()

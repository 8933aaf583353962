"""Which folders under the served one hold recordings and results."""

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

DEPTH = 8
MOST_FOLDERS = 20_000
#: Folders that hold no recording and can hold many files.
_SKIPPED = {"node_modules", "__pycache__"}
#: Parts of a recording, in which no result lies.
_PARTS = {"shards", "agent"}
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")


@dataclass(frozen=True)
class Found:
    """Recordings and results under a folder, by id, in the order of their paths.

    Args:
        recordings: folders that hold a recording.json.
        results: folders that hold a result.json.
        whole: false where there were more folders than are looked at.
    """

    recordings: dict[str, Path] = field(default_factory=dict)
    results: dict[str, Path] = field(default_factory=dict)
    whole: bool = True


def scan(root: Path) -> Found:
    """Look for recordings and results; links and hidden folders are not followed.

    Args:
        root: where to look; may be a recording or a result itself.

    Cost: lists each folder once, at most 8 deep and 20,000 in all.
    """
    found, waiting, looked = Found(), [(root, 0, False)], 0
    while waiting and looked < MOST_FOLDERS:
        folder, depth, inside = waiting.pop()
        looked += 1
        folders, files = _entries(folder)
        if "result.json" in files:
            found.results[name_of(folder, root)] = folder
            continue
        if "recording.json" in files and not inside:
            found.recordings[name_of(folder, root)] = folder
            inside = True
        if depth < DEPTH:
            names = sorted(set(folders) - (_PARTS if inside else set()), reverse=True)
            waiting += [(folder / name, depth + 1, inside) for name in names]
    return Found(found.recordings, found.results, not waiting)


def name_of(folder: Path, root: Path) -> str:
    """Id of a folder: its path below the root, fit for a part of an address.

    A path with other signs than letters, digits, ``_``, ``.`` and ``-`` gets a digest, so that no
    two paths have one id.

    Args:
        folder: the root or below it.
        root: the served folder.

    Example:
        >>> name_of(Path("/r/a/b"), Path("/r")), name_of(Path("/r/a~b"), Path("/r"))
        ('a~b', 'a_b.d9c43bb5')
    """
    path = shown(folder, root)
    raw = os.fsencode(path if folder == root else folder.relative_to(root))
    if _PLAIN.fullmatch(path):
        return path.replace("/", "~")
    digest = hashlib.sha256(raw).hexdigest()[:8]
    return re.sub(r"[^A-Za-z0-9_.-]", "_", path.replace("/", "-")) + f".{digest}"


def shown(folder: Path, root: Path) -> str:
    """Path of a folder below the root as text; the root's own is its name."""
    path = (
        root.resolve().name or "folder" if folder == root else folder.relative_to(root).as_posix()
    )
    return os.fsencode(path).decode("utf-8", "replace")  # names on disk need not be text


def _entries(folder: Path) -> tuple[list[str], set[str]]:
    """Names of the folders worth a look, and of the files."""
    folders: list[str] = []
    files: set[str] = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    files.add(entry.name)
                elif entry.is_dir(follow_symlinks=False) and _worth(entry.name):
                    folders.append(entry.name)
    except OSError:
        pass  # a folder that may not be read holds nothing to show
    return folders, files


def _worth(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(".zarr") and name not in _SKIPPED

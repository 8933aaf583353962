"""Recordings at a URL of any file system that fsspec knows: written shard by shard, read as a copy.

A shard is written here, then its files are put there, ``shard.json`` last: a shard without it is
not finished. So nothing is renamed and nobody holds a lock, and many machines can write at once.
"""

import re
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import fsspec

from policyscope.core.errors import BadFile
from policyscope.recordings.plan import OPTIONAL, Plan, check_folder, read_plan, unfilled
from policyscope.recordings.shards.store import shard_folder
from policyscope.rollouts.cache import cache_folder

HEADER, SEAL, TABLE = "recording.json", "shard.json", "episodes.parquet"


def is_url(path: str | Path) -> bool:
    """Whether a path names another file system.

    Example:
        >>> is_url("s3://bucket/rec"), is_url("runs/rec")
        (True, False)
    """
    return "://" in str(path)


class Place:
    """A folder at a URL.

    Args:
        url: such as s3://bucket/rec; its protocol's package must be installed.

    Raises:
        BadFile: fsspec does not know the protocol, its package is missing, or the URL is bad.
    """

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        if url.startswith("://"):
            raise BadFile(url, "names no protocol", "mend the URL")
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except Exception as error:  # each file system has errors of its own
            mend = "install what fsspec names" if isinstance(error, ImportError) else "mend the URL"
            raise BadFile(url, _line(error), mend) from None
        if not self._root.strip("/"):
            raise BadFile(url, "names no folder", "mend the URL")
        self._root = self._root.rstrip("/")

    @property
    def name(self) -> str:
        """The last part of its path, as the name of a folder here.

        Example:
            >>> Place("memory://bucket/a rec").name
            'a_rec'
        """
        last = self._root.rsplit("/", 1)[-1]
        return re.sub(r"[^\w.-]", "_", last).lstrip(".") or "recording"

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        with self._told():
            return bool(self._files.exists(f"{self._root}/{name}"))

    def entries(self, name: str = "") -> list[str]:
        """Names of what lies in a folder there, in order; none where there is no such folder."""
        folder = f"{self._root}/{name}".rstrip("/")
        with self._told():
            if not self._files.isdir(folder):
                return []
            listed = self._files.ls(folder, detail=False)
        names = {entry.rstrip("/").rsplit("/", 1)[-1] for entry in listed}
        return sorted(names - {folder.rsplit("/", 1)[-1] if folder in listed else ""})

    def require_writable(self) -> None:
        """Put a small file there and remove it.

        Raises:
            BadFile: it cannot be reached or written to.
        """
        there = f"{self._root}/.{uuid4().hex[:8]}.part"
        with self._told("cannot be written to"):
            new = not self._files.exists(self._root)
            self._files.makedirs(self._root, exist_ok=True)
            self._files.pipe_file(there, b"policyscope")
            self._files.rm_file(there)
            if new and self._files.isdir(self._root):
                self._files.rmdir(self._root)

    def remove(self, name: str) -> None:
        """Remove a folder, its ``shard.json`` first, so that no part of it is taken for whole."""
        there = f"{self._root}/{name}"
        with self._told("cannot be written to"):
            if self._files.exists(f"{there}/{SEAL}"):
                self._files.rm_file(f"{there}/{SEAL}")
            if self._files.exists(there):
                self._files.rm(there, recursive=True)

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file or folder here; it appears whole or not at all.

        Raises:
            BadFile: it cannot be reached, or a name in it leads out of its folder.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{uuid4().hex[:8]}.part")
        try:
            with self._told():
                self._copy(f"{self._root}/{name}", beside)
            try:
                beside.replace(target)
            except OSError:  # another reader was sooner, with the same bytes
                if not target.exists():
                    raise
        finally:
            if beside.is_dir():
                shutil.rmtree(beside)
            else:
                beside.unlink(missing_ok=True)

    def _copy(self, there: str, beside: Path) -> None:
        if not self._files.isdir(there):
            self._files.get_file(there, str(beside))
            return
        for path in self._files.find(there):
            inside = PurePosixPath(path[path.index(there) + len(there) :].lstrip("/"))
            if not inside.parts or inside.is_absolute() or ".." in inside.parts:
                raise BadFile(self.url, f"a name in it leads elsewhere: {path}")
            place = beside / inside
            place.parent.mkdir(parents=True, exist_ok=True)
            self._files.get_file(path, str(place))

    def put(self, folder: Path, name: str = "", last: str = "") -> None:
        """Copy a folder's files there.

        Args:
            folder: whose files.
            name: of the folder there.
            last: the file that is put after all others.
        """
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        files.sort(key=lambda p: p.name == last and p.parent == folder)
        root = f"{self._root}/{name}".rstrip("/")
        with self._told("cannot be written to"):
            for path in files:
                there = f"{root}/{path.relative_to(folder).as_posix()}"
                self._files.makedirs(there.rsplit("/", 1)[0], exist_ok=True)
                self._files.put_file(str(path), there)

    def put_file(self, path: Path, name: str) -> None:
        """Copy one file there."""
        with self._told("cannot be written to"):
            self._files.put_file(str(path), f"{self._root}/{name}")

    def shards(self) -> list[int]:
        """Numbers of the finished shards, in order."""
        numbers = [int(name) for name in self.entries("shards") if name.isdecimal()]
        with self._told():
            return sorted(n for n in numbers if self._files.exists(self._seal(n)))

    def _seal(self, number: int) -> str:
        return f"{self._root}/{_shard(number)}/{SEAL}"

    @contextmanager
    def _told(self, what: str = "cannot be reached") -> Iterator[None]:
        try:
            yield
        except BadFile:
            raise
        except Exception as error:  # each file system has errors of its own
            raise BadFile(self.url, f"{what}: {_line(error)}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _shard(number: int) -> str:
    return shard_folder(Path(), number).as_posix()


class RemoteRecorder:
    """Records shards of a begun recording here and puts them at its URL.

    Args:
        url: of the recording.
        make: gives the recorder of a local folder.
    """

    def __init__(self, url: str, make: Callable[[str], Any]):
        self.url, self._make = url, make
        self._ready: tuple[TemporaryDirectory, Path, Any] | None = None

    def __call__(self, number: int) -> int:
        """Record one shard; how many rows it holds."""
        [(_, rows)] = self.stream(iter([number]))
        return rows

    def stream(self, numbers: Iterator[int]) -> Generator[tuple[int, int], None, None]:
        """Record shards side by side; each one's number and rows when it is there."""
        place = Place(self.url)
        if self._ready is None:
            held = TemporaryDirectory(prefix="policyscope-")
            local = Path(held.name) / "rec"
            place.fetch(HEADER, local / HEADER)
            place.fetch("agent", local / "agent")
            self._ready = held, local, self._make(str(local))
        _, local, recorder = self._ready
        for number, rows in recorder.stream(numbers):
            folder = shard_folder(local, number)
            place.put(folder, _shard(number), SEAL)
            shutil.rmtree(folder)
            yield number, rows

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "_make": self._make, "_ready": None}

    def close(self) -> None:
        """Free the worlds and what lies here."""
        if self._ready is not None:
            held, _, recorder = self._ready
            recorder.close()
            held.cleanup()
            self._ready = None


def check_url(url: str, plan: Plan, resume: bool = False) -> None:
    """Refuse a URL at which a recording of this plan cannot be made; nothing is left there.

    Args:
        url: of the recording.
        plan: what is to be recorded.
        resume: accept one of fewer episodes there.

    Raises:
        BadFile: it cannot be reached or written to, or holds a recording of another plan.
    """
    place = Place(url)
    with TemporaryDirectory(prefix="policyscope-") as held:
        _found(place, Path(held) / "rec", plan, resume)
    if place.shards() != list(range(plan.shards)):
        place.require_writable()


def _found(place: Place, local: Path, plan: Plan, resume: bool) -> Plan | None:
    """Plan of the recording that was begun at a place, whose header is fetched; None without."""
    if not place.has(HEADER):
        return None
    place.fetch(HEADER, local / HEADER)
    try:
        check_folder(local, plan, resume)
    except BadFile as error:
        raise BadFile(place.url, str(error).removeprefix(f"{local}: ")) from None
    return read_plan(local)


@contextmanager
def begun(
    url: str, plan: Plan, prepare: Callable[[Path], None], resume: bool = False
) -> Iterator[tuple[Place, Path]]:
    """Begin a recording at a URL, or find it begun with the same plan.

    Args:
        url: of the recording.
        plan: what is to be recorded.
        prepare: writes header and agent into a local folder, or lets a recording there grow.
        resume: let one of fewer episodes grow.

    Yields:
        The place, and a local folder with its header.

    Raises:
        BadFile: it cannot be reached, or holds a recording of another plan.
    """
    place = Place(url)
    with TemporaryDirectory(prefix="policyscope-") as held:
        local = Path(held) / "rec"
        old = _found(place, local, plan, resume)
        if old is None:
            prepare(local)
            place.put(local, last=HEADER)
        elif old.episodes < plan.episodes:
            last = unfilled(old)
            if last is not None:
                place.remove(_shard(last))
            prepare(local)
            place.put_file(local / HEADER, HEADER)
        yield place, local


def gather_tables(place: Place, local: Path, numbers: Sequence[int]) -> None:
    """Bring the shards' tables of episodes here, for the recording's own table."""
    for number in numbers:
        for name in (SEAL, TABLE):
            place.fetch(f"{_shard(number)}/{name}", shard_folder(local, number) / name)


def mirrored(url: str) -> Path:
    """A copy of a recording in the cache, into which only what is not there yet is fetched.

    Args:
        url: of the recording.

    Raises:
        BadFile: it cannot be reached, or is no recording.
    """
    place = Place(url)
    if not place.has(HEADER):
        raise BadFile(url, f"is no recording: it holds no {HEADER}")
    with TemporaryDirectory(prefix="policyscope-") as held:
        place.fetch(HEADER, Path(held) / HEADER)
        header = (Path(held) / HEADER).read_bytes()
    mark = sha256(place.url.encode() + header).hexdigest()[:16]
    local = cache_folder() / "recordings" / mark / place.name
    for part in (HEADER, "agent"):
        if not (local / part).exists() and place.has(part):
            place.fetch(part, local / part)
    for number in place.shards():
        target = shard_folder(local, number)
        if not (target / SEAL).is_file():
            place.fetch(_shard(number), target)
    if place.has(TABLE):
        place.fetch(TABLE, local / TABLE)
    return local


@contextmanager
def outline(url: str) -> Iterator[tuple[Path, Callable[[str], None]]]:
    """A copy of a recording for checking: all of it but what its shards hold, never the cache's.

    Args:
        url: of the recording.

    Yields:
        A local folder in which shards are empty, and what fetches one of them by its path, such as
        ``shards/00000``. What is not a part of a recording is there by name alone.

    Raises:
        BadFile: it cannot be reached.
    """
    place = Place(url)
    with TemporaryDirectory(prefix="policyscope-") as held:
        local = Path(held) / place.name
        local.mkdir()
        for name in place.entries():
            if name == "shards":
                for shard in place.entries(name):
                    (local / name / shard).mkdir(parents=True)
            elif name in (HEADER, *OPTIONAL):
                place.fetch(name, local / name)
            else:
                (local / name).touch()

        def fetch(name: str) -> None:
            (local / name).rmdir()
            place.fetch(name, local / name)

        yield local, fetch

"""Recordings at a URL of any file system that fsspec knows: written shard by shard, read as a copy.

A shard is written here, then its files are put there, ``shard.json`` last: a shard without it is
not finished. So nothing is renamed and nobody holds a lock, and many machines can write at once.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import fsspec

from policyscope.core.errors import BadFile
from policyscope.recordings.plan import Plan, check_folder
from policyscope.recordings.store import shard_folder
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
        BadFile: fsspec does not know the protocol, or its package is missing.
    """

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        try:
            self._files, self._root = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            cause = " ".join(str(error).split())
            raise BadFile(url, cause, "install what fsspec names") from None

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        with self._told():
            return bool(self._files.exists(f"{self._root}/{name}"))

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
        with self._told():
            for path in files:
                there = f"{root}/{path.relative_to(folder).as_posix()}"
                self._files.makedirs(there.rsplit("/", 1)[0], exist_ok=True)
                self._files.put_file(str(path), there)

    def put_file(self, path: Path, name: str) -> None:
        """Copy one file there."""
        with self._told():
            self._files.put_file(str(path), f"{self._root}/{name}")

    def shards(self) -> list[int]:
        """Numbers of the finished shards, in order."""
        with self._told():
            if not self._files.exists(f"{self._root}/shards"):
                return []
            found = [entry.rstrip("/").rsplit("/", 1)[1] for entry in
                     self._files.ls(f"{self._root}/shards", detail=False)]  # fmt: skip
            numbers = [int(name) for name in found if name.isdecimal()]
            return sorted(n for n in numbers if self._files.exists(self._seal(n)))

    def _seal(self, number: int) -> str:
        return f"{self._root}/{_shard(number)}/{SEAL}"

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BadFile:
            raise
        except Exception as error:  # each file system has errors of its own
            cause = " ".join(str(error).split()) or type(error).__name__
            raise BadFile(self.url, f"cannot be reached: {cause}") from None


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
        place = Place(self.url)
        if self._ready is None:
            held = TemporaryDirectory(prefix="policyscope-")
            local = Path(held.name) / "rec"
            place.fetch(HEADER, local / HEADER)
            place.fetch("agent", local / "agent")
            self._ready = held, local, self._make(str(local))
        _, local, recorder = self._ready
        rows = int(recorder(number))
        folder = shard_folder(local, number)
        place.put(folder, _shard(number), SEAL)
        shutil.rmtree(folder)
        return rows

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "_make": self._make, "_ready": None}

    def close(self) -> None:
        """Free the worlds and what lies here."""
        if self._ready is not None:
            held, _, recorder = self._ready
            recorder.close()
            held.cleanup()
            self._ready = None


@contextmanager
def begun(url: str, plan: Plan, prepare: Callable[[Path], None]) -> Iterator[tuple[Place, Path]]:
    """Begin a recording at a URL, or find it begun with the same plan.

    Args:
        url: of the recording.
        plan: what is to be recorded.
        prepare: writes header and agent into a local folder.

    Yields:
        The place, and a local folder with its header.

    Raises:
        BadFile: it cannot be reached, or holds a recording of another plan.
    """
    place = Place(url)
    with TemporaryDirectory(prefix="policyscope-") as held:
        local = Path(held) / "rec"
        if place.has(HEADER):
            place.fetch(HEADER, local / HEADER)
            try:
                check_folder(local, plan)
            except BadFile as error:
                raise BadFile(url, str(error).removeprefix(f"{local}: ")) from None
        else:
            prepare(local)
            place.put(local, last=HEADER)
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
    name = sha256(place.url.encode() + header).hexdigest()[:16]
    local = cache_folder() / "recordings" / name
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

"""Recordings and results by the ids of requests, kept open while they are asked for."""

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from threading import RLock
from time import monotonic
from typing import Any, TypeVar
from weakref import ref

from policyscope.core.errors import UnknownName
from policyscope.core.result import Result
from policyscope.panel.shelf.cache import MEGABYTE, Cache
from policyscope.panel.shelf.links import refuse_links_out
from policyscope.panel.shelf.scan import Found, scan, shown
from policyscope.recordings.read import Recording, open_recording

T = TypeVar("T")
Signature = tuple[int, ...]

#: Parts that a recording is read from.
RECORDED = ("recording.json", "shards", "episodes.parquet", "agent", "agent/agent.json")
FRESH_SECONDS = 1.0
#: Recordings by their number, results by the bytes of their arrays.
MOST_OPEN = {"recording": 8, "result": 256 * MEGABYTE}


class Shelf:
    """Recordings and results under a folder, found by id.

    Ids are looked up in what a scan of the folder found; no path is ever made from a request.
    Several threads may ask at once.

    Args:
        folder: what is served.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.cache = Cache()
        self._found, self._scanned = Found(), -FRESH_SECONDS
        self._open: dict[str, OrderedDict[Path, tuple[Signature, Any, int]]] = {
            kind: OrderedDict() for kind in MOST_OPEN
        }
        self._notes: dict[tuple[str, Path], tuple[Signature, Any]] = {}
        self._lock = RLock()

    def found(self, anew: bool = False) -> Found:
        """Folders of recordings and results by id, as of at most a second ago.

        Args:
            anew: look now, e.g. for what was just written.
        """
        with self._lock:
            if anew or monotonic() - self._scanned >= FRESH_SECONDS:
                self._found, self._scanned = scan(self.folder), monotonic()
                folders = {*self._found.recordings.values(), *self._found.results.values()}
                self._notes = {k: v for k, v in self._notes.items() if k[1] in folders}
            return self._found

    def recording(self, rec: str) -> Recording:
        """An open recording; an unfinished one with the episodes that are there.

        Args:
            rec: its id.

        Raises:
            UnknownName: no recording of that id.
            BadFile: it cannot be opened, or a link in it leads out of the served folder.
        """
        path = self.folder_of("recording", rec)

        def make() -> Recording:
            self.refuse_links(path)
            return open_recording(path, True)

        return self._opened("recording", path, recording_signature(path), make, lambda _: 1)

    def result(self, res: str) -> Result:
        """A loaded result; errors are those of ``recording``."""
        path = self.folder_of("result", res)

        def make() -> Result:
            refuse_links_out([path], self.folder)
            return Result.load(path)

        return self._opened(
            "result", path, result_signature(path), make, lambda made: int(made.data.nbytes)
        )

    def refuse_links(self, folder: Path) -> None:
        """Check that no part of a recording lies outside of the served folder.

        Args:
            folder: of the recording.

        Raises:
            BadFile: a link leads there.
        """
        refuse_links_out((folder / part for part in RECORDED), self.folder)

    def id_of(self, path: Path) -> str | None:
        """Id of the recording or result that lies in a folder, which may just have been written."""
        wanted = path.resolve()
        found = self.found(anew=True)
        both = [*found.recordings.items(), *found.results.items()]
        return next((name for name, folder in both if folder.resolve() == wanted), None)

    def path(self, folder: Path) -> str:
        """A folder's path below the served one, as it may be shown."""
        return shown(folder, self.folder)

    def typed(self, folder: Path) -> str:
        """A folder's path as a user would type it: the served one as it was typed, then the rest.

        Args:
            folder: the served one or below it.
        """
        return os.fsencode(folder).decode("utf-8", "replace")

    def kept(
        self, recording: Recording, key: Hashable, make: Callable[[], T], size: Callable[[T], int]
    ) -> T:
        """What was made of a recording before, or now; bounded by the bytes of all of it.

        Args:
            recording: as ``recording`` gave it; what was made of an older state is not used.
            key: what is made.
            make: makes it.
            size: gives its bytes.
        """
        return self.cache.get((ref(recording), key), make, size)

    def noted(
        self, what: str, folder: Path, signature: Signature, make: Callable[[], T] | None
    ) -> T | None:
        """A small thing known of a folder, made again when the folder changed.

        Args:
            what: its name.
            folder: of a recording or result.
            signature: of the folder as it is now.
            make: makes it; None where it is not worth the time now.
        """
        old = self._notes.get((what, folder))
        if old is not None and old[0] == signature:
            return old[1]
        if make is None:
            return None
        made = make()
        with self._lock:
            self._notes[what, folder] = signature, made
        return made

    def folder_of(self, kind: str, name: str) -> Path:
        """Folder of a recording or result.

        Args:
            kind: recording or result.
            name: its id.

        Raises:
            UnknownName: nothing of that id.
        """
        known = self._known(self._found, kind)
        if name not in known:
            known = self._known(self.found(), kind)
        if name not in known:
            raise UnknownName(kind, name[:200], known)
        return known[name]

    @staticmethod
    def _known(found: Found, kind: str) -> dict[str, Path]:
        return found.recordings if kind == "recording" else found.results

    def _opened(
        self,
        kind: str,
        path: Path,
        signature: Signature,
        make: Callable[[], T],
        size: Callable[[T], int],
    ) -> T:
        with self._lock:
            held = self._open[kind]
            if path in held and held[path][0] == signature:
                held.move_to_end(path)
                return held[path][1]
            self._close(kind, path)
            opened = make()
            held[path] = signature, opened, size(opened)
            while len(held) > 1 and sum(each[2] for each in held.values()) > MOST_OPEN[kind]:
                self._close(kind, next(iter(held)))
            return opened

    def _close(self, kind: str, path: Path) -> None:
        _, old, _ = self._open[kind].pop(path, (None, None, 0))
        if old is not None:
            closed = ref(old)
            self.cache.forget(lambda key: key[0] is closed)


def recording_signature(path: Path) -> Signature:
    """Numbers that change when a recording's header, shards or table of episodes change."""
    return stamp(path, *RECORDED)


def result_signature(path: Path) -> Signature:
    """Numbers that change when a result is written anew."""
    return stamp(path, "result.json", "data.zarr")


def stamp(path: Path, *parts: str) -> Signature:
    """Numbers that change when parts of a folder are written anew.

    Args:
        path: the folder.
        parts: names below it.
    """
    values = []
    for part in parts:
        try:
            status = os.stat(path / part)
            values += [status.st_mtime_ns, status.st_ino]
        except OSError:
            values.append(0)
    return tuple(values)

"""Two tracks over all steps of a recording, for the map of steps."""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

import numpy as np

from policyscope.panel.contract.episode import ArrayRef, StepTable
from policyscope.panel.contract.recording import TrackInfo
from policyscope.panel.ranges import Read
from policyscope.panel.shelf.opening import loading, opened
from policyscope.panel.shelf.shelf import Shelf, recording_signature
from policyscope.panel.shelf.version import check_version, version_of
from policyscope.panel.views.listed_results import Results, results_of
from policyscope.panel.views.quantities import Quantity, over_all
from policyscope.panel.views.tracks import find
from policyscope.recordings.arrays.steps import Steps
from policyscope.recordings.read import Recording


def table(shelf: Shelf, rec: str, x: str, y: str) -> StepTable:
    """Two tracks over all steps of a recording, and where they lie.

    Args:
        shelf: what is served.
        rec: id of the recording.
        x: a listed track or any target.
        y: likewise.

    Raises:
        UnknownName: no such recording, or a name in a target that stands for nothing.
        BadTarget: neither a listed track nor a target.

    Cost: 100,000 steps in 800 shards take 0.5 to 1 s the first time; tracks of registered functions
    take one call for each episode.
    """
    url = f"/api/recordings/{quote(rec, safe='')}/steps/arrays"
    url += f"?x={quote(x, safe='')}&y={quote(y, safe='')}"
    asked = _asked(shelf, rec, x, y)
    url += f"&v={asked.version}"
    arrays, offset = [], 0
    columns = asked.columns(shelf)
    for name, column in columns.items():
        arrays.append(
            ArrayRef(
                name=name,
                url=url,
                dtype="float32" if column.dtype == np.float32 else "int32",
                shape=list(column.shape),
                offset=offset,
                bytes=column.nbytes,
            )
        )
        offset += column.nbytes
    return StepTable(steps=len(columns["step"]), arrays=arrays, python=asked.python(shelf))


def open_bytes(shelf: Shelf, rec: str, x: str, y: str, version: str = "") -> tuple[int, Read]:
    """The file of the table: its size, and what reads from one byte up to another.

    Args:
        shelf: what is served.
        rec: id of the recording.
        x: as for ``table``; so are the errors.
        y: likewise.
        version: of the layout that the request was made from; empty for whatever is there.

    Raises:
        Changed: the recording or a result was written anew.
    """
    asked = _asked(shelf, rec, x, y)
    check_version(version, asked.version)
    content = b"".join(column.tobytes() for column in asked.columns(shelf).values())
    return len(content), lambda first, last: content[first:last]


def all_steps(
    recording: Recording, x: str, y: str, results: Results | None = None
) -> dict[str, np.ndarray]:
    """Two tracks over all steps of a recording.

    Args:
        recording: an opened recording.
        x: a listed track or any target.
        y: likewise.
        results: results made from the recording, by id.

    Returns:
        (N,) each: x and y float32, NaN where there is none; episode, step and action int32, -1 for
        continuous actions.
    """
    both = [find(name, recording, results or {}) for name in (x, y)]
    numbers = over_all([*both, *map(_place, ("episode", "step", "action"))], recording)
    names = ("x", "y", "episode", "step", "action")
    return dict(zip(names, numbers, strict=True))


def _place(name: str) -> Quantity:
    return Quantity(TrackInfo(name=name, unit="", group=""), partial(_whole, name))


def _whole(name: str, steps: Steps) -> np.ndarray:
    """A column of whole numbers; -1 where the actions are none."""
    column = steps.column(name)
    discrete = column.ndim == 1 and column.dtype.kind in "iu"
    return column.astype(np.int32) if discrete else np.full(len(steps), -1, np.int32)


@dataclass(frozen=True)
class _Asked:
    """Two tracks that are asked for, and the results that they lie in."""

    recording: Recording
    x: str
    y: str
    results: Results
    made_by: tuple[Hashable, ...]

    @property
    def version(self) -> str:
        return version_of(recording_signature(self.recording.path), self.made_by)

    def columns(self, shelf: Shelf) -> dict[str, np.ndarray]:
        """Columns of the table, kept for when their bytes are asked for."""
        return shelf.kept(
            self.recording,
            ("steps", self.x, self.y, self.made_by),
            lambda: all_steps(self.recording, self.x, self.y, self.results),
            lambda columns: sum(column.nbytes for column in columns.values()),
        )

    def python(self, shelf: Shelf) -> str:
        loaded = [loading(res, shelf) for res in self.results]
        more = ", results" if loaded else ""
        return opened(
            self.recording, shelf.typed(self.recording.path),
            [f"all_steps(recording, {self.x!r}, {self.y!r}{more})"],
            ["from policyscope.panel.views.step_table import all_steps"], loaded,
        )  # fmt: skip


def _asked(shelf: Shelf, rec: str, x: str, y: str) -> _Asked:
    recording, results = shelf.recording(rec), results_of(shelf, rec)
    sources = [find(name, recording, results).info.source for name in (x, y)]
    made_by = tuple(results[s].signature if s in results else s for s in sources)
    used = {s for s in sources if s in results}
    # Names of tracks hang on which results there are: none are left out where one is used.
    return _Asked(recording, x, y, results if used else {}, made_by)

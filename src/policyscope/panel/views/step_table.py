"""Two tracks over all steps of a recording, for the map of steps."""

from collections.abc import Hashable, Mapping
from functools import partial
from urllib.parse import quote
from weakref import ref

import numpy as np

from policyscope.core.result import Result
from policyscope.panel.contract.episode import ArrayRef, StepTable
from policyscope.panel.contract.recording import TrackInfo
from policyscope.panel.ranges import Read
from policyscope.panel.shelf.shelf import Shelf
from policyscope.panel.views.from_results import results_of
from policyscope.panel.views.quantities import Quantity, over_all
from policyscope.panel.views.tracks import find
from policyscope.recordings.read import Recording
from policyscope.recordings.steps import Steps


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
    arrays, offset = [], 0
    columns = _columns(shelf, rec, x, y)
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
    return StepTable(steps=len(columns["step"]), arrays=arrays)


def open_bytes(shelf: Shelf, rec: str, x: str, y: str) -> tuple[int, Read]:
    """The file of the table: its size, and what reads from one byte up to another.

    Arguments and errors are those of ``table``.
    """
    content = b"".join(column.tobytes() for column in _columns(shelf, rec, x, y).values())
    return len(content), lambda first, last: content[first:last]


def all_steps(
    recording: Recording, x: str, y: str, results: Mapping[str, Result] | None = None
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


def _columns(shelf: Shelf, rec: str, x: str, y: str) -> dict[str, np.ndarray]:
    """Columns of the table, kept for when their bytes are asked for."""
    recording, results = shelf.recording(rec), results_of(shelf, rec)
    both = [find(name, recording, results) for name in (x, y)]
    return shelf.kept(
        recording,
        ("steps", x, y, *(_made_by(quantity, results) for quantity in both)),
        lambda: all_steps(recording, x, y, results),
        lambda columns: sum(column.nbytes for column in columns.values()),
    )


def _made_by(quantity: Quantity, results: Mapping[str, Result]) -> Hashable:
    source = quantity.info.source
    return ref(results[source]) if source in results else source

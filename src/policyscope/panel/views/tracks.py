"""Tracks: numbers per step, of the recording, of targets, of registered functions, of results."""

from dataclasses import replace
from functools import partial

import numpy as np

from policyscope.core import registry
from policyscope.core.errors import PolicyscopeError
from policyscope.core.views import Track
from policyscope.panel.contract.episode import TrackValues
from policyscope.panel.contract.recording import TrackInfo
from policyscope.panel.shelf.opening import opened
from policyscope.panel.shelf.shelf import Shelf
from policyscope.panel.views.built_in import built_in
from policyscope.panel.views.from_results import result_tracks
from policyscope.panel.views.listed_results import Results, results_of
from policyscope.panel.views.quantities import Quantity, target_quantity
from policyscope.panel.views.registered import call, free_name, of_first_episode
from policyscope.recordings.arrays.steps import Steps, of_episode
from policyscope.recordings.read import Recording


def values(shelf: Shelf, rec: str, k: int, names: list[str]) -> list[TrackValues]:
    """Tracks of an episode, in the order in which they are asked for.

    Args:
        shelf: what is served.
        rec: id of the recording.
        k: number of the episode.
        names: listed tracks or targets.

    Raises:
        UnknownName: no such recording or episode, or a part of a target that stands for nothing.
        BadTarget: neither a listed track nor a target.
        PolicyscopeError: a registered function fails.
    """
    recording = shelf.recording(rec)
    results, where = results_of(shelf, rec), shelf.typed(recording.path)
    return of_names(recording, k, names, results, where)


def listed(recording: Recording, results: Results) -> list[TrackInfo]:
    """Tracks that every episode of a recording has.

    Args:
        recording: an opened recording.
        results: results made from it, by id.

    Cost: registered functions are called on the first episode, once.
    """
    return [quantity.info for quantity in quantities(recording, results).values()]


def track(recording: Recording, k: int, name: str, results: Results | None = None) -> TrackValues:
    """One track of one episode.

    Args:
        recording: an opened recording.
        k: number of the episode.
        name: a listed track or any target.
        results: results made from the recording, by id.

    Raises:
        BadTarget: neither a listed track nor a target.
        UnknownName: no such episode, or a part of the target that stands for nothing.

    Example:
        >>> from policyscope.recordings.read import open_recording
        >>> track(open_recording("runs/rec"), 0, "q[FASTER]-q[SLOWER]")  # doctest: +SKIP
    """
    return of_names(recording, k, [name], results or {})[0]


def of_names(
    recording: Recording, k: int, names: list[str], results: Results, where: str = ""
) -> list[TrackValues]:
    """Tracks of an episode by name.

    Args:
        recording: an opened recording.
        k: number of the episode.
        names: listed tracks or targets.
        results: results made from the recording, by id.
        where: path of the recording in the Python lines; default is the name of its folder.
    """
    steps, known = of_episode(recording, k), quantities(recording, results)
    where = where or recording.path.resolve().name
    found = [known.get(name) or target_quantity(name, recording) for name in names]
    imports = ["from policyscope.panel.views.tracks import track"]

    def line(name: str) -> str:
        return opened(recording, where, [f"track(recording, {k}, {name!r}).values"], imports)

    return [_values(q, steps, q.python or line(q.info.name)) for q in found]


def find(name: str, recording: Recording, results: Results) -> Quantity:
    """The quantity of a name: a listed track, else a target.

    Raises:
        BadTarget: neither.
    """
    return quantities(recording, results).get(name) or target_quantity(name, recording)


def quantities(recording: Recording, results: Results) -> dict[str, Quantity]:
    """All listed tracks by name.

    First come the recording's own, then those of registered functions, then those of results; one
    whose name is taken gets a number behind it.
    """
    known: dict[str, Quantity] = {}
    for found in [*built_in(recording), *_registered(recording), *result_tracks(results)]:
        name = free_name(found.info.name, known)
        known[name] = replace(found, info=found.info.model_copy(update={"name": name}))
    return known


def _registered(recording: Recording) -> list[Quantity]:
    found = []
    for entry in registry.names("track"):
        source = registry.entry("track", entry)
        failed = [TrackInfo(name=entry, unit="", group=entry)]
        infos = of_first_episode("track", entry, recording, _info)
        for listed_info in failed if infos is None else infos:
            info = listed_info.model_copy(update={"source": source})
            found.append(Quantity(info, partial(_by_function, recording, entry, info.name)))
    return found


def _info(name: str, view: Track) -> TrackInfo:
    return TrackInfo(
        name=name,
        unit=view.unit,
        group=view.group if view.group != view.name else name,
        kind=view.kind,
        shown=view.shown,
    )


def _by_function(recording: Recording, entry: str, name: str, steps: Steps) -> np.ndarray:
    parts = []
    for k in dict.fromkeys(steps.episode.tolist()):
        views = call("track", entry, recording, k)
        if name not in views:
            given = ", ".join(views) or "none"
            raise PolicyscopeError(
                f"track function '{entry}' gave no '{name}' for episode {k}; it gave {given}"
            )
        parts.append(np.asarray(views[name].values, float))
    return np.concatenate(parts) if parts else np.zeros(0)


def _values(quantity: Quantity, steps: Steps, line: str) -> TrackValues:
    info, numbers = quantity.info, np.asarray(quantity.of(steps), float)
    return TrackValues(
        name=info.name,
        unit=info.unit,
        group=info.group,
        kind=info.kind,
        values=[float(v) if np.isfinite(v) else None for v in numbers],
        python=line,
    )

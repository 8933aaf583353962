"""Where overlays come from: attention patterns, registered functions, results."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import partial

from policyscope.core import registry
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.views import Overlay
from policyscope.panel.contract.recording import OverlayInfo
from policyscope.panel.views.built_in import patterns
from policyscope.panel.views.from_results import overlay_of, result_overlays
from policyscope.panel.views.listed_results import Results
from policyscope.panel.views.registered import call, free_name, of_first_episode
from policyscope.recordings.arrays.steps import of_episode
from policyscope.recordings.read import Recording


@dataclass(frozen=True)
class Map:
    """An overlay that every episode has.

    Args:
        info: how it is listed.
        of: gives it for an episode.
        key: what its numbers hang on beside the recording and the episode.
        python: line that gives it for the whole recording; empty where ``overlay`` does.
    """

    info: OverlayInfo
    of: Callable[[int], Overlay]
    key: Hashable
    python: str = ""


def find(name: str, recording: Recording, results: Results) -> Map:
    """The overlay of a name.

    Raises:
        UnknownName: none of that name, with those that are listed.
    """
    known = maps(recording, results)
    if name not in known:
        raise UnknownName("overlay", name, known)
    return known[name]


def maps(recording: Recording, results: Results) -> dict[str, Map]:
    """All overlays by name.

    First come the recording's own, then those of registered functions, then those of results; one
    whose name is taken gets a number behind it.
    """
    known: dict[str, Map] = {}
    for found in [*_patterns(recording), *_registered(recording), *_of_results(recording, results)]:
        name = free_name(found.info.name, known)
        known[name] = replace(found, info=found.info.model_copy(update={"name": name}))
    return known


def _patterns(recording: Recording) -> list[Map]:
    found = []
    for i, site in enumerate(patterns(recording)):
        info = OverlayInfo(
            name=site,
            over="entities",
            layers=[f"head {h}" for h in range(recording.sites[site][0])],
            unit="weight",
            live=True,
            shown=i == 0,
        )
        found.append(Map(info, partial(_attention, recording, info), None))
    return found


def _attention(recording: Recording, info: OverlayInfo, k: int) -> Overlay:
    steps = of_episode(recording, k)
    weights = steps.column(f"sites/{info.name}")[:, :, 0]
    return Overlay(
        name=info.name,
        over="entities",
        values=weights,
        layers=info.layers,
        unit=info.unit,
        identity=steps.column("row_identity"),
        scale=(0.0, 1.0),
        shown=info.shown,
    )


def _registered(recording: Recording) -> list[Map]:
    found = []
    for entry in registry.names("overlay"):
        place = registry.entry("overlay", entry)
        failed = [OverlayInfo(name=entry, over="entities", layers=[], unit="")]
        infos = of_first_episode("overlay", entry, recording, _info)
        for info in failed if infos is None else infos:
            found.append(Map(info, partial(_by_function, recording, entry, info.name), place))
    return found


def _info(name: str, view: Overlay) -> OverlayInfo:
    return OverlayInfo(
        name=name,
        over=view.over,
        layers=list(view.layers),
        unit=view.unit,
        signed=view.signed,
        shown=view.shown,
    )


def _by_function(recording: Recording, entry: str, name: str, k: int) -> Overlay:
    views = call("overlay", entry, recording, k)
    if name not in views:
        given = ", ".join(views) or "none"
        raise PolicyscopeError(
            f"overlay function '{entry}' gave no '{name}' for episode {k}; it gave {given}"
        )
    return views[name]


def _of_results(recording: Recording, results: Results) -> list[Map]:
    return [
        Map(
            found.info,
            lambda k, found=found: overlay_of(found, of_episode(recording, k)),  # type: ignore
            (found.result.path, found.result.signature),
            found.python,
        )
        for found in result_overlays(results)
    ]

"""Tracks and overlays that lie in saved results, by the names of their dimensions.

A result has views where its dataset has a dimension ``row`` with the coordinates ``episode`` and
``step`` along it; ``docs/panel.md`` holds the convention.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import xarray as xr

from policyscope.core.errors import PolicyscopeError
from policyscope.core.views import LONGEST_NAME, Overlay
from policyscope.panel.contract.recording import OverlayInfo, TrackInfo
from policyscope.panel.shelf.opening import of_result
from policyscope.panel.views.listed_results import Listed, Results, listed
from policyscope.panel.views.quantities import Quantity
from policyscope.recordings.arrays.steps import Steps

Kind = Literal["line", "event"]


@dataclass(frozen=True)
class ResultOverlay:
    """An overlay that lies in a result.

    Args:
        info: how it is listed.
        result: holds it.
        variable: its variable.
        python: lines that give its numbers.
    """

    info: OverlayInfo
    result: Listed
    variable: str
    python: str


def result_tracks(results: Results) -> list[Quantity]:
    """Tracks of results: variables of dims (row,).

    Args:
        results: results made from one recording, by id.

    Cost: computes nothing.
    """
    found = []
    for res, prefix, result, latest in _with_rows(results):
        for name, values in result.data.data_vars.items():
            if values.dims == ("row",) and values.dtype.kind in "fiub" and _fits(prefix, name):
                info = _track_info(f"{prefix}: {name}", res, values, latest)
                of = partial(_of_steps, res, result, str(name))
                found.append(Quantity(info, of, _line(result, name)))
    return found


def result_overlays(results: Results) -> list[ResultOverlay]:
    """Overlays of results: variables of dims (row, layer, entity) or (row, layer, y, x).

    Args:
        results: results made from one recording, by id.

    Cost: computes nothing.
    """
    found = []
    for _, prefix, result, latest in _with_rows(results):
        for name, values in result.data.data_vars.items():
            over = _over(result.data, values)
            if over and values.dtype.kind in "fiub" and _fits(prefix, name):
                info = OverlayInfo(
                    name=f"{prefix}: {name}",
                    over=over,
                    layers=_layers(values, result.asked),
                    unit=str(values.attrs.get("unit", "")),
                    signed=bool(values.attrs.get("signed", False)),
                    shown=latest and bool(values.attrs.get("shown", False)),
                )
                found.append(ResultOverlay(info, result, str(name), _line(result, name)))
    return found


def overlay_of(found: ResultOverlay, steps: Steps) -> Overlay:
    """An overlay of a result at the steps of an episode; NaN and -1 where it has no row.

    Its scale is that of all its rows.

    Args:
        found: the overlay.
        steps: of one episode.

    Raises:
        BadFile: the result was damaged or is gone.
        PolicyscopeError: rows that stand twice or lie outside of the episode.
    """
    data = found.result.load().data
    values = data[found.variable]
    at, rows = place(found.info.name, data, steps)
    maps = np.full((len(steps), *values.shape[1:]), np.nan, np.float32)
    maps[at] = values.values[rows]
    identity = None
    if found.info.over == "entities":
        who = data["identity"].values
        identity = np.full((len(steps), who.shape[1]), -1, np.int32)
        identity[at] = who[rows]
    extent = values.attrs.get("extent") if found.info.over == "scene" else None
    return Overlay(
        name=found.info.name[-LONGEST_NAME:],
        over=found.info.over,
        values=maps,
        layers=found.info.layers,
        unit=found.info.unit,
        identity=identity,
        extent=None if extent is None else tuple(float(v) for v in extent),  # type: ignore
        signed=found.info.signed,
        scale=whole_scale(values.values, found.info.signed),
        shown=found.info.shown,
    )


def place(what: str, data: xr.Dataset, steps: Steps) -> tuple[np.ndarray, np.ndarray]:
    """Where the rows of a result lie among steps.

    Args:
        what: name for messages.
        data: dataset with coordinates episode and step along row.
        steps: of whole episodes.

    Returns:
        Places among the steps, and the rows that lie there; both of one length.

    Raises:
        PolicyscopeError: rows that stand twice or lie outside of their episode.
    """
    episode, step = data["episode"].values.astype(int), data["step"].values.astype(int)
    first = np.flatnonzero(steps.step == 0)
    numbers, lengths = steps.episode[first], np.diff(np.append(first, len(steps)))
    order = np.argsort(numbers)
    which = np.searchsorted(numbers, episode, sorter=order)
    which = order[np.minimum(which, len(order) - 1)]
    rows = np.flatnonzero(numbers[which] == episode)
    which = which[rows]
    outside = (step[rows] < 0) | (step[rows] >= lengths[which])
    at = first[which] + step[rows]
    if outside.any():
        row = rows[outside][0]
        raise PolicyscopeError(
            f"'{what}' has a row for step {step[row]} of episode {episode[row]}, which has "
            f"{lengths[which][outside][0]} steps; was it made from another recording?"
        )
    if len(np.unique(at)) < len(at):
        raise PolicyscopeError(f"'{what}' has two rows for one step of an episode")
    return at, rows


def whole_scale(values: np.ndarray, signed: bool) -> tuple[float, float]:
    """Lowest and highest finite value, from -m to m where signed; 0 to 1 where nothing is to see.

    Args:
        values: any shape.
        signed: whether 0 is the middle.

    Example:
        >>> whole_scale(np.array([1.0, -3.0, np.nan]), True)
        (-3.0, 3.0)
    """
    finite = values[np.isfinite(values)].astype(float)
    if not finite.size:
        return (-1.0, 1.0) if signed else (0.0, 1.0)
    low, high = float(finite.min()), float(finite.max())
    if signed:
        high = max(abs(low), abs(high)) or 1.0
        low = -high
    return (low, high) if low < high else (low, low + 1.0)


def _of_steps(res: str, result: Listed, name: str, steps: Steps) -> np.ndarray:
    data = result.load().data
    at, rows = place(f"{res}: {name}", data, steps)
    numbers = np.full(len(steps), np.nan)
    numbers[at] = data[name].values[rows]
    return numbers


def _with_rows(results: Results) -> list[tuple[str, str, Listed, bool]]:
    """Id and prefix of the results that have rows, they, and whether each is its method's latest.

    In the order of their ids.
    """
    both = ((res, listed(result)) for res, result in sorted(results.items()))
    having = {res: result for res, result in both if _has_rows(result.data)}
    shared = Counter(result.asked for result in having.values())
    latest: dict[str, Listed] = {}
    for one in having.values():
        if one.method not in latest or one.made >= latest[one.method].made:
            latest[one.method] = one
    return [
        (res, r.asked if shared[r.asked] == 1 else f"{r.asked} ({res})", r, latest[r.method] is r)
        for res, r in having.items()
    ]


def _line(result: Listed, name: Any) -> str:
    """Lines that give a variable of a result that was saved."""
    return of_result(result.path, str(name)) if result.path else ""


def _has_rows(data: xr.Dataset) -> bool:
    return all(
        name in data.coords and data[name].dims == ("row",) and data[name].dtype.kind in "iu"
        for name in ("episode", "step")
    )


def _fits(prefix: str, name: Any) -> bool:
    return len(prefix) + len(str(name)) < 2 * LONGEST_NAME - 2


def _track_info(name: str, res: str, values: xr.DataArray, latest: bool) -> TrackInfo:
    kind: Kind = "event" if values.dtype.kind == "b" else "line"
    asked = values.attrs.get("kind", kind)
    return TrackInfo(
        name=name,
        unit=str(values.attrs.get("unit", "")),
        group=str(values.attrs.get("group") or name),
        kind=asked if asked in ("line", "event") else kind,
        shown=latest and bool(values.attrs.get("shown", False)),
        source=res,
    )


def _over(data: xr.Dataset, values: xr.DataArray) -> Literal["entities", "frame", "scene"] | None:
    """What a variable lies on; None where it is no overlay."""
    if len(values.dims) == 3 and (values.dims[0], values.dims[2]) == ("row", "entity"):
        told = "identity" in data and data["identity"].dims == ("row", "entity")
        return "entities" if told and data["identity"].dtype.kind in "iu" else None
    if values.dims != ("row", "layer", "y", "x"):
        return None
    over = values.attrs.get("overlay")
    if over == "frame":
        return "frame"
    extent = values.attrs.get("extent")
    return "scene" if over == "scene" and extent is not None and len(extent) == 4 else None


def _layers(values: xr.DataArray, asked: str) -> list[str]:
    """Names of layers; one alone is called like the method, as others may lie beside it."""
    dim = values.dims[1]
    if values.sizes[dim] == 1:
        return [re.split("[ ,]", asked)[0]]
    if dim in values.coords:
        return [str(name) for name in values[dim].values]
    return [f"layer {i}" for i in range(values.sizes[dim])]

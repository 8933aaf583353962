"""What entities and units account for, and what is left: the bars of an explanation."""

import numpy as np
import xarray as xr

from policyscope.attribution.asking.score import INPUT
from policyscope.attribution.results.entities import shares as in_sight
from policyscope.attribution.results.entity_shares import adds_up, in_frame, outside
from policyscope.core.result import Result
from policyscope.panel.contract.attribution import Share
from policyscope.panel.live import short
from policyscope.panel.shelf.describe import feature_names
from policyscope.recordings.read import Recording

#: Units that are told of a site without entities.
MOST_UNITS = 24
#: The shares, the largest first; what belongs to none of them; the sum of all values.
Shares = tuple[list[Share], Share | None, float | None]


def shares(recording: Recording, result: Result) -> Shares:
    """What each entity, or each unit of a site without any, accounts for, and what is left.

    Places of a frame that lie in several boxes count in each of them. Where values do not add up, a
    box has their mean, and there is no sum. A frame without known entities is one rest.

    Args:
        recording: an open recording.
        result: of ``attribution.explain.attribute`` for one decision.
    """
    data = result.data.isel(row=0)
    if "attribution" not in data:
        return [], None, None
    if "vehicles" in data:
        found, rest = _vehicles(data)
    elif "map" in data:
        found, rest = _boxes(recording, result)
    else:
        found, rest = _units(recording, data)
    if not adds_up(result.data) and "map" not in data:
        rest = None
    known = [share for share in found if np.isfinite([share.value, *share.parts]).all()]
    rest = rest if rest is not None and np.isfinite(rest.value) else None
    total = float(data["attribution"].values.sum(dtype=np.float64))
    told = total if adds_up(result.data) and np.isfinite(total) else None
    return sorted(known, key=lambda share: -abs(share.value)), rest, told


def _vehicles(data: xr.Dataset) -> tuple[list[Share], Share | None]:
    rows = short(data["vehicles"].values.T.astype(np.float32))
    found = [
        Share(name="", identity=int(who), value=total, parts=parts)
        for who, (total, *parts) in zip(data["identity"].values, rows, strict=True)
        if who >= 0
    ]
    absent = data["identity"].values < 0
    left = float(data["attribution"].values[absent].sum(dtype=np.float64))
    rest = Share(name="rows that show nobody", value=left, places=int(absent.sum()))
    return found, rest if left else None


def _boxes(recording: Recording, result: Result) -> tuple[list[Share], Share | None]:
    table, add = in_sight(result), adds_up(result.data)
    data = result.data.isel(row=0)
    flat = data["map"].values[0].astype(np.float64)
    if table.empty:
        value = float(flat.sum() if add else flat.mean())
        return [], Share(name="whole picture", value=value, places=flat.size)
    columns = (table[name] for name in ("kind", "identity", "share", "places"))
    found = [
        Share(name=str(kind), identity=int(who), value=float(share), places=float(places))
        for kind, who, share, places in zip(*columns, strict=True)
    ]
    entities = recording.entities(int(data["episode"]))
    _, boxes = in_frame(recording.scene, entities[entities["step"] == int(data["step"])])
    free = outside(flat.shape, boxes)
    places, left = float(free.sum()), float((flat * free).sum())
    if not places:
        return found, None
    value = left if add else left / places
    return found, Share(name="rest of the picture", value=value, places=places)


def _units(recording: Recording, data: xr.Dataset) -> tuple[list[Share], Share | None]:
    values = data["attribution"].values.astype(np.float32)
    order = np.argsort(-np.abs(values).ravel(), kind="stable")
    largest, others = order[:MOST_UNITS], order[MOST_UNITS:]
    named = feature_names(recording) if data.attrs["site"] == INPUT and values.ndim == 1 else []
    found = []
    for unit, value in zip(largest, short(values.ravel()[largest]), strict=True):
        index = ",".join(str(int(i)) for i in np.unravel_index(unit, values.shape))
        name = named[unit] if len(named) == values.size else f"[{index}]"
        found.append(Share(name=name, value=value))
    left = float(values.ravel()[others].sum(dtype=np.float64))
    return found, Share(name="other units", value=left, places=len(others)) if len(others) else None

"""Why not another action: the changes of single entities that pages ask for."""

import math
import shlex
import time

import numpy as np
import xarray as xr

from policyscope.core.errors import PolicyscopeError
from policyscope.panel.contract.live import SceneChange
from policyscope.panel.contract.result import CheckLine
from policyscope.panel.contract.why_not import WhyNotAnswer, WhyNotChange, WhyNotRequest
from policyscope.panel.shelf.liveness import why_not_live
from policyscope.panel.shelf.opening import opened
from policyscope.panel.shelf.shelf import Shelf
from policyscope.recordings.replays import why_not as replays
from policyscope.recordings.replays.worlds import Worlds

_WHY_NOT = "from policyscope.recordings.replays.why_not import why_not"


def why_not(shelf: Shelf, worlds: Worlds, wanted: WhyNotRequest) -> WhyNotAnswer:
    """The changes of single entities that make the agent prefer an action.

    Args:
        shelf: what is served.
        worlds: kept from one question to the next.
        wanted: where, and which action.

    Raises:
        UnknownName: no such recording, episode or action.
        PolicyscopeError: no such step, a scene that cannot be changed, or an agent that cannot be
            asked.

    Cost: 33 observations an entity, about a millisecond each, for the 40 nearest at most.
    """
    began = time.perf_counter()
    recording = shelf.recording(wanted.recording)
    recording.line(wanted.episode)
    if why := why_not_live(recording):
        raise PolicyscopeError(why)
    with np.errstate(all="ignore"):
        result = replays.why_not(
            recording, wanted.episode, wanted.step, wanted.action, worlds=worlds
        )
    data, path = result.data, shelf.typed(recording.path)
    action, [check] = str(data.attrs["action"]), result.checks
    asked = f"result = why_not(recording, {wanted.episode}, {wanted.step}, {action!r})"
    words = ["policyscope", "why-not", f"{path}:{wanted.episode}:{wanted.step}", action]
    return WhyNotAnswer(
        action=action,
        margin=float(data.attrs["margin"]),
        entities=int(data.attrs["entities"]),
        changes=[_change(data.isel(change=i)) for i in range(data.sizes["change"])],
        check=CheckLine(**check.to_json()),
        python=opened(recording, path, [asked, "result.data"], [_WHY_NOT]),
        command=shlex.join(words),
        milliseconds=round((time.perf_counter() - began) * 1e3, 3),
    )


def _change(one: xr.Dataset) -> WhyNotChange:
    kind, distance = str(one["kind"].values), float(one["distance"])
    values = {name: float(one[name]) for name in ("x", "y")} if kind == "move" else {}
    logp = float(one["logp"])
    return WhyNotChange(
        change=SceneChange(kind=kind, identity=int(one["identity"]), values=values),
        told=str(one["told"].values),
        entity=str(one["entity"].values),
        distance=None if math.isnan(distance) else distance,
        margin=float(one["margin"]),
        chance=None if math.isnan(logp) else math.exp(logp),
    )

"""Policy fields that pages ask for."""

import shlex
import time
from collections.abc import Sequence

import numpy as np
import xarray as xr

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.scene import SceneEdit
from policyscope.panel.contract.field import FieldAnswer, FieldRequest, FieldSide
from policyscope.panel.contract.result import CheckLine
from policyscope.panel.live import short
from policyscope.panel.scene import IMPORT, edit_text, edits_python, scene_edits
from policyscope.panel.shelf.describe import deciding
from policyscope.panel.shelf.environment import picture_view
from policyscope.panel.shelf.liveness import why_not_live
from policyscope.panel.shelf.opening import opened
from policyscope.panel.shelf.shelf import Shelf
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.field import policy_field, pushes
from policyscope.recordings.replays.worlds import Worlds

_FIELD = "from policyscope.recordings.replays.field import policy_field"


def field(shelf: Shelf, worlds: Worlds, wanted: FieldRequest) -> FieldAnswer:
    """The agent at every place of a recorded step.

    Args:
        shelf: what is served.
        worlds: kept from one question to the next.
        wanted: where, and with which changes.

    Raises:
        UnknownName: no such recording, episode or entity.
        PolicyscopeError: no such step, a change that cannot be made, an environment without
            cells, or an agent that cannot be asked.

    Cost: about a millisecond a place and side.
    """
    began = time.perf_counter()
    recording = shelf.recording(wanted.recording)
    recording.line(wanted.episode)
    if why := why_not_live(recording):
        raise PolicyscopeError(why)
    if not picture_view(recording):
        raise PolicyscopeError(
            f"{recording.env.id} has no cells to be put on; a field needs CoinRun or Maze"
        )
    edits = scene_edits(wanted.scene)
    with np.errstate(all="ignore"):
        result = policy_field(recording, wanted.episode, wanted.step, edits, worlds=worlds)
    data, path = result.data, shelf.typed(recording.path)
    sides = [_side(data.isel(side=s)) for s in range(data.sizes["side"])]
    shades = np.concatenate([side.shade for side in sides])
    valued = "value" in data
    [check] = result.checks
    return FieldAnswer(
        x=data["x"].values.tolist(),
        y=data["y"].values.tolist(),
        what="value" if valued else "share of the preferred action",
        unit="return" if valued else "",
        low=float(shades.min()) if valued else 0.0,
        high=float(shades.max()) if valued else 1.0,
        longest=max(float(np.linalg.norm(side.push, axis=1).max()) for side in sides),
        policy=deciding(recording) == "logits",
        kept=sides[0],
        changed=sides[1] if len(sides) > 1 else None,
        told=list(result.parameters["told"]),
        check=CheckLine(**check.to_json()),
        python=python(recording, path, wanted, edits),
        command=command(path, wanted, edits),
        milliseconds=round((time.perf_counter() - began) * 1e3, 3),
    )


def python(
    recording: Recording, path: str, wanted: FieldRequest, edits: Sequence[SceneEdit]
) -> str:
    """Lines of Python that give the same field.

    Args:
        recording: an open recording.
        path: of its folder, as a user would type it.
        wanted: what was asked.
        edits: its changes.
    """
    changes = f", {edits_python(edits)}" if edits else ""
    asked = f"result = policy_field(recording, {wanted.episode}, {wanted.step}{changes})"
    imports = [_FIELD, *([IMPORT] if edits else [])]
    return opened(recording, path, [asked, "result.data"], imports)


def command(path: str, wanted: FieldRequest, edits: Sequence[SceneEdit]) -> str:
    """The command line that gives the same field; arguments are those of ``python``."""
    words = ["policyscope", "field", f"{path}:{wanted.episode}:{wanted.step}"]
    for edit in edits:
        words += ["--edit", edit_text(edit)]
    return shlex.join(words)


def _side(data: xr.Dataset) -> FieldSide:
    chances = data["probability"].values
    shade = data["value"].values if "value" in data else chances.max(1)
    push = chances @ pushes([str(name) for name in data["action_name"].values])
    return FieldSide(shade=short(shade), push=push.tolist(), chances=short(chances))

"""A fork's result as a message, and the lines that make it again."""

import shlex
from collections.abc import Mapping, Sequence

import xarray as xr

from policyscope.core.result import Result
from policyscope.envs.scene import SceneEdit
from policyscope.panel.contract.episode import EpisodeDetail
from policyscope.panel.contract.fork import ForkAnswer, ForkRequest, ForkSide
from policyscope.panel.contract.messages import Estimate
from policyscope.panel.contract.result import CheckLine
from policyscope.panel.shelf.describe import whole_seed
from policyscope.panel.shelf.episode_file import EpisodeFile, refs
from policyscope.panel.shelf.opening import opened
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.compare import SIDES

_FORK = "from policyscope.recordings.replays.fork import ForkConfig, fork"
_EDIT = "from policyscope.envs.scene import SceneEdit"


def fork_answer(
    recording: Recording,
    path: str,
    wanted: ForkRequest,
    number: str,
    result: Result,
    before: float,
    files: Mapping[str, EpisodeFile],
    milliseconds: float,
) -> ForkAnswer:
    """What a fork found.

    Args:
        recording: an open recording.
        path: of its folder, as a user would type it.
        wanted: what was asked.
        number: id of the fork.
        result: of ``fork``.
        before: recorded return up to the step.
        files: arrays of pair 0, by side.
        milliseconds: that it took.
    """
    data = result.data
    mean, low, high = (float(v) for v in data["difference"].values)
    pairs = data.sizes["pair"]
    spread = pairs > 1
    [check] = result.checks
    sides = {}
    for side in SIDES:
        url = f"/api/forks/{number}/{side}/arrays"
        told = data.sel(side=side)
        sides[side] = _side(recording, wanted, url, told, before, files[side])
    return ForkAnswer(
        **sides,
        told=list(result.parameters["told"]),
        diverges=[None if at < 0 else int(at) for at in data["diverges"].values],
        difference=Estimate(
            name="difference", value=mean, low=low if spread else None,
            high=high if spread else None, n=pairs,
        ),
        chance=data.attrs["chance"] if pairs < wanted.pairs else "",
        check=CheckLine(**check.to_json()),
        python=python(recording, path, wanted),
        command=command(path, wanted),
        milliseconds=round(milliseconds, 3),
    )  # fmt: skip


def python(recording: Recording, path: str, wanted: ForkRequest) -> str:
    """Lines of Python that play the same fork.

    Args:
        recording: an open recording.
        path: of its folder, as a user would type it.
        wanted: what was asked.
    """
    edits = scene_edits(wanted)
    scene = ", ".join(f"SceneEdit({e.kind!r}, {e.identity!r}, {e.values!r})" for e in edits)
    asked = f"{wanted.episode}, {wanted.step}, [{scene}], ForkConfig(seeds={wanted.pairs})"
    return opened(
        recording, path, [f"result = fork(recording, {asked})", 'result.data["difference"]'],
        [_FORK, *([_EDIT] if edits else [])],
    )  # fmt: skip


def command(path: str, wanted: ForkRequest) -> str:
    """The command line that plays the same fork.

    Args:
        path: of the recording's folder, as a user would type it.
        wanted: what was asked.
    """
    words = ["policyscope", "fork", f"{path}:{wanted.episode}:{wanted.step}"]
    for edit in scene_edits(wanted):
        words += ["--edit", edit_text(edit)]
    return shlex.join([*words, "--seeds", str(wanted.pairs)])


def edit_text(edit: SceneEdit) -> str:
    """A change of the scene as the command line takes it, with all its digits.

    Example:
        >>> edit_text(SceneEdit("move", 3, {"x": 4.0, "y": 7.25}))
        'move 3 x=4.0 y=7.25'
    """
    whose = [] if edit.identity is None else [str(edit.identity)]
    values = [f"{name}={value!r}" for name, value in edit.values.items()]
    return " ".join([edit.kind, *whose, *values])


def scene_edits(wanted: ForkRequest) -> Sequence[SceneEdit]:
    """The changes that are asked for."""
    return [SceneEdit(c.kind, c.identity, dict(c.values)) for c in wanted.scene]


def _side(
    recording: Recording, wanted: ForkRequest, url: str, data: xr.Dataset, before: float,
    file: EpisodeFile,
) -> ForkSide:  # fmt: skip
    returns = [float(v) for v in data["return"].values]
    steps = [int(v) for v in data["steps"].values]
    outcomes = [str(v) for v in data["outcome"].values]
    detail = EpisodeDetail(
        recording=wanted.recording,
        episode=wanted.episode,
        seed=whole_seed(recording, wanted.episode),
        outcome=outcomes[0],
        total=before + returns[0],
        steps=wanted.step + steps[0],
        kinds=file.kinds,
        arrays=refs(file, url),
        bytes=file.bytes,
        python="",
    )
    return ForkSide(detail=detail, returns=returns, steps=steps, outcomes=outcomes)

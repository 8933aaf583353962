"""A fork's result as a message, and the lines that make it again."""

import shlex
from collections.abc import Mapping

import xarray as xr

from policyscope.core.result import Result
from policyscope.panel.contract.episode import EpisodeDetail
from policyscope.panel.contract.fork import ForkAnswer, ForkRequest, ForkSide
from policyscope.panel.contract.messages import Estimate
from policyscope.panel.contract.result import CheckLine
from policyscope.panel.scene import IMPORT, edit_python, edit_text, scene_edits
from policyscope.panel.shelf.environment import large
from policyscope.panel.shelf.episode_file import EpisodeFile, refs
from policyscope.panel.shelf.episodes import whole_seed
from policyscope.panel.shelf.opening import opened
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.compare import SIDES
from policyscope.recordings.replays.fork import ForkConfig

_FORK = "from policyscope.recordings.replays.fork import ForkConfig, fork"


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
        url = f"/api/forks/{number}/{side}"
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
        null=data["null"].values.tolist() if "null" in data else [],
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
    edits = scene_edits(wanted.scene)
    changes = [*map(edit_python, edits), *map(repr, wanted.edits)]
    config = [f"{name}={value!r}" for name, value in _config(wanted).items()]
    asked = f"{wanted.episode}, {wanted.step}, [{', '.join(changes)}], "
    asked += f"ForkConfig({', '.join(config)})"
    return opened(
        recording, path, [f"result = fork(recording, {asked})", 'result.data["difference"]'],
        [_FORK, *([IMPORT] if edits else [])],
    )  # fmt: skip


def command(path: str, wanted: ForkRequest) -> str:
    """The command line that plays the same fork.

    Args:
        path: of the recording's folder, as a user would type it.
        wanted: what was asked.
    """
    words = ["policyscope", "fork", f"{path}:{wanted.episode}:{wanted.step}"]
    for text in [*map(edit_text, scene_edits(wanted.scene)), *wanted.edits]:
        words += ["--edit", text]
    for name, value in _config(wanted).items():
        words += [f"--{name}", str(value)]
    return shlex.join(words)


def _config(wanted: ForkRequest) -> dict[str, int]:
    """What differs from how a fork is played by default, and how many pairs."""
    more = {"during": wanted.during, "null": wanted.null}
    usual = {"during": ForkConfig.during, "null": ForkConfig.null}
    told = {name: value for name, value in more.items() if value not in (None, usual[name])}
    return {"seeds": wanted.pairs, **told}


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
        arrays=refs(file, f"{url}/arrays"),
        bytes=file.bytes,
        pictures=f"{url}/pictures" if large(recording) else "",
        python="",
    )
    return ForkSide(detail=detail, returns=returns, steps=steps, outcomes=outcomes)

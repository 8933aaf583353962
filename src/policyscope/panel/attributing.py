"""Explanations of single decisions that pages ask for."""

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import asdict
from math import isfinite

import numpy as np
import xarray as xr

from policyscope.attribution.asking.targets import default_target
from policyscope.attribution.config import APART, METHODS, AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.attribution.methods.table import refused
from policyscope.attribution.results.entity_shares import adds_up
from policyscope.attribution.results.wording import compared_words
from policyscope.attribution.unfit import NEEDS
from policyscope.core.errors import PolicyscopeError
from policyscope.core.result import Result
from policyscope.panel.contract.attribution import (
    AttributionAnswer,
    AttributionChoices,
    AttributionQuestion,
    AttributionRequest,
    MethodLine,
    TargetNeed,
)
from policyscope.panel.contract.result import CheckLine
from policyscope.panel.live import short
from policyscope.panel.shares import shares
from policyscope.panel.shelf.opening import opened
from policyscope.panel.shelf.shelf import Shelf
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.worlds import Worlds

_NUMBERS = {"value": "target", "change": "change", "gap": "gap"}
_IMPORTS = (
    "from policyscope.attribution.config import AttributionConfig",
    "from policyscope.attribution.explain import attribute",
)


def choices(shelf: Shelf, worlds: Worlds, rec: str) -> AttributionChoices:
    """What can be asked of a recording's agent.

    Args:
        shelf: what is served.
        worlds: keeps the agent from one question to the next.
        rec: id of the recording.

    Raises:
        UnknownName: no recording of that id, or it holds no agent.
        BadFile: the agent is missing or damaged.

    Cost: a forward pass, the first time.
    """
    recording = shelf.recording(rec)

    def make() -> AttributionChoices:
        with worlds.agent(recording) as agent:
            fits = refused(agent)
            try:
                target = default_target(agent)
            except PolicyscopeError:  # of several continuous actions one must be named
                target = ""
        methods = [MethodLine(name=name, about=METHODS[name]) for name in APART]
        needs = {name: TargetNeed(**asdict(need)) for name, need in NEEDS.items() if name in APART}
        return AttributionChoices(
            methods=methods, sites=list(fits), refused=fits, needs=needs, target=target
        )

    return shelf.kept(recording, "attribution choices", make, lambda made: 1000 * len(made.sites))


def explain_step(shelf: Shelf, worlds: Worlds, wanted: AttributionRequest) -> AttributionAnswer:
    """What a target of one decision is owed to.

    Args:
        shelf: what is served; keeps answers.
        worlds: keeps the agent from one question to the next.
        wanted: where, and of what.

    Raises:
        UnknownName: no such recording, episode, method or site, or a part of the target that
            stands for nothing.
        BadTarget: the target cannot be read.
        PolicyscopeError: no such step, a target that does not depend on the site, or a method that
            does not fit the site.

    Cost: that of the method for one row, unless it is kept.
    """
    recording = shelf.recording(wanted.recording)

    def make() -> AttributionAnswer:
        began = time.perf_counter()
        with _with_agent(recording, worlds) as asked, np.errstate(all="ignore"):
            result = attribute(asked, config_of(wanted), wanted.episode, wanted.step)
        path = shelf.typed(recording.path)
        return answer(recording, result, wanted, path, (time.perf_counter() - began) * 1e3)

    key = "attribution", wanted.model_dump_json()
    return shelf.kept(recording, key, make, lambda made: 4096 + 40 * len(made.map))


def config_of(wanted: AttributionQuestion) -> AttributionConfig:
    """The options that a question stands for, without what takes long and is not shown.

    Raises:
        UnknownName: no such method.
    """
    return AttributionConfig(
        target=wanted.target,
        method=wanted.method,
        site=wanted.site,
        trust=False,
        initialisations=0,
    )


def answer(
    recording: Recording, result: Result, wanted: AttributionRequest, path: str, took: float
) -> AttributionAnswer:
    """The attribution of one decision as the page gets it.

    Args:
        recording: an open recording.
        result: of ``attribution.explain.attribute`` for the one decision.
        wanted: what was asked.
        path: of the recording's folder, as a user would type it.
        took: milliseconds.
    """
    data = result.data.isel(row=0)
    flat = data["map"].values[0] if "map" in data else None
    listed, rest, total = shares(recording, result)
    height, width = (0, 0) if flat is None else flat.shape
    checks = [CheckLine(**check.to_json()) for check in result.checks]
    return AttributionAnswer(
        target=str(data.attrs["target"]),
        unit=str(data["target"].attrs.get("unit", "")),
        values_unit=str(data.attrs["unit"]),
        method=str(data.attrs["method"]),
        site=str(data.attrs["site"]),
        **{name: _number(data, of) for name, of in _NUMBERS.items()},
        baseline=compared_words(result),
        over="entities" if "vehicles" in data else "none" if flat is None else "frame",
        height=height,
        width=width,
        map=[] if flat is None else _numbers(flat.ravel()),
        shares=listed,
        rest=rest,
        adds=adds_up(data),
        sum=total,
        parts=[str(name) for name in data["layer"].values[1:]] if "vehicles" in data else [],
        units=int(data["attribution"].size) if "attribution" in data else 0,
        check=checks[0] if checks else None,
        python=python(recording, path, wanted),
        command=command(path, wanted),
        milliseconds=round(took, 3),
    )


def python(recording: Recording, path: str, wanted: AttributionRequest) -> str:
    """Lines of Python that give the same attribution.

    Args:
        recording: an open recording.
        path: of its folder, as a user would type it.
        wanted: what was asked.
    """
    usual, given = AttributionConfig(), config_of(wanted)
    options = ", ".join(
        f"{name}={getattr(given, name)!r}"
        for name in ("target", "method", "site")
        if getattr(given, name) != getattr(usual, name)
    )
    config = f"AttributionConfig({options})"
    asked = f"result = attribute(recording, {config}, {wanted.episode}, {wanted.step})"
    return opened(recording, path, [asked, "result.data"], _IMPORTS)


def command(path: str, wanted: AttributionRequest) -> str:
    """The command line that gives the same attribution; arguments are those of ``python``."""
    part = f"{path}:{wanted.episode}:{wanted.step}"
    return shlex.join(["policyscope", "explain", part, *flags(wanted)])


def flags(wanted: AttributionQuestion) -> list[str]:
    """Flags of ``policyscope explain`` that ask for the same."""
    words = ["--method", wanted.method]
    if wanted.target:
        words += ["--target", wanted.target]
    if wanted.site != AttributionConfig.site:
        words += ["--site", wanted.site]
    return words


@contextmanager
def _with_agent(recording: Recording, worlds: Worlds) -> Iterator[Recording]:
    """The recording with an agent that no other thread asks meanwhile."""
    with worlds.agent(recording) as agent:
        asked = copy(recording)
        asked.agent = agent
        yield asked


def _number(data: xr.Dataset, name: str) -> float | None:
    """A number of the decision; None where there is none or it is not finite."""
    return _numbers(data[name].values)[0] if name in data else None


def _numbers(values: np.ndarray) -> list[float | None]:
    flat = np.atleast_1d(np.float32(values))
    told = short(flat)
    return told if np.isfinite(flat).all() else [v if isfinite(v) else None for v in told]

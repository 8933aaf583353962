"""Audit: which method of attribution to believe, for this agent, target and site."""

import time
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import xarray as xr

from policyscope.attribution.again import again
from policyscope.attribution.asking.baselines import activations, baseline
from policyscope.attribution.asking.chosen import choose
from policyscope.attribution.asking.score import INPUT, score
from policyscope.attribution.asking.targets import default_target
from policyscope.attribution.config import APART, METHODS, AttributionConfig
from policyscope.attribution.explain import one_site
from policyscope.attribution.methods.answering import answered
from policyscope.attribution.trust.levels import level_of
from policyscope.attribution.trust.line import ROWS, Figure, trust_line
from policyscope.attribution.trust.removals import Removals, removal_figure
from policyscope.core.errors import PolicyscopeError
from policyscope.core.progress import tell_progress
from policyscope.core.provenance import provenance
from policyscope.core.result import Result
from policyscope.core.target_parser import parse_target
from policyscope.recordings.subject import subject

SPREAD = "0: seeds, or small noise, change nothing, 1: as much as the values are large"


def audit(
    recording: Any,
    config: AttributionConfig | None = None,
    episode: int | None = None,
    step: int | None = None,
    command: str | None = None,
) -> Result:
    """Measure how far the values of each method hold, on the same decisions and the same groups.

    The groups are the finest that all methods have values of: vehicles of an observation of
    vehicles, blocks of ``window`` places of a map, else single units. What a method says of finer
    units is summed over them. Units are set to the baseline of the site, whatever the method.

    Args:
        recording: an opened recording.
        config: target, site and options; its method does not matter.
        episode: number of an episode; default is the whole recording.
        step: of that episode; default is all its steps.
        command: the command line, for the provenance.

    Returns:
        A Result with ``mean``, ``low``, ``high`` and ``n``, the decisions measured on (method,
        figure), the figures being those of ``trust_line`` at the common level and, where values
        lie on entities, that of ``removal_figure``; ``spread_reading`` (method), and ``seconds``
        (method) that its figures took. The attributes tell the ``level``, the ``baseline`` and why
        methods were ``left_out``.

    Raises:
        UnknownName: no such site, episode, action or output.
        PolicyscopeError: the target does not depend on the site.

    Cost: that of a trust line for each method.
    """
    config = config or AttributionConfig()
    agent = recording.agent
    chosen = choose(recording, agent, episode, step, min(config.rows, ROWS), config.seed)
    site = one_site(agent, config.site)
    target = parse_target(config.target or default_target(agent))
    start = baseline(recording, agent, chosen, config.baseline, [site, INPUT])
    score(agent, target, chosen.decisions, site)  # what is wrong for all is told as itself
    found: dict[str, list[Figure]] = {}
    seconds, left_out = [], {}
    effects: dict[tuple[int, int], Removals] = {}
    everyone = np.arange(len(chosen.decisions))
    asked = [config.method] if config.method not in METHODS else []
    for i, method in enumerate([*APART, *asked]):
        tell_progress(i, len(APART) + len(asked), method.replace("_", " "))
        began = time.perf_counter()
        try:
            own = replace(
                config, method=method, options=config.options if asked[:1] == [method] else ()
            )
            figures = trust_line(agent, target, chosen, site, own, start, common=True)
            values = answered(agent, target, chosen, site, own, start, everyone)[0]
            removal = removal_figure(
                recording, target, chosen, site, own, values["attribution"], start.values[site],
                effects,
            )  # fmt: skip
            found[method] = [*figures, *([removal] if removal else [])]
        except PolicyscopeError as error:
            left_out[method] = str(error)
            continue
        seconds.append(time.perf_counter() - began)
    line = max(found.values(), key=len)
    names = [figure.name for figure in line]
    table = {
        part: (
            ("method", "figure"),
            np.array([[_part(own, name, part) for name in names] for own in found.values()]),
        )
        for part in ("mean", "low", "high", "n")
    }
    shape = tuple(activations(agent, chosen.decisions, [site])[site].shape[1:])
    data = xr.Dataset(
        {
            **table,
            "spread_reading": ("method", [_named(own, "spread").reading for own in found.values()]),
            "seconds": ("method", np.array(seconds), {"unit": "s"}),
        },
        {"method": list(found), "figure": names},
        {
            "target": str(target),
            "site": site,
            "baseline": start.description,
            "level": level_of(shape, site, config.window)[0],
            "left_out": left_out,
            "decisions": len(chosen.decisions),
            "better": [figure.better for figure in line],
            "reading": [SPREAD if one.name == "spread" else one.reading for one in line],
        },
    )
    told = again(audit, recording, config, episode, step)
    return Result(
        "attribution_audit",
        data,
        {"recording": subject(recording), **asdict(config), "target": str(target), "python": told},
        provenance(command or told, config.seed),
        unchecked="a comparison: its figures are the checks of the methods",
    )


def _named(line: list[Figure], name: str) -> Figure:
    return next(figure for figure in line if figure.name == name)


def _part(line: list[Figure], name: str, part: str) -> float:
    """A number of one figure of a line; NaN, or an n of 0, where the method has no such figure."""
    none = 0 if part == "n" else np.nan
    return next((getattr(one, part) for one in line if one.name == name), none)


def audit_report(result: Result) -> dict[str, Any]:
    """The numbers of an audit as JSON values.

    Args:
        result: of ``audit``.
    """
    data = result.data
    rows = []
    for i, method in enumerate(data["method"].values):
        own = data.isel(method=i)
        line: dict[str, Any] = {"method": str(method), "seconds": float(own["seconds"])}
        for j, figure in enumerate(data["figure"].values):
            cell = {k: float(own[k].values[j]) for k in ("mean", "low", "high")}
            told = {k: v if np.isfinite(v) else None for k, v in cell.items()}
            line[str(figure)] = {**told, "n": int(own["n"].values[j])}
        rows.append(line)
    return {
        "target": data.attrs["target"],
        "site": data.attrs["site"],
        "level": data.attrs["level"],
        "baseline": data.attrs["baseline"],
        "left_out": data.attrs["left_out"],
        "n": {"decisions": int(data.attrs["decisions"])},
        "better": dict(zip(data["figure"].values.tolist(), data.attrs["better"], strict=True)),
        "methods": rows,
        "passed": result.passed,
        "python": result.python,
    }

"""Audit: which method of attribution to believe, for this agent, target and site."""

import time
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import xarray as xr

from policyscope.attribution.chosen import choose
from policyscope.attribution.config import METHODS, AttributionConfig
from policyscope.attribution.explain import baseline_of, default_target, one_site
from policyscope.attribution.trust import ROWS, Figure, trust_line
from policyscope.core.errors import PolicyscopeError
from policyscope.core.progress import tell_progress
from policyscope.core.provenance import provenance
from policyscope.core.result import Result
from policyscope.core.target_parser import parse_target
from policyscope.recordings.subject import python_line, subject

#: Methods whose values are those of single units, which the figures are about.
AUDITED = tuple(name for name in METHODS if name not in ("grad_cam", "blur", "shapley"))


def audit(
    recording: Any,
    config: AttributionConfig | None = None,
    episode: int | None = None,
    step: int | None = None,
    command: str | None = None,
) -> Result:
    """Measure how far the values of each method hold, on the same decisions.

    Args:
        recording: an opened recording.
        config: target, site and options; its method does not matter.
        episode: number of an episode; default is the whole recording.
        step: of that episode; default is all its steps.
        command: the command line, for the provenance.

    Returns:
        A Result with ``mean``, ``low`` and ``high`` (method, figure), the figures being those of
        ``trust.trust_line``, and ``seconds`` (method) that its figures took.

    Raises:
        UnknownName: no such site, episode, action or output.
        PolicyscopeError: the target does not depend on the site, or no method has figures there.

    Cost: that of a trust line for each method.
    """
    config = config or AttributionConfig()
    agent = recording.agent
    chosen = choose(recording, agent, episode, step, min(config.rows, ROWS), config.seed)
    site = one_site(agent, config.site)
    target = parse_target(config.target or default_target(agent))
    start = baseline_of(agent, chosen, site, config)
    found: dict[str, list[Figure]] = {}
    seconds = []
    for i, method in enumerate(AUDITED):
        tell_progress(i, len(AUDITED), method.replace("_", " "))
        began = time.perf_counter()
        own = replace(config, method=method)
        if figures := trust_line(agent, target, chosen, site, own, start):
            found[method] = figures
            seconds.append(time.perf_counter() - began)
    if not found:
        raise PolicyscopeError(f"no method has values of single units at site '{site}'")
    names = [figure.name for figure in next(iter(found.values()))]
    table = {
        part: (
            ("method", "figure"),
            np.array([[getattr(figure, part) for figure in line] for line in found.values()]),
        )
        for part in ("mean", "low", "high")
    }
    data = xr.Dataset(
        {**table, "seconds": ("method", np.array(seconds), {"unit": "s"})},
        {"method": list(found), "figure": names},
        {
            "target": str(target),
            "site": site,
            "decisions": len(chosen.decisions),
            "better": [figure.better for figure in next(iter(found.values()))],
            "reading": [figure.reading for figure in next(iter(found.values()))],
        },
    )
    line = python_line(audit, recording, _given(config, episode, step), [AttributionConfig])
    return Result(
        "attribution_audit",
        data,
        {"recording": subject(recording), **asdict(config), "target": str(target), "python": line},
        provenance(command or line, config.seed),
        unchecked="a comparison: its figures are the checks of the methods",
    )


def _given(config: AttributionConfig, episode: int | None, step: int | None) -> list[str]:
    changed = [
        f"{k}={v!r}" for k, v in asdict(config).items() if v != getattr(AttributionConfig, k)
    ]
    where = {"episode": episode, "step": step}
    told = [f"{k}={v}" for k, v in where.items() if v is not None]
    return [f"AttributionConfig({', '.join(changed)})", *told]


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
            line[str(figure)] = {k: v if np.isfinite(v) else None for k, v in cell.items()}
        rows.append(line)
    return {
        "target": data.attrs["target"],
        "site": data.attrs["site"],
        "n": {"decisions": int(data.attrs["decisions"])},
        "better": dict(zip(data["figure"].values.tolist(), data.attrs["better"], strict=True)),
        "methods": rows,
        "passed": result.passed,
        "python": result.python,
    }

"""Page of an attribution: figure, checks and the line that makes it again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from policyscope.attribution.results.entities import by_identity, by_kind
from policyscope.attribution.results.summary import by_feature
from policyscope.attribution.results.wording import (
    OTHERS,
    baseline_words,
    entity_words,
    fewer_words,
    greatest_words,
    kind_words,
)
from policyscope.attribution.trust.line import ROWS
from policyscope.core.numbers import mean_text, rounded
from policyscope.core.result import Result
from policyscope.core.target_words import target_title
from policyscope.figures.attribution import asked, draw
from policyscope.figures.attribution_actions import draw_actions
from policyscope.figures.attribution_lanes import draw_lanes, longest
from policyscope.figures.attribution_maps import ACROSS, maps, strip
from policyscope.figures.baseline import draw_baseline
from policyscope.figures.conductance import draw_conductance
from policyscope.figures.origin import origin
from policyscope.figures.page import note, table, write_page
from policyscope.figures.trust_table import checks_table, trust_table

TRUST = (
    "Means of episodes' means, with bootstrap intervals over episodes where there are several; "
    "what each figure is, docs/attribution.md says."
)

UNTRAINED = (
    "Bars are means with 95 % bootstrap intervals over episodes. Grey bands (fresh weights) and "
    "diamonds (the run's own initial ones, where they are known) are the same means of networks "
    "that learned nothing, at most 128 of the decisions. Their targets are small, so compare parts "
    "of the whole: a part that lies in the band shows the input and not what was learned."
)
STRIP = (
    "Explained steps of episode {episode}, spread evenly, on the scale of all maps of this result."
)
GREATEST = (
    "At a step: {what}, unit: {unit}. Sums and means are over the steps at which somebody is in "
    "sight{intervals}. Greatest: {greatest}.{more}"
)
COLUMNS = {
    "signed": "signed sum", "absolute": "absolute sum", "signed_mean": "a step",
    "absolute_mean": "a step, absolute",
}  # fmt: skip
#: Entities that the table names.
TOP = 12


def write_attribution_page(result: Result, path: Path, mode: str = "light") -> None:
    """Write the page.

    Args:
        result: of ``attribution.explain.attribute``.
        path: file to write.
        mode: light or dark.
    """
    decisions = min(result.data.sizes["row"], ROWS)
    fewer = fewer_words(result.data.attrs["trust"], decisions)
    parts = [
        *_figures(result, mode),
        _entities(result),
        trust_table(result.data.attrs["trust"], f"{TRUST} {fewer}"),
        checks_table(result.checks)
        if result.checks
        else note(f"Unchecked: {result.unchecked}.", "Checks"),
        *origin(result),
    ]
    write_page(path, f"attribution of {target_title(result.data.attrs['target'])}", parts, mode)


def _figures(result: Result, mode: str) -> list[go.Figure | str]:
    """The figures that there are for a result, each with what it needs to be read."""
    found: list[go.Figure | str] = []
    if alone := _alone(result):
        found.append(note(f"{alone}.", asked(result)))
    else:
        found.append(draw(result, mode))
    if "vehicles" in result.data and not alone:
        found.append(note(OTHERS))
    if ("fresh" in result.data or "initial" in result.data) and not alone:
        found.append(note(UNTRAINED))
    compared = draw_baseline(result, mode)
    words = baseline_words(result)
    found.append(note(f"{words[0].upper()}{words[1:]}.") if compared is None else compared)
    if (flow := draw_conductance(result, mode)) is not None:
        found.append(flow)
    actions = draw_actions(result, mode)
    if actions is not None:
        found.append(actions)
    rows = strip(result.data, longest(result)) if "map" in result.data else ()
    if len(rows) > 1:
        found.append(note(STRIP.format(episode=longest(result)), "Through an episode"))
        found.append(maps(result.data, rows, mode, ACROSS))
    lanes = draw_lanes(result, mode=mode)
    if lanes is not None:
        found.append(lanes)
    return found


def _alone(result: Result) -> str:
    """Where one decision has a single number for each vehicle, what the lanes do not say of it."""
    data = result.data
    if data.sizes["row"] > 1 or len(by_feature(result)) != 1:
        return ""
    unit = data["target"].attrs.get("unit", "")
    value = f"{rounded(data['target'].values[0])} {unit}".strip()
    where = f"episode {data['episode'].values[0]}, step {data['step'].values[0]}"
    return f"At {data.attrs['site']}, {where}: the target is {value}"


def _entities(result: Result) -> str:
    """Who accounts for most: of one episode by identity, of several by kind."""
    single = len(np.unique(result.data["episode"].values)) == 1
    lines = by_identity(result) if single else by_kind(result)
    if not lines:
        return ""
    told = [name for name in COLUMNS if lines[0][name] is not None]
    rows = [
        (
            line["name"],
            str(line["steps"]),
            *(_mean(line, name) for name in told),
            _share(line),
        )
        for line in lines[:TOP]
    ]
    head = ("entity" if single else "kind", "steps", *(COLUMNS[name] for name in told), "greatest")
    words = GREATEST.format(
        what=entity_words(result.data) if single else kind_words(result.data),
        unit=result.data.attrs.get("unit") or "the target's unit",
        intervals="" if single else "; of means the 95 % bootstrap intervals over episodes",
        more=f" The {TOP} with most of {len(lines)} are told." if len(lines) > TOP else "",
        greatest=greatest_words(single),
    )
    return table("Who accounts for most", head, rows, words)


def _share(line: Mapping[str, Any]) -> str:
    """Of the steps at which it is the greatest; of kinds with the interval over episodes."""
    interval = line.get("greatest_interval")
    if not interval or interval["low"] is None:
        return f"{line['greatest']:.0%}"
    return f"{line['greatest']:.0%} [{interval['low']:.0%}, {interval['high']:.0%}]"


def _mean(line: Mapping[str, Any], name: str) -> str:
    """A number of an entity; means of kinds with their interval over episodes."""
    interval = line.get(name.replace("_mean", "_interval"))
    return mean_text(interval) if interval and name.endswith("_mean") else rounded(line[name])

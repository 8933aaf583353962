"""Figure of an attribution: bars of features, or maps over frames in two colours on one scale."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from policyscope.attribution.results.summary import by_feature, by_unit
from policyscope.core.result import Result
from policyscope.core.target_words import target_title
from policyscope.figures.attribution_bars import add_bars
from policyscope.figures.attribution_maps import TOP, maps, strongest
from policyscope.figures.theme import dress, faint, head_colour, titled

#: What the bars of a panel are.
KINDS = {
    "signed": "signed mean",
    "absolute": "mean of the absolute value",
    "part": "part of a decision's absolute sum",
}
#: Pixels above a figure, for its title.
MARGIN = 110


def draw(result: Result, mode: str = "light") -> go.Figure:
    """Draw what was attributed to features of vehicles, to places, or to units.

    Args:
        result: of ``attribution.explain.attribute``.
        mode: light or dark.
    """
    data = result.data
    lines = by_feature(result) or by_unit(result)
    told, unit = "", data.attrs.get("unit") or "unit of the target"
    if lines:
        figure = _bars(lines, unit, mode)
        if "fresh" in data:
            fresh = data.sizes["initialisation"]
            told = f"; untrained: {fresh} initialisation{'s' * (fresh != 1)}"
    elif "map" in data:
        figure = maps(data, strongest(data), mode)
        told = "; above a frame: episode:step and the target"
        figure.update_layout(height=figure.layout.height + MARGIN - TOP)
    else:
        figure = _units(result, mode)
    episodes = len(np.unique(data["episode"].values))
    count = f"{_counted(data.sizes['row'], 'decision')} of {_counted(episodes, 'episode')}"
    figure.update_layout(margin={"t": MARGIN})
    words = f"at {data.attrs['site']}, {unit}, {count}{told}"
    return titled(figure, asked(result), words, mode)


def asked(result: Result) -> str:
    """The question of an attribution as a title.

    Args:
        result: of ``attribution.explain.attribute``.
    """
    attrs = result.data.attrs
    return f"{attrs['method'].replace('_', ' ')} of {target_title(attrs['target'])}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _bars(lines: list[dict[str, Any]], unit: str, mode: str) -> go.Figure:
    kinds = list(KINDS)[: 3 if len(lines) > 1 else 2]  # the part of a single line is all
    figure = make_subplots(
        1, len(kinds), subplot_titles=[KINDS[kind] for kind in kinds], shared_yaxes=True,
        horizontal_spacing=0.04,
    )  # fmt: skip
    dress(figure, mode)
    for column, kind in enumerate(kinds, start=1):
        add_bars(figure, lines, kind, 1, column, mode, legend=column == 1)
        figure.update_xaxes(title="" if kind == "part" else unit, row=1, col=column)
    if "part" in kinds:
        figure.update_xaxes(tickformat=".0%", rangemode="tozero", row=1, col=3)
    figure.update_annotations(font={"size": 13})
    height = 210 + 22 * len(lines)
    return figure.update_layout(
        barmode="overlay", width=1060, height=height,
        legend={"orientation": "h", "y": -64 / (height - 190), "yanchor": "top", "x": 0},
    )  # fmt: skip


def _units(result: Result, mode: str) -> go.Figure:
    """Mean and mean absolute share of each unit, the largest first."""
    data = result.data
    flat = data["attribution"].values.reshape(data.sizes["row"], -1)
    order = np.argsort(-np.abs(flat).mean(0), kind="stable")[:40]
    shape = data["attribution"].shape[1:]
    names = [",".join(str(i) for i in np.unravel_index(unit, shape)) for unit in order]
    figure = dress(go.Figure(), mode)
    figure.add_bar(
        x=names, y=np.abs(flat).mean(0)[order], name="mean of the absolute value",
        marker={"color": faint(head_colour(0), 0.35)},
    )  # fmt: skip
    figure.add_bar(
        x=names, y=flat.mean(0)[order], name="signed mean", marker={"color": head_colour(0)}
    )
    figure.update_xaxes(title="unit of the site", type="category")
    figure.update_yaxes(title=data.attrs.get("unit") or "unit of the target")
    return figure.update_layout(
        barmode="overlay", width=900, height=440, legend={"orientation": "h", "y": -0.25}
    )

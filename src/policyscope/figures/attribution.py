"""Figure of an attribution: bars of features, or maps over frames in two colours on one scale."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from policyscope.attribution.results.summary import by_feature, by_unit
from policyscope.core.result import Result
from policyscope.figures.attribution_bars import add_bars
from policyscope.figures.attribution_maps import maps, strongest
from policyscope.figures.theme import dress, faint, head_colour, ink

#: What the bars of a panel are.
KINDS = {
    "signed": "signed mean",
    "absolute": "mean of the absolute value",
    "part": "part of a decision's absolute sum",
}


def draw(result: Result, mode: str = "light") -> go.Figure:
    """Draw what was attributed to features of vehicles, to places, or to units.

    Args:
        result: of ``attribution.explain.attribute``.
        mode: light or dark.
    """
    data, soft = result.data, ink(mode)["soft"]
    lines = by_feature(result) or by_unit(result)
    told = ""
    if lines:
        figure = _bars(lines, mode)
        if "fresh" in data:
            told = f"; untrained: {data.sizes['initialisation']} initialisations"
    elif "map" in data:
        figure = maps(data, strongest(data), mode)
        told = "; above a frame: episode:step and the target"
    else:
        figure = _units(result, mode)
    unit = data.attrs.get("unit") or "unit of the target"
    return figure.update_layout(
        title=f"{data.attrs['target']}<br><span style='font-size:13px;color:{soft}'>"
        f"{data.attrs['method'].replace('_', ' ')} at {data.attrs['site']}, {unit}, "
        f"{data.sizes['row']:,} decisions{told}</span>",
        margin={"t": 110},
    )


def _bars(lines: list[dict[str, Any]], mode: str) -> go.Figure:
    figure = make_subplots(
        1, 3, subplot_titles=list(KINDS.values()), shared_yaxes=True, horizontal_spacing=0.04
    )
    dress(figure, mode)
    for column, kind in enumerate(KINDS, start=1):
        add_bars(figure, lines, kind, 1, column, mode, legend=column == 1)
    figure.update_xaxes(tickformat=".0%", rangemode="tozero", row=1, col=3)
    figure.update_annotations(font={"size": 13})
    height = 190 + 22 * len(lines)
    return figure.update_layout(
        barmode="overlay", width=1060, height=height,
        legend={"orientation": "h", "y": -60 / (height - 170), "yanchor": "top", "x": 0},
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
    figure.update_xaxes(title="unit", type="category")
    return figure.update_layout(
        barmode="overlay", width=900, height=440, legend={"orientation": "h", "y": -0.25}
    )

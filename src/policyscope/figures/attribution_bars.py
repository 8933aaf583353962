"""Bars of an attribution: the trained agent, its own initial weights, and other untrained ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from policyscope.figures.theme import faint, head_colour, ink

#: Share of a category's height that its bars fill, and of a bar's place that the bar fills.
FILLED, BAR, BAND = 0.8, 0.62, 0.96
Line = dict[str, Any]
#: The ego's row is one; bars of the others are of many rows.
NAMES = {"others": "others: mean of vehicles (part: sum)"}


def add_bars(
    figure: go.Figure, lines: Sequence[Line], kind: str, row: int, column: int, mode: str,
    legend: bool = False,
) -> None:  # fmt: skip
    """Add the bars of one kind of mean to a panel of a figure.

    Args:
        figure: with subplots.
        lines: of ``summary.by_feature`` or ``by_unit``, or those of one action.
        kind: signed, absolute or part.
        row: of the panel.
        column: of the panel.
        mode: light or dark.
        legend: whether this panel's bars stand in the legend.
    """
    names = list(dict.fromkeys(line["feature"] for line in lines))
    groups = list(dict.fromkeys(line["who"] for line in lines))
    place = FILLED / len(groups)
    at = {"row": row, "col": column}
    soft, text = ink(mode)["zero"], ink(mode)["text"]
    for i, who in enumerate(groups):
        own = [line for line in lines if line["who"] == who and kind in line]
        shift = (i - (len(groups) - 1) / 2) * place
        y = np.array([names.index(line["feature"]) for line in own]) + shift
        means = [line[kind] for line in own]
        told = [f"{who} {line['feature']}".strip() for line in own]
        bands = [
            (y[j], *line["fresh"][kind])
            for j, line in enumerate(own)
            if kind in line.get("fresh", {})
        ]
        if bands:
            height, low, high = np.array(bands).T
            figure.add_bar(
                y=height, x=high - low, base=low, orientation="h", width=BAND * place,
                name="untrained: range of initialisations", legendgroup="fresh",
                showlegend=legend and i == 0, legendrank=4,
                marker={"color": faint(soft, 0.45), "line": {"color": soft, "width": 1}},
                customdata=np.stack([low, high], 1),
                hovertemplate="untrained: %{customdata[0]:.3g} to %{customdata[1]:.3g}"
                "<extra></extra>", **at,
            )  # fmt: skip
        colour = head_colour(i)
        figure.add_bar(
            y=y, x=[mean.mean for mean in means], orientation="h", width=BAR * place,
            name=NAMES.get(who, who or "trained") + (", trained" if who and bands else ""),
            legendgroup=who, legendrank=1 + i, showlegend=legend, marker={"color": colour},
            error_x={
                "type": "data", "symmetric": False, "thickness": 1.2, "width": 3, "color": text,
                "array": _reach([mean.high - mean.mean for mean in means]),
                "arrayminus": _reach([mean.mean - mean.low for mean in means]),
            },
            customdata=told, hovertemplate="%{customdata}: %{x:.3g}<extra></extra>", **at,
        )  # fmt: skip
        marks = [
            (y[j], line["initial"][kind])
            for j, line in enumerate(own)
            if kind in line.get("initial", {})
        ]
        if marks:
            height, x = np.array(marks).T
            figure.add_scatter(
                y=height, x=x, mode="markers", name="untrained: the run's own initial weights",
                legendgroup="initial", showlegend=legend and i == 0,
                legendrank=3,
                marker={"symbol": "diamond", "size": 7, "color": ink(mode)["paper"],
                        "line": {"color": text, "width": 1.5}},
                hovertemplate="initial weights: %{x:.3g}<extra></extra>", **at,
            )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.5, -0.5],
        showgrid=False, ticks="", **at,
    )  # fmt: skip
    figure.add_vline(x=0, line={"color": soft, "width": 1}, **at)


def _reach(values: Sequence[float]) -> list[float]:
    return [value if np.isfinite(value) else 0.0 for value in values]

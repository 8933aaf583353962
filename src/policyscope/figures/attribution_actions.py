"""Bars per feature and action: one panel an action, signed above, absolute below."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from policyscope.attribution.results.summary import by_feature, by_unit
from policyscope.core.result import Result
from policyscope.figures.attribution_bars import add_bars
from policyscope.figures.theme import dress, titled

#: Actions side by side, and units of a site without vehicles.
ACROSS, UNITS = 5, 12
#: Between rows of panels, in pixels.
GAP = 70
KINDS = {"signed": "signed mean", "absolute": "mean of the absolute value"}


def draw_actions(result: Result, mode: str = "light") -> go.Figure | None:
    """Draw what each feature accounts for of each action, the actions on one scale.

    Args:
        result: of ``attribution.explain.attribute`` with ``per_action``.
        mode: light or dark.

    Returns:
        The figure; None where actions were not asked for.
    """
    if "actions" not in result.data:
        return None
    lines = by_feature(result) or by_unit(result, UNITS)
    names = [str(name) for name in result.data["action"].values]
    across = min(ACROSS, len(names))
    bands = -(-len(names) // across)
    rows = [(kind, band) for band in range(bands) for kind in KINDS]
    titles = [
        names[i] if kind == "signed" and (i := band * across + column) < len(names) else ""
        for kind, band in rows
        for column in range(across)
    ]
    panel = 50 + max(len(lines), 5) * 15
    height = 190 + len(rows) * (panel + GAP)
    figure = make_subplots(
        len(rows), across, subplot_titles=titles, shared_yaxes=True,
        horizontal_spacing=0.02, vertical_spacing=GAP / (height - 190),
    )  # fmt: skip
    dress(figure, mode)
    for row, (kind, band) in enumerate(rows, start=1):
        for column, name in enumerate(names[band * across : (band + 1) * across], start=1):
            own = [
                {"who": line["who"], "feature": line["feature"], **line["actions"][name]}
                for line in lines
            ]
            add_bars(figure, own, kind, row, column, mode, legend=row == column == 1)
            figure.update_xaxes(title=KINDS[kind], range=_ends(lines, kind), row=row, col=column)
    figure.update_annotations(font={"size": 13})
    data = result.data
    unit = data.attrs.get("unit") or "unit of the target"
    figure.update_layout(
        barmode="overlay", width=max(900, 200 + 230 * across), height=height,
        legend={"orientation": "h", "y": -70 / (height - 190), "yanchor": "top", "x": 0},
        margin={"t": 120, "b": 70},
    )  # fmt: skip
    return titled(figure, "Each action", f"{data.attrs['actions']}, {unit}, one scale", mode)


def _ends(lines: list[dict[str, Any]], kind: str) -> list[float]:
    """One scale for all actions."""
    means = [one[kind] for line in lines for one in line["actions"].values() if kind in one]
    ends = [end for m in means for end in (m.low, m.mean, m.high) if np.isfinite(end)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = 0.04 * (high - low or 1.0)
    return [low - room, high + room]

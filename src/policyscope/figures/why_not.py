"""Figure of a why-not: how near each single change brings the agent to another action."""

import numpy as np
import plotly.graph_objects as go

from policyscope.core.result import Result
from policyscope.figures.theme import dress, head_colour, ink

SHOWN = 20


def draw(result: Result, mode: str = "light") -> go.Figure:
    """Draw the margin of the action before and after each change, those that suffice first.

    Args:
        result: of ``why_not``.
        mode: light or dark.
    """
    data = result.data.isel(change=slice(0, SHOWN))
    before, margins = float(data.attrs["margin"]), data["margin"].values
    labels = [str(told) for told in data["told"].values]
    colours = [head_colour(1 if margin > 0 else 0) for margin in margins]
    figure = dress(go.Figure(), mode)
    gap = np.full(len(labels), np.nan)
    figure.add_scatter(
        x=np.stack([np.full(len(labels), before), margins, gap], 1).ravel(),
        y=np.repeat(labels, 3), mode="lines", line={"color": ink(mode)["soft"], "width": 1},
        hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    far = data["distance"].values
    figure.add_scatter(
        x=margins, y=labels, mode="markers", marker={"color": colours, "size": 9},
        text=["removed" if np.isnan(d) else f"moved by {d:.2f}" for d in far],
        hovertemplate="%{y}<br>margin %{x:.3f}<br>%{text}<extra></extra>", showlegend=False,
    )  # fmt: skip
    figure.add_vline(x=before, line={"color": ink(mode)["soft"], "dash": "dot"})
    figure.add_vline(x=0, line={"color": ink(mode)["text"], "width": 1})
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_xaxes(
        title=f"score of {data.attrs['action']} minus the best of the others; dotted: unchanged"
    )
    return figure.update_layout(height=120 + 24 * len(labels), width=860, margin={"t": 24, "b": 64})

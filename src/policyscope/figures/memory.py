"""Figure of a memory result: what the policy loses without its memory, and what stands in it."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from policyscope.core.result import Result
from policyscope.figures.theme import dress, faint, head_colour

BINS = 24
_NAMES = {"memory": "memory", "frame": "this frame's encoding"}


def draw(result: Result, mode: str = "light") -> go.Figure:
    """Draw the divergence over the steps of an episode, and how well velocity is read.

    Args:
        result: of the method ``memory``.
        mode: light or dark.
    """
    data = result.data
    reads = "read" in data
    titles = ["Policy with memory against reset at every step"]
    titles += ["Velocity read by a linear regression"] if reads else []
    figure = make_subplots(rows=1, cols=len(titles), subplot_titles=titles, horizontal_spacing=0.14)
    dress(figure, mode)
    _divergence(figure, data)
    if reads:
        _read(figure, data)
    figure.update_layout(height=420, width=980 if reads else 560, barmode="group")
    return figure.update_layout(
        legend={"orientation": "h", "y": -0.22, "traceorder": "normal"}, margin={"t": 56, "b": 96}
    )


def _divergence(figure: go.Figure, data: xr.Dataset) -> None:
    step = data["step"].values
    known = np.isfinite(data["kl"].values) & (step > 0)
    name, unit = ("kl", "nats") if known.any() else ("agreement", "share preferring the same")
    values = data[name].values
    known = np.isfinite(values) & (step > 0)
    values, step = values[known], step[known]
    edges = (
        np.unique(np.quantile(step, np.linspace(0, 1, BINS + 1)).astype(int)) if len(step) else [0]
    )
    place = np.digitize(step, edges[1:-1], right=False)
    groups = [values[place == b] for b in range(max(len(edges) - 1, 1))]
    middles = [step[place == b].mean() for b in range(len(groups)) if len(groups[b])]
    groups = [g for g in groups if len(g)]
    lower, middle, upper = (
        np.array([np.quantile(g, q) for g in groups]) for q in (0.25, 0.5, 0.75)
    )
    means, colour = np.array([g.mean() for g in groups]), head_colour(0)
    for edge, fill in ((upper, None), (lower, "tonexty")):
        figure.add_scatter(
            x=middles, y=edge, mode="lines", line={"width": 0}, fill=fill, row=1, col=1,
            fillcolor=faint(colour, 0.2), showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    for y, label, dash in ((means, "mean", "solid"), (middle, "median, quartiles", "dot")):
        figure.add_scatter(
            x=middles, y=y, mode="lines", line={"color": colour, "dash": dash}, name=label,
            customdata=[len(g) for g in groups], row=1, col=1,
            hovertemplate="step %{x:.0f}<br>%{y:.3f}<br>%{customdata} decisions",
        )  # fmt: skip
    figure.update_xaxes(title="step of the episode", type="log", row=1, col=1)
    figure.update_yaxes(title=unit, rangemode="tozero", row=1, col=1)


def _read(figure: go.Figure, data: xr.Dataset) -> None:
    for i, (source, name) in enumerate(_NAMES.items()):
        line = data.sel(source=source)
        value = line["read"].values
        figure.add_bar(
            x=[str(d) for d in data["direction"].values], y=value, name=name, row=1, col=2,
            marker_color=head_colour(i + 1), hovertemplate="%{x}<br>R squared %{y:.3f}",
            error_y={"type": "data", "symmetric": False, "thickness": 1.2,
                     "array": line["read_high"].values - value,
                     "arrayminus": value - line["read_low"].values},
        )  # fmt: skip
    figure.update_xaxes(title="direction of the velocity", row=1, col=2)
    figure.update_yaxes(title="R squared, unseen episodes", range=[0, 1], row=1, col=2)

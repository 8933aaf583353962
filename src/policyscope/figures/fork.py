"""Figure of a fork: returns pair by pair, how the futures ended, and the value along them."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from policyscope.core.result import Result
from policyscope.core.stats import wilson
from policyscope.figures.theme import dress, faint, head_colour

_COLOURS = {"kept": 0, "changed": 1}


def draw(result: Result, mode: str = "light") -> go.Figure:
    """Draw the two sides of a fork.

    Args:
        result: of ``fork``.
        mode: light or dark.
    """
    data = result.data
    parts = [("Return from here, pair by pair", _returns), ("How it ended", _outcomes)]
    parts += [("Mean difference against its null", _null)] if "null" in data else []
    parts += [("Value along pair 0", _values)] if "value" in data else []
    titles = [title for title, _ in parts]
    columns = 2 if len(parts) == 4 else len(parts)
    rows = len(parts) // columns
    figure = make_subplots(
        rows, columns, subplot_titles=titles, horizontal_spacing=0.1, vertical_spacing=0.2
    )
    dress(figure, mode)
    for number, (_, part) in enumerate(parts):
        part(figure, data, {"row": number // columns + 1, "col": number % columns + 1})
    width = {2: 460, 3: 350}[columns] * columns
    figure.update_layout(height=330 * rows + 70, width=width, barmode="group")
    return figure.update_layout(
        legend={"orientation": "h", "y": -0.2 / rows, "traceorder": "normal"},
        margin={"t": 56, "b": 88},
    )


def _returns(figure: go.Figure, data: xr.Dataset, at: dict[str, int]) -> None:
    sides, returns = [str(s) for s in data["side"].values], data["return"].values
    spread = np.linspace(-0.08, 0.08, returns.shape[1]) if returns.shape[1] > 1 else np.zeros(1)
    for p in range(returns.shape[1]):
        figure.add_scatter(
            x=np.arange(2) + spread[p], y=returns[:, p], mode="lines+markers", **at,
            line={"color": faint(head_colour(0), 0.35), "width": 1}, showlegend=False,
            marker={"color": [head_colour(c) for c in _COLOURS.values()], "size": 6},
            hovertemplate=f"pair {p}<br>return %{{y:.2f}}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(tickvals=[0, 1], ticktext=sides, **at)
    figure.update_yaxes(title="return", **at)


def _outcomes(figure: go.Figure, data: xr.Dataset, at: dict[str, int]) -> None:
    outcomes = data["outcome"].values
    names = sorted({str(o) or "cut" for o in outcomes.ravel()})
    n = outcomes.shape[1]
    for s, side in enumerate(_COLOURS):
        rates = [
            wilson(int(sum((str(o) or "cut") == name for o in outcomes[s])), n) for name in names
        ]
        figure.add_bar(
            x=names, y=[r.mean for r in rates], name=side, **at,
            marker_color=head_colour(_COLOURS[side]),
            error_y={"type": "data", "symmetric": False, "thickness": 1.2,
                     "array": [r.high - r.mean for r in rates],
                     "arrayminus": [r.mean - r.low for r in rates]},
            hovertemplate="%{x}: %{y:.2f} of " + str(n) + f" pairs<extra>{side}</extra>",
        )  # fmt: skip
    figure.update_yaxes(title=f"share of {n} pairs", range=[0, 1.02], **at)


def _null(figure: go.Figure, data: xr.Dataset, at: dict[str, int]) -> None:
    mean, low, high = (float(v) for v in data["difference"].values)
    draws = data["null"].values
    figure.add_scatter(
        x=np.zeros(len(draws)), y=draws, mode="markers", name=f"null, {len(draws)} draws",
        marker={"symbol": "line-ew-open", "size": 14, "color": faint(head_colour(3), 0.8)},
        hovertemplate="null %{y:.2f}<extra></extra>", **at,
    )  # fmt: skip
    figure.add_scatter(
        x=[0.5], y=[mean], mode="markers", name="change", **at,
        marker={"size": 9, "color": head_colour(1)},
        error_y={"type": "data", "symmetric": False, "array": [high - mean],
                 "arrayminus": [mean - low]},
        hovertemplate="%{y:.2f}<extra>change</extra>",
    )  # fmt: skip
    figure.update_xaxes(tickvals=[0, 0.5], ticktext=["null", "change"], range=[-0.4, 0.9], **at)
    figure.update_yaxes(title="difference in return", **at)


def _values(figure: go.Figure, data: xr.Dataset, at: dict[str, int]) -> None:
    for s, side in enumerate(_COLOURS):
        figure.add_scatter(
            x=data["time"].values, y=data["value"].values[s, 0], mode="lines", showlegend=False,
            name=side, line={"color": head_colour(_COLOURS[side])}, **at,
            hovertemplate="step %{x}<br>value %{y:.2f}<extra>" + side + "</extra>",
        )  # fmt: skip
    figure.update_xaxes(title="step", **at)
    figure.update_yaxes(title="value", **at)

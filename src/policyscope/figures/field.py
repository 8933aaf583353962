"""Figure of a policy field: value as colour, the policy's mean push as an arrow, at every place."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from policyscope.core.result import Result
from policyscope.figures.theme import EGO_COLOUR, dress
from policyscope.recordings.replays.field import pushes

REACH = 0.62  # tiles that the longest arrow spans
ARROW = "#1B1F24"
_SHADES = [(0, "#D9713C"), (0.5, "#F3EBDD"), (1, "#7DB4D8")]
_SYMBOLS = {"saw": "star-diamond", "enemy": "x", "coin": "circle", "cheese": "circle"}


def draw(result: Result, mode: str = "light") -> go.Figure:
    """Draw the field before changes and, where there are some, after them.

    Args:
        result: of ``policy_field``.
        mode: light or dark.
    """
    data = result.data
    sides = [str(side) for side in data["side"].values]
    titles = sides if len(sides) > 1 else [""]
    if len(sides) > 1:
        titles = ["as recorded", ", ".join(result.parameters["told"]) or "changed"]
    figure = make_subplots(1, len(sides), subplot_titles=titles, horizontal_spacing=0.06)
    dress(figure, mode)
    low, high = _range(data)
    for s in range(len(sides)):
        at = {"row": 1, "col": s + 1}
        _ground(figure, data, s, (low, high), at)
        _things(figure, data, s, at)
        _arrows(figure, data, s, at)
        figure.add_scatter(
            x=[data.attrs["at"][0]], y=[data.attrs["at"][1]], mode="markers", name="recorded place",
            marker={"symbol": "circle-open", "size": 14, "color": EGO_COLOUR,
                    "line": {"width": 3}}, showlegend=s == 0, hoverinfo="skip", **at,
        )  # fmt: skip
        axis = "" if s == 0 else str(s + 1)
        figure.update_yaxes(autorange="reversed", scaleanchor=f"x{axis}", showgrid=False, **at)
        figure.update_xaxes(showgrid=False, constrain="domain", title="tiles", **at)
    figure.update_layout(height=560, width=520 * len(sides) + 110, margin={"t": 48, "b": 88})
    return figure.update_layout(legend={"orientation": "h", "y": -0.12})


def _range(data: xr.Dataset) -> tuple[float, float]:
    if "value" not in data:
        return 0.0, 1.0
    values = data["value"].values
    return float(values.min()), float(values.max())


def _ground(
    figure: go.Figure, data: xr.Dataset, side: int, bounds: tuple[float, float], at: dict[str, int]
) -> None:
    x, y = data["x"].values, data["y"].values
    columns = np.arange(x.min(), x.max() + 1)
    rows = np.arange(y.min(), y.max() + 1)
    chances = data["probability"].values[side]
    best = [str(data["action_name"].values[i]) for i in chances.argmax(1)]
    shade = data["value"].values[side] if "value" in data else chances.max(1)
    grid = np.full((len(rows), len(columns)), np.nan)
    text = np.full(grid.shape, "", object)
    place = (y - rows[0]).astype(int), (x - columns[0]).astype(int)
    grid[place] = shade
    what = "value" if "value" in data else "share of the preferred action"
    text[place] = [
        f"{name} {chance:.2f}" for name, chance in zip(best, chances.max(1), strict=True)
    ]
    figure.add_heatmap(
        x=columns, y=rows, z=grid, text=text, zmin=bounds[0], zmax=bounds[1], colorscale=_SHADES,
        showscale=side == 0, colorbar={"title": what, "thickness": 12, "x": 1.01},
        hovertemplate="x %{x}, y %{y}<br>" + what + " %{z:.2f}<br>%{text}<extra></extra>", **at,
    )  # fmt: skip


def _things(figure: go.Figure, data: xr.Dataset, side: int, at: dict[str, int]) -> None:
    """Mark what else there is within the shown cells."""
    x, y = data["thing_x"].values[side], data["thing_y"].values[side]
    kinds = np.array([str(kind) for kind in data["kind"].values[side]])
    left, right = data["x"].values.min() - 0.5, data["x"].values.max() + 0.5
    top, bottom = data["y"].values.min() - 0.5, data["y"].values.max() + 0.5
    inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    for kind in dict.fromkeys(kinds[inside]):
        of_kind = inside & (kinds == kind)
        figure.add_scatter(
            x=x[of_kind], y=y[of_kind], mode="markers", name=str(kind), legendgroup=str(kind),
            marker={"symbol": _SYMBOLS.get(str(kind), "square-open"), "size": 13,
                    "color": "#6B3FA0", "opacity": 0.75},
            hovertemplate=f"{kind}<extra></extra>", showlegend=side == 0, **at,
        )  # fmt: skip


def _arrows(figure: go.Figure, data: xr.Dataset, side: int, at: dict[str, int]) -> None:
    chances = data["probability"].values[side]
    push = chances @ pushes([str(name) for name in data["action_name"].values])
    size = np.linalg.norm(push, axis=1)
    longest = size.max() or 1.0
    push = push / longest * REACH
    x, y = data["x"].values, data["y"].values
    gap = np.full(len(x), np.nan)
    figure.add_scatter(
        x=np.stack([x - push[:, 0] / 2, x + push[:, 0] / 2, gap], 1).ravel(),
        y=np.stack([y - push[:, 1] / 2, y + push[:, 1] / 2, gap], 1).ravel(), mode="lines",
        line={"color": ARROW, "width": 1.4}, showlegend=False, hoverinfo="skip", **at,
    )  # fmt: skip
    angle = np.degrees(np.arctan2(push[:, 0], -push[:, 1]))
    pointed = size > 0.05 * longest
    figure.add_scatter(
        x=(x + push[:, 0] / 2)[pointed], y=(y + push[:, 1] / 2)[pointed], mode="markers",
        marker={"symbol": "triangle-up", "size": 6, "angle": angle[pointed], "color": ARROW},
        showlegend=False, hoverinfo="skip", **at,
    )  # fmt: skip

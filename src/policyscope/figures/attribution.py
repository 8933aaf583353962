"""Figure of an attribution: bars of features, or maps over frames in two colours on one scale."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from policyscope.attribution.summary import by_feature
from policyscope.core.result import Result
from policyscope.figures.theme import dress, faint, head_colour, ink

#: Decisions drawn; those whose target is changed most stand for the others.
SHOWN, COLUMNS = 12, 4
SPEAKS_FOR, SPEAKS_AGAINST = "#2166AC", "#B2182B"
#: How much of a frame's colour is left under a map.
GREY = 0.45


def draw(result: Result, mode: str = "light") -> go.Figure:
    """Draw what was attributed to features of vehicles, to places, or to units.

    Args:
        result: of ``attribution.explain.attribute``.
        mode: light or dark.
    """
    if "vehicles" in result.data:
        figure = _bars(result, mode)
    elif "map" in result.data:
        figure = _maps(result.data, mode)
    else:
        figure = _units(result.data, mode)
    data, soft = result.data, ink(mode)["soft"]
    unit = data["target"].attrs.get("unit") or "unit of the target"
    count = f"{data.sizes['row']:,} decisions"
    if "map" in data and "vehicles" not in data:
        count += "; above a frame: episode:step and the target"
    return figure.update_layout(
        title=f"{data.attrs['target']}<br><span style='font-size:13px;color:{soft}'>"
        f"{data.attrs['method'].replace('_', ' ')} at {data.attrs['site']}, {unit}, {count}</span>",
        margin={"t": 110},
    )


def _bars(result: Result, mode: str) -> go.Figure:
    lines = by_feature(result)
    figure = make_subplots(
        1, 2, subplot_titles=("signed mean", "mean of the absolute value"), shared_yaxes=True,
        horizontal_spacing=0.05,
    )  # fmt: skip
    dress(figure, mode)
    groups = [who for who in ("ego", "others") if any(line["who"] == who for line in lines)]
    for column, kind in enumerate(("signed", "absolute"), start=1):
        for i, who in enumerate(groups):
            own = [line for line in lines if line["who"] == who][::-1]
            found = [line[kind] for line in own]
            figure.add_bar(
                y=[line["feature"] for line in own], x=[one.mean for one in found],
                orientation="h", name=who, legendgroup=who, showlegend=column == 1,
                marker={"color": head_colour(i)},
                error_x={
                    "type": "data", "symmetric": False, "thickness": 1.2, "width": 3,
                    "array": _reach([one.high - one.mean for one in found]),
                    "arrayminus": _reach([one.mean - one.low for one in found]),
                },
                hovertemplate=f"{who} %{{y}}: %{{x:.3g}}<extra></extra>", row=1, col=column,
            )  # fmt: skip
    figure.add_vline(x=0, line={"color": ink(mode)["zero"], "width": 1})
    return figure.update_layout(
        barmode="group", width=900, height=480, legend={"orientation": "h", "y": -0.08},
    )  # fmt: skip


def _reach(values: list[float]) -> list[float]:
    return [value if np.isfinite(value) else 0.0 for value in values]


def _maps(data: xr.Dataset, mode: str) -> go.Figure:
    strength = np.abs(data["map"].values).sum((1, 2, 3))
    rows = np.sort(np.argsort(-strength, kind="stable")[:SHOWN])
    across = min(COLUMNS, len(rows))
    down = -(-len(rows) // across)
    where = [
        f"{data['episode'].values[r]}:{data['step'].values[r]}  {data['target'].values[r]:.2f}"
        for r in rows
    ]
    figure = make_subplots(
        down, across, subplot_titles=where, horizontal_spacing=0.02, vertical_spacing=0.22 / down
    )
    dress(figure, mode)
    reach = float(np.quantile(np.abs(data["map"].values), 0.995)) or 1.0
    for i, r in enumerate(rows):
        at = {"row": i // across + 1, "col": i % across + 1}
        figure.add_image(z=_painted(data, r, reach), hoverinfo="skip", **at)
        figure.update_xaxes(visible=False, **at)
        figure.update_yaxes(visible=False, **at)
    figure.add_scatter(
        x=[None], y=[None], mode="markers", showlegend=False,
        marker={
            "cmin": -reach, "cmax": reach, "color": [0], "showscale": True,
            "colorscale": [[0, SPEAKS_AGAINST], [0.5, ink(mode)["paper"]], [1, SPEAKS_FOR]],
            "colorbar": {"title": "a cell", "thickness": 12},
        },
    )  # fmt: skip
    return figure.update_layout(width=236 * across + 120, height=250 * down + 120)


def _painted(data: xr.Dataset, row: int, reach: float) -> np.ndarray:
    """A grey frame with the map over it, as pixels."""
    flat = data["map"].values[row, 0]
    if "frame" in data:
        frame = data["frame"].values[row].astype(float)
        grey = GREY * frame.mean(2, keepdims=True).repeat(3, 2) + (1 - GREY) * 255
        down, across = (
            np.arange(side) * cells // side
            for side, cells in zip(frame.shape, flat.shape, strict=False)
        )
        flat = flat[down][:, across]
    else:
        grey = np.full((*flat.shape, 3), 240.0)
    share = np.clip(np.abs(flat) / reach, 0, 1)[..., None]
    colours = {sign: _rgb(name) for sign, name in ((1, SPEAKS_FOR), (-1, SPEAKS_AGAINST))}
    paint = np.where(flat[..., None] > 0, colours[1], colours[-1])
    return ((1 - share) * grey + share * paint).astype(np.uint8)


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], float)


def _units(data: xr.Dataset, mode: str) -> go.Figure:
    """Mean and mean absolute share of each unit, the largest first."""
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

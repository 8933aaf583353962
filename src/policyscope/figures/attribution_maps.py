"""Maps of an attribution over frames: two colours, one scale for all rows of the result."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float, Int, UInt8
from plotly.subplots import make_subplots

from policyscope.figures.theme import dress, ink

#: Decisions of a grid, and how many stand side by side.
SHOWN, COLUMNS = 12, 4
STRIP, ACROSS = 16, 8
#: Pixels of a map's side where few stand side by side, and above the maps.
SIDES = {1: 440, 2: 340}
TOP = 28
#: How much of a frame's brightness is left under a map, and the brightness it is laid on.
LOOK = {"light": (0.45, 255.0), "dark": (0.5, 0.0)}
#: For and against the target; lighter ones on dark.
COLOURS = {"light": ("#2166AC", "#B2182B"), "dark": ("#4FA3E3", "#FF5A4D")}


def scale_of(values: np.ndarray) -> float:
    """Where colours end, the same for all rows of a result: nearly its largest absolute value.

    Args:
        values: any shape; NaN does not count.
    """
    known = np.abs(values[np.isfinite(values)])
    return (float(np.quantile(known, 0.995)) if known.size else 0.0) or 1.0


def colours_of(values: np.ndarray, mode: str = "light") -> dict[str, Any]:
    """Ends and colours of a scale, as plotly wants them; nothing is the paper's colour.

    Args:
        values: any shape; where none is below 0 the scale begins there.
        mode: light or dark.
    """
    reach, (speaks_for, against) = scale_of(values), COLOURS[mode]
    nothing = ink(mode)["paper"]
    if np.nanmin(values, initial=0.0) < 0:
        scale = [(0.0, against), (0.5, nothing), (1.0, speaks_for)]
        return {"cmin": -reach, "cmax": reach, "colorscale": scale}
    return {"cmin": 0.0, "cmax": reach, "colorscale": [(0.0, nothing), (1.0, speaks_for)]}


def strongest(data: xr.Dataset) -> Int[np.ndarray, " M"]:
    """The rows whose maps hold most, in order.

    Args:
        data: of an attribution with ``map``.
    """
    strength = np.abs(data["map"].values).sum((1, 2, 3))
    return np.sort(np.argsort(-strength, kind="stable")[:SHOWN])


def strip(data: xr.Dataset, episode: int) -> Int[np.ndarray, " M"]:
    """Rows of an episode at even distances, the first and the last among them.

    Args:
        data: of an attribution.
        episode: its number.
    """
    rows = np.flatnonzero(data["episode"].values == episode)
    rows = rows[np.argsort(data["step"].values[rows], kind="stable")]
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(STRIP, len(rows))).round().astype(int))]


def maps(
    data: xr.Dataset, rows: Sequence[int] | np.ndarray, mode: str = "light", across: int = COLUMNS
) -> go.Figure:
    """Draw the maps of some rows over their frames.

    Args:
        data: of an attribution with ``map``, and ``frame`` where there are frames.
        rows: which.
        mode: light or dark.
        across: how many stand side by side.
    """
    across = min(across, len(rows))
    down = -(-len(rows) // across)
    size = SIDES.get(across, 236 if across <= COLUMNS else 118)
    digits = 2 if across <= COLUMNS else 1
    where = [
        f"{data['episode'].values[r]}:{data['step'].values[r]}  "
        f"<b>{data['target'].values[r]:.{digits}f}</b>"
        for r in rows
    ]
    height = size * down + 24 * down + 76
    figure = make_subplots(
        down, across, subplot_titles=where, horizontal_spacing=8 / (size * across),
        vertical_spacing=28 / height if down > 1 else 0,
    )  # fmt: skip
    dress(figure, mode)
    figure.update_annotations(font={"size": 12 if across <= COLUMNS else 11})
    reach = scale_of(data["map"].values)
    for i, r in enumerate(rows):
        at = {"row": i // across + 1, "col": i % across + 1}
        figure.add_image(z=painted(data, int(r), reach, mode), hoverinfo="skip", **at)
        figure.update_xaxes(visible=False, **at)
        figure.update_yaxes(visible=False, **at)
    figure.add_scatter(
        x=[None], y=[None], mode="markers", showlegend=False,
        marker={
            **colours_of(data["map"].values, mode), "color": [0], "showscale": True,
            "colorbar": {"title": {"text": f"{data.attrs.get('unit', '')}<br>a cell"},
                         "thickness": 12,
                         "len": min(1.0, 260 / height),
                         "y": 1, "yanchor": "top", "outlinewidth": 0},
        },
    )  # fmt: skip
    return figure.update_layout(
        width=size * across + 130, height=height, margin={"t": TOP, "r": 90, "b": 16}
    )


def painted(
    data: xr.Dataset, row: int, reach: float, mode: str = "light"
) -> UInt8[np.ndarray, "H W 3"]:
    """A grey frame with the map over it, as pixels.

    Args:
        data: of an attribution with ``map``.
        row: which.
        reach: value of the full colour.
        mode: light or dark.
    """
    flat = data["map"].values[row, 0]
    left, base = LOOK[mode]
    if "frame" in data:
        frame = data["frame"].values[row].astype(float)
        grey = left * frame.mean(2, keepdims=True).repeat(3, 2) + (1 - left) * base
        flat = _stretched(flat, frame.shape[:2])
    else:
        grey = np.full((*flat.shape, 3), 240.0 if base else 30.0)
    share = np.clip(np.abs(flat) / reach, 0, 1)[..., None]
    speaks_for, against = (_rgb(name) for name in COLOURS[mode])
    paint = np.where(flat[..., None] > 0, speaks_for, against)
    return ((1 - share) * grey + share * paint).astype(np.uint8)


def _stretched(flat: Float[np.ndarray, "h w"], shape: tuple[int, ...]) -> np.ndarray:
    down, across = (
        np.arange(side) * cells // side for side, cells in zip(shape, flat.shape, strict=True)
    )
    return flat[down][:, across]


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], float)

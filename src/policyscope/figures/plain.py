"""Any result as a figure: single numbers as a table, 1-d arrays as lines, 2-d as heat maps."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from policyscope.core.result import Result
from policyscope.figures.theme import dress, head_colour, ink, titled

#: Arrays that one figure holds, and points of each along an axis.
MOST, POINTS = 12, 1000
#: Single numbers in the table.
ROWS = 40


def draw(result: Result, mode: str = "light") -> go.Figure:
    """Draw what a method without a figure of its own found.

    Of arrays with three and more axes the first entry along the leading ones is drawn, of long axes
    every n-th point; titles say so. Words are left to the table.

    Args:
        result: of any method.
        mode: light or dark.
    """
    arrays = {str(name): array for name, array in result.data.data_vars.items()}
    single = {name: array for name, array in arrays.items() if array.ndim == 0}
    wide = {n: a for n, a in arrays.items() if a.ndim and a.size and a.dtype.kind in "biuf"}
    drawn = dict(list(wide.items())[:MOST])
    parts = [_part(name, array) for name, array in drawn.items()]
    kinds = [*(["table"] if single else []), *["xy"] * len(parts)]
    figure = make_subplots(
        rows=max(1, len(kinds)), cols=1, specs=[[{"type": k}] for k in kinds] or None,
        subplot_titles=[*([""] if single else []), *(title for title, _ in parts)],
        vertical_spacing=0.4 / max(2, len(kinds)),
    )  # fmt: skip
    dress(figure, mode)
    if single:
        figure.add_trace(_table(single, mode), row=1, col=1)
    for i, (_, array) in enumerate(parts):
        _add(figure, array, i, len(kinds) - len(parts) + i + 1)
    told = f"{len(drawn) + len(single)} of {len(arrays)} variables; no figure of its own"
    figure.update_layout(
        width=900, height=150 + 290 * max(1, len(kinds)), margin={"t": 120}, showlegend=False,
    )  # fmt: skip
    return titled(figure, result.method, told, mode)


def _part(name: str, array: xr.DataArray) -> tuple[str, xr.DataArray]:
    """What is drawn of an array, and its title."""
    said = [name]
    while array.ndim > 2:
        dim = array.dims[0]
        said.append(f"first {dim} of {array.sizes[dim]}")
        array = array.isel({dim: 0})
    for dim in array.dims:
        step = -(-array.sizes[dim] // POINTS)
        if step > 1:
            said.append(f"one {dim} in {step}")
            array = array.assign_coords({dim: array[dim]}).isel({dim: slice(None, None, step)})
    return ", ".join(said), array


def _add(figure: go.Figure, array: xr.DataArray, number: int, row: int) -> None:
    values = array.values.astype(float)
    across = str(array.dims[-1])
    if array.ndim == 1:
        figure.add_scatter(
            x=_labels(array, across), y=values, mode="lines+markers", row=row, col=1,
            line={"color": head_colour(number), "width": 2}, marker={"size": 4},
        )  # fmt: skip
    else:
        signed = bool(np.nanmin(values, initial=0.0) < 0)
        reach = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
        limits = {"zmin": -reach, "zmax": reach, "colorscale": "RdBu_r"} if signed else {}
        low, high = figure.layout[f"yaxis{_axis(figure)}"].domain
        figure.add_heatmap(
            z=values, x=_labels(array, across), y=_labels(array, str(array.dims[0])),
            **{"colorscale": "Blues", **limits}, row=row, col=1,
            colorbar={"thickness": 12, "len": high - low, "y": (low + high) / 2},
        )  # fmt: skip
    figure.update_xaxes(title=across, row=row, col=1)
    down = array.attrs.get("unit", array.name) if array.ndim == 1 else array.dims[0]
    figure.update_yaxes(title=str(down), row=row, col=1)


def _axis(figure: go.Figure) -> str:
    """Number of the axes that the next trace gets, as plotly names them."""
    used = sum(trace.type != "table" for trace in figure.data)
    return "" if used == 0 else str(used + 1)


def _labels(array: xr.DataArray, dim: str) -> np.ndarray:
    """Coordinates along an axis if plotly can place them, else positions."""
    values = array[dim].values
    plain = values.ndim == 1 and values.dtype.kind in "biufU"
    return values if plain and len(np.unique(values)) == len(values) else np.arange(len(values))


def _table(single: dict[str, xr.DataArray], mode: str) -> go.Table:
    shown = dict(list(single.items())[:ROWS])
    values = [a.values.item() for a in shown.values()]
    texts = [f"{v:.6g}" if isinstance(v, float) else str(v) for v in values]
    units = [str(a.attrs.get("unit", "")) for a in shown.values()]
    colour = ink(mode)
    return go.Table(
        header={"values": ["number", "value", "unit"], "align": "left",
                "line_color": colour["grid"], "fill_color": colour["paper"]},
        cells={"values": [list(shown), texts, units], "align": "left", "height": 24,
               "fill_color": colour["paper"], "line_color": colour["grid"]},
    )  # fmt: skip

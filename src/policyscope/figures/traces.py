"""Traces of a site: one line a unit, or heat maps, one panel a vehicle."""

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from policyscope.core.result import Result
from policyscope.envs.entities import entity_name
from policyscope.figures.theme import dress, faint, head_colour, ink, titled

#: Units drawn in colour; the others are grey, or nothing could be told apart.
BRIGHT = 6
#: Vehicles drawn; those longest in view come first.
VEHICLES = 6


def draw(result: Result, mode: str = "light") -> go.Figure:
    """Draw a site over an episode: lines above, heat map below.

    Args:
        result: what ``circuits.traces.traces`` gives.
        mode: light or dark.
    """
    values, names = _panels(result)
    figure = make_subplots(
        rows=2, cols=len(values), shared_xaxes="all", shared_yaxes="rows",
        vertical_spacing=0.12, horizontal_spacing=0.025, subplot_titles=names, row_heights=[1, 1.1],
    )  # fmt: skip
    dress(figure, mode)
    data = result.data
    reach = float(np.nanmax(np.abs(values))) or 1.0
    bright = np.argsort(-np.nansum(np.abs(np.stack(values)), axis=(0, 1)))[:BRIGHT]
    step, unit = data["step"].values, data["unit"].values
    for column, panel in enumerate(values, start=1):
        _lines(figure, panel, step, bright, column, mode)
        figure.add_heatmap(
            z=panel.T, x=step, y=unit, zmin=-reach, zmax=reach, colorscale=_diverging(mode),
            hovertemplate="step %{x}<br>unit %{y}<br>%{z:.3f}<extra></extra>",
            colorbar={"title": "centred", "len": 0.46, "y": 0.22, "thickness": 12},
            showscale=column == len(values), row=2, col=column,
        )  # fmt: skip
        figure.update_xaxes(title="step", row=2, col=column, dtick=max(1, len(step) // 6))
    figure.update_yaxes(title="activation minus its mean", row=1, col=1)
    figure.update_yaxes(title="unit", row=2, col=1)
    figure.update_yaxes(showgrid=False, row=2)
    a = data.attrs
    words = (
        f"{a['kind']} output ({a['stage']}), minus its mean over the episode; the {len(bright)} "
        "units that vary most are coloured"
    )
    figure.update_layout(
        width=max(820, 240 * len(values)), height=760, margin={"t": 120},
        legend={"orientation": "h", "y": -0.12, "x": 0},
    )  # fmt: skip
    return titled(figure, f"{a['site']}, episode {a['episode']}", words, mode)


def _panels(result: Result) -> tuple[list[np.ndarray], tuple[str, ...]]:
    centred = result.data["centred"]
    if "identity" not in centred.dims:
        return [centred.values], ("",)
    inside = (~np.isnan(centred.values[..., 0])).sum(-1)
    longest = np.sort(np.argsort(-inside, kind="stable")[:VEHICLES])
    who = result.data["identity"].values[longest]
    names = tuple(entity_name("vehicle" if i else "ego", i) for i in who)
    return [centred.values[i] for i in longest], names


def _lines(
    figure: go.Figure, panel: np.ndarray, step: np.ndarray, bright: np.ndarray, column: int,
    mode: str,
) -> None:  # fmt: skip
    rest = [u for u in range(panel.shape[1]) if u not in set(bright.tolist())]
    gap = np.full((len(rest), 1), np.nan)
    figure.add_scatter(
        x=np.tile(np.append(step, np.nan), len(rest)),
        y=np.hstack([panel[:, rest].T, gap]).ravel(), mode="lines", hoverinfo="skip",
        line={"color": faint(ink(mode)["zero"], 0.35), "width": 1}, showlegend=False,
        row=1, col=column,
    )  # fmt: skip
    for i, unit in enumerate(bright):
        figure.add_scatter(
            x=step, y=panel[:, unit], mode="lines+markers", name=f"unit {unit}",
            legendgroup=f"unit {unit}", showlegend=column == 1,
            line={"color": head_colour(i), "width": 2}, marker={"size": 4},
            hovertemplate=f"unit {unit}<br>step %{{x}}: %{{y:.3f}}<extra></extra>",
            row=1, col=column,
        )  # fmt: skip


def _diverging(mode: str) -> list[tuple[float, str]]:
    """Blue to red through the colour of the paper, so that no deviation is no colour."""
    at = np.linspace(0, 1, 11)
    colours = sample_colorscale("RdBu_r", at)
    colours[5] = ink(mode)["paper"]
    return list(zip(at.tolist(), colours, strict=True))

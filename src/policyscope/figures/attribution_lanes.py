"""Who accounts for how much, step by step of an episode: one lane an entity."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jaxtyping import Int
from plotly.subplots import make_subplots

from policyscope.attribution.results.entities import named, shares
from policyscope.attribution.results.entity_shares import adds_up
from policyscope.attribution.results.wording import entity_words
from policyscope.core.numbers import rounded, trifling
from policyscope.core.result import Result
from policyscope.figures.attribution_maps import COLOURS, colours_of
from policyscope.figures.theme import dress, ink, titled

#: Entities drawn; those with the largest absolute sum come first.
LANES = 16
#: Steps that are named.
TICKS = 16
WIDTH = 980
#: Steps between two that are named.
_GAPS = tuple(size * 10**power for power in range(7) for size in (1, 2, 5))


def draw_lanes(result: Result, episode: int | None = None, mode: str = "light") -> go.Figure | None:
    """Draw what each entity of an episode accounts for as a lane over its steps.

    The colours have one scale for all episodes of the result. Scenery of one kind has one lane.

    Args:
        result: of ``attribution.explain.attribute``.
        episode: its number; default is the one with most explained steps, of equals the first.
        mode: light or dark.

    Returns:
        The figure, bars alone where there is a single step; None where the values lie on no
        entities.
    """
    table = shares(result)
    if table.empty:
        return None
    add = adds_up(result.data)
    table = named(table, add)
    episode = longest(result) if episode is None else episode
    own = table[table["episode"] == episode]
    steps = np.unique(own["step"])
    grid = own.pivot_table(index="name", columns="step", values="share", aggfunc="sum")
    size, sums = (each.sum(axis=1) if add else each.mean(axis=1) for each in (grid.abs(), grid))
    order = size.sort_values(ascending=False, kind="stable").index[:LANES]
    grid, size, sums = grid.loc[order], size[order], sums[order]
    if len(steps) == 1:
        return _bars(result, sums, f"{episode}:{steps[0]}", mode)
    over = "sum" if add else "mean"
    figure = make_subplots(
        1, 2, shared_yaxes=True, column_widths=[0.76, 0.24], horizontal_spacing=0.02,
        subplot_titles=("", f"{over} over the steps"),
    )  # fmt: skip
    dress(figure, mode)
    unit, colour = result.data.attrs.get("unit") or "a step", ink(mode)
    scale = colours_of(table["share"].to_numpy(), mode)
    told = np.broadcast_to(steps, grid.shape)  # only explained steps have a column
    figure.add_heatmap(
        z=grid.to_numpy(), x=np.arange(len(steps)), y=list(order), customdata=told,
        zmin=scale["cmin"], zmax=scale["cmax"], colorscale=scale["colorscale"], xgap=1, ygap=2,
        hovertemplate="%{y}, step %{customdata}: %{z:.3g}<extra></extra>",
        colorbar={"thickness": 12, "outlinewidth": 0, "x": 1.02,
                  "title": {"text": unit.replace(" a unit", "<br>a unit")}},
        row=1, col=1,
    )  # fmt: skip
    paint = np.where(sums.to_numpy() > 0, *COLOURS[mode])
    figure.add_bar(
        x=size, y=list(order), orientation="h", name="absolute", width=0.62,
        marker={"color": colour["grid"], "line": {"color": colour["zero"], "width": 1}},
        hovertemplate="%{y}, absolute: %{x:.3g}<extra></extra>", row=1, col=2,
    )  # fmt: skip
    figure.add_bar(
        x=sums, y=list(order), orientation="h", name="signed", width=0.34,
        marker={"color": list(paint)}, hovertemplate="%{y}, signed: %{x:.3g}<extra></extra>",
        row=1, col=2,
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", showgrid=False)
    shown = _named(steps)
    figure.update_xaxes(
        title="step", showgrid=False, tickvals=shown, ticktext=steps[shown], row=1, col=1
    )
    figure.update_yaxes(ticks="", row=1, col=2)
    # Grey is nobody there, the paper's colour is there and nothing said.
    figure.update_layout(plot_bgcolor=colour["grid"])
    figure.update_annotations(font={"size": 13})
    figure.add_shape(
        type="rect", xref="x2 domain", yref="y2 domain", x0=0, x1=1, y0=0, y1=1, layer="below",
        fillcolor=colour["paper"], line={"width": 0},
    )  # fmt: skip
    meaning = (
        "for or against the target" if scale["cmin"] else "for the target, the deeper the more"
    )
    words = (
        f"{entity_words(result.data)}; coloured: speaks {meaning}; grey: not in sight; {over}s: "
        "narrow bars with sign, wide ones without"
    )
    figure.update_layout(
        width=WIDTH, height=190 + 26 * len(order), margin={"t": 100}, barmode="overlay",
        showlegend=False,
    )  # fmt: skip
    return titled(figure, f"Who accounts for how much, episode {episode}", words, mode)


def _bars(result: Result, sums: pd.Series, where: str, mode: str) -> go.Figure:
    """What each entity accounts for at one step."""
    figure, unit = dress(go.Figure(), mode), result.data.attrs.get("unit") or ""
    values = sums.to_numpy()
    figure.add_bar(
        x=values, y=list(sums.index), orientation="h", width=0.62,
        marker={"color": list(np.where(values > 0, *COLOURS[mode]))},
        text=[_told(value, np.abs(values).max()) for value in values], textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.3g}<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="")
    figure.update_xaxes(title=unit)
    words = (
        f"{entity_words(result.data)}; to the right: speaks for the target, to the left: against"
    )
    figure.update_layout(
        width=WIDTH, height=190 + 26 * len(values), margin={"t": 100, "r": 90},
    )  # fmt: skip
    return titled(figure, f"Who accounts for how much at {where}", words, mode)


def _told(value: float, most: float) -> str:
    """A number beside its bar; what has no bar next to the largest is called that."""
    return "about 0" if value and trifling(value, most) else rounded(value)


def _named(steps: Int[np.ndarray, " T"]) -> Int[np.ndarray, " K"]:
    """Places of the steps that are named: at round numbers where no step is left out."""
    if len(steps) != steps[-1] - steps[0] + 1:
        return np.unique(np.linspace(0, len(steps) - 1, min(TICKS, len(steps))).round().astype(int))
    apart = next(gap for gap in _GAPS if gap * TICKS >= len(steps))
    return np.flatnonzero(steps % apart == 0)


def longest(result: Result) -> int:
    """Number of the episode with most explained steps, of equals the first.

    Args:
        result: of ``attribution.explain.attribute``.
    """
    numbers, counts = np.unique(result.data["episode"].values, return_counts=True)
    return int(numbers[counts.argmax()])

"""Who accounts for how much, step by step of an episode: one lane an entity."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from policyscope.attribution.results.entities import named, shares
from policyscope.attribution.results.entity_shares import adds_up
from policyscope.attribution.results.wording import entity_words
from policyscope.core.result import Result
from policyscope.figures.attribution_maps import COLOURS, colourscale, scale_of
from policyscope.figures.theme import dress, ink

#: Entities drawn; those with the largest absolute sum come first.
LANES = 16
#: Steps that are named.
TICKS = 16


def draw_lanes(result: Result, episode: int | None = None, mode: str = "light") -> go.Figure | None:
    """Draw what each entity of an episode accounts for as a lane over its steps.

    The colours have one scale for all episodes of the result. Scenery of one kind has one lane.

    Args:
        result: of ``attribution.explain.attribute``.
        episode: its number; default is the one with most explained steps, of equals the first.
        mode: light or dark.

    Returns:
        The figure; None where the values lie on no entities or there is a single step.
    """
    table = shares(result)
    if table.empty:
        return None
    add = adds_up(result.data)
    table = named(table, add)
    episode = longest(result) if episode is None else episode
    own = table[table["episode"] == episode]
    steps = np.unique(own["step"])
    if len(steps) < 2:
        return None
    grid = own.pivot_table(index="name", columns="step", values="share", aggfunc="sum")
    size, sums = (each.sum(axis=1) if add else each.mean(axis=1) for each in (grid.abs(), grid))
    order = size.sort_values(ascending=False, kind="stable").index[:LANES]
    grid, size, sums = grid.loc[order], size[order], sums[order].to_numpy()
    over = "sum" if add else "mean"
    figure = make_subplots(
        1, 2, shared_yaxes=True, column_widths=[0.76, 0.24], horizontal_spacing=0.02,
        subplot_titles=("", f"{over} over the steps"),
    )  # fmt: skip
    dress(figure, mode)
    unit = result.data.attrs.get("unit") or "a step"
    reach, colour = scale_of(table["share"].to_numpy()), ink(mode)
    told = np.broadcast_to(steps, grid.shape)  # only explained steps have a column
    figure.add_heatmap(
        z=grid.to_numpy(), x=np.arange(len(steps)), y=list(order), customdata=told,
        zmin=-reach, zmax=reach, xgap=1, ygap=2, colorscale=colourscale(mode),
        hovertemplate="%{y}, step %{customdata}: %{z:.3g}<extra></extra>",
        colorbar={"thickness": 12, "outlinewidth": 0, "x": 1.02,
                  "title": {"text": unit.replace(" a unit", "<br>a unit")}},
        row=1, col=1,
    )  # fmt: skip
    paint = np.where(sums > 0, *COLOURS[mode])
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
    shown = np.unique(np.linspace(0, len(steps) - 1, min(TICKS, len(steps))).round().astype(int))
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
    return figure.update_layout(
        title=f"Who accounts for how much, episode {episode}<br><span style='font-size:13px;"
        f"color:{colour['soft']}'>{entity_words(result.data)}; coloured: speaks for or against the "
        f"target; grey: not in sight; {over}s: narrow bars with sign, wide ones without</span>",
        width=980, height=190 + 26 * len(order), margin={"t": 100}, barmode="overlay",
        showlegend=False,
    )  # fmt: skip


def longest(result: Result) -> int:
    """Number of the episode with most explained steps, of equals the first.

    Args:
        result: of ``attribution.explain.attribute``.
    """
    numbers, counts = np.unique(result.data["episode"].values, return_counts=True)
    return int(numbers[counts.argmax()])

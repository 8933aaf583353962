"""Figure of an attribution through time: what past observations and memory account for."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from policyscope.attribution.results.time_summary import (
    all_errors,
    all_values,
    by_steps_ago,
    way_words,
)
from policyscope.core.numbers import rounded, signed
from policyscope.core.result import Result
from policyscope.core.stats import Interval
from policyscope.figures.attribution_maps import COLOURS
from policyscope.figures.png import png_url
from policyscope.figures.theme import dress, head_colour, ink

#: Side of a frame over a bar, in pixels of the figure, and of the band that the frames fill.
FRAME, ABOVE = 56, 0.72
#: Of a page's column, in pixels.
WIDEST = 1000


def draw(result: Result, mode: str = "light") -> go.Figure:
    """Draw shares by steps ago over many decisions, or the values of a single one.

    Args:
        result: of ``attribution.through_time.through_time``.
        mode: light or dark.

    Raises:
        MissingPart: Pillow is not installed and a single decision has frames.
    """
    data, soft = result.data, ink(mode)["soft"]
    single = data.sizes["row"] == 1
    figure = _single(result, mode) if single else _many(result, mode)
    if single:
        of = {name: data[name].values[0] for name in ("episode", "step", "target", "change")}
        count = f"episode {of['episode']}, step {of['step']}, target {rounded(of['target'])}, "
        count += f"{signed(of['change'])} from the baseline"
        count += "" if all_errors(data) is None else ", ± 2 standard errors"
    else:
        episodes = len(np.unique(data["episode"].values))
        count = f"{data.sizes['row']:,} decisions of "
        count += f"{episodes} episodes, 95 % intervals" if episodes > 1 else "one episode"
    figure.update_annotations(font={"size": 13})
    told = f"{data.attrs['target']}, {way_words(data)} through time"
    return figure.update_layout(
        title=f"{told}<br><span style='font-size:13px;color:{soft}'>{count}</span>",
        margin={"t": 110},
    )


def _many(result: Result, mode: str) -> go.Figure:
    lines = by_steps_ago(result)
    titles = ("without sign", "with sign")
    figure = make_subplots(1, 2, subplot_titles=titles, horizontal_spacing=0.09)
    dress(figure, mode)
    ago = [line["ago"] for line in lines]
    past = max((one for one in ago if one is not None), default=0)
    x = np.array([_place(one, past) for one in ago])
    colours = [head_colour(1 if one is None else 0) for one in ago]
    for column, kind in enumerate(("absolute", "signed"), start=1):
        found: list[Interval] = [line[kind] for line in lines]
        figure.add_bar(
            x=x, y=[one.mean for one in found], marker={"color": colours}, showlegend=False,
            error_y={
                "type": "data", "symmetric": False, "thickness": 1.2, "width": 3,
                "color": ink(mode)["text"], "visible": any(one.n > 1 for one in found),
                "array": [_reach(one.high - one.mean) for one in found],
                "arrayminus": [_reach(one.mean - one.low) for one in found],
            },
            customdata=[
                ("memory before" if line["ago"] is None else f"{line['ago']} steps ago",
                 line["decisions"]) for line in lines
            ],
            hovertemplate="%{customdata[0]}: %{y:.1%} of %{customdata[1]} decisions<extra></extra>",
            row=1, col=column,
        )  # fmt: skip
        _axis(figure, past, None in ago, mode, column)
    figure.update_yaxes(tickformat=".0%", title="share of all that counts", row=1, col=1)
    figure.update_yaxes(tickformat=".0%", row=1, col=2)
    return figure.update_layout(width=WIDEST, height=430)


def _single(result: Result, mode: str) -> go.Figure:
    data = result.data
    values = all_values(data)[0]
    past = int(np.flatnonzero(np.isfinite(values[:-1])).max())
    ago = [*range(past + 1), *([None] if np.isfinite(values[-1]) else [])]
    places = [-1 if one is None else one for one in ago]
    shown, errors = values[places], all_errors(data)
    figure = make_subplots(1, 1)
    dress(figure, mode)
    speaks_for, against = COLOURS[mode]
    figure.add_bar(
        x=[_place(one, past) for one in ago], y=shown, showlegend=False,
        marker={"color": [speaks_for if value > 0 else against for value in shown]},
        customdata=["memory before" if one is None else f"step {int(data['step'][0]) - one}"
                    for one in ago],
        hovertemplate="%{customdata}: %{y:.3g}<extra></extra>",
        error_y={
            "type": "data", "array": [] if errors is None else 2 * errors[0, places],
            "visible": errors is not None, "thickness": 1.2, "width": 3, "color": ink(mode)["text"],
        },
    )  # fmt: skip
    _axis(figure, past, None in ago, mode, 1)
    figure.update_yaxes(title=data.attrs["unit"] or "unit of the target")
    width = min(max(620, 150 + (past + 4) * (FRAME + 4)), WIDEST)
    if "frame" not in data:
        return figure.update_layout(width=width, height=430)
    figure.update_yaxes(domain=[0, ABOVE])
    for one in range(past + 1):
        figure.add_layout_image(
            source=png_url(data["frame"].values[one]), xref="x", yref="paper", x=_place(one, past),
            y=1, sizex=0.94, sizey=1 - ABOVE - 0.02, xanchor="center", yanchor="top",
            sizing="contain",
        )  # fmt: skip
    return figure.update_layout(width=width, height=470)


def _place(ago: int | None, past: int) -> float:
    """Where a bar stands: now at 0, the past to the left of it, memory apart."""
    return -(past + 2.0) if ago is None else -float(ago)


def _axis(figure: go.Figure, past: int, memory: bool, mode: str, column: int) -> None:
    every = max(1, -(-(past + 1) // 16))
    ticks = list(range(0, past + 1, every))
    names = ["now" if one == 0 else str(one) for one in ticks]
    places = [-float(one) for one in ticks]
    if memory:
        names.append("memory<br>before")
        places.append(_place(None, past))
    at = {"row": 1, "col": column}
    figure.update_xaxes(
        title="steps ago", tickvals=places, ticktext=names, tickangle=0, showgrid=False,
        range=[-(past + 3.0) if memory else -(past + 0.8), 0.8], **at,
    )  # fmt: skip
    figure.add_hline(y=0, line={"color": ink(mode)["zero"], "width": 1}, **at)


def _reach(value: float) -> float:
    return value if np.isfinite(value) else 0.0

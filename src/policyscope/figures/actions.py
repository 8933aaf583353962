"""The decisions at which the action changes, with the values of all actions."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from policyscope.core.result import Result
from policyscope.figures.theme import dress, ink, titled

#: Rows that one figure holds and stays readable.
MOST = 40


def draw_actions(result: Result, first: int = 0, mode: str = "light") -> go.Figure:
    """Draw the action values wherever the action changes, one line a change.

    Each dot is the value of one action, the chosen one ringed; the line spans all of them, so its
    length is what is at stake and the gap to the next dot is the margin.

    Args:
        result: of the method ``attention``.
        first: number of the first change to draw; up to 40 are drawn from there.
        mode: light or dark.
    """
    data = result.data
    total = data.sizes.get("change", 0)
    part = data.isel(change=slice(first, first + MOST))
    figure = go.Figure()
    dress(figure, mode)
    values = data["q"].values[part["change_decision"].values]
    y = np.arange(len(values))
    for low, high, place in zip(values.min(-1), values.max(-1), y, strict=True):
        figure.add_scatter(
            x=[low, high], y=[place, place], mode="lines", hoverinfo="skip", showlegend=False,
            line={"color": ink(mode)["grid"], "width": 6},
        )  # fmt: skip
    for a, name in enumerate(data["action"].values):
        _dots(figure, part, values[:, a], a, str(name), mode)
    last = first + len(values)
    shown = f"{total}"
    if len(values) < total:
        shown = f"first {last} of {total}" if first == 0 else f"{first + 1} to {last} of {total}"
    words = (
        f"{shown} changes in {data.sizes['recorded_episode']} episodes; ringed: the action taken"
    )
    figure.update_layout(
        width=1180, height=150 + 22 * max(len(values), 4),
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        xaxis={"title": "action value [return, discounted]", "zeroline": False},
        yaxis={"tickvals": y, "ticktext": _labels(part), "autorange": "reversed", "ticks": "",
               "showgrid": False, "zeroline": False},
        margin={"t": 110},
    )  # fmt: skip
    return titled(figure, "Where the action changes", words, mode)


def _dots(
    figure: go.Figure, part: xr.Dataset, values: np.ndarray, action: int, name: str, mode: str
) -> None:
    colour = _ACTIONS[action % len(_ACTIONS)]
    taken = part["action_after"].values == action
    figure.add_scatter(
        x=values, y=np.arange(len(values)), mode="markers", name=name,
        marker={"color": colour, "size": np.where(taken, 12, 8), "opacity": 1,
                "line": {"color": ink(mode)["text"], "width": np.where(taken, 2, 0)}},
        customdata=part["margin"].values,
        hovertemplate=f"{name} %{{x:.3f}}<br>best minus second %{{customdata:.3f}}<extra></extra>",
    )  # fmt: skip


#: The colours the page gives the actions.
_ACTIONS = ("#56B4E9", "#8C8C8C", "#E69F00", "#009E73", "#CC79A7")


def _labels(part: xr.Dataset) -> list[str]:
    names = part["action"].values
    return [
        f"episode {int(e)}, step {int(t)}:  {names[int(b)]} → {names[int(a)]}   ({o or 'unended'})"
        for e, t, b, a, o in zip(
            *(
                part[k].values
                for k in (
                    "change_episode", "change_step", "action_before", "action_after",
                    "change_outcome",
                )
            ),
            strict=True,
        )
    ]  # fmt: skip

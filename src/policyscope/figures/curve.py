"""Training curves: mean over seeds with the band from the lowest to the highest run."""

import textwrap

import plotly.graph_objects as go

from policyscope.figures.theme import dress, faint, head_colour
from policyscope.training.curve import Band, looks_interval

LABEL = 110
"""Letters in a line of the legend: recipes are long, and stand below the curves."""


def draw(bands: list[Band]) -> go.Figure:
    """Return against environment steps, a line and a band for each recipe.

    Held-out episodes, where runs were watched, are a dotted line with markers and intervals.

    Args:
        bands: what ``training.curve.bands`` gives.
    """
    figure = go.Figure()
    for i, band in enumerate(bands):
        colour = head_colour(i)
        label = f"{band.group} ({band.runs} {'seed' if band.runs == 1 else 'seeds'})"
        for edge, fill in ((band.high, None), (band.low, "tonexty")):
            figure.add_scatter(
                x=band.step,
                y=edge,
                mode="lines",
                line={"width": 0},
                fill=fill,
                opacity=0.2,
                fillcolor=faint(colour, 0.2),
                hoverinfo="skip",
                showlegend=False,
            )
        figure.add_scatter(
            x=band.step,
            y=band.mean,
            mode="lines",
            name="<br>".join(textwrap.wrap(label, LABEL)),
            line={"color": colour, "width": 2},
            customdata=band.episodes,
            hovertemplate="step %{x:.0f}<br>return %{y:.2f}<br>%{customdata} episodes",
        )
        if len(band.looks):
            _looks(figure, band, colour)
    return dress(figure).update_layout(
        title="Return while training (exploring)"
        + (" and on held-out episodes" if any(len(band.looks) for band in bands) else ""),
        xaxis_title="environment steps",
        yaxis_title="undiscounted return, mean of window",
        legend={"orientation": "h", "x": 0, "y": -0.14, "yanchor": "top", "traceorder": "normal"},
        height=560,
    )


def _looks(figure: go.Figure, band: Band, colour: str) -> None:
    looks = band.looks
    figure.add_scatter(
        x=looks.step,
        y=looks.mean,
        error_y={
            "array": looks.high - looks.mean,
            "arrayminus": looks.mean - looks.low,
            "thickness": 1,
            "width": 3,
        },
        mode="lines+markers",
        name=f"held-out episodes, {looks_interval(band)}",
        line={"color": colour, "width": 1, "dash": "dot"},
        marker={"color": colour, "size": 7, "line": {"color": "white", "width": 1}},
        customdata=looks.episodes,
        hovertemplate="step %{x:.0f}<br>held-out return %{y:.2f}<br>%{customdata} episodes",
    )

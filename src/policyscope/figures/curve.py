"""Training curves: mean over seeds with the band from the lowest to the highest run."""

import plotly.graph_objects as go

from policyscope.figures.theme import dress, faint, head_colour
from policyscope.training.curve import Band


def draw(bands: list[Band]) -> go.Figure:
    """Return against environment steps, a line and a band for each recipe.

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
            name=label,
            line={"color": colour, "width": 2},
            customdata=band.episodes,
            hovertemplate="step %{x:.0f}<br>return %{y:.2f}<br>%{customdata} episodes",
        )
    return dress(figure).update_layout(
        title="Return while training (exploring)",
        xaxis_title="environment steps",
        yaxis_title="undiscounted return, mean of window",
    )

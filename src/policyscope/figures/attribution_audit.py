"""Figure of an audit: the trust lines of several methods side by side."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from policyscope.core.result import Result
from policyscope.core.target_words import target_title
from policyscope.figures.theme import dress, head_colour, ink, titled


def draw(result: Result, mode: str = "light") -> go.Figure:
    """Draw each figure of the trust line as a panel, a method a row.

    Args:
        result: of ``attribution.audit.audit``.
        mode: light or dark.
    """
    data = result.data
    figures = [str(name) for name in data["figure"].values]
    methods = [str(name) for name in data["method"].values][::-1]
    titles = [
        f"{name}<br><span style='font-size:11px'>{better} is better</span>"
        for name, better in zip(figures, data.attrs["better"], strict=True)
    ]
    figure = make_subplots(
        1, len(figures), subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.03
    )
    dress(figure, mode)
    nothing = [0.0 if better == "higher" else 1.0 for better in data.attrs["better"]]
    for column, name in enumerate(figures, start=1):
        own = data.sel(figure=name).isel(method=slice(None, None, -1))
        mean = own["mean"].values
        reach = [np.nan_to_num(np.abs(own[end].values - mean), posinf=0) for end in ("high", "low")]
        figure.add_scatter(
            x=mean, y=methods, mode="markers", showlegend=False,
            marker={"size": 10, "color": head_colour(0)},
            error_x={"type": "data", "symmetric": False, "array": reach[0],
                     "arrayminus": reach[1], "thickness": 1.5, "width": 4},
            customdata=own["n"].values if "n" in own else np.full(mean.shape, "?"),
            hovertemplate=f"%{{y}}: {name} %{{x:.3f}}, n %{{customdata}}<extra></extra>",
            row=1, col=column,
        )  # fmt: skip
        figure.add_vline(
            x=nothing[column - 1], line={"color": ink(mode)["zero"], "dash": "dot", "width": 1},
            row=1, col=column,
        )  # fmt: skip
    words = (
        f"{data.attrs['decisions']} decisions judged by {data.attrs['level']}, units set to "
        f"{data.attrs['baseline']}, 95 % bootstrap intervals; the dotted line is what knows nothing"
    )
    title = f"{target_title(data.attrs['target'])} at {data.attrs['site']}"
    figure.update_layout(
        width=min(max(900, 230 * len(figures) + 160), 1180), height=150 + 56 * len(methods) + 60,
        margin={"t": 150},
    )  # fmt: skip
    return titled(figure, title, words, mode)

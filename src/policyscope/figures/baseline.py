"""Figure of a baseline: what was seen, and the frame it was compared with."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from policyscope.attribution.results.wording import baseline_words
from policyscope.core.result import Result
from policyscope.figures.theme import dress, titled

#: Decisions drawn, those whose frames differ most.
SHOWN = 6


def draw_baseline(result: Result, mode: str = "light") -> go.Figure | None:
    """Draw frames above what they are compared with.

    Args:
        result: of ``attribution.explain.attribute``; nothing is drawn where the baseline is no
            frame, or a black one.
        mode: light or dark.
    """
    data = result.data
    if "baseline_frame" not in data or "frame" not in data:
        return None
    frames, others = data["frame"].values, data["baseline_frame"].values
    apart = np.abs(frames.astype(float) - others).sum((1, 2, 3))
    rows = np.sort(np.argsort(-apart, kind="stable")[:SHOWN])
    where = [f"{data['episode'].values[r]}:{data['step'].values[r]}" for r in rows]
    figure = make_subplots(
        2, len(rows), subplot_titles=where, horizontal_spacing=0.01, vertical_spacing=0.03
    )
    dress(figure, mode)
    for column, row in enumerate(rows, start=1):
        for line, picture in enumerate((frames[row], others[row]), start=1):
            figure.add_image(z=picture, hoverinfo="skip", row=line, col=column)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    words = baseline_words(result)
    told = "above what was seen (episode:step), below the baseline"
    figure.update_layout(
        width=max(150 * len(rows) + 80, 420), height=430, margin={"t": 110, "b": 20},
    )  # fmt: skip
    return titled(figure, f"{words[0].upper()}{words[1:]}", told, mode)

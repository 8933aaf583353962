"""Figure of conductance: what flows through each unit to each action, and from which inputs."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from policyscope.attribution.results.conducted import by_named_input
from policyscope.core.result import Result
from policyscope.figures.theme import dress, ink, titled

#: Units drawn; those that most flows through stand for the others.
SHOWN = 40
FOR, AGAINST = "#2166AC", "#B2182B"


def draw_conductance(result: Result, mode: str = "light") -> go.Figure | None:
    """Draw conductance by unit and action, and by unit and input where these can be named.

    Args:
        result: of ``attribution.explain.attribute`` with the method neuron_conductance; of others
            nothing is drawn.
        mode: light or dark.
    """
    data = result.data
    if "conductance" not in data:
        return None
    flow = data["conductance"].values
    units = np.sort(np.argsort(-np.abs(flow).max(1), kind="stable")[:SHOWN])
    shape = data["attribution"].shape[1:]
    names = [",".join(str(i) for i in np.unravel_index(unit, shape)) for unit in units]
    panels = [("by action", data["action"].values.tolist(), flow[units])]
    inputs = by_named_input(data)
    if inputs is not None:
        panels.append(("by input", inputs[0], inputs[1][units]))
    widths = [max(len(columns), 4) for _, columns, _ in panels]
    figure = make_subplots(
        1, len(panels), subplot_titles=[title for title, _, _ in panels], shared_yaxes=True,
        column_widths=widths, horizontal_spacing=0.06 + 0.06 * (len(panels) > 1),
    )  # fmt: skip
    dress(figure, mode)
    scale = [[0, AGAINST], [0.5, ink(mode)["paper"]], [1, FOR]]
    for column, (_, columns, values) in enumerate(panels, start=1):
        reach = float(np.abs(values).max()) or 1.0
        axis = figure.layout["xaxis" if column == 1 else f"xaxis{column}"].domain
        figure.add_heatmap(
            z=values, x=[str(name) for name in columns], y=names, zmin=-reach, zmax=reach,
            colorscale=scale, xgap=1, ygap=1,
            colorbar={"thickness": 10, "x": axis[1] + 0.005, "xanchor": "left"},
            hovertemplate="unit %{y}, %{x}: %{z:.3g}<extra></extra>", row=1, col=column,
        )  # fmt: skip
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_yaxes(title="unit", col=1)
    count = f"{len(units)} of {len(flow)} units"
    words = "by action: its score minus the mean over actions"
    words += "" if inputs is None else f"; by input: of {data.attrs['target']}"
    figure.update_layout(
        width=max(900, 34 * sum(widths) + 260), height=160 + 18 * len(units),
        margin={"t": 120, "r": 90},
    )  # fmt: skip
    return titled(
        figure,
        f"Conductance at {data.attrs['site']}",
        f"means over {data.sizes['row']:,} decisions, {count}; {words}",
        mode,
    )

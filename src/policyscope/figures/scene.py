"""One moment of a recorded scene: roads, vehicles, and lines from the ego to what it looks at."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.entities import entity_name
from policyscope.figures.theme import EGO_COLOUR, dress, faint, head_colour, ink

#: Attention below this is not drawn, as in the paper's code.
LEAST = 0.01
WIDEST = 16.0


def draw_scene(
    recording: Any,
    episode: int,
    step: int,
    attention: np.ndarray | None = None,
    reach: float = 70.0,
    mode: str = "light",
) -> go.Figure:
    """Draw the scene in which a decision was taken, with the attention of each head.

    Lines run from the ego to the vehicles; their width is the attention, their colour the head.
    Rings about the ego are attention to itself, drawn the same way.

    Args:
        recording: an opened recording.
        episode: number of the episode.
        step: step in it; the scene is that before the step.
        attention: (K, V) attention by head and observation row; None takes the recorded one.
        reach: vehicles farther from the ego than this are left outside the drawn square, metres.
        mode: light or dark.

    Raises:
        PolicyscopeError: no such step, or the recording holds no attention and none was given.
    """
    data = recording.episode(episode)
    if not 0 <= step < data.sizes["step"]:
        raise PolicyscopeError(
            f"episode {episode} has steps 0..{data.sizes['step'] - 1}, there is no step {step}"
        )
    moment = data.isel(step=step)
    if attention is None:
        names = [n for n in data.data_vars if str(n).endswith(".pattern")]
        if not names:
            raise PolicyscopeError(
                "the recording holds no attention; record it with --sites '*.pattern'"
            )
        attention = moment[names[0]].values.reshape(-1, moment.sizes["row"])
    entities = recording.entities(episode)
    entities = entities[entities["step"] == step].set_index("identity")
    figure = go.Figure()
    _roads(figure, recording.scene, mode)
    _attention(figure, entities, moment["row_identity"].values, attention)
    _vehicles(figure, entities, mode)
    title = _title(recording, moment, episode, step, mode)
    return _frame(figure, title, *_window(entities, reach), mode)


def _roads(figure: go.Figure, scene: dict[str, Any], mode: str) -> None:
    c = ink(mode)
    for lane in scene.get("lanes", ()):
        points, width = np.array(lane["points"]), lane["width"]
        outline = _thick(points, width)
        figure.add_scatter(
            x=outline[:, 0], y=outline[:, 1], fill="toself", fillcolor=c["road"], mode="lines",
            line={"width": 0}, hoverinfo="skip", showlegend=False,
        )  # fmt: skip
    for edge in scene.get("edges", ()):
        if edge["kind"] == "none":
            continue
        points = np.array(edge["points"])
        figure.add_scatter(
            x=points[:, 0], y=points[:, 1], mode="lines", hoverinfo="skip", showlegend=False,
            line={"color": c["line"], "width": 1.5,
                  "dash": "dash" if edge["kind"] == "striped" else "solid"},
        )  # fmt: skip
    goal = scene.get("destination")
    if goal:
        figure.add_scatter(
            x=[goal["x"]], y=[goal["y"]], mode="markers", showlegend=False, hovertext="destination",
            marker={"symbol": "star", "size": 16, "color": EGO_COLOUR}, hoverinfo="text",
        )  # fmt: skip


def _thick(points: np.ndarray, width: float) -> np.ndarray:
    """Outline of a band about a polyline."""
    along = np.gradient(points, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) * width / 2
    return np.concatenate([points + across, (points - across)[::-1]])


def _attention(
    figure: go.Figure, entities: pd.DataFrame, identity: np.ndarray, attention: np.ndarray
) -> None:
    ego = entities.loc[0, ["x", "y"]].to_numpy(float)
    heads = len(attention)
    for head in range(heads):
        colour = head_colour(head)
        figure.add_scatter(
            x=[None], y=[None], mode="lines", name=f"head {head}", legendgroup=f"head {head}",
            line={"color": colour, "width": 4},
        )  # fmt: skip
        for row, who in enumerate(identity):
            mass = float(attention[head, row])
            if who < 0 or mass < LEAST:
                continue
            seen = entity_name("vehicle", int(who)) if row else "itself"
            if row == 0:
                x, y = _ring(ego, 3.6 + 1.3 * head)
            else:
                x, y = _beam(ego, entities.loc[who, ["x", "y"]].to_numpy(float), head, heads)
            figure.add_scatter(
                x=x, y=y, mode="lines", legendgroup=f"head {head}", showlegend=False,
                line={"color": faint(colour, 0.8), "width": max(0.8, WIDEST * mass)},
                text=f"head {head} looks at {seen}: {mass:.2f}", hoverinfo="text",
            )  # fmt: skip


def _ring(centre: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    angle = np.linspace(0, 2 * np.pi, 65)
    return centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)


def _beam(
    start: np.ndarray, end: np.ndarray, head: int, heads: int
) -> tuple[np.ndarray, np.ndarray]:
    """A curve from ego to vehicle, bowed a little differently for every head so that all show."""
    along = end - start
    across = np.array([-along[1], along[0]])
    t = np.linspace(0, 1, 24)[:, None]
    bow = 0.0 if heads == 1 else 0.16 * (head / (heads - 1) - 0.5)
    points = start + along * t + across * bow * 4 * t * (1 - t)
    return points[:, 0], points[:, 1]


def _vehicles(figure: go.Figure, entities: pd.DataFrame, mode: str) -> None:
    c = ink(mode)
    for identity, car in entities.iterrows():
        ego, shown = identity == 0, car["row"] >= 0
        outline = _body(car)
        fill = EGO_COLOUR if ego else (c["body"] if shown else "rgba(0,0,0,0)")
        figure.add_scatter(
            x=outline[:, 0], y=outline[:, 1], fill="toself", fillcolor=fill, mode="lines",
            line={"color": c["text"], "width": 1, "dash": "solid" if shown else "dot"},
            showlegend=False, hoveron="fills", hoverinfo="text",
            text=f"{entity_name(car['kind'], identity)}, {car['speed']:.1f} m/s"
            + ("" if shown else ", not in the observation"),
        )  # fmt: skip
        label = "ego" if ego else str(identity)
        figure.add_annotation(
            x=car["x"], y=car["y"], text=f"<b>{label}</b>", showarrow=False,
            yshift=19, font={"size": 11, "color": c["text"]},
        )  # fmt: skip


def _body(car: pd.Series) -> np.ndarray:
    """Outline of a car with a pointed nose, which shows where it heads."""
    half, side = car["length"] / 2, car["width"] / 2
    shape = np.array([[-half, -side], [half * 0.55, -side], [half, 0], [half * 0.55, side],
                      [-half, side], [-half, -side]])  # fmt: skip
    cos, sin = np.cos(car["heading"]), np.sin(car["heading"])
    turned = shape @ np.array([[cos, sin], [-sin, cos]])
    return turned + car[["x", "y"]].to_numpy(float)


def _window(entities: pd.DataFrame, reach: float) -> tuple[np.ndarray, float]:
    """Centre and half side of a square that holds the ego and the observed vehicles about it."""
    places = entities.loc[entities["row"] >= 0, ["x", "y"]].to_numpy(float)
    ego = entities.loc[0, ["x", "y"]].to_numpy(float)
    near = places[np.abs(places - ego).max(axis=1) <= reach]
    low, high = near.min(axis=0), near.max(axis=0)
    return (low + high) / 2, max(float((high - low).max()) / 2 + 10, 30.0)


def _title(recording: Any, moment: Any, episode: int, step: int, mode: str) -> str:
    names = recording.space.actions
    action = names[int(moment["action"])] if names else str(moment["action"].values)
    title = f"Episode {episode}, step {step}: {action}"
    if "q" not in moment or not names:
        return title
    values = " &nbsp; ".join(
        f"{name} {float(q):.2f}" for name, q in zip(names, moment["q"].values, strict=True)
    )
    soft = ink(mode)["soft"]
    return f'{title}<br><span style="font-size:13px;color:{soft}">action values: {values}</span>'


def _frame(figure: go.Figure, title: str, centre: np.ndarray, half: float, mode: str) -> go.Figure:
    dress(figure, mode)
    axis = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": ""}
    figure.update_layout(
        title={"text": title, "y": 0.965, "yanchor": "top"},
        width=820, height=920, margin={"l": 24, "r": 24, "t": 116, "b": 24},
        xaxis={**axis, "range": [centre[0] - half, centre[0] + half], "constrain": "domain"},
        yaxis={**axis, "range": [centre[1] + half, centre[1] - half], "scaleanchor": "x",
               "constrain": "domain"},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
    return figure

"""What an attribution says of each entity: sums over its row, or over its box in the frame."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from policyscope.envs.entities import Entities
from policyscope.envs.procgen.objects import boxes_in
from policyscope.recordings.replays.changes import ACTING

COLUMNS = ("row", "episode", "step", "identity", "kind", "share")


def by_entity(recording: Any, data: xr.Dataset) -> pd.DataFrame:
    """What an attribution says of each entity that the agent sees.

    Of observations of vehicles it is the sum over the vehicle's row. Of maps it is the sum over the
    entity's box in the frame, the map being stretched to the frame and cells at the edge of a box
    counted by the share of them that lies within. Boxes overlap, so sums over entities may count a
    place twice, and what lies in no box belongs to nobody.

    Args:
        recording: an opened recording.
        data: of ``attribution.explain.attribute``, with ``vehicles`` or ``map``; some of its rows
            will do.

    Returns:
        A line for each entity in sight of each row: ``row`` (place along ``row``), ``episode``,
        ``step``, ``identity``, ``kind`` and ``share``, in the unit of the attribution. Empty where
        the values lie on no entities.

    Raises:
        UnknownName: no such episode.

    Cost: reads the entities of the episodes; about 0.3 ms a frame.

    Example:
        >>> by_entity(recording, result.data).groupby("kind")["share"].mean()  # doctest: +SKIP
    """
    if "vehicles" in data:
        return _of_rows(recording, data)
    if "map" in data and recording.scene.get("game") and recording.scene.get("visible"):
        return _of_boxes(recording, data)
    return pd.DataFrame({name: [] for name in COLUMNS})


def _of_rows(recording: Any, data: xr.Dataset) -> pd.DataFrame:
    identity, shares = data["identity"].values, data["vehicles"].values[:, 0]
    row, slot = np.nonzero(identity >= 0)
    episode, step = data["episode"].values[row], data["step"].values[row]
    found = pd.DataFrame(
        {"row": row, "episode": episode, "step": step, "identity": identity[row, slot]}
    )
    wanted = ["episode", "step", "identity", "kind"]
    tables = [recording.entities(int(k))[wanted] for k in np.unique(episode)]
    if tables:
        found = found.merge(pd.concat(tables), how="left", on=wanted[:3])
    else:
        found["kind"] = []
    return found.assign(share=shares[row, slot].astype(float))[list(COLUMNS)]


def _of_boxes(recording: Any, data: xr.Dataset) -> pd.DataFrame:
    scene, parts = recording.scene, []
    episode, step = data["episode"].values, data["step"].values
    for k in np.unique(episode):
        table = recording.entities(int(k))
        for row in np.flatnonzero(episode == k):
            lines = table[table["step"] == step[row]]
            shown = Entities(**{n: lines[n].to_numpy() for n in Entities.empty().columns()})
            boxes = boxes_in(scene["game"], _seen(scene, shown), shown, 1.0)
            left, top, right, bottom = boxes.T
            sight = (left < 1) & (top < 1) & (right > 0) & (bottom > 0)
            share = box_sums(data["map"].values[row, 0], boxes[sight])
            parts.append(
                pd.DataFrame(
                    {
                        "row": row, "episode": int(k), "step": int(step[row]),
                        "identity": shown.identity[sight], "kind": shown.kind[sight],
                        "share": share,
                    }
                )
            )  # fmt: skip
    return pd.concat(parts, ignore_index=True).sort_values("row", kind="stable", ignore_index=True)


def _seen(scene: dict[str, Any], shown: Entities) -> tuple[float, float, float]:
    """Centre x and y and side of what a frame shows, tiles."""
    if not scene["follows_player"]:
        return scene["center"][0], scene["center"][1], scene["visible"]
    player = np.flatnonzero(np.isin(shown.kind.astype(str), ACTING))[0]
    return float(shown.x[player]), float(shown.y[player]), scene["visible"]


def box_sums(flat: Float[np.ndarray, "H W"], boxes: Float[np.ndarray, "E 4"]) -> np.ndarray:
    """Sums of a map over boxes, cells at an edge counted by the share of them inside.

    Args:
        flat: (H, W) values of the cells.
        boxes: (E, 4) left, top, right and bottom, as shares of the map's sides.

    Returns:
        (E,) sums.

    Example:
        >>> box_sums(np.ones((4, 4)), np.array([[0.0, 0.0, 0.5, 0.125]]))
        array([1.])
    """
    down = _inside(boxes[:, 1], boxes[:, 3], flat.shape[0])
    across = _inside(boxes[:, 0], boxes[:, 2], flat.shape[1])
    return np.einsum("ey,yx,ex->e", down, flat.astype(np.float64), across)


def _inside(low: np.ndarray, high: np.ndarray, cells: int) -> np.ndarray:
    """Share of each cell that lies between two ends: (E, cells)."""
    edge = np.arange(cells)
    first, last = low[:, None] * cells, high[:, None] * cells
    return (np.minimum(last, edge + 1) - np.maximum(first, edge)).clip(0, 1)

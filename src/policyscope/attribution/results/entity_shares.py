"""What an attribution says of each entity: of its row, or of its box in the frame."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from policyscope.attribution.config import ADDING
from policyscope.envs.entities import Entities
from policyscope.envs.procgen.objects import boxes_in
from policyscope.recordings.replays.changes import ACTING

COLUMNS = ("row", "episode", "step", "identity", "kind", "share", "places")


def by_entity(recording: Any, data: xr.Dataset) -> pd.DataFrame:
    """What an attribution says of each entity that the agent sees.

    Of observations of vehicles it is the sum over the vehicle's row. Of maps it is the sum over the
    entity's box in the frame, or the mean over the box where the method's values do not add up
    (``adds_up``). The map is stretched to the frame, and cells at the edge of a box count by the
    share of them that lies within. Boxes overlap, so sums over entities may count a place twice,
    and what lies in no box belongs to nobody.

    Args:
        recording: an opened recording.
        data: of ``attribution.explain.attribute``, with ``vehicles`` or ``map``; some of its rows
            will do.

    Returns:
        A line for each entity in sight of each row: ``row`` (place along ``row``), ``episode``,
        ``step``, ``identity``, ``kind``, ``share``, in the unit of the attribution, and ``places``
        of the map that its box holds (1 for a row of vehicles). Empty where the values lie on no
        entities.

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
    row, slot = np.nonzero((identity >= 0) & np.isfinite(shares))
    episode, step = data["episode"].values[row], data["step"].values[row]
    who = identity[row, slot]
    kinds: dict[tuple[int, int, int], str] = {}
    for k in np.unique(episode).tolist():
        table = recording.entities(k)
        table = table[table["step"].isin(step[episode == k])]
        for at, one, kind in zip(table["step"], table["identity"], table["kind"], strict=True):
            kinds[k, at, one] = str(kind)
    asked = zip(episode.tolist(), step.tolist(), who.tolist(), strict=True)
    return pd.DataFrame(
        {
            "row": row,
            "episode": episode,
            "step": step,
            "identity": who,
            "kind": pd.array([kinds.get(key, "vehicle") for key in asked], dtype="str"),
            "share": shares[row, slot].astype(float),
            "places": 1.0,
        }
    )


def adds_up(data: xr.Dataset) -> bool:
    """Whether sums of an attribution's values mean something, as the attribute ``method`` tells.

    Args:
        data: of ``attribution.explain.attribute``; values of no known method are taken for shares.
    """
    return "method" not in data.attrs or data.attrs["method"] in ADDING


def together(table: pd.DataFrame, by: Sequence[str], add: bool) -> pd.DataFrame:
    """Lines of several entities as one: their sum, or the mean over all of their places.

    Args:
        table: with ``share`` and ``places``.
        by: columns that tell the groups apart.
        add: whether shares add up.

    Example:
        >>> boxes = pd.DataFrame({"kind": ["a", "a"], "share": [1.0, 4.0], "places": [1.0, 2.0]})
        >>> together(boxes, ["kind"], False)["share"].tolist()
        [3.0]
    """
    whole = table["share"] if add else table["share"] * table["places"]
    found = table.assign(share=whole).groupby(list(by), as_index=False, sort=False)
    found = found[["share", "places"]].sum()
    return found if add else found.assign(share=found["share"] / found["places"])


def _of_boxes(recording: Any, data: xr.Dataset) -> pd.DataFrame:
    scene, parts, add = recording.scene, [], adds_up(data)
    episode, step = data["episode"].values, data["step"].values
    for k in np.unique(episode):
        table = recording.entities(int(k))
        for row in np.flatnonzero(episode == k):
            shown, boxes = in_frame(scene, table[table["step"] == step[row]])
            flat = data["map"].values[row, 0]
            share, places = box_sums(flat, boxes), box_sums(np.ones_like(flat), boxes)
            parts.append(
                pd.DataFrame(
                    {
                        "row": row, "episode": int(k), "step": int(step[row]),
                        "identity": shown.identity, "kind": shown.kind,
                        "share": share if add else share / places, "places": places,
                    }
                )
            )  # fmt: skip
    return pd.concat(parts, ignore_index=True).sort_values("row", kind="stable", ignore_index=True)


def in_frame(
    scene: dict[str, Any], lines: pd.DataFrame
) -> tuple[Entities, Float[np.ndarray, "E 4"]]:
    """Entities that a frame shows, and the box of each.

    Args:
        scene: of a recording of one of Procgen's games.
        lines: the entities of a step, as the recording has them.

    Returns:
        E entities, and left, top, right and bottom of each as shares of the frame's sides.
    """
    shown = Entities(**{n: lines[n].to_numpy() for n in Entities.empty().columns()})
    boxes = boxes_in(scene["game"], _seen(scene, shown), shown, 1.0)
    left, top, right, bottom = boxes.T
    sight = (left < 1) & (top < 1) & (right > 0) & (bottom > 0)
    kept = {name: column[sight] for name, column in shown.columns().items()}
    return Entities(**kept), boxes[sight]


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


def outside(shape: tuple[int, int], boxes: Float[np.ndarray, "E 4"]) -> Float[np.ndarray, "H W"]:
    """Share of each cell of a map that lies in no box.

    Args:
        shape: H and W.
        boxes: (E, 4) left, top, right and bottom, as shares of the map's sides.

    Example:
        >>> outside((2, 2), np.array([[0.0, 0.0, 0.5, 0.75]]))
        array([[0. , 1. ],
               [0.5, 1. ]])
    """
    down = _inside(boxes[:, 1], boxes[:, 3], shape[0])
    across = _inside(boxes[:, 0], boxes[:, 2], shape[1])
    return 1 - np.einsum("ey,ex->yx", down, across).clip(0, 1)


def _inside(low: np.ndarray, high: np.ndarray, cells: int) -> np.ndarray:
    """Share of each cell that lies between two ends: (E, cells)."""
    edge = np.arange(cells)
    first, last = low[:, None] * cells, high[:, None] * cells
    return (np.minimum(last, edge + 1) - np.maximum(first, edge)).clip(0, 1)

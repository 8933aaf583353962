"""The objects of a CoinRun or Maze state: a table of them, and their boxes in the picture.

Lengths are tiles. The engine's y points up; tables, boxes and edits have it point down from the
top of the world, as in pictures.
"""

from dataclasses import dataclass

import numpy as np

from policyscope.envs.entities import Entities
from policyscope.envs.procgen import codes
from policyscope.envs.procgen.motion import listed, motion, moving_in
from policyscope.envs.procgen.state import State

PLAYER, GOAL, FIRST = 0, 1, 2
"""Identities: the player's, the coin's or cheese's, and the first of saws, enemies and crates."""

SCENERY = 10_000
"""Identity of the first wall or lava."""

_CELL_MARGIN = 0.02
_PICTURE_HEIGHT = 1.7415
"""Height of CoinRun's player as drawn, in heights of its box; it stands on the same ground."""


@dataclass(frozen=True)
class Scenery:
    """Walls and lava as few rectangles; the same through an episode unless the scene is edited.

    Args:
        grid: the cells they were found in.
        kind: (S,) wall or lava.
        x: (S,) float64, centres, tiles.
        y: (S,) float64, centres, tiles from the top.
        length: (S,) float64, tiles.
        width: (S,) float64, tiles.
    """

    grid: np.ndarray
    kind: np.ndarray
    x: np.ndarray
    y: np.ndarray
    length: np.ndarray
    width: np.ndarray


def first_identities(state: State) -> tuple[int, ...]:
    """Identities of ``listed(state)`` at the start of an episode."""
    return tuple(range(FIRST, FIRST + len(listed(state))))


def scenery(state: State) -> Scenery:
    """Walls and lava of a state.

    Cost: about 0.2 milliseconds; keep the answer while ``grid`` stays the same.
    """
    names = codes.CELLS[state.game]
    found = [
        (kind, *rectangle)
        for kind in ("wall", "lava")
        for rectangle in _rectangles(
            np.isin(state.grid, [code for code, name in names.items() if name == kind])
        )
    ]
    kinds = np.array([f[0] for f in found], dtype=object)
    left, low, wide, high = np.array([f[1:] for f in found], float).reshape(-1, 4).T
    top = state.grid.shape[0] - low - high
    return Scenery(state.grid.copy(), kinds, left + wide / 2, top + high / 2, wide, high)


def table(state: State, identities: tuple[int, ...], around: Scenery) -> Entities:
    """All objects of a state.

    Args:
        state: the moment.
        identities: of the saws, enemies and crates, in the order of ``listed(state)``.
        around: walls and lava.

    Returns:
        The player (or mouse), the coin (or cheese) where there is one, saws, enemies and crates,
        walls and lava. ``heading`` is where an object moves, or faces where it stands; ``speed``
        is tiles per step; ``length`` is horizontal and ``width`` vertical.

    Cost: about 50 microseconds.
    """
    moving, height = moving_in(state), state.grid.shape[0]
    x, y, heading, speed = motion(moving, float(height))
    body = state.entities[[state.player, *listed(state)]]
    names = codes.OBJECTS[state.game]
    kinds = np.array([names[t] for t in moving.type.tolist()], dtype=object)
    goal_y, goal_x = np.nonzero(state.grid == codes.GOAL[state.game])
    goals, n = len(goal_x), len(around.x)
    goal = "coin" if state.game == "coinrun" else "cheese"

    def join(objects: np.ndarray, of_goals: np.ndarray, scene: np.ndarray) -> np.ndarray:
        return np.concatenate([objects[:1], of_goals, objects[1:], scene])

    nothing = np.zeros(goals), np.zeros(n)
    identity = np.array([PLAYER, *identities], dtype=np.int64)
    return Entities(
        identity=join(identity, np.full(goals, GOAL), SCENERY + np.arange(n)),
        kind=join(kinds, np.full(goals, goal, object), around.kind),
        row=np.full(len(x) + goals + n, -1, np.int64),
        x=join(x, goal_x + 0.5, around.x),
        y=join(y, height - goal_y - 0.5, around.y),
        heading=join(heading, *nothing),
        speed=join(speed, *nothing),
        length=join(2 * body["rx"].astype(float), np.ones(goals), around.length),
        width=join(2 * body["ry"].astype(float), np.ones(goals), around.width),
    )


def view(state: State) -> tuple[float, float, float]:
    """What the picture shows: its centre x and y from the top, and its side, in tiles."""
    height, width = state.grid.shape
    if not state.options["center_agent"]:
        side = float(max(width, height))
        return side / 2, height - side / 2, side
    player = state.entities[state.player]
    return float(player["x"]), height - float(player["y"]), float(state.view["visibility"])


def boxes(state: State, shown: Entities, size: int) -> np.ndarray:
    """Where the objects of a table stand in the picture; each is drawn within its box.

    Args:
        state: the moment the table was made of.
        shown: what ``table`` gave.
        size: side of the picture in pixels, 64 or 512.

    Returns:
        (E, 4) float64: left, top, right, bottom in pixels; outside of 0..size where the object is
        out of sight.

    Example:
        >>> from policyscope.envs.procgen.lane import make_lane
        >>> from policyscope.envs.spec import EnvSpec
        >>> from policyscope.envs.stepper import Start
        >>> lane = make_lane(EnvSpec("procgen/maze", {"mode": "easy"}))
        >>> _ = lane.start(Start(level=3))
        >>> boxes(lane.state(), lane.entities(), 64).shape[1]
        4
    """
    return boxes_in(state.game, view(state), shown, size)


def boxes_in(
    game: str, seen: tuple[float, float, float], shown: Entities, size: float
) -> np.ndarray:
    """Where objects stand in a picture whose view is known, as ``boxes`` gives it.

    Args:
        game: coinrun or maze.
        seen: centre x and y from the top and side of what the picture shows, tiles.
        shown: the objects.
        size: side of the picture, in any unit.
    """
    center_x, center_y, side = seen
    unit = size / side
    cells = ~np.isin(shown.identity, [PLAYER, *range(FIRST, SCENERY)])
    margin = np.where(cells, _CELL_MARGIN, 0.0)
    top, bottom = shown.y - shown.width / 2 - margin, shown.y + shown.width / 2 + margin
    if game == "coinrun":
        player = shown.identity == PLAYER
        top = np.where(player, bottom - _PICTURE_HEIGHT * shown.width, top)
    left, right = shown.x - shown.length / 2 - margin, shown.x + shown.length / 2 + margin
    x, y = center_x - side / 2, center_y - side / 2
    return np.stack([left - x, top - y, right - x, bottom - y], axis=1) * unit


def _rectangles(mask: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Cover True cells: runs in each column, joined with equal runs of the columns beside."""
    if not mask.any():
        return []
    height, width = mask.shape
    padded = np.zeros((width + 1, height + 2), np.int8)
    padded[:width, 1:-1] = mask.T
    column, edge = np.diff(padded, axis=1).nonzero()
    runs_of: list[set[tuple[int, int]]] = [set() for _ in range(width + 1)]
    runs = zip(column[::2].tolist(), edge[::2].tolist(), edge[1::2].tolist(), strict=True)
    for i, low, high in runs:
        runs_of[i].add((low, high))
    found: list[tuple[int, int, int, int]] = []
    open_runs: dict[tuple[int, int], int] = {}
    for i, present in enumerate(runs_of):
        for run in [r for r in open_runs if r not in present]:
            begun = open_runs.pop(run)
            found.append((begun, run[0], i - begun, run[1] - run[0]))
        for run in present:
            open_runs.setdefault(run, i)
    return sorted(found)

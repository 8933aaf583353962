"""Changes to the scene of CoinRun and Maze.

``move`` puts an object elsewhere (values x and y in tiles, y from the top, as in ``entities``);
``remove`` takes a saw, an enemy, a crate, the coin or the cheese away.
"""

import numpy as np

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.procgen import codes
from policyscope.envs.procgen.motion import listed
from policyscope.envs.procgen.objects import GOAL, PLAYER, SCENERY
from policyscope.envs.procgen.state import State
from policyscope.envs.scene import SceneEdit

_TRAIL_REACH = 2.5
"""An enemy's trail fades within this many tiles of it."""


def edited(
    state: State, identities: tuple[int, ...], edit: SceneEdit
) -> tuple[State, tuple[int, ...]]:
    """A changed copy of a state, and the identities of its saws, enemies and crates.

    Args:
        state: the moment.
        identities: of the saws, enemies and crates, in the order of ``listed(state)``.
        edit: what to change.

    Raises:
        UnknownName: no such kind of edit.
        PolicyscopeError: no such object, or nothing can stand in that place.

    Example:
        >>> from policyscope.envs.procgen.lane import make_lane
        >>> from policyscope.envs.spec import EnvSpec
        >>> from policyscope.envs.stepper import Start
        >>> lane = make_lane(EnvSpec("procgen/coinrun"))
        >>> _ = lane.start(Start(level=3))
        >>> _ = lane.apply(SceneEdit("remove", 1))
        >>> "coin" in lane.entities().kind
        False
    """
    if edit.kind not in ("move", "remove"):
        raise UnknownName("scene edit of procgen", edit.kind, ("move", "remove"))
    new = state.copy()
    if edit.kind == "remove":
        return _remove(new, identities, edit.identity)
    x, y = _place(new, edit)
    if edit.identity == GOAL:
        _move_goal(new, x, y)
    elif edit.identity == PLAYER:
        _move_player(new, x, y)
    else:
        row = _row(new, identities, edit.identity)
        _require_room(new, row, x, y)
        if new.entities["type"][row] == codes.ENEMY:
            new = _without_trail(new, row)
            row = _row(new, identities, edit.identity)
        new.entities["x"][row], new.entities["y"][row] = x, y
    return new, identities


def _place(state: State, edit: SceneEdit) -> tuple[float, float]:
    if set(edit.values) != {"x", "y"}:
        raise PolicyscopeError("a move takes the values x and y, in tiles, y from the top")
    height, width = state.grid.shape
    x, y = float(edit.values["x"]), height - float(edit.values["y"])
    if not (0 <= x < width and 0 < y <= height):
        raise PolicyscopeError(
            f"x {edit.values['x']}, y {edit.values['y']} is outside of the world, "
            f"which is {width} x {height} tiles"
        )
    return x, min(y, float(np.nextafter(height, 0)))


def _move_player(state: State, x: float, y: float) -> None:
    if state.game == "maze":  # the mouse steps from cell to cell
        x, y = int(x) + 0.5, int(y) + 0.5
    _require_room(state, state.player, x, y)
    player = state.entities[state.player : state.player + 1]
    player["x"], player["y"], player["vx"], player["vy"] = x, y, 0, 0
    if state.game == "coinrun":
        state.tail["last_agent_y"] = y


def _move_goal(state: State, x: float, y: float) -> None:
    cell = int(y), int(x)
    if not (state.grid == codes.GOAL[state.game]).any():
        raise PolicyscopeError(f"there is no {_goal(state)} to move; it was removed")
    if state.grid[cell] not in (codes.EMPTY, codes.GOAL[state.game]):
        taken = codes.CELLS[state.game][int(state.grid[cell])]
        raise PolicyscopeError(f"the {_goal(state)} cannot stand there: that cell is {taken}")
    state.grid[state.grid == codes.GOAL[state.game]] = codes.EMPTY
    state.grid[cell] = codes.GOAL[state.game]


def _remove(
    state: State, identities: tuple[int, ...], identity: int | None
) -> tuple[State, tuple[int, ...]]:
    if identity == PLAYER:
        raise PolicyscopeError("the player cannot be removed; it can be moved")
    if identity == GOAL:
        if not (state.grid == codes.GOAL[state.game]).any():
            raise PolicyscopeError(f"there is no {_goal(state)} to remove")
        state.grid[state.grid == codes.GOAL[state.game]] = codes.EMPTY
        return state, identities
    row = _row(state, identities, identity)
    left = tuple(i for i in identities if i != identity)
    if state.entities["type"][row] == codes.ENEMY:
        state = _without_trail(state, row)
        row = _row(state, identities, identity)
    return _with_entities(state, np.delete(state.entities, row)), left


def _without_trail(state: State, enemy: int) -> State:
    """Take away the puffs behind an enemy, which would stay in the air."""
    all_of, at = state.entities, state.entities[enemy]
    behind = all_of["type"] == codes.TRAIL
    behind &= np.abs(all_of["x"] - at["x"]) < _TRAIL_REACH
    behind &= np.abs(all_of["y"] - at["y"]) < 1
    return _with_entities(state, all_of[~behind])


def _with_entities(state: State, entities: np.ndarray) -> State:
    values = {**vars(state), "entities": entities.copy()}
    return State(**values)


def _row(state: State, identities: tuple[int, ...], identity: int | None) -> int:
    if identity not in identities:
        if identity is not None and identity >= SCENERY:
            raise PolicyscopeError("walls and lava cannot be changed")
        raise PolicyscopeError(
            f"there is no object {identity} to change; there are "
            f"{', '.join(map(str, (PLAYER, GOAL, *identities)))}"
        )
    return int(listed(state)[identities.index(identity)])


def _require_room(state: State, row: int, x: float, y: float) -> None:
    """Refuse a place where the object's box is out of the world or in a wall."""
    body, height = state.entities[row], state.grid.shape[0]
    fault = _fault(state, body, x, y)
    if fault is None:
        return
    on_ground = np.floor(y) + float(body["ry"])  # in the same cell, its feet on what is below
    if on_ground > y and _fault(state, body, x, on_ground) is None:
        fault = f"its feet would be in the ground, on which it stands at y {height - on_ground:g}"
    name = codes.OBJECTS[state.game][int(body["type"])]
    raise PolicyscopeError(f"the {name} cannot stand at x {x:g}, y {height - y:g}: {fault}")


def _fault(state: State, body: np.void, x: float, y: float) -> str | None:
    """Why an object has no room in a place; None where it has."""
    half_x, half_y = float(body["rx"]) - 0.001, float(body["ry"]) - 0.001
    height, width = state.grid.shape
    if not (half_x <= x <= width - half_x and half_y <= y <= height - half_y):
        return "that is not inside the world"
    covered = state.grid[
        max(int(y - half_y), 0) : int(y + half_y) + 1, max(int(x - half_x), 0) : int(x + half_x) + 1
    ]
    return "a wall is there" if np.isin(covered, codes.SOLID[state.game]).any() else None


def _goal(state: State) -> str:
    return "coin" if state.game == "coinrun" else "cheese"

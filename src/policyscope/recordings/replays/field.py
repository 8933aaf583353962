"""Policy field: what the agent would do at every place of a scene.

Letters: S sides (1 without changes, else 2), N places, A actions.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import softmax

from policyscope.core.errors import PolicyscopeError
from policyscope.core.provenance import provenance
from policyscope.core.result import Result
from policyscope.envs.scene import SceneEdit
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.changes import SCENERY, change_text, read_change
from policyscope.recordings.replays.compare import SIDES
from policyscope.recordings.replays.scenes import Scene, scene_at
from policyscope.recordings.replays.worlds import Worlds
from policyscope.recordings.subject import python_line, subject

ACTOR = 0  # identity of the one who acts
#: What the words of an action's name push towards, x to the right and y down.
_PUSHES = {"LEFT": (-1, 0), "RIGHT": (1, 0), "UP": (0, -1), "DOWN": (0, 1)}


def policy_field(
    recording: Recording,
    episode: int,
    step: int,
    changes: Sequence[SceneEdit | str] = (),
    *,
    around: float | None = None,
    command: str | None = None,
    worlds: Worlds | None = None,
) -> Result:
    """Put the player or mouse on every legal cell of a recorded step and ask the agent there.

    Everything else stays as it was, the memory included; the player stands still where it is put,
    with its feet on the cell's floor.

    Args:
        recording: an opened recording of CoinRun or Maze.
        episode: number of the episode.
        step: row of the episode.
        changes: of the scene, also as text (``remove saw``); with them the field is computed
            before and after.
        around: only cells so many tiles from the recorded place; default: all that a frame shows.
        command: the command line, for the provenance.
        worlds: worlds kept from earlier questions.

    Returns:
        A Result. ``data`` holds for each side and place ``probability`` of each action (for
        Q-values: 1 for the preferred one), ``value`` where the agent has one, and ``x`` and ``y``
        of its cell's middle in tiles; and ``kind``, ``thing_x`` and ``thing_y`` of what else
        there is.

    Raises:
        UnknownName: no such episode.
        PolicyscopeError: no such step, a change that cannot be made, or an environment in which
            the one who acts cannot be put elsewhere.

    Cost: about a millisecond a place; 0.3 s for a maze of 25 x 25.

    Example:
        >>> policy_field(recording, 3, 17, ["remove saw"]).figure()  # doctest: +SKIP
    """
    with scene_at(recording, episode, step, worlds) as scene:
        entities = scene.lane.entities()
        read = [read_change(c, entities) if isinstance(c, str) else c for c in changes]
        edits = [change for change in read if isinstance(change, SceneEdit)]
        if len(edits) < len(read):
            raise PolicyscopeError("a field takes changes of the scene; fork takes others, too")
        told = [change_text(change, entities, recording.env.id) for change in edits]
        scene.changed(edits)  # raises where it cannot be
        data = _field(scene, edits, around)
        proof = scene.proof()
    given = [str(episode), str(step), *([repr(edits)] if edits else [])]
    given += [f"around={around!r}"] if around is not None else []
    line = python_line(policy_field, recording, given, [SceneEdit] if edits else [])
    parameters = {
        "recording": subject(recording), "episode": episode, "step": step, "told": told,
        "changes": [edit.to_json() for edit in edits], "around": around, "python": line,
    }  # fmt: skip
    return Result("field", data, parameters, provenance(command or line), [proof])


def pushes(actions: list[str]) -> np.ndarray:
    """Where each action pushes, (A, 2), x to the right and y down; 0 for those without a direction.

    Example:
        >>> pushes(["LEFT_UP", "A"]).tolist()
        [[-1.0, -1.0], [0.0, 0.0]]
    """
    each = [np.sum([_PUSHES.get(word, (0, 0)) for word in name.split("_")], 0) for name in actions]
    return np.array(each, float).reshape(len(actions), 2)


def _field(scene: Scene, edits: Sequence[SceneEdit], around: float | None) -> xr.Dataset:
    sides = [[], edits] if edits else [[]]
    seen: list[dict[tuple[float, float], np.ndarray]] = []
    places, sink = _cells(scene, around), _sink(scene)
    things: list[list[tuple[str, float, float]]] = []
    for side in sides:
        scene.changed(side)
        things.append(_things(scene))
        found = {}
        for x, y in places:
            with suppress(PolicyscopeError):  # nobody can stand there
                # A move leaves nothing of the place before, so the step is not restored each time.
                found[x, y] = scene.lane.apply(SceneEdit("move", ACTOR, {"x": x, "y": y - sink}))
        seen.append({place: np.array(obs) for place, obs in found.items()})
    legal = [place for place in places if all(place in found for found in seen)]
    if not legal:
        raise PolicyscopeError("there is no place where the one who acts could be put")
    answers = [scene.decide(np.stack([found[place] for place in legal])) for found in seen]
    variables: dict[str, Any] = {}
    scores = np.stack([scene.scores(answer) for answer in answers])
    chances = softmax(scores, -1) if scene.agent.head == "categorical" else _best(scores)
    variables["probability"] = (("side", "place", "action_name"), chances)
    if all(answer.get("value", np.empty((0, 0))).ndim == 1 for answer in answers):
        variables["value"] = (("side", "place"), np.stack([a["value"] for a in answers]))
    most = max(map(len, things))
    for name, column, nothing in (("kind", 0, ""), ("thing_x", 1, np.nan), ("thing_y", 2, np.nan)):
        padded = [[t[column] for t in each] + [nothing] * (most - len(each)) for each in things]
        variables[name] = (("side", "thing"), np.array(padded).reshape(len(sides), most))
    space = scene.course.recording.space
    return xr.Dataset(
        variables,
        {
            "side": list(SIDES[: len(sides)]), "action_name": list(space.actions),
            "x": ("place", [x for x, _ in legal]), "y": ("place", [y for _, y in legal]),
        },
        {"at": list(_actor(scene))},
    )  # fmt: skip


def _things(scene: Scene) -> list[tuple[str, float, float]]:
    """What there is beside walls, lava and the one who acts: kind, x and y."""
    table = scene.lane.entities()
    return [
        (str(table.kind[i]), float(table.x[i]), float(table.y[i]))
        for i in range(len(table))
        if table.identity[i] != ACTOR and table.kind[i] not in SCENERY
    ]


def _best(scores: np.ndarray) -> np.ndarray:
    return (scores == scores.max(-1, keepdims=True)).astype(float)


def _cells(scene: Scene, around: float | None) -> list[tuple[float, float]]:
    """Middles of the cells that a frame shows, in tiles."""
    world = scene.lane.scene()
    if not {"width", "height", "visible"} <= set(world):
        raise PolicyscopeError(
            f"{scene.course.recording.env.id} has no cells to be put on; a field needs CoinRun or "
            "Maze"
        )
    x, y = _actor(scene)
    reach = around if around is not None else float(world["visible"]) / 2
    whole = around is None and not world["follows_player"]
    walls = _walls(scene)
    return [
        (i + 0.5, j + 0.5)
        for j in range(int(world["height"]))
        for i in range(int(world["width"]))
        if (whole or (abs(i + 0.5 - x) <= reach and abs(j + 0.5 - y) <= reach))
        and (i, j) not in walls
    ]


def _walls(scene: Scene) -> set[tuple[int, int]]:
    """Cells in walls, where trying to stand would cost as much as asking does."""
    table = scene.lane.entities()
    cells: set[tuple[int, int]] = set()
    for i in np.flatnonzero(table.kind == "wall"):
        left, top = table.x[i] - table.length[i] / 2, table.y[i] - table.width[i] / 2
        wide, high = round(float(table.length[i])), round(float(table.width[i]))
        cells |= {
            (round(float(left)) + dx, round(float(top)) + dy)
            for dx in range(wide)
            for dy in range(high)
        }
    return cells


def _sink(scene: Scene) -> float:
    """How far above a cell's middle the one who acts is put, so that its feet are on the floor."""
    scene.observe([])
    table = scene.lane.entities()
    return max(float(table.width[table.identity == ACTOR][0]) / 2 - 0.5, 0.0)


def _actor(scene: Scene) -> tuple[float, float]:
    """Where the one who acts is at the recorded step."""
    scene.observe([])
    entities = scene.lane.entities()
    row = int(np.flatnonzero(entities.identity == ACTOR)[0])
    return float(entities.x[row]), float(entities.y[row])

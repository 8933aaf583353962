"""Why not another action: which single entity, removed or moved a little, makes the agent take it.

Letters: C changes, A actions.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import log_softmax, logsumexp

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.provenance import provenance
from policyscope.core.result import Result
from policyscope.envs.actions import effects
from policyscope.envs.entities import Entities
from policyscope.envs.scene import SceneEdit
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.changes import ACTING, SCENERY, change_text
from policyscope.recordings.replays.scenes import Scene, scene_at
from policyscope.recordings.replays.worlds import Worlds
from policyscope.recordings.subject import python_line, subject

DIRECTIONS, HALVINGS = 8, 5
#: Distances of moves, in lengths of the entity.
LENGTHS = (0.5, 1.0, 2.0, 4.0)
#: Most entities that are tried: those nearest to the one who acts.
MOST = 40


@dataclass(frozen=True)
class Tried:
    """One change of one entity, and what the agent makes of it.

    Args:
        edit: the change.
        kind: of the entity.
        distance: how far it was moved, in the world's unit; NaN where it was removed.
        margin: score of the action asked for minus the best of the others; above 0 it is taken.
            Actions that do the same count as one: their probabilities added up, or the largest of
            their Q-values.
        logp: log-probability of that action, and of those that do the same; NaN for Q-values.
    """

    edit: SceneEdit
    kind: str
    distance: float
    margin: float
    logp: float


def why_not(
    recording: Recording,
    episode: int,
    step: int,
    action: str | int,
    *,
    command: str | None = None,
    worlds: Worlds | None = None,
) -> Result:
    """Find the single entities that keep the agent from an action.

    Each entity but walls, lava and the one who acts is removed, and moved in 8 directions by half,
    one, two and four of its lengths; where a move makes the agent prefer the action, the distance
    is halved down to the least that does. "Prefers" is the most likely action, or the greatest
    Q-value, actions that do the same taken together.

    Args:
        recording: an opened recording in which scenes can be changed.
        episode: number of the episode.
        step: row of the episode.
        action: its name or number.
        command: the command line, for the provenance.
        worlds: worlds kept from earlier questions.

    Returns:
        A Result. ``data`` holds, for the best change of each entity and kind of change, the least
        first: ``margin`` (score of the action minus the best of the others, above 0 where the agent
        takes it), ``logp`` (policies), ``distance`` (world units, NaN for a removal), and
        ``identity``, ``entity`` and ``told``.

    Raises:
        UnknownName: no such episode or action.
        PolicyscopeError: no such step, continuous actions, or a scene that cannot be changed.

    Cost: 33 observations an entity, about a millisecond each, for the 40 nearest at most.

    Example:
        >>> why_not(recording, 3, 17, "RIGHT").data["told"]  # doctest: +SKIP
    """
    number = _action(recording, action)
    with scene_at(recording, episode, step, worlds) as scene:
        entities = scene.lane.entities()
        before, _ = _margins(scene, scene.course.value("obs", step)[None], number)
        tried = [
            best for row in _nearest(entities) for best in _tried(scene, entities, row, number)
        ]
        proof = scene.proof()
    if not tried:
        raise PolicyscopeError(
            f"nothing in the scene of {recording.env.id} can be removed or moved at this step"
        )
    tried.sort(key=_order)
    name = recording.space.actions[number]
    line = python_line(why_not, recording, [str(episode), str(step), repr(name)])
    told = {"episode": episode, "step": step, "action": name, "python": line}
    data = _data(tried, entities, recording.env.id).assign_attrs(
        action=name, margin=float(before[0]), entities=len(_nearest(entities))
    )
    return Result(
        "why_not", data, {"recording": subject(recording), **told},
        provenance(command or line), [proof],
    )  # fmt: skip


def _action(recording: Recording, action: str | int) -> int:
    names = recording.space.actions
    if not names:
        raise PolicyscopeError("only agents with discrete actions can be asked for another one")
    if isinstance(action, str) and action in names:
        return names.index(action)
    if str(action).isdecimal() and int(action) < len(names):
        return int(action)
    raise UnknownName("action", str(action), names)


def _nearest(entities: Entities) -> list[int]:
    """Rows of the entities that may be changed, those nearest to the one who acts first."""
    kinds = np.array([str(kind) for kind in entities.kind])
    actors = np.flatnonzero(np.isin(kinds, ACTING))
    x, y = (entities.x[actors[0]], entities.y[actors[0]]) if len(actors) else (0.0, 0.0)
    far = np.hypot(entities.x - x, entities.y - y)
    # The one who acts is not what keeps it from acting.
    left_out = (*SCENERY, *ACTING)
    rows = [i for i in np.argsort(far, kind="stable") if kinds[i] not in left_out]
    return [int(i) for i in rows[:MOST]]


def _tried(scene: Scene, entities: Entities, row: int, action: int) -> Iterator[Tried]:
    """The removal of an entity, and its shortest move that makes the agent take the action.

    Where none does, the move that brings it nearest to it.
    """
    identity, kind = int(entities.identity[row]), str(entities.kind[row])
    removal = SceneEdit("remove", identity)
    if found := _asked(scene, [(removal, math.nan)], kind, action):
        yield found[0]
    moves = [
        (_moved(entities, row, angle, distance), distance)
        for distance in _distances(entities, row)
        for angle in range(DIRECTIONS)
    ]
    found = _asked(scene, moves, kind, action)
    if not found:
        return
    taken = [each for each in found if each.margin > 0]
    if not taken:
        yield max(found, key=lambda each: each.margin)
        return
    shortest = min(taken, key=lambda each: (each.distance, -each.margin))
    yield _shortened(scene, entities, row, shortest, action)


def _shortened(scene: Scene, entities: Entities, row: int, best: Tried, action: int) -> Tried:
    """The least distance in the direction of a move that still makes the agent take the action."""
    x, y = float(entities.x[row]), float(entities.y[row])
    angle = math.atan2(best.edit.values["y"] - y, best.edit.values["x"] - x)
    low, high = 0.0, best.distance
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        move = _at(entities, row, angle, middle)
        found = _asked(scene, [(move, middle)], best.kind, action)
        if found and found[0].margin > 0:
            best, high = found[0], middle
        else:
            low = middle
    return best


def _distances(entities: Entities, row: int) -> list[float]:
    length = float(max(entities.length[row], entities.width[row])) or 1.0
    return [length * times for times in LENGTHS]


def _moved(entities: Entities, row: int, angle: int, distance: float) -> SceneEdit:
    return _at(entities, row, angle * 2 * math.pi / DIRECTIONS, distance)


def _at(entities: Entities, row: int, angle: float, distance: float) -> SceneEdit:
    x = float(entities.x[row]) + distance * math.cos(angle)
    y = float(entities.y[row]) + distance * math.sin(angle)
    return SceneEdit("move", int(entities.identity[row]), {"x": x, "y": y})


def _asked(
    scene: Scene, edits: list[tuple[SceneEdit, float]], kind: str, action: int
) -> list[Tried]:
    """The changes that can be made, with what the agent makes of them."""
    seen = [(edit, far, scene.observe([edit])) for edit, far in edits]
    made = [(edit, far, obs) for edit, far, obs in seen if obs is not None]
    if not made:
        return []
    margins, logps = _margins(scene, np.stack([obs for _, _, obs in made]), action)
    return [
        Tried(edit, kind, far, float(margin), float(logp))
        for (edit, far, _), margin, logp in zip(made, margins, logps, strict=True)
    ]


def _margins(scene: Scene, obs: np.ndarray, action: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the actions that do what the action does, taken together, against all others."""
    recording, drawn = scene.course.recording, scene.agent.head == "categorical"
    groups = [group for _, group in effects(recording.env.id, recording.space.actions)]
    place = next(i for i, group in enumerate(groups) if action in group)
    single = scene.scores(scene.decide(obs)).astype(np.float64)
    whole = logsumexp if drawn else np.max
    scores = np.stack([whole(single[:, group], axis=1) for group in groups], 1)
    others = np.delete(scores, place, axis=1).max(1)
    logp = log_softmax(scores, 1)[:, place] if drawn else np.full(len(obs), np.nan)
    return scores[:, place] - others, logp


def _order(tried: Tried) -> tuple[bool, float, float]:
    """Those that make the agent take the action first, short moves before long ones."""
    takes = tried.margin > 0
    far = math.inf if math.isnan(tried.distance) else tried.distance
    return not takes, far if takes else 0.0, -tried.margin


def _data(tried: list[Tried], entities: Entities, env: str) -> xr.Dataset:
    columns: dict[str, Any] = {
        "told": [change_text(each.edit, entities, env) for each in tried],
        "kind": [each.edit.kind for each in tried],
        "identity": [each.edit.identity for each in tried],
        "entity": [each.kind for each in tried],
        "distance": [each.distance for each in tried],
        "margin": [each.margin for each in tried],
        "logp": [each.logp for each in tried],
        "x": [each.edit.values.get("x", math.nan) for each in tried],
        "y": [each.edit.values.get("y", math.nan) for each in tried],
    }
    return xr.Dataset({name: ("change", np.array(values)) for name, values in columns.items()})

"""Observations of recorded decisions where an entity is taken out of the scene."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from policyscope.attribution.asking.chosen import Chosen
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.progress import tell_progress
from policyscope.envs.entities import entity_name
from policyscope.envs.scene import SceneEdit
from policyscope.recordings.replays.scenes import Scene, scene_at
from policyscope.recordings.replays.worlds import Worlds


@dataclass(frozen=True, eq=False)
class Without:
    """Observations without somebody.

    Args:
        obs: (N, ...) each decision's observation, as recorded where nobody was taken out. Rows of
            vehicles stand where they were recorded, that of the one taken out is empty.
        who: plain words, e.g. ``vehicle 3`` or ``every coin``.
    """

    obs: Tensor
    who: str


def without(recording: Any, chosen: Chosen, who: str) -> Without:
    """Observe recorded decisions where an entity is taken out of the scene.

    Args:
        recording: an opened recording, of a world whose scenes can be changed.
        chosen: N decisions of it.
        who: identity of an entity, or a kind of which all are taken out.

    Raises:
        UnknownName: no scene has that kind of entity.
        PolicyscopeError: no scene has that identity, or it cannot be taken out of any.

    Cost: restores the world of each decision, replaying its episode once.
    """
    obs = chosen.decisions.obs.clone()
    known: set[tuple[int, str]] = set()
    taken, refusal = False, None
    worlds = Worlds()
    try:
        for row, (episode, step) in enumerate(zip(chosen.episode, chosen.step, strict=True)):
            tell_progress(row, len(obs), "scenes")
            with scene_at(recording, int(episode), int(step), worlds) as scene:
                there = _there(scene)
                known |= there
                edits = [
                    SceneEdit("remove", identity)
                    for identity, kind in sorted(there)
                    if who == (str(identity) if who.isdigit() else kind)
                ]
                if not edits:
                    continue
                try:
                    obs[row] = torch.from_numpy(seen_after(scene, edits, chosen, row)).to(obs)
                    taken = True
                except PolicyscopeError as error:
                    refusal = refusal or error
    finally:
        worlds.close()
    if not taken:
        raise refusal or _nobody(who, known)
    if not who.isdigit():
        return Without(obs, f"every {who}")
    kinds = {kind for identity, kind in known if identity == int(who)}
    return Without(obs, entity_name(kinds.pop() if len(kinds) == 1 else "entity", int(who)))


def seen_after(scene: Scene, edits: list[SceneEdit], chosen: Chosen, row: int) -> np.ndarray:
    """The observation of a decision after those edits of its scene that can be made.

    Args:
        scene: that of the decision.
        edits: which entities are taken out.
        chosen: decisions.
        row: which of them; rows of vehicles stand where they were recorded.

    Raises:
        PolicyscopeError: none of the edits can be made.
    """
    seen = _changed(scene, edits)
    if chosen.identity is not None and seen.ndim == 2:
        seen = _in_order(seen, chosen.identity[row], scene)
    return seen


def _changed(scene: Scene, edits: list[SceneEdit]) -> np.ndarray:
    """The observation after those edits that can be made: who is still seen may have left the road.

    Raises:
        PolicyscopeError: none of them can.
    """
    try:
        return scene.changed(edits)
    except PolicyscopeError:
        able = [edit for edit in edits if scene.observe([edit]) is not None]
        if not able:
            raise
        return scene.changed(able)


def _in_order(
    seen: Float[np.ndarray, "V F"], recorded: Int[np.ndarray, " V"], scene: Scene
) -> Float[np.ndarray, "V F"]:
    """Rows as they were recorded: whoever comes after the one taken out has moved up by one.

    Args:
        seen: rows of the changed scene.
        recorded: whom each row of the observation showed, -1 nobody.
        scene: as it was observed.
    """
    entities = scene.lane.entities()
    at = {int(i): int(r) for i, r in zip(entities.identity, entities.row, strict=True) if r >= 0}
    found, free = np.zeros_like(seen), []
    for slot, who in enumerate(recorded.tolist()):
        if who in at:
            found[slot] = seen[at.pop(who)]
        else:
            free.append(slot)
    free.sort(key=lambda slot: recorded[slot] >= 0)
    for slot, row in zip(free, at.values(), strict=False):  # who has come into sight
        found[slot] = seen[row]
    return found


def _there(scene: Scene) -> set[tuple[int, str]]:
    entities = scene.lane.entities()
    return {(int(i), str(k)) for i, k in zip(entities.identity, entities.kind, strict=True)}


def _nobody(who: str, known: set[tuple[int, str]]) -> PolicyscopeError:
    if not known:
        return PolicyscopeError(
            f"the scenes of these decisions have no entities, so none can be taken out; in place "
            f"of removed:{who} take another baseline: zero, mean or row:EPISODE:STEP"
        )
    if not who.isdigit():
        return UnknownName("kind of entity", who, sorted({kind for _, kind in known}))
    valid = ", ".join(str(identity) for identity, _ in sorted(known))
    return PolicyscopeError(
        f"nobody of identity {who} is in the scenes of these decisions; valid: {valid}"
    )

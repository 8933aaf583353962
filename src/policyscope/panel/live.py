"""Live questions: what would the agent do at this step, if ...?"""

import time
from contextlib import suppress
from typing import Any

import numpy as np

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.entities import Entities
from policyscope.panel.contract.live import (
    LiveAnswer,
    LiveEntity,
    LiveOverlay,
    LiveRequest,
    LiveTarget,
)
from policyscope.panel.scene import IMPORT, edits_python, scene_edits
from policyscope.panel.shelf.describe import shows_frames
from policyscope.panel.shelf.environment import large
from policyscope.panel.shelf.opening import opened
from policyscope.panel.shelf.pictures import address
from policyscope.panel.shelf.shelf import Shelf
from policyscope.panel.shelf.thumbnails import png
from policyscope.panel.views.built_in import patterns
from policyscope.recordings.read import Recording
from policyscope.recordings.replays import whatif
from policyscope.recordings.replays.whatif import Answer, sites_of_targets
from policyscope.recordings.replays.worlds import Worlds, key


def ask(shelf: Shelf, worlds: Worlds, question: LiveRequest) -> LiveAnswer:
    """Answer a question about a recording on the shelf; see ``answer``."""
    recording = shelf.recording(question.recording)
    return answer(recording, shelf.typed(recording.path), worlds, question)


def prepare(shelf: Shelf, worlds: Worlds, question: LiveRequest) -> None:
    """Bring the world to a question's step, so that the first change of its scene is quick.

    A world that cannot be restored is told of when the scene is changed.
    """
    recording = shelf.recording(question.recording)
    with suppress(PolicyscopeError), worlds.alone(recording) as world:
        course = worlds.course(recording, question.episode)
        world.at((key(recording), question.episode), course, question.step)


def answer(recording: Recording, path: str, worlds: Worlds, question: LiveRequest) -> LiveAnswer:
    """Ask the recorded agent at a changed step.

    Args:
        recording: an open recording.
        path: of its folder, as a user would type it.
        worlds: kept from one question to the next.
        question: what to change and what to tell.

    Raises:
        PolicyscopeError: a change that cannot be made, or a world that cannot be restored.
    """
    began = time.perf_counter()
    moved = bool(question.scene or question.actions)
    side = large(recording) if question.large and moved else None
    found = whatif.ask(
        recording,
        question.episode,
        question.step,
        scene_edits(question.scene),
        {tuple(change.index): change.value for change in question.observation},
        actions=question.actions,
        sites=sites_of_targets(question.targets),
        size=side or 0,
        worlds=worlds,
    )
    before, after = found.recorded, found.changed
    image = shows_frames(recording)
    seen = after.observation if after.picture is None else after.picture
    return LiveAnswer(
        action=_flat(after.action),
        recorded_action=_flat(before.action),
        recorded_best=_flat(found.recorded_best),
        outputs={name: _flat(value) for name, value in after.outputs.items()},
        recorded_outputs={name: _flat(value) for name, value in before.outputs.items()},
        observation=[] if image else short(after.observation),
        recorded_observation=[] if image else short(before.observation),
        picture=address(png(seen)) if image and moved else None,
        twin=found.twin,
        entities=_entities(after.entities),
        overlays=_overlays(recording, found),
        targets=[_target(found, text) for text in question.targets],
        python=python(recording, path, question),
        milliseconds=round((time.perf_counter() - began) * 1e3, 3),
    )


def python(recording: Recording, path: str, question: LiveRequest) -> str:
    """Lines of Python that ask the same.

    Args:
        recording: an open recording.
        path: of its folder, as a user would type it.
        question: what was asked.
    """
    edits = scene_edits(question.scene)
    numbers = {tuple(change.index): change.value for change in question.observation}
    sites = sites_of_targets(question.targets)
    given = [
        "recording",
        f"episode={question.episode}",
        f"step={question.step}",
        *([f"scene={edits_python(edits)}"] if edits else []),
        *([f"observation={numbers!r}"] if numbers else []),
        *([f"actions={question.actions!r}"] if question.actions else []),
        *([f"sites={sites!r}"] if sites else []),
    ]
    imports = [
        *([IMPORT] if edits else []),
        "from policyscope.recordings.replays.whatif import ask",
    ]
    asked = [
        f"answer = ask({', '.join(given)})",
        "answer.changed.outputs, answer.changed.action",
        *(f"answer.target({text!r})" for text in question.targets),
    ]
    return opened(recording, path, asked, imports)


def _flat(values: np.ndarray) -> list[float]:
    return [float(v) for v in short(np.atleast_1d(values).ravel())]


def short(values: np.ndarray) -> Any:
    """Nested numbers, each with the fewest digits that give back its float32."""
    if values.dtype == np.float32:
        values = values.astype(str).astype(np.float64)
    return values.tolist()


def _entities(entities: Entities) -> list[LiveEntity]:
    columns = {name: column.tolist() for name, column in entities.columns().items()}
    return [
        LiveEntity(**{name: column[i] for name, column in columns.items()})
        for i in range(len(entities))
    ]


def _overlays(recording: Recording, found: Answer) -> list[LiveOverlay]:
    sites, identity = found.changed.sites, found.changed.identity
    return [
        LiveOverlay(
            name=name,
            values=short(sites[name].reshape(-1, len(identity))),
            identity=identity.tolist(),
        )
        for name in patterns(recording)
    ]


def _target(found: Answer, text: str) -> LiveTarget:
    recorded, value = found.target(text)
    return LiveTarget(target=text, recorded=recorded, value=value)

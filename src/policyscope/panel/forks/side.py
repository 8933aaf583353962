"""One side of a fork as an episode: the recorded rows up to its step, then those it played.

Letters: S recorded steps before the fork, F played ones.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from policyscope.panel.shelf.entity_columns import COLUMNS
from policyscope.panel.shelf.entity_columns import Entities as Columns
from policyscope.panel.shelf.episode_file import EpisodeFile, Part, concatenate, sendable
from policyscope.recordings.replays.replay import Course
from policyscope.rollouts.loop import Row


def played(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """What F rows hold as arrays: action, reward, obs and the outputs."""
    return {
        "action": np.stack([row.action for row in rows]),
        "reward": np.array([row.reward for row in rows]),
        "obs": np.stack([row.obs for row in rows]),
        **{name: np.stack([row.outputs[name] for row in rows]) for name in rows[0].outputs},
    }


def side_file(
    course: Course,
    step: int,
    scene: Columns,
    rows: Sequence[Row],
    values: Mapping[str, np.ndarray],
) -> EpisodeFile:
    """The arrays of one side.

    Args:
        course: the recorded episode.
        step: S, that the fork began at.
        scene: entities of the recorded episode.
        rows: F rows that were played, with their scenes.
        values: of ``played``.
    """
    outputs = rows[0].outputs
    parts = [
        _part(f"outputs/{name}" if name in outputs else name, course.columns[name][:step], after)
        for name, after in values.items()
    ]
    columns, kinds = _entities(scene, step, rows)
    told = [_part(f"entities/{name}", each[:0], each) for name, each in columns.items()]
    parts.sort(key=lambda part: (part.name == "obs", part.bytes, part.name))
    return concatenate([*told, *parts], kinds)


def _part(name: str, before: np.ndarray, after: np.ndarray) -> Part:
    shape = (len(before) + len(after), *after.shape[1:])
    return Part(name, sendable(after.dtype), shape, 0, _rows(before, after))


def _rows(before: np.ndarray, after: np.ndarray) -> Callable[[int, int], np.ndarray]:
    return partial(_joined, before, after)


def _joined(before: np.ndarray, after: np.ndarray, low: int, high: int) -> np.ndarray:
    first = before[low:high]
    then = after[max(low - len(before), 0) : max(high - len(before), 0)]
    return np.concatenate([first, then]) if len(first) else then


def _entities(
    scene: Columns, step: int, rows: Sequence[Row]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Columns of the scenes before every step, and the names of kinds."""
    last = int(np.searchsorted(scene.columns["step"], step))
    before = {name: values[:last] for name, values in scene.columns.items()}
    kinds = {name: code for code, name in enumerate(scene.kinds)}
    after: dict[str, list] = {name: [before[name]] for name in COLUMNS}
    for row in rows:
        if row.entities is None or not len(row.entities):
            continue
        columns = row.entities.columns()
        codes = [kinds.setdefault(str(kind), len(kinds)) for kind in columns["kind"]]
        told = {**columns, "kind": codes, "step": np.full(len(row.entities), row.step)}
        for name, dtype in COLUMNS.items():
            after[name].append(np.asarray(told[name]).astype(dtype))
    return {name: np.concatenate(parts) for name, parts in after.items()}, list(kinds)

"""Read what rl_clarity kept beside a model: ``observations.jd`` and ``trajectories.jd``.

Trajectories are stretches of T steps of several worlds that run on from episode to episode;
``firsts`` marks where one begins. Row t holds the observation before the step, the action, and the
reward of that step. Observations alone are scenes far apart in time, without actions.
(understanding-rl-vision ``loading.save_trajectories`` and ``save_observations``.)
"""

from pathlib import Path
from typing import Any

import numpy as np

from policyscope.core.errors import BadFile
from policyscope.core.pickled_data import read_pickled
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space
from policyscope.recordings.importers.spaces import seen_space
from policyscope.recordings.importers.trajectory import Kept, Trajectory

LINEAGE = "rl_clarity, trajectories"
OBSERVATIONS = "rl_clarity, observations"
_COLUMNS = ("observations", "actions", "rewards", "firsts")
_KNOWN = {*_COLUMNS, "observations_full"}
_MOST_ACTIONS = 4096


def read_rollouts(path: str | Path, env: EnvSpec | None = None) -> Kept:
    """Episodes of a file with trajectories, or the observations of one with nothing else.

    Args:
        path: an uncompressed joblib file. Nothing in it is unpickled.
        env: the environment they are of, which the file does not say.

    Raises:
        BadFile: damaged, something else, or parts that do not fit together.
        PolicyscopeError: the environment does not fit.
    """
    path = Path(path)
    values = read_pickled(path)
    if not holds_rollouts(values):
        raise BadFile(path, "holds no 'observations' that are images of uint8")
    notes = [] if "observations_full" not in values else ["left out: observations_full"]
    if unread := [key for key in values if key not in _KNOWN]:
        notes.append(f"left out: {', '.join(ascii(key)[:40] for key in unread[:5])}")
    if "actions" not in values:
        return _observations(values["observations"], path, env, notes)
    return _trajectories(values, path, env, notes)


def holds_rollouts(values: Any) -> bool:
    """Whether values of a file are observations, alone or with what was done.

    Example:
        >>> holds_rollouts({"params": {}, "args": {}})
        False
    """
    seen = values.get("observations") if isinstance(values, dict) else None
    return isinstance(seen, np.ndarray) and seen.dtype == np.uint8 and seen.ndim in (4, 5)


def _observations(obs: np.ndarray, path: Path, env: EnvSpec | None, notes: list[str]) -> Kept:
    if obs.ndim != 4 or not obs.size:
        raise BadFile(path, f"its observations are {obs.shape}, not images")
    notes.append("every observation is an episode of one step: they are far apart in time")
    notes.append("actions and rewards were not kept: action is -1, reward no number")
    wanted = Space(obs.shape[1:], "uint8")
    space, env = seen_space(wanted, env, np.zeros(1, np.int64))
    action, reward = np.full(1, -1, np.int64), np.full(1, np.nan)
    parts = [Trajectory(image, action, reward, whole=False) for image in obs[:, None]]
    named = Space(wanted.obs_shape, "uint8", rows=space.rows, features=space.features)
    return Kept(OBSERVATIONS, parts, named, env, tuple(notes))


def _trajectories(
    values: dict[Any, Any], path: Path, env: EnvSpec | None, notes: list[str]
) -> Kept:
    columns: list[Any] = [values.get(name) for name in _COLUMNS]
    obs, actions, rewards, firsts = columns
    for name, array in (("actions", actions), ("rewards", rewards), ("firsts", firsts)):
        if not isinstance(array, np.ndarray) or obs.ndim != 5 or array.shape != obs.shape[:2]:
            found = array.shape if isinstance(array, np.ndarray) else "no array"
            told = f"its {name} are {found}, its observations {obs.shape}"
            raise BadFile(path, f"does not fit together: {told}")
    if actions.dtype.kind not in "iu" or not actions.size:
        raise BadFile(path, "has actions that are no numbers of actions")
    if actions.min() < 0 or actions.max() >= _MOST_ACTIONS:
        raise BadFile(path, f"has actions from {actions.min()} to {actions.max()}")
    wanted = Space(obs.shape[2:], "uint8", actions=tuple(map(str, range(actions.max() + 1))))
    actions = actions.astype(np.int64)
    space, env = seen_space(wanted, env, actions.reshape(-1))
    parts: list[Trajectory] = []
    begun: list[int] = []
    for lane, marks in enumerate(firsts.astype(bool)):
        starts = [0, *(np.flatnonzero(marks[1:]) + 1).tolist(), len(marks)]
        for start, stop in zip(starts, starts[1:], strict=False):
            headless, ended = not start and not marks[0], stop < len(marks)
            if headless:
                begun.append(len(parts))
            rows, outcome = (lane, slice(start, stop)), "terminated" if ended else ""
            whole = ended and not headless
            parts.append(Trajectory(obs[rows], actions[rows], rewards[rows], outcome, whole=whole))
    if begun:
        told = ", ".join(map(str, begun[:20])) + (", ..." if len(begun) > 20 else "")
        notes.append(f"the beginning is missing of the episodes {told}")
    notes.append("an episode without an outcome was cut; terminated may be a time limit too")
    return Kept(LINEAGE, parts, space, env, tuple(notes))

"""Read rollouts of the library imitation (``.npz``): obs, acts, rews, terminal, indices, infos.

All trajectories lie one after the other; ``indices`` says where one ends among the actions. ``obs``
has one more entry a trajectory, the observation after its last step. ``infos`` are pickled objects
and are never opened. (imitation ``data.types.save``, from before its datasets format.)
"""

import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np

from policyscope.agents.importers.files import check_archive
from policyscope.core.errors import BadFile
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space
from policyscope.recordings.importers.spaces import seen_space
from policyscope.recordings.importers.trajectory import Kept, Trajectory

LINEAGE = "imitation, rollouts"
NEEDED = ("obs", "acts", "terminal", "indices")
_KNOWN = (*NEEDED, "rews", "infos")
_NUMBERS = "fiub"


def read_rollouts(path: str | Path, env: EnvSpec | None = None) -> Kept:
    """Episodes of an ``.npz`` file. Nothing in it is unpickled.

    Args:
        path: what ``numpy.savez`` wrote of obs, acts, terminal, indices and, if known, rews.
        env: the environment they are of, which the file does not say.

    Raises:
        BadFile: damaged, something else, or parts that do not fit together.
        PolicyscopeError: the environment does not fit.

    Example:
        ``read_rollouts("rollouts/final.npz", EnvSpec("gym:CartPole-v1")).episodes[0].reward``
    """
    path = Path(path)
    held = [name.removesuffix(".npy") for name in check_archive(path)]
    if missing := [name for name in NEEDED if name not in held]:
        raise BadFile(path, f"is no rollouts of imitation: it has no {', '.join(missing)}")
    obs, acts, terminal, indices = (_array(path, name) for name in NEEDED)
    notes = []
    if "infos" in held:
        notes.append("left out: infos, pickled objects, which are never opened")
    if unread := [name for name in held if name not in _KNOWN]:
        notes.append(f"left out: {', '.join(ascii(name)[1:-1][:40] for name in unread[:5])}")
    if "rews" in held:
        rewards = _array(path, "rews")
    else:
        rewards = np.full(len(acts) if acts.ndim else 0, np.nan)
        notes.append("the file holds no rewards")
    bounds = _bounds(indices, len(acts) if acts.ndim else 0, path)
    episodes = len(bounds) - 1
    for name, array, expected in (
        ("obs", obs, len(acts) + episodes), ("rews", rewards, len(acts)),
        ("terminal", terminal, episodes),
    ):  # fmt: skip
        if array.ndim < 1 or len(array) != expected:
            told = f"{len(array) if array.ndim else 'no row of'} {name}, expected {expected}"
            raise BadFile(path, f"does not fit together: {told}")
    if rewards.ndim != 1 or terminal.ndim != 1 or acts.ndim > 2:
        raise BadFile(path, "has rewards, ends or actions of several axes, which have no import")
    acts, wanted = _actions(acts, obs, path, notes)
    space, env = seen_space(wanted, env, acts)
    parts = [
        Trajectory(
            obs[first + k : last + k], acts[first:last], rewards[first:last],
            "terminated" if terminal[k] else "truncated", obs[last + k],
        )
        for k, (first, last) in enumerate(pairwise(bounds))
    ]  # fmt: skip
    return Kept(LINEAGE, parts, space, env, tuple(notes))


def _bounds(indices: np.ndarray, rows: int, path: Path) -> list[int]:
    """Where trajectories begin among the actions, and the end of the last."""
    if indices.ndim != 1 or indices.dtype.kind not in "iuf":
        raise BadFile(path, "its indices are no list of numbers")
    bounds = [0, *indices.astype(np.int64).tolist(), rows]
    if any(later <= earlier for earlier, later in pairwise(bounds)):
        raise BadFile(path, f"its indices do not rise from 0 to the {rows} actions")
    return bounds


def _actions(
    acts: np.ndarray, obs: np.ndarray, path: Path, notes: list[str]
) -> tuple[np.ndarray, Space]:
    shape, dtype = obs.shape[1:], obs.dtype.name
    if acts.dtype.kind in "iu" and (acts.ndim == 1 or acts.shape[1] == 1):
        acts = acts.reshape(-1).astype(np.int64)
        if acts.min() < 0 or acts.max() >= 4096:
            raise BadFile(path, f"has actions from {acts.min()} to {acts.max()}")
        return acts, Space(shape, dtype, actions=tuple(map(str, range(acts.max() + 1))))
    if acts.dtype.kind != "f" or not np.isfinite(acts).all():
        raise BadFile(path, "has actions that are neither numbers of actions nor finite numbers")
    acts = acts.reshape(len(acts), -1)
    notes.append("bounds of the actions are the range of those in the file, unless --env says them")
    low, high = (tuple(map(float, f(acts, axis=0))) for f in (np.min, np.max))
    return acts, Space(shape, dtype, action_low=low, action_high=high)


def _array(path: Path, name: str) -> np.ndarray:
    """An array of numbers, whose size is checked before any memory is asked for.

    Raises:
        BadFile: damaged, or objects, which only unpickling could read.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                header = np.lib.format.read_array_header_2_0
            shape, fortran, dtype = header(file)
            if dtype.kind not in _NUMBERS or dtype.fields:
                told = "pickled objects" if dtype.hasobject else ascii(str(dtype))[1:-1][:40]
                raise BadFile(path, f"its {name} are {told}, not numbers")
            data = file.read()
            if len(data) != int(np.prod(shape, dtype=object)) * dtype.itemsize:
                raise BadFile(path, f"its {name} have {len(data):,} bytes, not those of {shape}")
            array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
            return array.astype(dtype.newbyteorder("="))
    except BadFile:
        raise
    except Exception as error:  # damaged bytes can break the reader in any way
        told = " ".join(str(error).split())[:120] or type(error).__name__
        raise BadFile(path, f"its {name} cannot be read: {told}") from None

"""Read a dataset of the library Minari: ``metadata.json`` and its episodes, HDF5 or Arrow.

Observations have one more entry than actions, the one after the last step. An environment that a
dataset describes by where its code lies is never made: that would run what the file names.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from policyscope.core.errors import BadFile, MissingPart, PolicyscopeError
from policyscope.core.files import read_json
from policyscope.core.registry import names
from policyscope.envs.gym_spaces import describe
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space
from policyscope.recordings.importers.spaces import seen_space
from policyscope.recordings.importers.trajectory import Kept, Trajectory, Unread
from policyscope.recordings.plan import NO_SEED

LINEAGE = "Minari, dataset"
#: Entry of the metadata with what Minari has no place for, and its version.
OURS, VERSION = "policyscope", 1
_SPACES = ("observation_space", "action_space")


def read_dataset(path: str | Path, env: EnvSpec | None = None) -> Kept:
    """Episodes of a Minari dataset, read one by one. No code that it names is run.

    Args:
        path: the dataset's folder, or ``data`` in it.
        env: the environment they are of; default is the one the dataset names, if it is known here.

    Raises:
        MissingPart: minari is not installed.
        BadFile: damaged, something else, or parts that do not fit together.
        PolicyscopeError: spaces of another kind, or the environment does not fit.

    Example:
        ``read_dataset("datasets/cartpole-v0").episodes[0].obs``
    """
    folder = dataset_folder(Path(path))
    if folder is None:
        raise BadFile(path, "is no Minari dataset: it holds no metadata.json")
    told = read_json(folder / "metadata.json")
    storage, seen, done = _opened(folder, told)
    ours = told.get(OURS) if isinstance(told.get(OURS), dict) else {}
    if ours and ours.get("version") != VERSION:
        raise BadFile(
            folder, f"was exported in version {ours.get('version')}, this reads {VERSION}"
        )
    notes: list[str] = []
    lines = _lines(folder, storage)
    first = _held(folder, storage, 0)
    space, env = _environment(_named(describe(seen, done), ours), env, told, ours, notes)
    kept_infos = [name for name in ours.get("infos", ()) if name in _flat(first["infos"] or {})]
    if left := sorted(set(_flat(first["infos"] or {})) - set(kept_infos)):
        shown = ", ".join(ascii(name)[1:-1][:40] for name in left[:5])
        notes.append(f"left out: infos {shown}{', ...' if len(left) > 5 else ''}")
    if _pictures(seen) and told.get("jpeg_encoding", True):
        notes.append("frames were kept as JPEG: they differ a little from those that were seen")

    def read(place: int) -> Trajectory:
        held = _held(folder, storage, place)
        return _trajectory(held, lines[place], done, bool(ours), kept_infos, folder)

    episodes = Unread([int(line["total_steps"]) for line in lines], read)
    return Kept(LINEAGE, episodes, space, env, tuple(notes), _seed(lines))


def dataset_folder(path: Path) -> Path | None:
    """Folder of a dataset's files: the one given or ``data`` in it; None where neither is one."""
    for folder in (path, path / "data"):
        if (folder / "metadata.json").is_file():
            try:
                told = read_json(folder / "metadata.json")
            except BadFile:
                continue
            if isinstance(told, dict) and "data_format" in told:
                return folder
    return None


def _opened(folder: Path, told: dict[str, Any]) -> tuple[Any, spaces.Space, spaces.Space]:
    """The dataset's storage and its spaces, which have to be written out in it."""
    try:
        from minari.dataset.minari_storage import MinariStorage
        from minari.serialization import deserialize_space
    except ImportError:
        raise MissingPart("minari", "minari") from None
    if missing := [name for name in _SPACES if not isinstance(told.get(name), str)]:
        told_of = " and ".join(missing).replace("_", " ")
        cause = f"refused: its {told_of} can be had only by running the environment it names"
        raise BadFile(folder, cause)
    try:
        seen, done = (deserialize_space(told[name]) for name in _SPACES)
    except Exception as error:
        raise BadFile(folder, f"its spaces cannot be read: {_line(error)}") from None
    if told["data_format"] == "hdf5":
        _refuse_links(folder / "main_data.hdf5")
    try:
        return MinariStorage.read(folder), seen, done
    except Exception as error:
        raise BadFile(folder, f"cannot be read: {_line(error)}") from None


def _refuse_links(path: Path) -> None:
    """Refuse parts that lie in other files, which HDF5 would open by itself."""
    import h5py

    def look(group: Any) -> None:
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise BadFile(path, f"refused: {group.name}/{name} is a link")
            part = group[name]
            if isinstance(part, h5py.Group):
                look(part)
            elif part.external or part.is_virtual:
                raise BadFile(path, f"refused: {part.name} lies in other files")

    try:
        with h5py.File(path, "r") as file:
            look(file)
    except BadFile:
        raise
    except Exception as error:
        raise BadFile(path, f"cannot be read: {_line(error)}") from None


def _lines(folder: Path, storage: Any) -> list[dict[str, Any]]:
    try:
        lines = list(storage.get_episode_metadata(range(storage.total_episodes)))
        whole = all(int(line["total_steps"]) > 0 for line in lines)
    except Exception as error:
        raise BadFile(folder, f"its episodes cannot be read: {_line(error)}") from None
    if not lines or not whole:
        raise BadFile(folder, "holds no episode, or one without a step")
    return lines


def _held(folder: Path, storage: Any, place: int) -> dict[str, Any]:
    try:
        return next(iter(storage.get_episodes([place])))
    except Exception as error:
        raise BadFile(folder, f"episode {place} cannot be read: {_line(error)}") from None


def _trajectory(
    held: dict[str, Any],
    line: Mapping[str, Any],
    done: spaces.Space,
    ours: bool,
    infos: list[str],
    folder: Path,
) -> Trajectory:
    steps = int(line["total_steps"])
    obs = np.asarray(held["observations"])
    flags = [np.asarray(held[name]).astype(bool) for name in ("terminations", "truncations")]
    reward, action = np.asarray(held["rewards"], float), _actions(held["actions"], done)
    lengths = {len(action), reward.size, flags[0].size, flags[1].size}
    if lengths != {steps} or len(obs) not in (steps, steps + 1):
        told = f"{len(obs)} observations, {len(action)} actions, {reward.size} rewards"
        raise BadFile(folder, f"episode {held['id']} does not fit together: {told}")
    if flags[0][:-1].any() or flags[1][:-1].any():
        raise BadFile(folder, f"episode {held['id']} has an end before its last step")
    ends = bool(flags[0][-1]), bool(flags[1][-1])
    words = [w for w, holds in zip(("terminated", "truncated"), ends, strict=True) if holds]
    outcome = _text(line["outcome"]) if ours and "outcome" in line else "+".join(words)
    final = len(obs) > steps and bool(line.get("has_final_obs", True))
    columns = {name: array[:steps] for name, array in _flat(held["infos"] or {}).items()}
    if lacking := [name for name in infos if name not in columns]:
        raise BadFile(folder, f"episode {held['id']} has no infos {', '.join(lacking)}")
    plain = ("logp", "state_in")
    return Trajectory(
        obs[:steps],
        action,
        reward.reshape(-1),
        outcome,
        obs[steps] if final else None,
        whole=bool(words) and bool(outcome),
        ends=ends if words else (False, True),
        logp=columns["logp"] if "logp" in infos else None,
        outputs={n: columns[n] for n in infos if n not in plain and not n.startswith("sites/")},
        sites={n.removeprefix("sites/"): columns[n] for n in infos if n.startswith("sites/")},
        state_in=columns["state_in"] if "state_in" in infos else None,
        seed=None if line.get("seed") is None else int(line["seed"]),
        source=folder,
    )


def _actions(actions: Any, space: spaces.Space) -> np.ndarray:
    """Numbers of actions counted from 0, or (T, D) numbers."""
    values = np.asarray(actions)
    if isinstance(space, spaces.Discrete):
        return values.reshape(len(values)).astype(np.int64) - int(space.start)
    if isinstance(space, spaces.MultiDiscrete):
        each = values.reshape(len(values), -1).astype(np.int64) - space.start.ravel()
        return np.ravel_multi_index(tuple(each.T), tuple(space.nvec.ravel())).astype(np.int64)
    return values.reshape(len(values), -1)


def _named(space: Space, ours: Mapping[str, Any]) -> Space:
    """A space with the names that a dataset of ours keeps, where there are as many as things."""
    axes = {
        "rows": space.obs_shape[:1], "features": space.obs_shape[-1:],
        "actions": (len(space.actions),),
    }  # fmt: skip
    told: Any = ours.get("names")
    if not isinstance(told, dict):
        return space
    fitting: dict[str, Any] = {
        kind: tuple(map(str, told[kind]))
        for kind, count in axes.items()
        if isinstance(told.get(kind), list) and told[kind] and (len(told[kind]),) == tuple(count)
    }
    return replace(space, **fitting)


def _environment(
    space: Space,
    env: EnvSpec | None,
    told: Mapping[str, Any],
    ours: Mapping[str, Any],
    notes: list[str],
) -> tuple[Space, EnvSpec | None]:
    """The environment given, else the one that the dataset names if it is one known here."""
    some = np.zeros((1, len(space.action_low))) if space.action_low else np.zeros(1, np.int64)
    if env is not None:
        return seen_space(space, env, some)
    named = _env_named(told, ours)
    if named is None:
        return space, None
    try:
        return seen_space(space, named, some)
    except PolicyscopeError as error:
        notes.append(f"the environment it names was not taken: {error}")
        return space, None


def _env_named(told: Mapping[str, Any], ours: Mapping[str, Any]) -> EnvSpec | None:
    """A registered environment; never one that is named by the module its code lies in."""
    env = ours.get("env")
    if isinstance(env, dict) and isinstance(env.get("id"), str):
        options = env.get("options")
        spec = EnvSpec(env["id"], options if isinstance(options, dict) else {})
    else:
        try:
            described = json.loads(told["env_spec"])
            spec = EnvSpec("gym:" + described["id"], dict(described.get("kwargs") or {}))
        except (KeyError, TypeError, ValueError):
            return None
    gym = spec.id.startswith("gym:") and ":" not in spec.id.removeprefix("gym:")
    return spec if gym or spec.id in names("environment") else None


def _seed(lines: list[dict[str, Any]]) -> int:
    seeds = [int(line["seed"]) for line in lines if line.get("seed") is not None]
    rising = all(b == a + 1 for a, b in pairwise(seeds))
    return seeds[0] if seeds and rising and len(seeds) == len(lines) else NO_SEED


def _flat(infos: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Infos by their names, those of groups joined with slashes."""
    found: dict[str, Any] = {}
    for name, value in infos.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{above}{name}/")
        else:
            found[f"{above}{name}"] = value
    return found


def _pictures(space: spaces.Space) -> bool:
    from minari.dataset.minari_storage import is_image_space

    return bool(is_image_space(space))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__

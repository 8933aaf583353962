"""A recording as a dataset of the library Minari, one episode in memory at a time."""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from policyscope.core.errors import BadFile, MissingPart, PolicyscopeError, UnknownName
from policyscope.core.files import atomic_folder, read_json
from policyscope.envs.stepper import Space
from policyscope.recordings.arrays.steps import of_episode
from policyscope.recordings.importers.minari import OURS, VERSION
from policyscope.recordings.plan import UNKNOWN
from policyscope.recordings.read import Recording

#: Stands for all outputs of the network in a list of infos.
OUTPUTS = "outputs"
_NAME = re.compile(r"[-\w]+?-v\d+")
_OWN = ("episode", "step", "obs", "action", "reward", "terminated", "truncated")


@dataclass(frozen=True)
class Written:
    """What was written.

    Args:
        path: the dataset's folder, whose name is its id.
        episodes: how many.
        steps: of all of them.
        repeated: episodes whose last observation stands twice, for the one after it is not known.
    """

    path: Path
    episodes: int
    steps: int
    repeated: int

    @property
    def load(self) -> str:
        """How Python loads it."""
        around = shlex.quote(str(self.path.resolve().parent))
        return f"MINARI_DATASETS_PATH={around} python -c \"import minari; "\
            f"minari.load_dataset('{self.path.name}')\""  # fmt: skip


def write_dataset(
    recording: Recording,
    out: str | Path,
    infos: Sequence[str] = (),
    episodes: Sequence[int] | None = None,
    progress: Callable[[], None] | None = None,
) -> Written:
    """Write episodes as a Minari dataset; nothing is written anywhere but under ``out``.

    Frames are kept as they are, not as JPEG. The observation after the last step stands behind the
    others; where it is not known the last one stands there again, and the metadata says so.

    Args:
        recording: an open recording.
        out: the dataset's folder; its name is the id and ends with a version, e.g. ``coinrun-v0``.
        infos: columns to write as infos: ``outputs`` for all outputs, or names such as value, logp,
            state_in (memory) or ``sites/NAME``. The last entry of each is NaN, or 0 for whole
            numbers: nothing was computed from the observation after the end.
        episodes: numbers of episodes; all by default.
        progress: called after each episode.

    Raises:
        MissingPart: minari is not installed.
        UnknownName: no such column or episode.
        BadFile: the name has no version, or something is there already.

    Cost: reads each episode once; Minari keeps numbers uncompressed.

    Example:
        ``write_dataset(rec, "datasets/cartpole-v0", ["outputs"])``
    """
    try:
        from minari import __version__
        from minari.dataset.minari_storage import MinariStorage
    except ImportError:
        raise MissingPart("minari", "minari") from None
    out = Path(out).absolute()  # Minari joins a relative path with itself
    if not _NAME.fullmatch(out.name):
        mend = f"name it {out.name or 'dataset'}-v0"
        raise BadFile(out, "a Minari dataset's name is letters and digits and a version", mend)
    if out.exists():
        raise BadFile(out, "exists already", "delete it first, or choose another --out")
    names = _columns(recording, infos)
    numbers = (
        recording.episodes["episode"].tolist() if episodes is None else [*dict.fromkeys(episodes)]
    )
    lines = [recording.line(k) for k in numbers]
    if not lines:
        raise PolicyscopeError("the recording holds no finished episode")
    with atomic_folder(out) as folder:
        storage = MinariStorage.new(
            folder / "data",
            _observations(recording.space),
            _actions(recording.space),
            _env_spec(recording),
            jpeg_encoding=False,
        )
        storage.update_metadata({
            "dataset_id": out.name,
            "minari_version": __version__,
            "algorithm_name": _algorithm(recording),
            OURS: _ours(recording, names),
        })  # fmt: skip
        attributes: list[dict[str, Any]] = []
        buffers = _buffers(recording, numbers, names, attributes)
        storage.update_episodes(_told(buffers, progress))
        storage.update_episode_metadata(attributes)
    steps = sum(int(line["steps"]) for line in lines)
    repeated = sum(not a["has_final_obs"] for a in attributes)
    return Written(out, len(lines), steps, repeated)


def _columns(recording: Recording, infos: Sequence[str]) -> list[str]:
    valid = [name for name in recording.names if name not in _OWN]
    chosen: list[str] = []
    for name in infos:
        if name != OUTPUTS and name not in valid:
            raise UnknownName("info", name, [OUTPUTS, *valid])
        chosen += recording.outputs if name == OUTPUTS else [name]
    return list(dict.fromkeys(chosen))


def _buffers(
    recording: Recording, numbers: Sequence[int], names: list[str], attributes: list[dict[str, Any]]
) -> Iterator[Any]:
    """Episodes as Minari takes them; what it has no place for goes to ``attributes``."""
    from minari.data_collector.episode_buffer import EpisodeBuffer

    for place, k in enumerate(numbers):
        steps, line = of_episode(recording, k), recording.line(k)
        obs, final = steps.column("obs"), _final(recording, k)
        outcome = str(line["outcome"])
        attributes.append(
            {"outcome": outcome, "episode": int(k), "has_final_obs": final is not None}
        )
        seed = line["seed"]
        infos: dict[str, Any] = {}
        for name in names:
            group, _, short = name.rpartition("/")
            inside = infos.setdefault(group, {}) if group else infos
            inside[short] = _and_one_more(steps.column(name))
        yield EpisodeBuffer(
            id=place,
            seed=int(seed) if seed == seed and seed is not None and seed >= 0 else None,
            observations=np.concatenate([obs, (obs[-1] if final is None else final)[None]]),
            actions=steps.column("action"),
            rewards=steps.column("reward"),
            terminations=steps.column("terminated"),
            truncations=steps.column("truncated"),
            infos=infos or None,
        )


def _told(buffers: Iterator[Any], progress: Callable[[], None] | None) -> Iterator[Any]:
    for buffer in buffers:
        yield buffer
        if progress:
            progress()


def _final(recording: Recording, k: int) -> np.ndarray | None:
    shard, _ = recording.place(k)
    position, _ = shard.span(k)
    if not shard.array("has_final_obs")[position]:
        return None
    return shard.array("final_obs", slice(position, position + 1))[0]


def _and_one_more(column: np.ndarray) -> np.ndarray:
    """A column with an entry for the observation after the last step, of which nothing is known."""
    nothing = np.nan if column.dtype.kind == "f" else 0
    return np.concatenate([column, np.full((1, *column.shape[1:]), nothing, column.dtype)])


def _observations(space: Space) -> spaces.Box:
    """Bounds of the type: a recording does not keep those of the environment."""
    dtype = np.dtype(space.obs_dtype)
    low, high = (0.0, 1.0) if dtype.kind == "b" else (-np.inf, np.inf)
    if dtype.kind in "iu":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return spaces.Box(low, high, space.obs_shape, dtype.type)


def _actions(space: Space) -> spaces.Space:
    if space.actions:
        return spaces.Discrete(len(space.actions))
    if not space.action_low:
        raise PolicyscopeError("the recording holds no actions, which a Minari dataset needs")
    return spaces.Box(
        np.array(space.action_low, np.float32), np.array(space.action_high, np.float32)
    )


def _env_spec(recording: Recording) -> Any:
    """Gymnasium's description, from which Minari makes the environment; None for our own."""
    if not recording.env.id.startswith("gym:"):
        return None
    try:
        found = deepcopy(gym.spec(recording.env.id.removeprefix("gym:")))
    except gym.error.Error:
        return None
    options = dict(recording.env.options)
    found.max_episode_steps = options.pop("max_episode_steps", found.max_episode_steps)
    found.kwargs = {**found.kwargs, **options}
    return found


def _algorithm(recording: Recording) -> str:
    if recording.act == UNKNOWN:
        return UNKNOWN
    card = read_json(recording.path / "agent" / "agent.json")
    return f"{card['network']['name']}, {recording.act}"


def _ours(recording: Recording, infos: list[str]) -> dict[str, Any]:
    """What Minari has no place for, so that an import gives the same recording."""
    space = recording.space
    return {
        "version": VERSION,
        "env": recording.env.to_json(),
        "names": {
            "rows": list(space.rows),
            "features": list(space.features),
            "actions": list(space.actions),
        },
        "act": recording.act,
        "infos": infos,
        "final_observation": "where has_final_obs of an episode is false, the last one repeated",
        "provenance": recording.provenance,
    }

"""Episodes of other programs as a recording: what was seen, done and earned, by a policy unknown.

Such a recording has no ``agent`` folder, no outputs and no sites, and its episodes have no seed.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa

from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space
from policyscope.recordings.plan import NO_SEED, UNKNOWN, Plan, write_header
from policyscope.recordings.shards.gather import ENTITY_COLUMNS, Columns, episode_table
from policyscope.recordings.shards.store import rebuild_episodes, write_shard

#: Bytes of a shard, about, and episodes at most.
SHARD_BYTES, SHARD_EPISODES = 2**25, 1024
_APART = "import episodes of different agents or worlds apart"


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One episode, or a piece of one, of T steps.

    Args:
        obs: (T, ...) before each step.
        action: (T,) or (T, D) executed.
        reward: (T,) of each step; NaN where the file does not say.
        outcome: why it ended; terminated for an end by the rules of the task. Empty where the
            piece was cut or nothing is said.
        final_obs: observation after the last step, where it is known.
        whole: whether it is an episode from its beginning to its end; a piece has no return.
        ends: whether it was terminated, whether truncated; None: the outcome says which.
        logp: (T,) log-probability of each action, where it is known.
        outputs: (T, ...) what the policy put out, by name; the same names in all episodes.
        sites: (T, ...) its activations, by name; the same names in all episodes.
        state_in: (T, H) its memory before each step, where it has one.
        seed: that the episode began from, where it is known.
        source: file or folder that it was read from, where it has one of its own.
    """

    obs: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    outcome: str = ""
    final_obs: np.ndarray | None = None
    whole: bool = True
    ends: tuple[bool, bool] | None = None
    logp: np.ndarray | None = None
    outputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    sites: Mapping[str, np.ndarray] = field(default_factory=dict)
    state_in: np.ndarray | None = None
    seed: int | None = None
    source: Path | None = None

    @property
    def flags(self) -> tuple[bool, bool]:
        """Whether the last step terminated it, and whether it was truncated there."""
        return self.ends or (self.outcome == "terminated", self.outcome != "terminated")

    def __len__(self) -> int:
        return len(self.action)


class Unread:
    """Episodes that are read from disk when they are asked for, and not kept.

    Args:
        lengths: steps of each.
        read: gives one by its place.
    """

    def __init__(self, lengths: Sequence[int], read: Callable[[int], Trajectory]):
        self.lengths, self._read = list(lengths), read

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, place: int) -> Trajectory: ...
    @overload
    def __getitem__(self, place: slice) -> list[Trajectory]: ...
    def __getitem__(self, place: int | slice) -> Trajectory | list[Trajectory]:
        if isinstance(place, slice):
            return [self._read(i) for i in range(*place.indices(len(self)))]
        return self._read(range(len(self))[place])

    def __iter__(self) -> Iterator[Trajectory]:
        return map(self._read, range(len(self)))


@dataclass(frozen=True, eq=False)
class Kept:
    """What a file of episodes holds.

    Args:
        lineage: who writes such files.
        episodes: in the file's order; ``Unread`` where they do not fit into memory.
        space: what was seen and done.
        env: the environment, where it is known.
        notes: what was left out or is not known, a sentence each.
        seed: of episode 0, where episode k began from ``seed + k``; -1 where that is not so.
    """

    lineage: str
    episodes: Sequence[Trajectory] | Unread
    space: Space
    env: EnvSpec | None = None
    notes: tuple[str, ...] = field(default=())
    seed: int = NO_SEED


def write_recording(kept: Kept, out: str | Path, provenance: dict[str, Any]) -> None:
    """Write episodes as a recording, whole or not at all.

    Args:
        kept: the episodes.
        out: folder of the recording; must not hold anything.
        provenance: where the recording comes from.

    Raises:
        BadFile: the folder holds something or cannot be written to, or an episode has other arrays
            than the first.
        PolicyscopeError: there is no episode.
    """
    out = Path(out)
    many = kept.episodes
    rows = sum(many.lengths) if isinstance(many, Unread) else sum(map(len, many))
    if not rows:
        raise PolicyscopeError("the file holds no episode of one step or more")
    plan = _plan(kept, rows)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise BadFile(out, "exists already", "choose another --out")
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    wanted = _layout(kept.episodes[0])
    part.mkdir(parents=True)
    try:
        for number in range(plan.shards):
            first = number * plan.shard_episodes
            mine = kept.episodes[first : first + plan.shard_episodes]
            for k, episode in enumerate(mine, first):
                _require_like_first(episode, k, wanted)
            write_shard(part, number, columns(mine, first, number, plan.env))
        rebuild_episodes(part, list(range(plan.shards)))
        write_header(part, plan, provenance)
        if out.exists():
            out.rmdir()
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _plan(kept: Kept, rows: int) -> Plan:
    first = kept.episodes[0]
    states = () if first.state_in is None else (first.state_in,)
    wide = (first.obs, *first.outputs.values(), *first.sites.values(), *states)
    row = sum(array[:1].nbytes for array in wide) + 64
    each = SHARD_BYTES * len(kept.episodes) // (rows * row)
    return Plan(
        env=kept.env or EnvSpec(UNKNOWN),
        space=kept.space,
        act=UNKNOWN,
        seed=kept.seed,
        episodes=len(kept.episodes),
        shard_episodes=max(1, min(each, SHARD_EPISODES)),
        lanes=1,
        sites={name: array.shape[1:] for name, array in first.sites.items()},
        outputs={name: array.shape[1:] for name, array in first.outputs.items()},
        scene={},
        weights="",
    )


def _layout(episode: Trajectory) -> dict[str, tuple[int, ...]]:
    """Shape of a step of each array, by its name in a shard."""
    arrays = {
        "obs": episode.obs,
        "action": episode.action,
        **{f"outputs/{name}": array for name, array in episode.outputs.items()},
        **{f"sites/{name}": array for name, array in episode.sites.items()},
        **({} if episode.state_in is None else {"state_in": episode.state_in}),
    }
    return {name: array.shape[1:] for name, array in arrays.items()}


def _require_like_first(episode: Trajectory, k: int, wanted: dict[str, tuple[int, ...]]) -> None:
    found = _layout(episode)
    for name in {**wanted, **found}:
        if found.get(name) != wanted.get(name):
            told = [
                f"of shape {layout[name]} a step" if name in layout else "missing"
                for layout in (found, wanted)
            ]
            cause = f"{name} of episode {k} is {told[0]}, of the first episode {told[1]}"
            raise BadFile(episode.source or "the episodes", cause, _APART)
    last = episode.final_obs
    if last is not None and last.shape != wanted["obs"]:
        cause = f"final_obs of episode {k} is of shape {last.shape}, obs of {wanted['obs']}"
        raise BadFile(episode.source or "the episodes", cause, _APART)


def _logp(episode: Trajectory) -> np.ndarray:
    return np.full(len(episode), np.nan) if episode.logp is None else episode.logp


def columns(episodes: Sequence[Trajectory], first: int, shard: int, env: EnvSpec) -> Columns:
    """What a shard holds of some episodes.

    Args:
        episodes: of the shard.
        first: number of the first one.
        shard: number of the shard.
        env: where, for the levels that seeds stand for.
    """
    counts = [len(e) for e in episodes]
    numbers = np.arange(first, first + len(episodes), dtype=np.int32)
    last = np.cumsum(counts) - 1
    flags = np.array([e.flags for e in episodes])
    terminated, truncated = np.zeros((2, sum(counts)), bool)
    terminated[last], truncated[last] = flags.T
    action = np.concatenate([e.action for e in episodes])
    arrays = {
        "episode": np.repeat(numbers, counts),
        "step": np.concatenate([np.arange(n, dtype=np.int32) for n in counts]),
        "obs": np.concatenate([e.obs for e in episodes]),
        "action": action,
        "policy_action": action,
        "logp": np.concatenate([_logp(e) for e in episodes]).astype(np.float32),
        "reward": np.concatenate([e.reward for e in episodes]).astype(np.float64),
        "terminated": terminated,
        "truncated": truncated,
        "final_obs": np.stack(
            [np.zeros_like(e.obs[0]) if e.final_obs is None else e.final_obs for e in episodes]
        ),
        "has_final_obs": np.array([e.final_obs is not None for e in episodes]),
    }
    for kind in ("outputs", "sites"):
        for name in getattr(episodes[0], kind):
            parts = [getattr(e, kind)[name] for e in episodes]
            arrays[f"{kind}/{name}"] = np.concatenate(parts).astype(np.float32)
    if episodes[0].state_in is not None:
        arrays["state_in"] = np.concatenate([e.state_in for e in episodes]).astype(np.float32)
    table = {
        "episode": numbers.tolist(),
        "seed": [e.seed for e in episodes],
        "steps": counts,
        "return": [float(e.reward.sum(dtype=np.float64)) if e.whole else np.nan for e in episodes],
        "outcome": [e.outcome for e in episodes],
        "terminated": flags[:, 0].tolist(),
        "truncated": flags[:, 1].tolist(),
        "shard": [shard] * len(episodes),
        "row": (last + 1 - counts).tolist(),
    }
    entities = pa.schema(list(ENTITY_COLUMNS.items())).empty_table()
    lines = [dict(zip(table, line, strict=True)) for line in zip(*table.values(), strict=True)]
    return Columns(arrays, entities, episode_table(lines, env))

"""Episodes of other programs as a recording: what was seen, done and earned, by a policy unknown.

Such a recording has no ``agent`` folder, no outputs and no sites, and its episodes have no seed.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.files import write_json
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space
from policyscope.recordings.gather import ENTITY_COLUMNS, EPISODE_COLUMNS, Columns
from policyscope.recordings.plan import NO_SEED, UNKNOWN, Plan
from policyscope.recordings.store import rebuild_episodes, write_shard

#: Bytes of a shard, about, and episodes at most.
SHARD_BYTES, SHARD_EPISODES = 2**25, 1024


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
    """

    obs: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    outcome: str = ""
    final_obs: np.ndarray | None = None
    whole: bool = True

    def __len__(self) -> int:
        return len(self.action)


@dataclass(frozen=True, eq=False)
class Kept:
    """What a file of episodes holds.

    Args:
        lineage: who writes such files.
        episodes: in the file's order.
        space: what was seen and done.
        env: the environment, where it is known.
        notes: what was left out or is not known, a sentence each.
    """

    lineage: str
    episodes: Sequence[Trajectory]
    space: Space
    env: EnvSpec | None = None
    notes: tuple[str, ...] = field(default=())


def write_recording(kept: Kept, out: str | Path, provenance: dict[str, Any]) -> None:
    """Write episodes as a recording, whole or not at all.

    Args:
        kept: the episodes.
        out: folder of the recording; must not hold anything.
        provenance: where the recording comes from.

    Raises:
        BadFile: the folder holds something, or cannot be written to.
        PolicyscopeError: there is no episode.
    """
    out = Path(out)
    rows = sum(map(len, kept.episodes))
    if not rows:
        raise PolicyscopeError("the file holds no episode of one step or more")
    plan = _plan(kept, rows)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise BadFile(out, "exists already", "choose another --out")
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        for number in range(plan.shards):
            first = number * plan.shard_episodes
            mine = kept.episodes[first : first + plan.shard_episodes]
            write_shard(part, number, columns(mine, first, number))
        rebuild_episodes(part, list(range(plan.shards)))
        write_json(part / "recording.json", {**plan.to_json(), "provenance": provenance})
        if out.exists():
            out.rmdir()
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _plan(kept: Kept, rows: int) -> Plan:
    row = kept.episodes[0].obs[:1].nbytes + 64
    each = SHARD_BYTES * len(kept.episodes) // (rows * row)
    return Plan(
        env=kept.env or EnvSpec(UNKNOWN),
        space=kept.space,
        act=UNKNOWN,
        seed=NO_SEED,
        episodes=len(kept.episodes),
        shard_episodes=max(1, min(each, SHARD_EPISODES)),
        lanes=1,
        sites={},
        outputs={},
        scene={},
        weights="",
    )


def columns(episodes: Sequence[Trajectory], first: int, shard: int) -> Columns:
    """What a shard holds of some episodes.

    Args:
        episodes: of the shard.
        first: number of the first one.
        shard: number of the shard.
    """
    counts = [len(e) for e in episodes]
    numbers = np.arange(first, first + len(episodes), dtype=np.int32)
    last = np.cumsum(counts) - 1
    ends = np.array([e.outcome == "terminated" for e in episodes])
    terminated, truncated = np.zeros(sum(counts), bool), np.zeros(sum(counts), bool)
    terminated[last[ends]], truncated[last[~ends]] = True, True
    action = np.concatenate([e.action for e in episodes])
    arrays = {
        "episode": np.repeat(numbers, counts),
        "step": np.concatenate([np.arange(n, dtype=np.int32) for n in counts]),
        "obs": np.concatenate([e.obs for e in episodes]),
        "action": action,
        "policy_action": action,
        "logp": np.full(len(action), np.nan, np.float32),
        "reward": np.concatenate([e.reward for e in episodes]).astype(np.float64),
        "terminated": terminated,
        "truncated": truncated,
        "final_obs": np.stack(
            [np.zeros_like(e.obs[0]) if e.final_obs is None else e.final_obs for e in episodes]
        ),
        "has_final_obs": np.array([e.final_obs is not None for e in episodes]),
    }
    table = {
        "episode": numbers,
        "seed": [None] * len(episodes),
        "steps": counts,
        "return": [float(e.reward.sum()) if e.whole else np.nan for e in episodes],
        "outcome": [e.outcome for e in episodes],
        "terminated": ends,
        "truncated": ~ends,
        "shard": [shard] * len(episodes),
        "row": (last + 1 - counts).tolist(),
    }
    entities = pa.schema(list(ENTITY_COLUMNS.items())).empty_table()
    return Columns(arrays, entities, pa.table(table, pa.schema(list(EPISODE_COLUMNS.items()))))

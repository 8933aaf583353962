"""Evaluation: episodes assigned before running, all run to their end, in cached shards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.fit import check_fit, fingerprint
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.make import versioned
from policyscope.envs.seeds import require_evaluation_seeds
from policyscope.envs.spec import EnvSpec
from policyscope.rollouts.baselines import Policy, agent_policy
from policyscope.rollouts.cache import cache_key, read_cache, source_digest, write_cache
from policyscope.rollouts.loop import Episode, rollout, seeded_episodes
from policyscope.rollouts.shards import map_shards
from policyscope.rollouts.worlds import Worlds

SHARD = 20
LANES = 10

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Plan:
    """What to evaluate.

    Args:
        policies: who acts, the agent first; names are distinct.
        env: where.
        episodes: how many episodes the first policy runs.
        seed: seed of the first episode; episode k starts from ``seed + k`` for every policy.
        cached: use and fill the cache of finished shards.
        baseline_episodes: how many of them, the first ones, each other policy runs; None: all.
    """

    policies: tuple[Policy, ...]
    env: EnvSpec
    episodes: int
    seed: int = 0
    cached: bool = True
    baseline_episodes: int | None = None

    def __post_init__(self) -> None:
        names = [policy.name for policy in self.policies]
        if len(set(names)) < len(names):
            raise PolicyscopeError(f"policies need distinct names, got {', '.join(names)}")
        if self.episodes < 1:
            raise PolicyscopeError(f"an evaluation needs at least 1 episode, got {self.episodes}")
        if self.baseline_episodes is not None and self.baseline_episodes < 1:
            raise PolicyscopeError(
                f"baselines need at least 1 episode, got {self.baseline_episodes}; "
                "for the agent alone name no baselines"
            )
        require_evaluation_seeds(self.seed, self.episodes)

    def count(self, policy: int) -> int:
        """Episodes of one policy."""
        fewer = self.baseline_episodes if policy else None
        return min(self.episodes, fewer or self.episodes)

    def shards(self, policy: int) -> range:
        """Numbers of the shards of one policy, among those of all."""
        own, each = (-(-self.count(k) // SHARD) for k in (0, 1))
        first = own + (policy - 1) * each if policy else 0
        return range(first, first + (each if policy else own))

    @property
    def work(self) -> int:
        """Shards of all policies."""
        return self.shards(len(self.policies) - 1).stop

    def shard(self, number: int) -> tuple[Policy, list[Episode]]:
        """Policy and episodes of one of all the shards; those of the first policy come first."""
        which = next(k for k in range(len(self.policies)) if number in self.shards(k))
        part = number - self.shards(which).start
        episodes = seeded_episodes(self.seed, self.count(which))
        return self.policies[which], episodes[part * SHARD :][:SHARD]


def evaluate(
    policy: Agent | Policy,
    env: EnvSpec,
    episodes: int = 100,
    seed: int = 0,
    *,
    act: str | None = None,
    workers: int = 0,
) -> pd.DataFrame:
    """Run episodes and count what came of them.

    Args:
        policy: an agent, or a baseline.
        env: where.
        episodes: how many, all of them run to their end.
        seed: seed of the first episode; the others follow.
        act: greedy or sample; default is the agent's own mode.
        workers: processes; 0 runs in this one. The table does not depend on it.

    Returns:
        One row an episode: ``episode``, ``seed``, ``return`` (undiscounted sum of rewards),
        ``steps``, ``outcome`` (several joined by +), ``terminated``, ``truncated`` and
        ``action_NAME`` (how often); ``attrs`` holds policy, act and env.

    Raises:
        PolicyscopeError: the agent does not fit the environment, seeds are not those kept for
            evaluation, or a worker fails.

    Cost: about ten decisions an episode on ``highway/intersection``; finished shards of 20
    episodes come from the cache.

    Example:
        ``evaluate(load_agent("highway-ego-attention"), EnvSpec("highway/intersection"), 20)``
    """
    policy = policy if isinstance(policy, Policy) else agent_policy(policy, act)
    return evaluate_all(Plan((policy,), env, episodes, seed), workers)[policy.name]


def evaluate_all(
    plan: Plan, workers: int = 0, progress: Progress | None = None
) -> dict[str, pd.DataFrame]:
    """Evaluate several policies on the same episodes, or the first of them (``baseline_episodes``).

    Args:
        plan: what to evaluate.
        workers: processes; 0 runs in this one.
        progress: called with the episodes that are done and those there are in all.

    Returns:
        Tables as ``evaluate`` gives them, by the policies' names.
    """
    plan = replace(plan, env=versioned(plan.env))
    numbers = range(plan.work)
    keys = [_key(plan, number) for number in numbers]
    rows: dict[int, list[dict[str, Any]]] = {}
    for number in numbers if plan.cached else ():
        kept = read_cache(keys[number])
        if isinstance(kept, list) and len(kept) == len(plan.shard(number)[1]):
            rows[number] = kept
    total = sum(plan.count(k) for k in range(len(plan.policies)))
    done = sum(len(r) for r in rows.values())
    tell = progress or (lambda done, total: None)
    tell(done, total)

    def finished(number: int) -> None:
        nonlocal done
        done += len(plan.shard(number)[1])
        tell(done, total)

    missing = [n for n in numbers if n not in rows]
    worlds = Worlds(plan.env)
    run = partial(run_shard, plan, keys, worlds)
    try:
        rows.update(zip(missing, map_shards(run, missing, workers, finished), strict=True))
    finally:
        worlds.close()
    tables = {}
    for i, policy in enumerate(plan.policies):
        tables[policy.name] = pd.DataFrame([row for n in plan.shards(i) for row in rows[n]])
        tables[policy.name].attrs.update(policy=policy.name, act=policy.act, env=plan.env.to_json())
    return tables


def run_shard(plan: Plan, keys: Sequence[str], worlds: Worlds, number: int) -> list[dict[str, Any]]:
    """Run the episodes of one shard and keep them in the cache.

    Args:
        plan: what is evaluated.
        keys: cache keys of all shards.
        worlds: where episodes run, for all shards of this process.
        number: which shard.
    """
    policy, episodes = plan.shard(number)
    lanes, padded = _batch(policy)
    stepper = worlds.open(lanes)
    check_fit(policy.agent, stepper.space)
    counts: dict[int, dict[str, Any]] = {}
    for agent, part in policy.parts(episodes):
        for row in rollout(agent, stepper, part, seed=plan.seed, act=policy.act, padded=padded):
            first = {"episode": row.episode, "seed": plan.seed + row.episode, "return": 0.0}
            count = counts.setdefault(row.episode, first | {"steps": 0, "actions": []})
            count["return"] += row.reward
            count["steps"] += 1
            count["actions"].append(row.action)
            if row.last:
                count["outcome"] = "+".join(row.outcome)
                count["terminated"], count["truncated"] = row.terminated, row.truncated
    rows = [_row(counts[e.index], stepper.space.actions) for e in episodes]
    if plan.cached:
        write_cache(keys[number], rows)
    return rows


def _batch(policy: Policy) -> tuple[int, bool]:
    """Lanes of a shard, and whether those without an episode are computed all the same.

    A network of images takes about a millisecond for each of them, in any batch; of smaller
    observations a full batch costs hardly more than one, and its numbers do not depend on how many
    episodes still run.
    """
    images = len(policy.agent.space.obs_shape) > 2
    return (1 if images and policy.fresh else LANES), not images


def _row(count: dict[str, Any], actions: tuple[str, ...]) -> dict[str, Any]:
    taken = count.pop("actions")
    if not actions:
        return count
    often = np.bincount(np.array(taken, dtype=np.int64), minlength=len(actions))
    named = zip(actions, often, strict=True)
    return count | {f"action_{name}": int(n) for name, n in named}


def _key(plan: Plan, number: int) -> str:
    policy, episodes = plan.shard(number)
    return cache_key(
        {
            "policy": fingerprint(policy.agent, weights=not policy.fresh),
            "fresh": policy.fresh,
            "act": policy.act,
            "env": plan.env.to_json(),
            "seed": plan.seed,
            "episodes": [episodes[0].index, len(episodes)],
            "lanes": _batch(policy)[0],
            "source": source_digest(),
            "versions": {"torch": torch.__version__, "numpy": np.__version__},
        }
    )

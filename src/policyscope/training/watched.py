"""How good an agent in training is on episodes that it never learns from."""

from dataclasses import dataclass

import numpy as np

from policyscope.agents.agent import Agent
from policyscope.core.stats import bootstrap_mean
from policyscope.envs.make import make
from policyscope.envs.spec import EnvSpec
from policyscope.rollouts.loop import Episode, rollout
from policyscope.training.starts import Starts

MOST_LANES = 50


@dataclass(frozen=True)
class Watching:
    """How often to look, and at how many episodes.

    Args:
        every: environment steps between two looks; 0 for never.
        episodes: episodes of each look, the same ones every time.
    """

    every: int = 0
    episodes: int = 100


def watch(agent: Agent, env: EnvSpec, starts: Starts, count: int) -> dict[str, float]:
    """Mean return with its interval; actions are drawn as the agent draws them.

    Args:
        agent: who acts.
        env: where.
        starts: of the run.
        count: episodes.

    Returns:
        ``watched_return``, ``watched_low``, ``watched_high`` (95 % bootstrap) and ``watched``
        (episodes).

    Cost: one forward row a decision; 100 levels of CoinRun take a poor agent about 60,000.
    """
    stepper = make(env, min(count, MOST_LANES))
    returns = np.zeros(count)
    try:
        episodes = [Episode(k, starts.watched(k)) for k in range(count)]
        for row in rollout(agent, stepper, episodes, seed=starts.seed, padded=False):
            returns[row.episode] += row.reward
    finally:
        stepper.close()
    mean = bootstrap_mean(returns, seed=0)
    interval = {"watched_low": mean.low, "watched_high": mean.high}
    return {"watched_return": mean.mean, **interval, "watched": count}

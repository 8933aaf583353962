"""What a recording will cost, from a short probe."""

import time
from dataclasses import dataclass

import numpy as np

from policyscope.agents.agent import Agent
from policyscope.envs.make import make
from policyscope.recordings.plan import Plan
from policyscope.rollouts.loop import Watch, rollout, seeded_episodes
from policyscope.rollouts.shards import one_thread

PROBE_STEPS = 200
PROBE_SECONDS = 2.0
ENTITY_BYTES = 76
ROW_BYTES = 46
WORKER_START_SECONDS = 4.0


@dataclass(frozen=True)
class Budget:
    """Expected cost of a recording.

    Args:
        steps: decisions in all.
        bytes: size before compression.
        seconds: time of the decisions in one process.
        whole: whether the probed episode came to its end; if not, steps are a lower bound.
    """

    steps: int
    bytes: int
    seconds: float
    whole: bool

    def seconds_with(self, workers: int) -> float:
        """Time with worker processes, their start included; 0 is this process."""
        return WORKER_START_SECONDS + self.seconds / workers if workers else self.seconds


def estimate(agent: Agent, plan: Plan) -> Budget:
    """Run the first episode, or the beginning of it, and multiply.

    Args:
        agent: who decides.
        plan: what is to be recorded.

    Cost: one episode, at most about 2 seconds.
    """
    watch = Watch(sites=tuple(plan.sites), entities=True)
    stepper = make(plan.env)
    entities, steps, whole = 0, 0, False
    try:
        with one_thread():
            started = time.perf_counter()
            episode = seeded_episodes(plan.seed, 1)
            for row in rollout(agent, stepper, episode, seed=plan.seed, act=plan.act, watch=watch):
                steps += 1
                entities += len(row.entities) if row.entities is not None else 0
                whole = row.last
                spent = time.perf_counter() - started
                if steps >= PROBE_STEPS or spent > PROBE_SECONDS:
                    break
    finally:
        stepper.close()
    row_bytes = row_size(plan) + ENTITY_BYTES * entities / steps
    total = steps * plan.episodes
    return Budget(total, int(total * row_bytes), spent * plan.episodes, whole)


def row_size(plan: Plan) -> int:
    """Bytes of one row before compression, without entities."""
    shapes = [*plan.sites.values(), *plan.outputs.values()]
    floats = sum(int(np.prod(shape, dtype=np.int64)) for shape in shapes)
    obs = (
        int(np.prod(plan.space.obs_shape, dtype=np.int64)) * np.dtype(plan.space.obs_dtype).itemsize
    )
    return ROW_BYTES + 4 * (floats + len(plan.space.rows)) + obs

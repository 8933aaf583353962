"""The two sides that `ppo.py` and `ppo_returns.py` let train on the same worlds."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from policyscope.envs.make import make
from policyscope.envs.spec import EnvSpec
from policyscope.training.log import CurveLog
from policyscope.training.ppo.actor import Actor
from policyscope.training.ppo.config import PPOConfig
from policyscope.training.ppo.learner import Learner
from policyscope.training.ppo.network import fresh_agent
from policyscope.training.ppo.train import Plan, advance
from policyscope.training.starts import make_starts
from ppo_peers import Lanes

THREADS = 2

Iteration = Callable[[], object]


def ours(plan: Plan, stack: ExitStack) -> Iteration:
    """One iteration of our training as `policyscope train ppo` does it, its log included."""
    stepper = make(plan.env, plan.config.lanes)
    stack.callback(stepper.close)
    starts = make_starts(plan.env, plan.seed, plan.levels)
    agent = fresh_agent(stepper.space, plan.env, plan.config, plan.seed)
    learner = Learner(agent, plan.config, plan.seed)
    actor = Actor.begin(stepper, starts, plan.config.gamma)
    log = CurveLog(plan.out, 0, plan.steps)
    stack.push(log)
    return lambda: advance(plan, learner, actor, log)


def planned(env: EnvSpec, config: PPOConfig, steps: int, seed: int, stack: ExitStack) -> Plan:
    """A plan of training in a folder that is gone afterwards."""
    out = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return Plan(env, config, steps, seed, out, threads=THREADS)


def their_lanes(env: EnvSpec, config: PPOConfig, seed: int, stack: ExitStack) -> Lanes:
    """The same worlds and episodes for the peer."""
    lanes = Lanes(make(env, config.lanes), make_starts(env, seed, None))
    stack.callback(lanes.close)
    return lanes

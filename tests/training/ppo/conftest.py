"""Runs and parts of runs that the tests of PPO share."""

from pathlib import Path

import pytest

from policyscope.envs.make import make, parse_env
from policyscope.training.ppo.actor import Actor
from policyscope.training.ppo.config import PRESETS
from policyscope.training.ppo.learner import Learner
from policyscope.training.ppo.network import fresh_agent
from policyscope.training.ppo.train import Plan
from policyscope.training.settings import configure
from policyscope.training.starts import make_starts

TINY = ["widths=[4,4,4]", "lanes=4", "horizon=16", "minibatches=2", "epochs=2", "microbatch=24"]
LEVELS = (0, 50)


def make_plan(out: Path, preset="procgen-recurrent", settings=TINY, **changes) -> Plan:
    values = {
        "env": parse_env("procgen/coinrun", ["mode=easy"]),
        "config": configure(PRESETS, preset, settings),
        "steps": 256,
        "seed": 3,
        "out": out,
        "levels": LEVELS,
        "checkpoints": 2,
        "save_every": 100,
        **changes,
    }
    return Plan(**values)


def make_parts(preset: str, settings, env="procgen/coinrun", options=("mode=easy",), teacher=None):
    """Agent, learner and actor as a run makes them."""
    config, spec = configure(PRESETS, preset, [*settings]), parse_env(env, [*options])
    stepper = make(spec, config.lanes)
    agent = fresh_agent(stepper.space, spec, config, seed=0)
    starts = make_starts(spec, 0, LEVELS if env.startswith("procgen") else None)
    return Learner(agent, config, 0, teacher), Actor.begin(stepper, starts, config.gamma)


@pytest.fixture(scope="session")
def plan():
    """Makes the plan of a small run."""
    return make_plan


@pytest.fixture(scope="session")
def parts():
    """Makes a learner and an actor as a run does."""
    return make_parts

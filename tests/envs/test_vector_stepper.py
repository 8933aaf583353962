"""Gymnasium vector environments: the mode is read, the next episode never leaks."""

from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.contract import CHECKS, run
from policyscope.envs.make import make
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start
from policyscope.envs.vector import VectorStepper, autoreset_mode

STARTS = [Start(seed=4), Start(seed=9), Start(seed=23)]


def vector(name, lanes, mode=AutoresetMode.DISABLED):
    return SyncVectorEnv([partial(gym.make, name)] * lanes, autoreset_mode=mode)


def stepper(lanes, name="CartPole-v1"):
    return VectorStepper(vector(name, lanes), EnvSpec(f"gym:{name}"))


@pytest.mark.parametrize("check", ["repeats", "stands_alone", "restarts", "stays_ended"])
def test_vector_holds_the_contract(check):
    CHECKS[check](stepper, STARTS)


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1"])
def test_vector_answers_as_lanes_do(name):
    for_vector = run(stepper(3, name), STARTS, 60)
    for_lanes = run(make(EnvSpec(f"gym:{name}"), 3), STARTS, 60)
    assert for_vector.lanes == for_lanes.lanes
    assert name == "Pendulum-v1" or not for_vector.running.all()


def test_last_frame_is_the_episodes_own():
    one = stepper(2)
    one.start(STARTS[:2])
    while one.running.all():
        step = one.step([1, 0])
    (over,) = np.flatnonzero(~one.running)
    assert abs(step.obs[over, 2]) > 0.2, "the pole has fallen"
    assert one.call(over, "outcome") == ("terminated",)
    assert one.call(1 - over, "outcome") == ()
    for _ in range(30):
        again = one.step([0, 1])
        assert np.array_equal(again.obs[over], step.obs[over])


class Guesses(VectorStepper):
    """Takes any vector environment for one that leaves resetting to the caller."""

    def __init__(self, vector_env, spec):
        vector_env.metadata = {"autoreset_mode": AutoresetMode.DISABLED}
        super().__init__(vector_env, spec)


def test_guessed_mode_leaks_the_next_episode():
    def guessing(lanes):
        env = vector("CartPole-v1", lanes, AutoresetMode.SAME_STEP)
        return Guesses(env, EnvSpec("gym:CartPole-v1"))

    wrong = run(guessing(3), STARTS, 60).lanes
    assert wrong != run(make(EnvSpec("gym:CartPole-v1"), 3), STARTS, 60).lanes


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_vector_that_resets_itself_is_refused_by_name(mode):
    env = vector("CartPole-v1", 2, mode)
    assert autoreset_mode(env) is mode
    with pytest.raises(PolicyscopeError, match=f"autoreset mode {mode.name}"):
        VectorStepper(env, EnvSpec("gym:CartPole-v1"))


def test_vector_that_does_not_say_is_refused():
    env = vector("CartPole-v1", 2)
    env.metadata = {}
    with pytest.raises(PolicyscopeError, match="does not say how it resets"):
        VectorStepper(env, EnvSpec("gym:CartPole-v1"))


def test_what_one_lane_of_a_vector_cannot_do_is_refused():
    one = stepper(2)
    one.start(STARTS[:2])
    assert (len(one.call(0, "entities")), one.call(1, "scene")) == (0, {})
    for method in ("snapshot", "render", "apply"):
        with pytest.raises(PolicyscopeError, match=f"cannot {method} one lane"):
            one.call(0, method)
    with pytest.raises(PolicyscopeError, match="seeds alone"):
        one.start([Start(level=1), None])
    with pytest.raises(PolicyscopeError, match="not one of 0..1"):
        one.step([5, 0])
    one.begin_step([0, 1])
    assert one.finish_step().obs.shape == (2, 4)
    one.close()

"""The contract of environments, held by ours and broken by wrong variants."""

import gc
from functools import partial

import numpy as np
import pytest

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.contract import CHECKS, ContractBroken, check_contract, run
from policyscope.envs.gym_lane import GymLane
from policyscope.envs.highway.lane import HighwayLane
from policyscope.envs.make import make
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start, Step
from policyscope.envs.steppers import LocalStepper

SPECS = {
    "fast": EnvSpec("highway/intersection"),
    "stock": EnvSpec("highway/intersection", {"engine": "stock"}),
    "cartpole": EnvSpec("gym:CartPole-v1"),
    "pendulum": EnvSpec("gym:Pendulum-v1"),
    "frozen lake": EnvSpec("gym:FrozenLake-v1"),
}
STARTS = [Start(seed=4), Start(seed=9), Start(seed=23)]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", SPECS)
def test_local_environment_holds_the_contract(name, check):
    CHECKS[check](partial(make, SPECS[name]), STARTS)


@pytest.mark.parametrize("check", ["stays_ended", "returns"])
def test_environment_in_two_processes_holds_the_contract(check):
    CHECKS[check](partial(make, SPECS["fast"], workers=2), STARTS)


@pytest.mark.slow  # 9 s: twelve steppers of two processes each
def test_gymnasium_in_two_processes_holds_the_contract():
    check_contract(partial(make, SPECS["cartpole"], workers=2), STARTS)


@pytest.mark.parametrize("name", ["fast", "pendulum"])
def test_any_number_of_workers_gives_the_same_bytes(name):
    traces = []
    for workers in (0, 1, 2):
        stepper = make(SPECS[name], 3, workers)
        traces.append(run(stepper, STARTS, 9).lanes)
        stepper.close()
    assert traces[0] == traces[1] == traces[2]


class Leaky(GymLane):
    """Forgets the seed of every episode but the first, so its generator runs on."""

    def start(self, start):
        if self._start is None or start.snapshot:
            return super().start(start)
        self._obs, _ = self._env.reset()
        self._start, self._actions, self._outcome = start, [], ()
        return self._obs


class Forgetful(GymLane):
    """Does not begin anew while an episode is under way."""

    def start(self, start):
        if self._start is not None and not self._outcome and start.snapshot is None:
            return self._obs
        return super().start(start)


class Sticky(GymLane):
    """Keeps the last episode's last action in the next snapshot."""

    def snapshot(self):
        taken = super().snapshot()
        return type(taken)(taken.start, taken.actions[:-1], (), taken.digest)


class Noisy(HighwayLane):
    """Observes once more to list its vehicles, which draws from the shuffle's generator."""

    def entities(self):
        self._env.observation_type.observe()
        return super().entities()


class Mute(HighwayLane):
    """Restores the vehicles but not the generator."""

    def _resume(self, snapshot):
        obs = super()._resume(snapshot)
        self._env.np_random.random()
        return obs


class SelfStarting(LocalStepper):
    """Starts the next episode by itself, as most vector environments do."""

    def step(self, actions):
        step = super().step(actions)
        over = step.terminated | step.truncated
        starts = [Start(seed=5) if o else None for o in over]
        return Step(self.start(starts), step.reward, step.terminated, step.truncated)


class Shared(LocalStepper):
    """Moves every lane with the first lane's action once two run side by side."""

    def step(self, actions):
        return super().step([actions[-1]] * self.lanes)


CARTPOLE, HIGHWAY = SPECS["cartpole"], SPECS["fast"]


def of(lane, spec, stepper=LocalStepper):
    return lambda lanes: stepper([lane(spec) for _ in range(lanes)])


MUTANTS = [
    ("repeats", of(Leaky, CARTPOLE)),
    ("restarts", of(Forgetful, CARTPOLE)),
    ("returns", of(Sticky, CARTPOLE)),
    ("looks_quietly", of(Noisy, HIGHWAY)),
    ("returns", of(Mute, HIGHWAY)),
    ("stays_ended", of(GymLane, CARTPOLE, SelfStarting)),
    ("stands_alone", of(GymLane, CARTPOLE, Shared)),
]


@pytest.mark.parametrize(("check", "mutant"), MUTANTS)
def test_wrong_variant_breaks_the_contract(check, mutant):
    with pytest.raises((ContractBroken, PolicyscopeError)) as caught:
        CHECKS[check](mutant, STARTS)
    assert isinstance(caught.value, ContractBroken) or "cannot be restored" in str(caught.value)


def test_spec_that_cannot_be_written_as_json_breaks_the_contract():
    class Tuples(GymLane):
        def scene(self):
            return {"size": (1, 2)}

    with pytest.raises(ContractBroken, match="scene changes in JSON"):
        CHECKS["writes_json"](of(Tuples, CARTPOLE), STARTS)


def test_trace_tells_lanes_apart():
    stepper = make(CARTPOLE, 3)
    trace = run(stepper, STARTS, 5)
    assert len({tuple(lane) for lane in trace.lanes}) == 3
    assert np.array_equal(trace.running, stepper.running)
    gc.collect()

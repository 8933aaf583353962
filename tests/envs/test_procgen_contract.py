"""Procgen holds the contract of environments."""

from functools import partial

import pytest

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.envs.contract import CHECKS
from policyscope.envs.make import make
from policyscope.envs.procgen.lane import ProcgenLane
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start
from policyscope.envs.steppers import LocalStepper

SPECS = {
    "coinrun": EnvSpec("procgen/coinrun"),
    "maze": EnvSpec("procgen/maze", {"mode": "easy"}),
    "threads": EnvSpec("procgen/coinrun", {"mode": "easy", "threads": 2}),
    "jumper": EnvSpec("procgen/jumper"),
    "reduced": EnvSpec("procgen/coinrun", {"mode": "easy", "actions": 9}),
}
STARTS = [Start(level=17), Start(seed=3), Start(level=200_004)]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", SPECS)
def test_batched_engine_holds_the_contract(name, check):
    CHECKS[check](partial(make, SPECS[name]), STARTS)


@pytest.mark.parametrize("check", CHECKS)
def test_single_games_side_by_side_hold_the_contract(check):
    spec = SPECS["maze"]
    CHECKS[check](lambda lanes: LocalStepper([ProcgenLane(spec) for _ in range(lanes)]), STARTS)


@pytest.mark.slow  # 20 s: each process loads the engine's pictures anew
@pytest.mark.timeout(300)
@pytest.mark.parametrize("check", ["stays_ended", "returns"])
def test_engines_in_two_processes_hold_the_contract(check):
    CHECKS[check](partial(make, SPECS["maze"], workers=2), STARTS)

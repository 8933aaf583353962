"""``Engine.set_state`` does not look at a state: every way to it from outside refuses a wrong one.

The engine ends the whole process at such a state, so a way that lets one through ends these tests.
"""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

import policyscope
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.procgen.episode import fingerprint
from policyscope.envs.procgen.lane import make_lane
from policyscope.envs.procgen.spare import Spare
from policyscope.envs.procgen.state import BadState, parse, serialize
from policyscope.envs.procgen.stepper import ProcgenStepper
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Snapshot, Start

SOURCES = Path(policyscope.__file__).parent
#: Functions that write a state: given by a user, and looked at; or one the engine itself gave.
WRITERS = {
    "stepper.py": {"start", "_apply"},
    "spare.py": {"place", "replay", "ends", "causes", "frame", "picture"},
    "memory.py": {"_compare"},
}


def test_no_other_function_writes_a_state():
    found = {}
    for path in SOURCES.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            for call in ast.walk(function):
                if (
                    isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Attribute)
                    and call.func.attr == "set_state"
                    and ast.unparse(call.func.value).endswith(("engine", "_large"))
                ):
                    found.setdefault(path.name, set()).add(function.name)
    assert found == WRITERS


def spoiled(data):
    """Wrong states by what is wrong with them."""

    def changed(record, name, value):
        state = parse(data)
        getattr(state, record)[name] = value
        return serialize(state)

    cells = parse(data)
    cells.grid[3, 3] = 7
    other = "maze" if b"coinrun" in data[:20] else "coinrun"
    place = make_lane(EnvSpec(f"procgen/{other}", {"mode": "easy"}))
    place.start(Start(level=1))
    foreign = serialize(place.state())
    place.close()
    return {
        "cut short": data[:300],
        "longer": data + b"0",
        "of another layout": b"\3" + data[1:],
        "of another game": foreign,
        "a place that is no number": changed("entities", "x", np.nan),
        "no player": changed("entities", "type", 2),
        "a foreign cell": serialize(cells),
        "a world of another size": changed("view", "main_width", 16),
    }


@pytest.fixture(params=["coinrun", "maze"])
def spec(request):
    return EnvSpec(f"procgen/{request.param}", {"mode": "easy"})


@pytest.mark.parametrize("make", [lambda spec: ProcgenStepper(spec, 1), make_lane])
def test_a_snapshot_with_a_wrong_state_is_refused_and_the_world_goes_on(spec, make):
    world = make(spec)
    batch = isinstance(world, ProcgenStepper)

    def start(snapshot):
        world.start([Start(snapshot=snapshot)] if batch else Start(snapshot=snapshot))

    world.start([Start(level=5)] if batch else Start(level=5))
    good = world.call(0, "snapshot") if batch else world.snapshot()
    for over in (False, True):
        for wrong in spoiled(good.live.state).values():
            live = replace(good.live, state=wrong, over=over)
            with pytest.raises(BadState) as caught:
                start(replace(good, live=live, digest=fingerprint(wrong)))
            assert "\n" not in str(caught.value)
    start(good)
    assert (world.step([4]) if batch else world.step(4)).obs.any()
    world.close()


def test_a_state_to_be_drawn_is_refused(spec):
    spare = Spare(spec.id.removeprefix("procgen/"), spec)
    data = spare.place(5)
    for what in ("a place that is no number", "no player", "a foreign cell"):
        with pytest.raises(BadState):
            spare.frame(parse(spoiled(data)[what]))
    for wrong in spoiled(data).values():
        with pytest.raises(BadState):
            spare.require_fitting(wrong)
    assert spare.frame(parse(data)).shape == (64, 64, 3)
    spare.close()


PLACES = (np.nan, np.inf, -np.inf, 1e30, -1.0, 1e6)


def test_an_edit_that_would_make_a_wrong_state_is_refused(spec):
    stepper = ProcgenStepper(spec, 1)
    stepper.start([Start(level=5)])
    good, shown = stepper.call(0, "snapshot"), stepper.call(0, "entities").identity
    edits = [SceneEdit("move", int(i), {"x": x, "y": 3.0}) for i in shown[:6] for x in PLACES]
    edits += [SceneEdit("remove", 0), SceneEdit("move", 99_999, {"x": 3.0, "y": 3.0})]
    for edit in edits:
        later = Snapshot(good.start, (), ((0, edit),), good.digest)
        for way in (
            lambda edit=edit: stepper.call(0, "apply", edit),
            lambda edit=edit: stepper.observe_edited(0, [edit]),
            lambda later=later: stepper.start([Start(snapshot=later)]),
        ):
            with pytest.raises(PolicyscopeError):
                way()
        stepper.start([Start(snapshot=good)])
    assert stepper.step([4]).obs.any()
    stepper.close()

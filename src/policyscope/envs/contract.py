"""What every environment must hold, as checks that an adapter's author can run.

Each check makes its own steppers, takes a list of starts (one for each lane) and raises where
the environment breaks the contract.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space, Start, Step, Stepper

Make = Callable[[int], Stepper]
STEPS = 8


class ContractBroken(PolicyscopeError):
    """An environment that does not behave as a stepper must."""


@dataclass(frozen=True)
class Trace:
    """Everything N lanes answered, as bytes by lane and step; the first are the observations."""

    lanes: list[list[bytes]]
    running: np.ndarray


def run(stepper: Stepper, starts: Sequence[Start], steps: int, after: Any = None) -> Trace:
    """Run episodes with random actions that depend on the lane and the step alone.

    Args:
        stepper: as many lanes as starts.
        starts: one for each lane.
        steps: how many steps; lanes that end before stay as they are.
        after: called with the stepper after the start and after each step.
    """
    lanes = [[row.tobytes()] for row in stepper.start(starts)]
    running = np.ones(len(starts), dtype=bool)
    for t in range(steps):
        if after:
            after(stepper)
        step = stepper.step([action(stepper.space, i, t) for i in range(len(starts))])
        running &= ~(step.terminated | step.truncated)
        for lane, answer in zip(lanes, rows(step), strict=True):
            lane.append(answer)
    if after:
        after(stepper)
    return Trace(lanes, running)


def action(space: Space, lane: int, step: int) -> Any:
    """A random action, fixed by lane and step."""
    random = np.random.default_rng([lane, step])
    if space.actions:
        return int(random.integers(len(space.actions)))
    low, high = (np.clip(b, -1.0, 1.0) for b in (space.action_low, space.action_high))
    return tuple(random.uniform(low, high).tolist())


def rows(step: Step) -> list[bytes]:
    """What each lane answered, as bytes."""
    parts = (step.obs, step.reward, step.terminated, step.truncated)
    return [
        b"".join(np.ascontiguousarray(p[i]).tobytes() for p in parts)
        for i in range(len(step.reward))
    ]


def repeats(make: Make, starts: Sequence[Start]) -> None:
    """The same start and actions give the same bytes, whatever ran before in the lane."""
    stepper = make(len(starts))
    first = run(stepper, starts, STEPS)
    run(stepper, starts[::-1], STEPS)
    again = run(stepper, starts, STEPS)
    stepper.close()
    _require(first.lanes == again.lanes, "an episode depends on what ran before it in its lane")
    fresh = make(len(starts))
    _require(run(fresh, starts, STEPS).lanes == first.lanes, "a new stepper gives another episode")
    fresh.close()


def stands_alone(make: Make, starts: Sequence[Start]) -> None:
    """A lane gives the same bytes alone as beside others."""
    stepper = make(len(starts))
    together = run(stepper, starts, STEPS).lanes[0]
    stepper.close()
    single = make(1)
    alone = run(single, starts[:1], STEPS).lanes[0]
    single.close()
    _require(together == alone, "an episode depends on the lanes beside it")


def restarts(make: Make, starts: Sequence[Start]) -> None:
    """A start in the middle of an episode begins anew and leaves the other lanes alone."""
    stepper = make(len(starts))
    whole = run(stepper, starts, STEPS)
    run(stepper, starts, 3)
    before = stepper.step([action(stepper.space, i, 3) for i in range(len(starts))]).obs
    obs = stepper.start([starts[0], *[None] * (len(starts) - 1)])
    _require(obs[0].tobytes() == whole.lanes[0][0], "a start in mid-episode does not begin anew")
    _require(np.array_equal(obs[1:], before[1:]), "a start disturbs lanes that were left alone")
    again = run(stepper, starts, STEPS)
    stepper.close()
    _require(whole.lanes == again.lanes, "an episode after a broken-off one differs")


def stays_ended(make: Make, starts: Sequence[Start], limit: int = 1000) -> None:
    """A lane whose episode ended repeats its last observation and nothing else happens."""
    stepper = make(len(starts))
    _require(not stepper.step([0] * len(starts)).obs.any(), "a lane runs before it was started")
    obs = stepper.start(starts)
    over = np.zeros(len(starts), dtype=bool)
    for t in range(limit):
        step = stepper.step([action(stepper.space, i, t) for i in range(len(starts))])
        idle = not step.reward[over].any() and not (step.terminated | step.truncated)[over].any()
        _require(idle, "an ended lane still answers rewards or ends")
        _require(np.array_equal(step.obs[over], obs[over]), "an ended lane moves on by itself")
        obs, over = step.obs, over | step.terminated | step.truncated
        ended = [bool(stepper.call(i, "outcome")) for i in range(len(starts))]
        _require(ended == over.tolist(), "an outcome is named exactly where an episode ended")
        if over.all():
            break
    stepper.close()
    _require(bool(over.all()), f"an episode did not end in {limit} steps")


def looks_quietly(make: Make, starts: Sequence[Start]) -> None:
    """Asking for entities, outcome, scene and snapshot changes nothing."""

    def ask(stepper: Stepper) -> None:
        for i in range(stepper.lanes):
            for method in ("entities", "outcome", "scene", "snapshot"):
                stepper.call(i, method)

    left_alone, asked = make(len(starts)), make(len(starts))
    plain = run(left_alone, starts, STEPS)
    _require(run(asked, starts, STEPS, ask).lanes == plain.lanes, "asking changes the episode")
    left_alone.close()
    asked.close()


def returns(make: Make, starts: Sequence[Start]) -> None:
    """A snapshot, also through JSON and in another stepper, goes on as the episode did."""
    stepper, other = make(len(starts)), make(len(starts))
    run(stepper, starts, 3)
    taken = [stepper.call(i, "snapshot") for i in range(len(starts))]
    shown = [stepper.call(i, "entities").columns() for i in range(len(starts))]
    texts = [json.dumps(Start(snapshot=s).to_json()) for s in taken]
    went_on = run_from(stepper, None, len(starts))
    read = [Start.from_json(json.loads(t)) for t in texts]
    for name, starting in (("live", [Start(snapshot=s) for s in taken]), ("read", read)):
        for where in (stepper, other):
            resumed = run_from(where, starting, len(starts), shown)
            _require(resumed == went_on, f"an episode resumed from a {name} snapshot differs")
    stepper.close()
    other.close()


def run_from(
    stepper: Stepper, starts: list[Start] | None, lanes: int, shown: list[Any] | None = None
) -> list[list[bytes]]:
    """Go on for some steps, from snapshots where given, and compare the entities shown."""
    if starts:
        stepper.start(starts)
    for i, columns in enumerate(shown or ()):
        now = stepper.call(i, "entities").columns()
        same = all(np.array_equal(now[k], columns[k]) for k in columns)
        _require(same, "a resumed episode shows other entities")
    actions = [[action(stepper.space, i, 100 + t) for i in range(lanes)] for t in range(STEPS)]
    return [rows(stepper.step(a)) for a in actions]


def writes_json(make: Make, starts: Sequence[Start]) -> None:
    """Spec, starts, snapshots and scenes survive JSON."""
    stepper = make(len(starts))
    stepper.start(starts)
    spec = EnvSpec.from_json(json.loads(json.dumps(stepper.spec.to_json())))
    _require(spec == stepper.spec, "the spec changes in JSON")
    scene = stepper.call(0, "scene")
    _require(json.loads(json.dumps(scene)) == scene, "the scene changes in JSON")
    for start in (*starts, Start(snapshot=stepper.call(0, "snapshot"))):
        values = json.loads(json.dumps(start.to_json()))
        _require(Start.from_json(values).to_json() == start.to_json(), "a start changes in JSON")
    stepper.close()


CHECKS: dict[str, Callable[[Make, Sequence[Start]], None]] = {
    check.__name__: check
    for check in (repeats, stands_alone, restarts, stays_ended, looks_quietly, returns, writes_json)
}


def check_contract(make: Make, starts: Sequence[Start]) -> None:
    """Run every check.

    Args:
        make: makes a stepper of a given number of lanes.
        starts: at least two different ones, whose episodes last some steps.

    Raises:
        ContractBroken: the first thing the environment does otherwise.

    Example:
        >>> from policyscope.envs.make import make
        >>> spec = EnvSpec("gym:CartPole-v1")
        >>> check_contract(lambda lanes: make(spec, lanes), [Start(seed=1), Start(seed=2)])
    """
    for check in CHECKS.values():
        check(make, starts)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ContractBroken(otherwise)

"""Snapshots of the intersection: live, replayed, edited, refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.highway.lane import HighwayLane
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Snapshot, Start

SPEC = EnvSpec("highway/intersection")


def through_json(snapshot):
    return Snapshot.from_json(json.loads(json.dumps(snapshot.to_json())))


def go_on(lane, key):
    """Everything the lane answers until its episode ends."""
    random = np.random.default_rng(key)
    seen = [lane.entities().columns()]
    while not lane.outcome():
        step = lane.step(int(random.integers(3)))
        seen.append({**lane.entities().columns(), "obs": step.obs.copy(), "reward": step.reward})
    return seen, lane.outcome(), lane.snapshot().digest


def same(one, two):
    (seen, *rest), (seen_two, *rest_two) = one, two
    return rest == rest_two and len(seen) == len(seen_two) and all(
        np.array_equal(a[k], b[k]) for a, b in zip(seen, seen_two, strict=True) for k in a | b
    )  # fmt: skip


def round_trips(count, offset):
    random = np.random.default_rng(offset)
    lane, other = HighwayLane(SPEC), HighwayLane(SPEC)
    for k in range(count):
        lane.start(Start(seed=int(random.integers(10_000))))
        for _ in range(random.integers(10)):
            if not lane.outcome():
                lane.step(int(random.integers(3)))
        cars = lane.entities()
        if k % 3 == 0 and not lane.outcome() and len(cars) > 2:
            on_road = {v.identity for v in lane._env.road.vehicles} - {0}
            lane.apply(SceneEdit("remove", min(on_road)))
        obs, taken = lane._obs.copy(), lane.snapshot()
        went_on = go_on(lane, k)
        for where in (lane, other):
            for snapshot in (taken, through_json(taken)):
                assert np.array_equal(where.start(Start(snapshot=snapshot)), obs)
                assert where.snapshot().to_json() == taken.to_json()
                assert same(go_on(where, k), went_on)


def test_snapshots_go_on_as_the_episode_did():
    round_trips(20, 0)


@pytest.mark.slow  # 43 s of processor time: 200 episodes, each gone on with four times
@pytest.mark.timeout(900)
def test_many_snapshots_go_on_as_the_episode_did():
    round_trips(200, 1)


def test_restoring_does_not_use_the_snapshot_up():
    lane = HighwayLane(SPEC)
    lane.start(Start(seed=7))
    lane.step(1)
    taken = lane.snapshot()
    first, second = (
        go_on(lane, 5) for _ in range(2) if lane.start(Start(snapshot=taken)) is not None
    )
    assert same(first, second)


def test_snapshot_of_an_ended_episode_is_ended():
    lane = HighwayLane(SPEC)
    lane.start(Start(seed=7))
    go_on(lane, 0)
    taken = lane.snapshot()
    assert 1 <= len(taken.actions) <= 13
    for snapshot in (taken, through_json(taken)):
        other = HighwayLane(SPEC)
        other.start(Start(snapshot=snapshot))
        assert other.outcome() == lane.outcome() != ()
        with pytest.raises(PolicyscopeError, match="has ended"):
            other.step(0)


def test_snapshot_of_a_resumed_episode_holds_the_whole_history():
    lane = HighwayLane(SPEC)
    lane.start(Start(seed=7))
    lane.step(0)
    lane.start(Start(snapshot=lane.snapshot()))
    lane.step(2)
    assert lane.snapshot().actions == (0, 2)
    assert lane.snapshot().start == Start(seed=7)


def test_engines_restore_each_others_snapshots():
    fast, stock = HighwayLane(SPEC), HighwayLane(EnvSpec(SPEC.id, {"engine": "stock"}))
    fast.start(Start(seed=11))
    fast.step(1)
    stock.start(Start(snapshot=fast.snapshot()))
    assert stock.snapshot().digest == fast.snapshot().digest


@pytest.mark.parametrize(
    ("change", "other"),
    [
        ({"actions": (0, 1, 2)}, SPEC),
        ({"start": Start(seed=12)}, SPEC),
        ({"digest": "0" * 64}, SPEC),
        ({"edits": ((1, SceneEdit("speed", 0, {"speed": 3.0})),)}, SPEC),
        ({}, EnvSpec("highway/intersection", {"spawn_probability": 0.0})),
    ],
)
def test_snapshot_that_cannot_be_reproduced_is_refused(change, other):
    lane = HighwayLane(SPEC)
    lane.start(Start(seed=11))
    for action in (2, 1, 0):
        lane.step(action)
    changed = replace(through_json(lane.snapshot()), **change)
    with pytest.raises(PolicyscopeError, match="cannot be restored"):
        HighwayLane(other).start(Start(snapshot=changed))


def test_digest_sees_every_part_of_the_state():
    lane = HighwayLane(SPEC)
    lane.start(Start(seed=11))
    taken = lane.snapshot()
    changes = [
        lambda env: env.road.vehicles[0].position.__setitem__(0, 1e-12 + env.vehicle.position[0]),
        lambda env: setattr(env.road.vehicles[0], "timer", 0.123),
        lambda env: setattr(env.road.vehicles[0], "DELTA", 4.01),
        lambda env: setattr(env.road.vehicles[0], "target_speed", 3.3),
        lambda env: env.road.vehicles[0].route.pop(),
        lambda env: env.road.vehicles.reverse(),
        lambda env: setattr(env, "steps", env.steps + 1),
        lambda env: env.np_random.random(),
    ]
    digests = {taken.digest}
    for change in changes:
        lane.start(Start(snapshot=taken))
        change(lane._env)
        digests.add(lane.snapshot().digest)
    assert len(digests) == len(changes) + 1

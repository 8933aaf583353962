"""``actions=9``: the same world, of whose actions those that move are left."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.actions import effects
from policyscope.envs.make import make, make_lane, parse_env
from policyscope.envs.procgen.actions import ACTIONS, REDUCED
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Snapshot, Start

ALL = EnvSpec("procgen/coinrun", {"mode": "easy"})
NINE = parse_env("procgen/coinrun", ["mode=easy", "actions=9"])


def played(spec, seeds=(0, 1, 2, 3), steps=400):
    """Frames, rewards, entities, outcomes and digests of random moves, the same in any world."""
    stepper, random, told = make(spec, len(seeds)), np.random.default_rng(5), []
    told.append(stepper.start([Start(seed=seed) for seed in seeds]))
    for t in range(steps):
        step = stepper.step(random.choice([1, 4, 5, 7, 7, 8], len(seeds)).tolist())
        told += [step.obs, step.reward, step.terminated, step.truncated]
        if t % 50 == 0:
            told += [stepper.call(i, "entities").x for i in range(len(seeds))]
    ended = [stepper.call(i, "outcome") for i in range(len(seeds))]
    digests = [stepper.call(i, "snapshot").digest for i in range(len(seeds))]
    stepper.close()
    return told, ended, digests


def test_what_is_left_are_the_moves_under_their_numbers():
    lane = make_lane(NINE)
    assert lane.space.actions == REDUCED == ACTIONS[:9]
    assert effects(NINE.id, REDUCED) == [(name, [i]) for i, name in enumerate(REDUCED)]
    assert ("no-op ×7", [4, *range(9, 15)]) in effects(ALL.id, ACTIONS)
    lane.close()


def test_it_is_the_same_world():
    (ours, ended, digests), (whole, others, same) = played(NINE), played(ALL)
    assert ended == others
    assert any(ended), "an episode ended"
    assert digests == same
    for a, b in zip(ours, whole, strict=True):
        np.testing.assert_array_equal(a, b)


def test_other_numbers_are_refused_and_the_world_goes_on():
    lane = make_lane(NINE)
    before = lane.start(Start(level=3)).copy()
    with pytest.raises(PolicyscopeError, match=r"action 9 is not one of 0..8 \(LEFT_DOWN, .*UP\)"):
        lane.step(9)
    assert np.array_equal(lane.render(64), before)
    lane.step(8)
    lane.close()


@pytest.mark.parametrize("written", [False, True])
def test_snapshots_go_on_as_they_did(written):
    """Kept in this process, and as JSON that is replayed."""
    stepper, random = make(NINE, 3), np.random.default_rng(1)
    stepper.start([Start(seed=k) for k in (5, 6, 7)])
    for _ in range(130):  # past a keyframe
        stepper.step(random.choice([1, 5, 7, 8], 3).tolist())
    lanes = np.flatnonzero(stepper.running).tolist()
    assert lanes
    for i in lanes:
        taken = stepper.call(i, "snapshot")
        if written:
            taken = Snapshot.from_json(json.loads(json.dumps(taken.to_json())))
        other = make(NINE, 2)
        other.start([None, Start(snapshot=taken)])
        lane = make_lane(NINE)
        lane.start(Start(snapshot=taken))
        for action in random.integers(0, 9, 60).tolist():
            step, alone = other.step([0, action]), lane.step(action)
            assert np.array_equal(step.obs[1], alone.obs)
            assert step.reward[1] == alone.reward
            if alone.terminated or alone.truncated:
                break
        assert other.call(1, "outcome") == lane.outcome()
        assert other.call(1, "snapshot").digest == lane.snapshot().digest
        other.close()
        lane.close()
    stepper.close()


def test_the_other_games_have_it_too():
    stepper = make(replace(NINE, id="procgen/starpilot"), 2)
    stepper.start([Start(seed=0), Start(seed=1)])
    assert len(stepper.space.actions) == 9
    stepper.step([7, 8])
    with pytest.raises(PolicyscopeError, match="action 10 is not one of"):
        stepper.step([7, 10])
    stepper.close()

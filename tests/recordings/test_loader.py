"""Batches of windows: each once, shuffled, the same for any number of workers."""

import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName
from policyscope.envs.stepper import Space
from policyscope.recordings.arrays import decoding, loader
from policyscope.recordings.arrays.selection import held_out

SPACE = Space((3, 2), "int32", actions=("STAY", "GO"))
LENGTHS = [5 + 7 * k % 23 for k in range(60)]


@pytest.fixture
def numbered(plant):
    """Sixty episodes in shards of five; the observation repeats its episode and step."""
    return plant(
        [
            {
                "obs": np.stack([np.full((n, 3), k), np.arange(n)[:, None] + 0 * np.arange(3)], 2)
                .astype(np.int32),
                "action": np.arange(n) % 2,
                "reward": np.arange(n) + 0.5,
                "value": 100.0 * k + np.arange(n, dtype=np.float32),
            }
            for k, n in enumerate(LENGTHS)
        ],
        space=SPACE,
        outputs=("value",),
        shard_episodes=5,
    )  # fmt: skip


def starts(batches):
    return [
        at for b in batches for at in zip(b["episode"].tolist(), b["step"].tolist(), strict=True)
    ]


def same(one, two):
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


@pytest.mark.parametrize("stride", [1, 4])
def test_every_window_comes_once_with_its_own_numbers(numbered, stride):
    got = list(numbered.batches(6, 16, names=["obs", "value", "reward"], workers=0, stride=stride))
    wanted = [(k, t) for k, n in enumerate(LENGTHS) for t in range(0, n - 5, stride)]
    assert sorted(starts(got)) == wanted
    assert starts(got) != wanted
    assert {len(b["obs"]) for b in got[:-1]} == {16}
    assert sum(len(b["obs"]) for b in got) == len(wanted)
    for b in got:
        assert b["obs"].shape[1:] == (6, 3, 2)
        steps = b["step"][:, None] + np.arange(6)
        assert (b["obs"][..., 0] == b["episode"][:, None, None]).all(), "one episode a window"
        np.testing.assert_array_equal(b["obs"][..., 1], np.repeat(steps[..., None], 3, 2))
        np.testing.assert_array_equal(b["value"], 100 * b["episode"][:, None] + steps)
        np.testing.assert_array_equal(b["reward"], steps + 0.5)


def test_batches_are_the_same_for_any_number_of_workers(numbered):
    alone = list(numbered.batches(6, 16, workers=0, seed=3, episodes=20))
    assert set(alone[0]) == {*loader.NAMES, "episode", "step"}
    for workers in (1, 2, 3):
        same(list(numbered.batches(6, 16, workers=workers, seed=3, episodes=20)), alone)
    other = starts(numbered.batches(6, 16, workers=0, seed=4, episodes=20))
    again = starts(numbered.batches(6, 16, workers=0, seed=3, epoch=1, episodes=20))
    assert sorted(other) == sorted(again) == sorted(starts(alone))
    assert len({tuple(other), tuple(again), tuple(starts(alone))}) == 3


@pytest.mark.parametrize("skip", [1, 7, 30, 10**6])
def test_an_epoch_goes_on_from_any_batch(numbered, skip):
    whole = list(numbered.batches(6, 16, workers=0, episodes=20))
    assert len(whole) > 30
    same(list(numbered.batches(6, 16, workers=0, episodes=20, skip=skip)), whole[skip:])


def test_what_was_seen_is_not_decoded_again(numbered, monkeypatch):
    whole = list(numbered.batches(6, 16, workers=0, episodes=20))
    asked, real = [], decoding._decode
    monkeypatch.setattr(decoding, "_decode", lambda a, *rest: asked.append(a) or real(a, *rest))
    list(numbered.batches(6, 16, workers=0, episodes=20))
    assert len(asked) == len(set(asked)) == 12, "each shard once"
    asked.clear()
    list(numbered.batches(6, 16, workers=0, episodes=20, skip=len(whole) - 2))
    assert len(asked) < 8


def test_batches_are_shuffled_over_the_episodes_asked_for(numbered):
    """At every turn windows of at least 20 episodes lie ready, and batches hold many of them."""
    shards = loader._shards(numbered.episodes, 6, 1)
    plan = loader._Plan(shards, 6, 1, 20, (0, 0))
    for turn in range(plan.turns):
        ready = plan.windows(turn)
        assert plan.count(turn) == len(ready)
        assert sum(len(plan.shards[place].episodes) for place in plan.present(turn)) >= 20
        assert {*ready[:, 0].tolist()} == set(plan.present(turn))
        # a mistake would be to give one shard after the other
        assert len(set(ready[:16, 0].tolist())) >= 3
    few = list(numbered.batches(6, 16, workers=0, episodes=5))
    many = list(numbered.batches(6, 16, workers=0, episodes=60))
    spread = [np.mean([len(set(b["episode"].tolist())) for b in each]) for each in (few, many)]
    assert spread[0] < 8 < 9 < spread[1]


def test_training_and_validation_share_no_episode(numbered):
    train, held = numbered.split(0.2, seed=1)
    one = {k for k, _ in starts(train.batches(6, 16, workers=0))}
    two = {k for k, _ in starts(held.batches(6, 16, workers=0))}
    long = {k for k, n in enumerate(LENGTHS) if n >= 6}
    assert not one & two
    assert one | two == long
    assert two


def test_what_is_wrong_is_told_before_anything_starts(numbered):
    with pytest.raises(UnknownName, match="Did you mean obs"):
        numbered.batches(6, 16, names=["ob"])
    with pytest.raises(PolicyscopeError, match="no episode has 100 steps"):
        numbered.batches(100, 16)
    for wrong in ({"batch": 0}, {"workers": -1}, {"episodes": 0}, {"skip": -1}):
        with pytest.raises(PolicyscopeError, match=f"{next(iter(wrong))} must be"):
            loader.batches(numbered, **{"length": 6, **wrong})


@pytest.mark.parametrize("workers", [0, 2])
def test_a_torn_shard_is_named(numbered, workers):
    chunk = numbered.path / "shards/00004/arrays.zarr/obs/c.0.0.0"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    with pytest.raises(BadFile, match="00004: torn shard: .*damaged") as caught:
        list(numbered.batches(6, 16, workers=workers))
    assert str(caught.value).count("00004: ") == 1


def test_the_first_steps_alone_are_given_too(numbered):
    got = list(numbered.batches(6, 16, names=["episode", "step"], workers=0, episodes=5))
    assert got[0].keys() == {"episode", "step"}
    assert sorted(starts(got)) == [(k, t) for k, n in enumerate(LENGTHS) for t in range(n - 5)]


@pytest.mark.parametrize("share", [0.7, 0.3, 0.9, 0.35, 1 / 3])
def test_each_run_of_episodes_has_one_that_is_held_out(share):
    """Every 10 numbers hold the share of them, where it is a tenth; no run is without."""
    held = held_out(np.arange(2000), share, 3)
    assert abs(held.sum() - 2000 * share) <= 1
    longest = int(np.diff(np.flatnonzero(held)).max())
    assert longest <= 2 * math.ceil(1 / share)


def workers_of(process: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(process), "-f", "decoding"], capture_output=True,
                           text=True, check=False)  # fmt: skip
    return [int(word) for word in found.stdout.split()]


def test_a_killed_worker_is_told_and_the_others_are_stopped(numbered):
    before = workers_of(os.getpid())
    going = numbered.batches(6, 16, workers=2, episodes=5)
    next(going)
    team = [pid for pid in workers_of(os.getpid()) if pid not in before]
    assert len(team) == 2
    os.kill(team[0], signal.SIGKILL)
    with pytest.raises(PolicyscopeError, match=r"the worker that reads .* was killed by signal 9"):
        list(going)
    assert workers_of(os.getpid()) == before


def test_an_epoch_left_early_leaves_no_worker(numbered):
    before = workers_of(os.getpid())
    going = numbered.batches(6, 16, workers=2, episodes=5)
    next(going)
    assert workers_of(os.getpid()) != before
    going.close()
    assert workers_of(os.getpid()) == before


PARENT = """
import sys, time
from policyscope.recordings.read import open_recording
going = open_recording(sys.argv[1]).batches(6, 16, workers=2, episodes=5)
next(going)
print("begun", flush=True)
time.sleep(60)
"""


def test_workers_end_with_a_parent_that_is_killed(numbered):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(numbered.path)],
                              stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert parent.stdout.readline() == "begun\n"
    team = workers_of(parent.pid)
    assert len(team) == 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{pid}") for pid in team) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [pid for pid in team if os.path.exists(f"/proc/{pid}")]

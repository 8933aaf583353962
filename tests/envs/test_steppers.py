"""Steppers in this process and in workers: errors, interrupts, ends, overlap."""

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.registry import register
from policyscope.envs.gym_lane import GymLane
from policyscope.envs.make import make
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start
from policyscope.envs.steppers import LocalStepper

CARTPOLE = EnvSpec("gym:CartPole-v1")
STARTS = [Start(seed=1), Start(seed=2), Start(seed=3)]


@pytest.fixture
def workers():
    stepper = make(CARTPOLE, 3, workers=2)
    yield stepper
    stepper.close()


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def gone(pids):
    deadline = time.monotonic() + 10
    while any(running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(running(pid) for pid in pids)


def pids_of(stepper):
    return [process.pid for process in stepper._processes]


def test_begin_and_finish_are_a_step(workers):
    local = make(CARTPOLE, 3)
    for stepper in (workers, local):
        stepper.start(STARTS)
    for t in range(4):
        actions = [t % 2, 1, 0]
        workers.begin_step(actions)
        with pytest.raises(PolicyscopeError, match="finish_step first"):
            workers.step(actions)
        with pytest.raises(PolicyscopeError, match="finish_step first"):
            workers.call(0, "entities")
        step, expected = workers.finish_step(), local.step(actions)
        assert np.array_equal(step.obs, expected.obs)
        assert np.array_equal(step.reward, expected.reward)
    with pytest.raises(PolicyscopeError, match="needs a begin_step"):
        workers.finish_step()


def test_begin_and_finish_are_a_start(workers):
    local = make(CARTPOLE, 3)
    for stepper in (workers, local):
        stepper.begin_start(STARTS)
    with pytest.raises(PolicyscopeError, match="finish_start first"):
        workers.begin_step([0, 0, 0])
    assert np.array_equal(workers.finish_start(), local.finish_start())
    for stepper in (workers, local):
        stepper.begin_start([None, None, None])
    assert np.array_equal(workers.finish_start(), local.finish_start())
    with pytest.raises(PolicyscopeError, match="needs a begin_start"):
        workers.finish_start()


def test_starting_some_lanes_leaves_the_others(workers):
    first = workers.start(STARTS)
    moved = workers.step([1, 1, 1]).obs
    obs = workers.start([None, Start(seed=2), None])
    assert np.array_equal(obs[1], first[1])
    assert np.array_equal(obs[[0, 2]], moved[[0, 2]])
    assert workers.running.tolist() == [True, True, True]


def test_answers_belong_to_the_caller():
    stepper = make(CARTPOLE, 2)
    obs = stepper.start(STARTS[:2])
    kept = obs.copy()
    stepper.step([0, 0]).obs[:] = 7.0
    assert np.array_equal(obs, kept)
    assert not (stepper.step([0, 0]).obs == 7.0).any()


@pytest.mark.parametrize("count", [0, 2])
def test_user_errors_keep_their_one_line(count):
    stepper = make(CARTPOLE, 3, count)
    stepper.start(STARTS)
    cases = [
        (lambda: stepper.step([0, 0, 9]), "action 9 is not one of 0..1"),
        (lambda: stepper.step([0]), "3 actions are needed"),
        (lambda: stepper.start(STARTS[:2]), "3 starts are needed"),
        (lambda: stepper.call(5, "entities"), "lane 5 is not one of 0..2"),
        (lambda: stepper.call(0, "reset"), "unknown method of a lane 'reset'"),
        (lambda: stepper.call(1, "apply", SceneEdit("remove", 1)), "takes no scene edits"),
    ]
    for act, message in cases:
        with pytest.raises(PolicyscopeError, match=message) as caught:
            act()
        assert "\n" not in str(caught.value)
    assert np.array_equal(stepper.start(STARTS), make(CARTPOLE, 3).start(STARTS))
    stepper.close()


def test_environment_that_cannot_be_made_is_refused_and_leaves_no_process():
    with pytest.raises(PolicyscopeError, match="cannot be made.*wings"):
        make(EnvSpec("gym:CartPole-v1", {"wings": 2}), 2, workers=2)
    with pytest.raises(UnknownName, match="highway/intersection"):
        make(EnvSpec("highway/intersektion"), 2, workers=2)
    with pytest.raises(PolicyscopeError, match="at least one lane"):
        make(CARTPOLE, 0)
    gc.collect()


def test_fault_inside_a_worker_shows_its_traceback(workers):
    workers.start(STARTS)
    with pytest.raises(RuntimeError, match=r"worker 1 raised:\n.*(?s:.)*TypeError"):
        workers.step([0, 0, None])
    assert workers.start(STARTS).shape == (3, 4)


def test_killed_worker_is_named_and_nothing_hangs(workers):
    workers.start(STARTS)
    pids = pids_of(workers)
    os.kill(pids[1], signal.SIGKILL)
    with pytest.raises(PolicyscopeError, match=r"worker 1 \(lanes 2..2\) was killed by signal 9"):
        workers.step([0, 0, 0])
    assert gone(pids)
    with pytest.raises(PolicyscopeError, match="are closed"):
        workers.step([0, 0, 0])


def test_close_and_garbage_collection_end_the_workers(workers):
    pids = pids_of(workers)
    workers.close()
    workers.close()
    assert gone(pids)
    dropped = make(CARTPOLE, 2, workers=2)
    pids = pids_of(dropped)
    assert all(running(pid) for pid in pids)
    del dropped
    gc.collect()
    assert gone(pids)


def test_interrupt_reaches_the_parent_alone(workers, monkeypatch):
    workers.start(STARTS)
    for pid in pids_of(workers):
        os.kill(pid, signal.SIGINT)
    assert workers.step([0, 0, 0]).obs.shape == (3, 4)

    workers.begin_step([0, 0, 0])
    pids = pids_of(workers)

    def interrupted(pipe):
        raise KeyboardInterrupt

    monkeypatch.setattr("multiprocessing.connection.Connection.recv", interrupted)
    with pytest.raises(KeyboardInterrupt):
        workers.finish_step()
    assert gone(pids), "an answer that was never read would answer the next question"


PARENT = """
import sys, time
from policyscope.envs.make import make
from policyscope.envs.spec import EnvSpec
stepper = make(EnvSpec("gym:CartPole-v1"), 2, workers=2)
print(*[p.pid for p in stepper._processes], flush=True)
{after}
"""


@pytest.mark.parametrize("after", ["time.sleep(60)", "raise SystemExit(0)"])
def test_workers_end_with_their_parent_and_scripts_need_no_guard(after, tmp_path):
    script = tmp_path / "no_guard.py"
    script.write_text(PARENT.format(after=after))
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        if "sleep" in after:
            parent.kill()
    assert gone(pids)


def test_workers_do_not_load_torch(workers):
    for pid in pids_of(workers):
        assert "libtorch" not in Path(f"/proc/{pid}/maps").read_text()
    assert "numpy" in Path(f"/proc/{pids_of(workers)[0]}/maps").read_text()


def test_names_registered_here_are_known_to_workers():
    register("environment", "test/cartpole", "policyscope.envs.gym_lane:make_lane")
    spec = EnvSpec("test/cartpole")
    with pytest.raises(PolicyscopeError, match="Gymnasium environment"):
        make(spec, 1, workers=1)


def test_snapshot_leaves_its_live_copy_in_the_worker():
    stepper = make(EnvSpec("highway/intersection"), 2, workers=1)
    stepper.start(STARTS[:2])
    stepper.step([0, 1])
    taken = stepper.call(1, "snapshot")
    assert taken.live is None
    local = make(EnvSpec("highway/intersection"))
    obs = local.start([Start(snapshot=taken)])
    alive = local.call(0, "snapshot")
    assert alive.live is not None
    assert np.array_equal(stepper.start([Start(snapshot=alive), None])[0], obs[0])
    edited = stepper.call(0, "apply", SceneEdit("speed", 0, {"speed": 2.0}))
    assert np.array_equal(stepper.start([None, None])[0], edited)
    stepper.close()


def test_local_begin_and_finish_are_a_step():
    one, two = make(CARTPOLE, 3), LocalStepper([GymLane(CARTPOLE) for _ in range(3)])
    one.start(STARTS), two.start(STARTS)
    one.begin_step([0, 1, 0])
    assert np.array_equal(one.finish_step().obs, two.step([0, 1, 0]).obs)
    with pytest.raises(PolicyscopeError, match="at least one lane"):
        LocalStepper([])

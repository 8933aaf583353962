"""Shards over processes: order, errors, death, Ctrl-C."""

import os
import pickle
import signal
import subprocess
import sys
import time
from importlib import import_module

import pytest
import torch

from policyscope.core.errors import PolicyscopeError
from policyscope.core.threads import one_thread
from policyscope.rollouts.shards import map_shards

MODULE = """
import os, signal, time
from functools import partial
from itertools import islice
from pathlib import Path

def square(n):
    time.sleep(0.05 * (3 - n % 4))
    return n * n

def pid(n):
    return os.getpid()

def fails(n):
    if n == 2:
        raise ValueError("no such\\nthing")
    return n

def refuses(n):
    from policyscope.core.errors import UnknownName
    raise UnknownName("site", "a", ["b"])

def dies(n):
    os.kill(os.getpid(), signal.SIGKILL)

class Pairs:
    def __call__(self, n):
        return n * n

    def stream(self, numbers):
        for n in numbers:
            both = [n, *islice(numbers, 1)]
            if 6 in both:
                raise ValueError("no such thing")
            if 8 in both:
                os.kill(os.getpid(), signal.SIGKILL)
            yield from ((k, k * k) for k in reversed(both))

def slow(folder, n):
    Path(folder, f"pid{n}").write_text(str(os.getpid()))
    if n:
        time.sleep(60)
    Path(folder, f"done{n}").write_text("")
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """Functions in a module that workers can import."""
    (tmp_path / "shard_jobs.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module("shard_jobs")
    sys.modules.pop("shard_jobs")


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_come_in_the_order_of_the_shards(jobs, workers):
    seen: list[int] = []
    results = map_shards(jobs.square, [4, 1, 3, 0, 2], workers, seen.append)
    assert results == [16, 1, 9, 0, 4]
    assert sorted(seen) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_stream_takes_several_shards_and_ends_them_in_its_own_order(jobs, workers):
    seen: list[int] = []
    assert map_shards(jobs.Pairs(), [4, 1, 3, 0, 2], workers, seen.append) == [16, 1, 9, 0, 4]
    assert sorted(seen) == [0, 1, 2, 3, 4]
    if workers < 2:
        assert seen == [1, 4, 0, 3, 2]


def test_all_shards_of_a_stream_that_fails_are_named(jobs):
    with pytest.raises(PolicyscopeError, match=r"^shard 5, 6 failed: ValueError: no such thing"):
        map_shards(jobs.Pairs(), [1, 2, 5, 6], 1)
    with pytest.raises(PolicyscopeError, match="worker of shards 7, 8 was killed by signal 9"):
        map_shards(jobs.Pairs(), [1, 2, 7, 8], 1)


def test_work_happens_in_other_processes(jobs):
    assert set(map_shards(jobs.pid, [0, 1], 0)) == {os.getpid()}
    found = map_shards(jobs.pid, [0, 1], 1)
    assert os.getpid() not in found
    assert len(set(found)) == 1


def test_no_shards_start_no_worker(jobs):
    assert map_shards(jobs.dies, [], 2) == []


def test_an_error_in_a_worker_is_one_line_with_its_place(jobs):
    with pytest.raises(PolicyscopeError) as caught:
        map_shards(jobs.fails, [0, 1, 2, 3], 1)
    text = str(caught.value)
    assert text == "shard 2 failed: ValueError: no such thing (shard_jobs.py:16)"
    assert "Traceback" in caught.value.__notes__[0]


def test_a_user_error_in_a_worker_keeps_its_line(jobs):
    with pytest.raises(PolicyscopeError, match=r"^unknown site 'a'. Valid: b\."):
        map_shards(jobs.refuses, [0], 1)


def test_a_killed_worker_is_named(jobs):
    with pytest.raises(PolicyscopeError, match="worker of shard 5 was killed by signal 9"):
        map_shards(jobs.dies, [5], 1)


def test_negative_workers_and_unpicklable_functions_are_refused():
    with pytest.raises(PolicyscopeError, match="0 or more"):
        map_shards(abs, [1], -1)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        map_shards(lambda n: n, [1], 1)


def test_one_thread_inside_and_as_before_outside():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        with pytest.raises(ZeroDivisionError), one_thread():
            raise ZeroDivisionError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def wait_for(condition, seconds: float = 30) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_workers_die_with_their_caller_and_finished_shards_stay(jobs, tmp_path, kill):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import shard_jobs\n"
        "from functools import partial\n"
        "from policyscope.rollouts.shards import map_shards\n"
        "map_shards(partial(shard_jobs.slow, sys.argv[1]), [0, 1, 2], 2)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        busy = [tmp_path / "pid1", tmp_path / "pid2"]
        assert wait_for(lambda: all(p.is_file() and p.read_text() for p in busy))
        process.send_signal(kill)
        _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert errors.count("Traceback") == (kill == signal.SIGINT), errors
    assert wait_for(lambda: all(gone(int(p.read_text())) for p in busy), 5)
    assert (tmp_path / "done0").is_file()
    assert not (tmp_path / "done1").exists()

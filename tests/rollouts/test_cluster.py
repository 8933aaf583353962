"""Shards and recordings on a dask cluster of several processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from policyscope.agents.store import load_agent
from policyscope.core.errors import PolicyscopeError
from policyscope.core.files import digest
from policyscope.recordings.record import record
from policyscope.rollouts.shards import map_shards

distributed = pytest.importorskip("distributed")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def functions(tmp_path_factory) -> Path:
    """A module that the workers can import, as they can policyscope."""
    folder = tmp_path_factory.mktemp("functions")
    (folder / "shard_functions.py").write_text(FUNCTIONS)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop("shard_functions", None)


FUNCTIONS = '''
import os, signal, time
from pathlib import Path
import torch
from policyscope.core.errors import PolicyscopeError

class Worker:
    """Says which process computed a shard, with how many threads, and how often it was set up."""

    def __init__(self):
        self.seen = 0

    def __call__(self, n):
        self.seen += 1
        time.sleep(0.05)
        return n * n, os.getpid(), torch.get_num_threads(), self.seen

class Dies:
    """Kills its process at shard 2, but only once if there is a mark to leave."""

    def __init__(self, mark, always=False):
        self.mark, self.always = Path(mark), always

    def __call__(self, n):
        with (self.mark / "tries").open("a") as out:
            out.write(f"{n}\\n")
        if n == 2 and (self.always or not (self.mark / "died").exists()):
            (self.mark / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return n

def refuses(n):
    raise PolicyscopeError(f"shard {n} does not want to")

def breaks(n):
    return 1 // (n - 1)
'''


@pytest.fixture(scope="module")
def cluster(functions):
    """A scheduler and two workers, each a process of its own, as on several machines."""
    port, folder = free_port(), functions
    environment = {**os.environ, "PYTHONPATH": str(folder), "DASK_LOGGING__DISTRIBUTED": "error"}
    environment["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"] = "1"
    address = f"tcp://127.0.0.1:{port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment,
             "cwd": folder, "start_new_session": True}  # fmt: skip
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    where = ["--host", "127.0.0.1", "--port", str(port), "--dashboard-address", ":0"]
    processes = [subprocess.Popen([*dask, *where, "--no-dashboard"], **quiet)]
    dask = [sys.executable, "-m", "distributed.cli.dask_worker", address]
    for _ in range(2):
        processes.append(subprocess.Popen([*dask, "--nthreads", "2", "--no-dashboard"], **quiet))
    end = time.monotonic() + 50
    while time.monotonic() < end:
        try:
            with distributed.Client(address, timeout=2, set_as_default=False) as client:
                if len(client.scheduler_info(n_workers=-1)["workers"]) == 2:
                    break
        except OSError:
            pass
        time.sleep(0.2)
    yield address
    for process in reversed(processes):
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def test_results_come_in_order_from_several_processes_one_thread_each(cluster, functions):
    import shard_functions

    done: list[int] = []
    results = map_shards(shard_functions.Worker(), list(range(12)), 0, done.append, cluster)
    assert [square for square, *_ in results] == [n * n for n in range(12)]
    assert sorted(done) == list(range(12))
    processes = {process for _, process, *_ in results}
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert {threads for _, _, threads, _ in results} == {1}
    for process in processes:  # one set-up serves all shards of a process
        mine = sorted(seen for _, pid, _, seen in results if pid == process)
        assert mine == list(range(1, len(mine) + 1))


def test_a_killed_worker_costs_its_shard_only(cluster, functions, tmp_path):
    import shard_functions

    results = map_shards(shard_functions.Dies(tmp_path), list(range(6)), cluster=cluster)
    assert results == list(range(6))
    tries = [int(line) for line in (tmp_path / "tries").read_text().split()]
    assert tries.count(2) == 2
    assert len(tries) <= 6 + 2, "besides the killed shard, at most what waited in that worker"


SAME = {"episodes": 8, "seed": 3, "sites": (), "shard_episodes": 2}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """Four shards made in this process."""
    folder = tmp_path_factory.mktemp("recorded") / "rec"
    record(load_agent("highway-ego-attention"), None, out=folder, **SAME)
    return folder


@pytest.mark.parametrize("at_url", [False, True])
def test_a_recording_on_a_cluster_has_the_same_bytes(cluster, recorded, tmp_path, at_url):
    agent, folder = load_agent("highway-ego-attention"), tmp_path / "rec"
    out = folder.as_uri() if at_url else folder
    made = record(agent, None, out=out, cluster=cluster, **SAME)
    assert made.finished
    assert digest(folder / "shards") == digest(recorded / "shards")


def test_a_recording_outlives_a_killed_worker(cluster, recorded, tmp_path):
    """One of the two workers dies after the first shard; the other does what is left."""
    agent = load_agent("highway-ego-attention")

    def kill(done: int, _total: int) -> None:
        if done == 1:
            with distributed.Client(cluster, set_as_default=False) as client:
                os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)

    made = record(agent, None, out=tmp_path / "rec", cluster=cluster, progress=kill, **SAME)
    assert made.finished
    assert digest(tmp_path / "rec" / "shards") == digest(recorded / "shards")


def test_what_fails_is_told_in_one_line(cluster, functions, tmp_path):
    import shard_functions

    with pytest.raises(PolicyscopeError, match="^shard 3 does not want to$"):
        map_shards(shard_functions.refuses, [3], cluster=cluster)
    with pytest.raises(PolicyscopeError, match="^shard 1 failed: ZeroDivisionError: .*:"):
        map_shards(shard_functions.breaks, [0, 1], cluster=cluster)
    with pytest.raises(PolicyscopeError, match="the workers of shard 2 died 2 times; out of mem"):
        map_shards(shard_functions.Dies(tmp_path, True), [2], cluster=cluster)


def test_nobody_is_waited_for_for_ever(functions, tmp_path, monkeypatch):
    """One worker without a nurse: killed, it leaves nobody."""
    import shard_functions

    monkeypatch.setattr("policyscope.rollouts.cluster.ALONE_SECONDS", 1.0)
    file = tmp_path / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL,
             "env": {**os.environ, "PYTHONPATH": str(functions)}}  # fmt: skip
    where = ["--scheduler-file", str(file)]
    processes = [
        subprocess.Popen([sys.executable, "-m", f"distributed.cli.{what}", *where, *more], **quiet)
        for what, more in (
            ("dask_scheduler", ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", ":0"]),
            ("dask_worker", ["--nthreads", "1", "--no-nanny", "--no-dashboard"]),
        )
    ]
    try:
        while not file.exists():
            time.sleep(0.1)
        with distributed.Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(1, timeout=40)
            address = client.scheduler.address
        with pytest.raises(PolicyscopeError, match="has no workers left; start some"):
            map_shards(shard_functions.Dies(tmp_path, True), [2], cluster=address)
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


def test_no_scheduler_is_told(monkeypatch):
    monkeypatch.setattr("policyscope.rollouts.cluster.WAIT_SECONDS", 1)
    with pytest.raises(PolicyscopeError, match="no dask scheduler answers at tcp://127.0.0.1:1"):
        map_shards(abs, [1], cluster="tcp://127.0.0.1:1")
    with pytest.raises(PolicyscopeError, match="no dask scheduler answers at nonsense://x"):
        map_shards(abs, [1], cluster="nonsense://x")

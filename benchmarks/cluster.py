"""Scaling of a recording over the workers of a dask cluster, each a process of this machine.

The same CoinRun episodes are recorded with one and with two workers of a dask scheduler and with
one and two processes of our own, in turns; what starts the workers is not counted. Two workers can
do no better than the machine's cores allow. The bytes are compared, too.

    python benchmarks/cluster.py --episodes 96 --repeats 3
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Client

from measure import report
from policyscope.agents.store import load_agent
from policyscope.core.files import digest
from policyscope.recordings.record import record


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """A scheduler and so many workers, each a process of its own; the scheduler's address."""
    module = [sys.executable, "-m"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        where = ["--scheduler-file", str(file)]
        scheduler = [
            *module,
            "distributed.cli.dask_scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
        ]
        started = [
            subprocess.Popen([*scheduler, *where, "--dashboard-address", ":0"], **quiet),
            *(
                subprocess.Popen(
                    [
                        *module,
                        "distributed.cli.dask_worker",
                        *where,
                        "--nthreads",
                        "1",
                        "--no-dashboard",
                        "--no-nanny",
                    ],
                    **quiet,
                )  # fmt: skip
                for _ in range(workers)
            ),
        ]
        try:
            while not file.exists():
                time.sleep(0.1)
            with Client(scheduler_file=str(file), set_as_default=False) as client:
                client.wait_for_workers(workers)
                yield client.scheduler.address
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    agent = load_agent("coinrun-gru")
    rates: dict[str, list[float]] = {}
    bytes_seen = set()
    with cluster(1) as one, cluster(2) as two:
        ways = {
            "cluster 1": {"cluster": one}, "cluster 2": {"cluster": two},
            "processes 1": {"workers": 1}, "processes 2": {"workers": 2},
        }  # fmt: skip
        for turn in range(-1, options.repeats):
            for name, way in ways.items():
                with tempfile.TemporaryDirectory() as place:
                    began = time.perf_counter()
                    made = record(
                        agent, None, options.episodes, 0, None, Path(place) / "rec",
                        shard_episodes=8, **way,
                    )  # fmt: skip
                    seconds = time.perf_counter() - began
                    bytes_seen.add(digest(made.path / "shards"))
                    if turn >= 0:  # the first turn starts engines and imports
                        steps = int(made.episodes["steps"].sum())
                        rates.setdefault(name, []).append(steps / seconds)
    if len(bytes_seen) != 1:
        raise SystemExit("the recordings differ")
    each = {name: statistics.median(found) for name, found in rates.items()}
    unit = f"steps/s, {options.episodes} episodes of CoinRun"
    report("cluster_two_workers_against_one", each["cluster 2"], each["cluster 1"], goal=1.5,
           better="higher", unit=unit, n=options.repeats)  # fmt: skip
    report("cluster_against_processes", each["cluster 2"], each["processes 2"], goal=0.9,
           better="higher", unit=unit, n=options.repeats)  # fmt: skip


if __name__ == "__main__":
    main()

"""Recorders killed at random moments: finished shards are whole, the rest is made again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from policyscope.core.files import digest
from policyscope.recordings.check import check_recording
from policyscope.recordings.plan import read_plan
from policyscope.recordings.shards.check_shard import check_shard
from policyscope.recordings.shards.store import finished_shards

FLAGS = ("--episodes", "48", "--shard-episodes", "1")


def start(saved: Path, out: Path, workers: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "policyscope", "record", str(saved), *FLAGS]
    command += ["--out", str(out), "--workers", str(workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def kill(process: subprocess.Popen) -> None:
    """Kill a recorder and its workers, these first: a worker that is left ends its write."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    workers = children.read_text().split() if children.exists() else []
    for pid in [*map(int, workers), process.pid]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_at(out: Path, more: int, pause: float, process: subprocess.Popen) -> bool:
    """Kill a recorder some time after it began to write or finished some shards.

    Args:
        out: folder of the recording.
        more: shards that it is to finish; -1 waits for its first file alone, 0 for a write.
        pause: seconds beyond that.
        process: the recorder.

    Returns:
        Whether it was still at work.
    """
    began, until = len(finished_shards(out)), time.monotonic() + 120
    enough = {-1: 1, 0: 4}.get(more, more)
    while process.poll() is None and time.monotonic() < until:
        if more == 0 and any(out.glob("shards/.*.part")):
            break
        if more < 0 and out.exists() or len(finished_shards(out)) >= began + enough:
            break
        time.sleep(0.001 if more else 0)
    time.sleep(pause)
    kill(process)
    said = process.communicate(timeout=60)[0]
    assert process.returncode in (0, -signal.SIGKILL), said
    return process.returncode != 0


def require_whole_shards(out: Path, known: dict[int, int]) -> None:
    """Every finished shard is whole, and those that were known were not written again."""
    plan = read_plan(out) if (out / "recording.json").exists() else None
    for number in finished_shards(out):
        stamp = (out / f"shards/{number:05d}/shard.json").stat().st_mtime_ns
        if known.setdefault(number, stamp) != stamp:
            raise AssertionError(f"shard {number} was written again")
        assert check_shard(out, number, plan) == ([], True)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("kills", "workers"),
    [
        (3, 0),
        pytest.param(34, 0, marks=pytest.mark.slow),  # 100 s on an idle core
        pytest.param(16, 2, marks=pytest.mark.slow),  # 90 s on an idle core
    ],
)
def test_killed_at_random_moments_it_goes_on_to_the_same_bytes(
    saved, whole, tmp_path, kills, workers
):
    out, rng = tmp_path / "rec", np.random.default_rng(kills)
    known: dict[int, int] = {}
    opened = struck = 0
    for turn in range(kills):
        more = -1 if turn % 8 == 0 else int(rng.integers(0, 4))
        pause = float(rng.uniform(0, 0.06)) if more else 0.0
        struck += kill_at(out, more, pause, start(saved, out, workers))
        opened += bool(list(out.glob("shards/.*.part")))
        require_whole_shards(out, known)
        if len(finished_shards(out)) > 40:
            for number in rng.choice(finished_shards(out), 24, replace=False).tolist():
                shutil.rmtree(out / f"shards/{number:05d}")
                del known[number]
    assert struck >= 0.9 * kills
    assert kills < 10 or opened > kills // 8, "hardly any kill fell into a write"
    process = start(saved, out, workers)
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    assert check_recording(out) == []
    assert digest(out / "shards") == digest(whole / "shards")
    assert digest(out / "agent") == digest(whole / "agent")
    assert (out / "episodes.parquet").read_bytes() == (whole / "episodes.parquet").read_bytes()

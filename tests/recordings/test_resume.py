"""Resume and faults: killed, interrupted, out of space, another plan, a second recorder."""

import errno
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from policyscope.agents.store import save_agent
from policyscope.core.errors import BadFile
from policyscope.core.files import digest
from policyscope.envs.spec import EnvSpec
from policyscope.recordings import record as recorder
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record
from policyscope.recordings.shards.store import finished_shards


def again(agent, out, **changes):
    settings = {"episodes": 10, "seed": 3, "sites": None, "shard_episodes": 4, **changes}
    spec = settings.pop("spec", None)
    return record(agent, spec, out=out, **settings)


@pytest.fixture
def copied(recorded, tmp_path) -> Path:
    """A copy of the recording that may be harmed."""
    shutil.copytree(recorded, tmp_path / "rec")
    return tmp_path / "rec"


def parts(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.name.endswith(".part")]


def test_resume_keeps_finished_shards_and_gives_the_same_bytes(recorded, copied, agent):
    shutil.rmtree(copied / "shards/00001")
    left = copied / "shards/.00001.part"
    left.mkdir()
    (left / "entities.parquet").write_bytes(b"half")
    before = (copied / "shards/00000/shard.json").stat().st_mtime_ns
    again(agent, copied)
    assert digest(copied / "shards") == digest(recorded / "shards")
    assert (copied / "shards/00000/shard.json").stat().st_mtime_ns == before
    assert parts(copied) == []


def test_a_finished_recording_is_not_recorded_again(copied, agent, monkeypatch):
    monkeypatch.setattr(recorder, "rollout", lambda *a, **k: pytest.fail("recorded again"))
    assert len(again(agent, copied)) == 10


def test_progress_counts_finished_shards(copied, agent):
    shutil.rmtree(copied / "shards/00002")
    seen: list[tuple[int, int]] = []
    again(agent, copied, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 4}, "seed"),
        ({"sites": ["attention_layer.pattern"]}, "sites"),
        ({"spec": EnvSpec("highway/intersection", {"duration": 7})}, "env"),
        ({"shard_episodes": 5}, "shard_episodes"),
    ],
)
def test_another_plan_is_refused(copied, agent, changes, named):
    before = digest(copied)
    with pytest.raises(BadFile, match=rf"holds a recording with another {named} \(choose"):
        again(agent, copied, **changes)
    assert digest(copied) == before


def test_another_agent_is_refused(copied, agent):
    with torch.no_grad():
        other = agent.with_weights({k: v + 1e-3 for k, v in agent.net.state_dict().items()})
    with pytest.raises(BadFile, match="holds a recording with another agent weights"):
        again(other, copied)


def test_a_card_that_grew_does_not_matter(copied, agent):
    same = agent.with_weights(agent.net.state_dict())
    same.card = {**agent.card, "return": 3}
    assert len(again(same, copied)) == 10


def test_a_second_recorder_is_kept_out(copied, agent):
    fcntl = pytest.importorskip("fcntl")
    descriptor = os.open(copied, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(BadFile, match="another process is recording into it"):
            again(agent, copied)
    finally:
        os.close(descriptor)
    assert len(again(agent, copied)) == 10


@contextmanager
def largest_file(size: int):
    """The kernel refuses writes beyond ``size`` bytes of a file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_the_kernel_refuses(recorded, copied, agent):
    for number in (1, 2):
        shutil.rmtree(copied / f"shards/0000{number}")
    with largest_file(4000), pytest.raises(BadFile) as caught:
        again(agent, copied)
    text = str(caught.value)
    assert text.startswith(f"{copied}: cannot write shard 1: File too large; finished shards")
    assert "\n" not in text
    assert finished_shards(copied) == [0]
    assert parts(copied) == []
    again(agent, copied)
    assert digest(copied / "shards") == digest(recorded / "shards")


@pytest.mark.parametrize("nth", [1, 9, 20])
def test_no_space_left_at_any_write(recorded, copied, agent, monkeypatch, nth):
    shutil.rmtree(copied / "shards/00002")
    write, calls = Path.write_bytes, 0

    def fills_up(self, data):
        nonlocal calls
        calls += 1
        if calls >= nth:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return write(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fills_up)
        with pytest.raises(BadFile, match="cannot write shard 2: No space left on device"):
            again(agent, copied)
    assert finished_shards(copied) == [0, 1]
    assert parts(copied) == []
    again(agent, copied)
    assert digest(copied / "shards") == digest(recorded / "shards")


def test_ctrl_c_keeps_finished_shards(recorded, agent, tmp_path):
    out = tmp_path / "rec"

    def interrupt(done, _total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again(agent, out, progress=interrupt)
    assert finished_shards(out) == [0, 1]
    assert parts(out) == []
    with pytest.raises(BadFile, match="is unfinished: 2 of 3 shards are there"):
        open_recording(out)
    partial = open_recording(out, partial=True)
    assert (len(partial), partial.finished) == (8, False)
    again(agent, out)
    assert digest(out / "shards") == digest(recorded / "shards")
    assert (out / "episodes.parquet").read_bytes() == (recorded / "episodes.parquet").read_bytes()


def test_ctrl_c_in_the_middle_of_a_write_leaves_no_part(recorded, copied, agent, monkeypatch):
    shutil.rmtree(copied / "shards/00002")

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("policyscope.recordings.shards.store.write_table", interrupted)
        with pytest.raises(KeyboardInterrupt):
            again(agent, copied)
    assert parts(copied) == []
    again(agent, copied)
    assert digest(copied / "shards") == digest(recorded / "shards")


COMMAND = (
    "--episodes", "60", "--seed", "3", "--shard-episodes", "4",
)  # fmt: skip


def start_recording(agent, folder: Path, workers: int) -> subprocess.Popen:
    save_agent(agent, folder / "agent")
    command = [
        sys.executable, "-m", "policyscope.cli.main", "record", str(folder / "agent"), *COMMAND,
        "--out", str(folder / "rec"), "--workers", str(workers),
    ]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_shards(out: Path, count: int, process: subprocess.Popen) -> None:
    until = time.monotonic() + 120
    while len(finished_shards(out)) < count:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.slow  # 9 and 19 s on a busy machine
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("sign", "workers"), [(signal.SIGKILL, 0), (signal.SIGINT, 2)])
def test_a_recorder_that_was_really_stopped_resumes_to_the_same_bytes(
    agent, tmp_path, sign, workers
):
    with start_recording(agent, tmp_path, workers) as process:
        try:
            wait_for_shards(tmp_path / "rec", 2, process)
            process.send_signal(sign)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == (130 if sign == signal.SIGINT else -9)
    assert "Traceback" not in errors
    if sign == signal.SIGINT:
        assert re.search(r"\ninterrupted; \d+ of 15 shards are kept; the same command goes", errors)
        assert parts(tmp_path / "rec") == []
    done = finished_shards(tmp_path / "rec")
    assert 2 <= len(done) < 15
    resumed = again(agent, tmp_path / "rec", episodes=60)
    whole = again(agent, tmp_path / "whole", episodes=60)
    assert len(resumed) == len(whole) == 60
    assert digest(tmp_path / "rec/shards") == digest(tmp_path / "whole/shards")

"""A disk that is really full: one line, whole shards, and the same bytes once there is room."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from policyscope.cli.main import main
from policyscope.core.files import digest
from policyscope.recordings.check import check_recording
from policyscope.recordings.plan import read_plan
from policyscope.recordings.shards.check_shard import check_shard
from policyscope.recordings.shards.store import finished_shards

FLAGS = ("--episodes", "48", "--shard-episodes", "1", "--workers", "0")
ROOM = 50_000


@pytest.fixture
def disk(tmp_path) -> Iterator[Callable[[int], Path]]:
    """Gives a small file system of its own, or the same one with another size, in kB."""
    place, mounted = tmp_path / "disk", False

    def sized(kilobytes: int) -> Path:
        nonlocal mounted
        place.mkdir(exist_ok=True)
        options = f"size={kilobytes}k,nr_inodes=100k" + (",remount" if mounted else "")
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if shutil.which("mount") is None:
            pytest.skip("no mount here; tests/recordings/test_resume.py refuses writes instead")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")
        mounted = True
        return place

    yield sized
    if mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.timeout(300)
#: From the agent's copy over the first shard to the last one.
@pytest.mark.parametrize(
    ("kilobytes", "least", "most"),
    [
        (1600, 3, 30),
        pytest.param(8, 0, 0, marks=pytest.mark.slow),  # 1 s each
        pytest.param(100, 0, 1, marks=pytest.mark.slow),
        pytest.param(3000, 15, 40, marks=pytest.mark.slow),
        pytest.param(4500, 30, 47, marks=pytest.mark.slow),
    ],
)
def test_a_full_disk(disk, saved, whole, capsys, kilobytes, least, most):
    out = disk(kilobytes) / "rec"
    command = ["record", str(saved), *FLAGS, "--out", str(out)]
    assert main(command) == 2
    said = capsys.readouterr().err
    error = said[said.index("error: ") :]
    assert error.count("\n") == 1
    assert "No space left on device" in error
    assert "make room" in error
    done = finished_shards(out)
    assert least <= len(done) <= most
    for number in done:
        assert check_shard(out, number, read_plan(out)) == ([], True)
    assert list(out.glob("shards/.*.part")) == []
    assert disk(ROOM) / "rec" == out
    assert main(command) == 0
    assert check_recording(out) == []
    assert digest(out / "shards") == digest(whole / "shards")

"""Ctrl-C in the first seconds of a training: one line, and never lost in an import."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from policyscope.cli.loading import interruptible, leaving_at_once

SWALLOWS = """
import os, signal, sys
from policyscope.cli.loading import leaving_at_once

with leaving_at_once("told"):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(10**7): pass
    except BaseException:
        print("swallowed")
print("went on")
"""


def test_nothing_can_swallow_an_interrupt_while_modules_load():
    done = subprocess.run([sys.executable, "-c", SWALLOWS], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "told\n")


def test_a_training_is_interrupted_as_ever_and_the_handler_comes_back():
    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)

    before = signal.getsignal(signal.SIGINT)
    with leaving_at_once("told"):
        with pytest.raises(KeyboardInterrupt), interruptible():
            interrupt()
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def interrupted(out: Path, when: Callable[[int], bool], *more: str) -> str:
    """What a training says that gets Ctrl-C once ``when`` holds and exits with 130."""
    line = [sys.executable, "-m", "policyscope.cli.main", "train", "dqn", "--out", str(out)]
    few = ["--steps", "100000", "--workers", "0", "--set", "lanes=1", *more]
    process = subprocess.Popen([*line, *few], stderr=subprocess.PIPE, text=True)
    try:
        while not when(process.pid):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1]
    finally:
        process.kill()
    assert process.returncode == 130
    return said


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="asks Linux what is loaded")
def test_ctrl_c_before_anything_is_written(tmp_path):
    def loading(pid: int) -> bool:
        return "libtorch_cpu" in Path(f"/proc/{pid}/maps").read_text()

    said = interrupted(tmp_path / "run", loading)
    assert said == "interrupted before the training began\n"
    assert not (tmp_path / "run").exists()


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("sign", "told", "again"),
    [("curve.jsonl", "interrupted before the first saved state", "begin anew"),
     ("state-*", "interrupted", "go on")],
)  # fmt: skip
def test_ctrl_c_says_what_there_is_to_resume(tmp_path, sign, told, again):
    every = "100000" if sign == "curve.jsonl" else "8"
    out = tmp_path / "run"
    said = interrupted(out, lambda _: any(out.glob(sign)), "--save-every", every)
    assert said.splitlines()[-1] == (
        f"{told}; give the same command with --resume to {again} in {out}"
    )
    assert "Traceback" not in said

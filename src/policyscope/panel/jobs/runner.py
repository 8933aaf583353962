"""One command in a process group of its own, whose output is kept and whose end is awaited."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event, Thread

from policyscope.core.progress import VARIABLE, read_progress

#: How much of the end of the output is looked at.
TAIL = 64 * 1024
LONGEST_MESSAGE = 500
PATIENCE = 3.0


class Command:
    """``policyscope`` running in the background.

    Args:
        arguments: behind the program's name.
        nice: how far it stands back behind other processes, 0 to 19.
    """

    def __init__(self, arguments: Sequence[str], nice: int = 0):
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the job is known)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "policyscope.panel.jobs.attended", *arguments],
            stdin=subprocess.PIPE,  # says nothing; its end tells that the server is gone
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, VARIABLE: "1", "NO_COLOR": "1", "COLUMNS": "200"},
            start_new_session=True,  # a group of its own: Ctrl-C at the server is told by close()
        )
        if nice:
            os.setpriority(os.PRIO_PROCESS, self._process.pid, nice)
        self._over = Event()

    def follow(self, ended: Callable[[int], None]) -> None:
        """Wait for the end in a thread of its own.

        Args:
            ended: called there with the exit code, negative for a signal.
        """

        def wait() -> None:
            try:
                code = self._process.wait()
                if self._process.stdin is not None:
                    self._process.stdin.close()
                ended(code)
            finally:
                self._over.set()

        Thread(target=wait, name="job", daemon=True).start()

    def stop(self, patience: float = PATIENCE) -> None:
        """Interrupt the whole group, kill it where that does not help, and wait for its end.

        Args:
            patience: seconds before it is killed.
        """
        self._signal(signal.SIGINT)
        if not self._over.wait(patience):
            self._signal(signal.SIGKILL)
            self._over.wait()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end and what follows it; whether it came."""
        return self._over.wait(seconds)

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def told(self) -> tuple[int, int | None, str]:
        """Parts done, parts there are (None if unknown), and the last line it said."""
        done, total, message = 0, None, ""
        for line in self._lines():
            progress = read_progress(line)
            if progress:
                done, total, message = progress["done"], progress["total"], progress["doing"]
            elif line.strip():
                message = line.strip()
        return done, total, message[:LONGEST_MESSAGE]

    def _lines(self) -> list[str]:
        # The process writes at the file's own position, which reading must not move.
        number = self._log.fileno()
        size = os.fstat(number).st_size
        text = os.pread(number, TAIL, max(0, size - TAIL))
        return text.decode("utf-8", "replace").splitlines()

    def close(self) -> None:
        """Forget the output."""
        self._log.close()

"""Jobs: methods that run on recordings while nobody looks.

Each is a process of its own, the same command a user would type; jobs live as long as the server.
"""

import secrets
import shlex
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock, Thread
from typing import Literal

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.registry import entry
from policyscope.panel.contract.work import Job, JobRequest
from policyscope.panel.failures import without_folders
from policyscope.panel.jobs.options import option_flags
from policyscope.panel.jobs.runner import Command
from policyscope.panel.shelf.shelf import Shelf

AT_ONCE = 2
#: Jobs that ended and are still listed.
LISTED = 100
#: ``policyscope explain`` ended well, though a check of its result failed.
_CHECK_FAILED = 3


class _Run:
    """A job and its process; ``end`` runs in the thread that awaits the process."""

    def __init__(self, shelf: Shelf, wanted: JobRequest, out: Path, flags: Sequence[str]):
        self.shelf, self.wanted, self.out = shelf, wanted, out
        self.id, self.began = secrets.token_hex(4), _now()
        recording = out.parents[1]
        shown = shelf.typed(recording)
        result = f"{shown}/explain/{out.name}"
        self.line = shlex.join(["policyscope", *_arguments(shown, wanted, flags, result)])
        self.state: Literal["running", "done", "failed", "cancelled"] = "running"
        self.ended: str | None = None
        self.result: str | None = None
        self.cancelled = False
        self.last: tuple[int, int | None, str] | None = None
        self.command = Command(_arguments(str(recording), wanted, flags, str(out)))
        self.command.follow(self.end)

    def end(self, code: int) -> None:
        done, total, message = self.command.told()
        whole = code in (0, _CHECK_FAILED)
        try:
            if whole:
                self.result = self.shelf.id_of(self.out)
            else:
                _remove(self.out)
        finally:
            if not whole:
                cause = f"killed by signal {-code}" if code < 0 else f"ended with status {code}"
                message = "cancelled" if self.cancelled else message or cause
            message = without_folders(message.removeprefix("error: "), self.shelf.folder)
            self.last = done, total, message
            self.ended = _now()
            self.state = "done" if whole else "cancelled" if self.cancelled else "failed"
            self.command.close()

    def stop(self) -> None:
        self.cancelled = True
        self.command.stop()

    def job(self) -> Job:
        state = self.state  # first: what is said of an ended job was set before it
        done, total, message = self.last or self._told()
        return Job(
            id=self.id,
            recording=self.wanted.recording,
            method=self.wanted.method,
            command=self.line,
            state=state,
            done=done,
            total=total,
            began=self.began,
            ended=self.ended,
            result=self.result,
            message=message,
        )

    def _told(self) -> tuple[int, int | None, str]:
        try:
            return self.command.told()
        except ValueError:  # it ended, and its output was closed, meanwhile
            return self.last or (0, None, "")


class Jobs:
    """All jobs since the server began.

    Args:
        at_once: how many may run; another one is refused.
    """

    def __init__(self, at_once: int = AT_ONCE):
        self._at_once, self._lock, self._closed = at_once, Lock(), False
        self._runs: dict[str, _Run] = {}

    def all(self) -> list[Job]:
        """All jobs, the newest first."""
        with self._lock:
            runs = list(self._runs.values())
        return [run.job() for run in reversed(runs)]

    def get(self, job: str) -> Job:
        """A job.

        Args:
            job: its id.

        Raises:
            UnknownName: there is no such job.
        """
        return self._run(job).job()

    def begin(self, shelf: Shelf, wanted: JobRequest) -> Job:
        """Begin a job; its result goes to ``explain/METHOD`` in the recording, or METHOD-2, ...

        Args:
            shelf: where the recording is.
            wanted: what to run.

        Raises:
            UnknownName: no such recording, method or option.
            PolicyscopeError: an option's value cannot be, or enough jobs are running.
        """
        recording = shelf.recording(wanted.recording)
        entry("method", wanted.method)
        flags = option_flags(wanted.method, wanted.options)
        with self._lock:
            running = [run for run in self._runs.values() if run.state == "running"]
            if self._closed or len(running) >= self._at_once:
                why = "the server stops" if self._closed else f"{len(running)} jobs are running"
                raise PolicyscopeError(f"{why}; wait for one or cancel it, then begin this one")
            out = _free(recording.path / "explain", wanted.method, {r.out for r in running})
            run = _Run(shelf, wanted, out, flags)
            self._runs[run.id] = run
            self._forget()
        return run.job()

    def cancel(self, job: str) -> Job:
        """Cancel a job and wait until its processes are gone; one that has ended stays as it is.

        Args:
            job: its id.

        Raises:
            UnknownName: there is no such job.
        """
        run = self._run(job)
        if run.state == "running":
            run.stop()
        return run.job()

    def wait(self, job: str, seconds: float) -> Job:
        """Wait for the end of a job, at most so many seconds."""
        run = self._run(job)
        run.command.wait(seconds)
        return run.job()

    def close(self) -> None:
        """Cancel all jobs and take no others; called when the server stops."""
        with self._lock:
            self._closed = True
            running = [run for run in self._runs.values() if run.state == "running"]
        stops = [Thread(target=run.stop) for run in running]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()

    def _run(self, job: str) -> _Run:
        with self._lock:
            if job not in self._runs:
                raise UnknownName("job", job[:200], self._runs)
            return self._runs[job]

    def _forget(self) -> None:
        ended = [name for name, run in self._runs.items() if run.state != "running"]
        for name in ended[: max(0, len(ended) - LISTED)]:
            del self._runs[name]


def _arguments(recording: str, wanted: JobRequest, flags: Sequence[str], out: str) -> list[str]:
    paths = [f"./{path}" if path.startswith("-") else path for path in (recording, out)]
    return ["explain", paths[0], "--method", wanted.method, *flags, "--out", paths[1]]


def _free(folder: Path, method: str, taken: set[Path]) -> Path:
    """A path for a result that nothing has and no running job writes to."""
    number = 1
    while True:
        path = folder / (method if number == 1 else f"{method}-{number}")
        if path not in taken and not path.exists():
            return path
        number += 1


def _remove(out: Path) -> None:
    """Remove what a job that did not end well has written; nothing was there before it."""
    for path in [out, *out.parent.glob(f".{out.name}.*.part")]:
        shutil.rmtree(path, ignore_errors=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

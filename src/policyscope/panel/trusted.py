"""Trust lines that pages ask for: each is measured once, by a process that ends with the asking."""

import logging
import shlex
import shutil
import signal
import tempfile
import time
from collections import OrderedDict
from pathlib import Path
from threading import Lock, Thread

import numpy as np

from policyscope.core.errors import PolicyscopeError, system_error
from policyscope.core.result import Result
from policyscope.panel.attributing import config_of, flags
from policyscope.panel.contract.attribution import AttributionQuestion, TrustFigure, TrustLine
from policyscope.panel.failures import without_folders
from policyscope.panel.jobs.runner import Command
from policyscope.panel.shelf.describe import shows_frames
from policyscope.panel.shelf.shelf import Shelf, recording_signature
from policyscope.recordings.read import Recording

LOG = logging.getLogger("policyscope.panel")
#: Decisions of an episode that are looked at; one of a frame costs seconds.
ROWS, ROWS_OF_FRAMES = 32, 8
#: Share of the places of a frame whose colours are not full.
FULL = 0.995
#: Seconds after which what nobody asks for any more is stopped.
PATIENCE = 5.0
#: Explanations of steps go first.
NICE = 10
#: Lines that are kept.
MOST_KEPT = 256
#: ``policyscope explain`` ended well, though a check of its result failed.
_CHECK_FAILED = 3
#: A program that catches a signal ends with the status 128 plus its number.
_CAUGHT = 128


#: Lines with which the command tells where it put what it found.
_WHERE = ("result: ", "figure: ")


class Interrupted(PolicyscopeError):
    """A measurement that a signal ended; asked for again, it may go well."""


class Trusts:
    """Trust lines of a server, measured one after the other; safe to use from several threads.

    Each is the command that a user would type, in a process of its own, so that explanations of
    steps do not wait for it.

    Args:
        patience: seconds without a question after which a measurement is stopped.
    """

    def __init__(self, patience: float = PATIENCE):
        self._patience, self._lock = patience, Lock()
        self._kept: OrderedDict[tuple, TrustLine | PolicyscopeError] = OrderedDict()
        self._now: _Measured | None = None

    def answer(self, shelf: Shelf, wanted: AttributionQuestion) -> TrustLine:
        """The trust line of an episode, or how far it is measured; ask on until it is.

        What failed fails again the same way; what a signal ended is told once and then measured
        anew.

        Args:
            shelf: what is served.
            wanted: what is explained, and how.

        Raises:
            UnknownName: no such recording, episode or method.
            PolicyscopeError: the measurement failed.
        """
        recording = shelf.recording(wanted.recording)
        recording.line(wanted.episode)
        config_of(wanted)
        key = recording.path, recording_signature(recording.path), wanted.model_dump_json()
        line = shlex.join(["policyscope", *_words(shelf.typed(recording.path), recording, wanted)])
        with self._lock:
            kept = self._kept.get(key)
            if isinstance(kept, Interrupted):
                del self._kept[key]
            if kept is None and self._now is None:
                words = _words(str(recording.path.resolve()), recording, wanted)
                self._now = _Measured(key, line, words)
                Thread(target=self._follow, args=(self._now, shelf.folder), daemon=True).start()
            now = self._now
            if now is not None and now.key == key:
                now.asked = time.monotonic()
        if isinstance(kept, PolicyscopeError):
            raise kept.with_traceback(None)
        if kept is not None:
            return kept
        if now is None or now.key != key:
            return TrustLine(measured=False, doing="waiting for another one", command=line)
        done, total, doing = now.told
        return TrustLine(measured=False, done=done, total=total, doing=doing, command=line)

    def _follow(self, run: "_Measured", folder: Path) -> None:
        """Await the end of a measurement, and stop it where nobody asks for it any more."""
        found: TrustLine | PolicyscopeError | None = None
        try:
            found = run.end(self._patience)
        except Exception as error:  # whatever it is: what is not kept would begin again and again
            kind = Interrupted if isinstance(error, Interrupted) else PolicyscopeError
            found = kind(without_folders(_told(error), folder))
        finally:
            with self._lock:
                self._now = None
                if found is not None:
                    self._kept[run.key] = found
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)


class _Measured:
    """A measurement that goes on."""

    def __init__(self, key: tuple, line: str, words: list[str]):
        self.key, self.line, self.asked = key, line, time.monotonic()
        self.told: tuple[int, int | None, str] = (0, None, "beginning")
        self._code: int | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="policyscope-trust-"))
        self._command = Command([*words, "--out", str(self._folder / "result")], NICE)
        self._command.follow(self._ended)

    def _ended(self, code: int) -> None:
        self._code = code

    def end(self, patience: float) -> TrustLine | None:
        """What was measured; None where it was stopped.

        Raises:
            PolicyscopeError: it failed.
        """
        try:
            while not self._command.wait(0.2):
                done, total, doing = self._command.told()
                if not doing.startswith(_WHERE):
                    self.told = done, total, doing
                if time.monotonic() - self.asked > patience:
                    self._command.stop()
                    return None
            if self._code not in (0, _CHECK_FAILED):
                raise failure(self._code, self._command.told()[2])
            return _line(Result.load(self._folder / "result"), self.line)
        finally:
            self._command.close()
            shutil.rmtree(self._folder, ignore_errors=True)


def failure(code: int | None, last: str) -> PolicyscopeError:
    """Why a measurement failed, as a line.

    Args:
        code: exit code, negative for a signal.
        last: the last line it said; its own error, or how far it was.

    Returns:
        Interrupted where a signal ended it.

    Example:
        >>> print(failure(-9, "how far it holds"))
        the measurement was ended by SIGKILL at: how far it holds (ask again to measure anew)
    """
    at = f" at: {last}" if last else ""
    code = code or 0
    number = -code if code < 0 else code - _CAUGHT
    if number in {int(known) for known in signal.Signals}:
        name = signal.Signals(number).name
        return Interrupted(f"the measurement was ended by {name}{at} (ask again to measure anew)")
    if last.startswith("error: "):
        return PolicyscopeError(last.removeprefix("error: "))
    return PolicyscopeError(f"the measurement ended with status {code}{at}")


def _told(error: Exception) -> str:
    """One line for an error; one that nobody foresaw is told in the log as well."""
    if isinstance(error, PolicyscopeError):
        return str(error)
    if isinstance(error, OSError):
        return str(system_error(error))
    LOG.error("a trust line failed", exc_info=error)
    return f"the measurement failed: {type(error).__name__}: {error}"


def _words(path: str, recording: Recording, wanted: AttributionQuestion) -> list[str]:
    rows = ROWS_OF_FRAMES if shows_frames(recording) else ROWS
    part = f"{path}:{wanted.episode}"
    more = ["--attribution.rows", str(rows), "--attribution.initialisations", "0"]
    return ["explain", part, *flags(wanted), *more]


def _line(result: Result, command: str) -> TrustLine:
    names = TrustFigure.model_fields
    figures = [
        TrustFigure(**{name: line[name] for name in names}) for line in result.data.attrs["trust"]
    ]
    return TrustLine(measured=True, figures=figures, reach=reach(result), command=command)


def reach(result: Result) -> float:
    """Size of a value from which the page's colours are full, as in the figures.

    Args:
        result: of ``attribution.explain.attribute``.
    """
    data, full = result.data, 1.0 if "vehicles" in result.data else FULL
    drawn = data["vehicles"][:, 0] if "vehicles" in data else data.get("map")
    sizes = np.abs(drawn.values if drawn is not None else np.zeros(1))
    known = sizes[np.isfinite(sizes)]
    return float(np.quantile(known, full)) if known.size else 0.0

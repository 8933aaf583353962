"""Forks that pages ask for: each is played in a thread of its own, one after the other."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from threading import Event, Lock, Thread
from typing import Literal

import numpy as np

from policyscope.core.edits import Edit
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.scene import SceneEdit
from policyscope.panel.contract.episode import Picture
from policyscope.panel.contract.fork import Fork, ForkAnswer, ForkRequest
from policyscope.panel.forks.pictures import FutureCourse, drawn, future_courses
from policyscope.panel.forks.side import played, side_file
from policyscope.panel.forks.told import fork_answer
from policyscope.panel.ranges import Read
from policyscope.panel.scene import scene_edits
from policyscope.panel.shelf.entity_columns import entities
from policyscope.panel.shelf.environment import large
from policyscope.panel.shelf.episode_file import EpisodeFile, read
from policyscope.panel.shelf.liveness import why_not_live
from policyscope.panel.shelf.pictures import picture
from policyscope.panel.shelf.shelf import Shelf
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.compare import SIDES
from policyscope.recordings.replays.fork import ForkConfig, fork, unwritten
from policyscope.recordings.replays.worlds import Worlds, key
from policyscope.rollouts.loop import Row

#: How long a request waits for a fork to end.
SECONDS = 0.4
#: Forks that are kept, the bytes they may hold together, and how many may wait to be played.
MOST_KEPT, MOST_BYTES, MOST_PLAYING = 24, 2**28, 4


class Forks:
    """Forks of a server, each played once; safe to use from several threads.

    The same request is the same fork. It has worlds and agents of its own, so that live questions
    are answered while it plays.

    Args:
        seconds: how long a request waits for a fork to end.
    """

    def __init__(self, seconds: float = SECONDS):
        self.seconds = seconds
        self._kept: OrderedDict[str, _Played] = OrderedDict()
        self._lock, self._turn = Lock(), Lock()
        self._worlds = Worlds(worlds=2, agents=2)

    def begin(self, shelf: Shelf, wanted: ForkRequest) -> Fork:
        """Play a fork, unless it is played already.

        Args:
            shelf: what is served.
            wanted: where, with which changes, how often.

        Raises:
            UnknownName: no such recording, episode or entity.
            PolicyscopeError: no such step, a change that cannot be made, a world that does not do
                what was recorded, or too many forks that are played.
        """
        recording = shelf.recording(wanted.recording)
        number = _number(recording, wanted)
        with self._lock:
            played = self._kept.get(number)
            if played is None:
                _refuse(recording, wanted, sum(one.playing for one in self._kept.values()))
                played = _Played(number, shelf, recording, wanted)
                self._kept[number] = played
                played.start(self._worlds, self._turn)
            self._kept.move_to_end(number)
        return self._after(played)

    def get(self, number: str) -> Fork:
        """How far a fork is, or what it found.

        Args:
            number: its id.

        Raises:
            UnknownName: no such fork, or it is no longer kept.
            PolicyscopeError: it failed.
        """
        return self._after(self._known(number))

    def stop(self, number: str) -> Fork:
        """Stop a fork and forget it, also one that has ended; errors are those of ``get``."""
        played = self._known(number)
        played.stopped.set()
        self._drop(played)
        return played.told()

    def open_bytes(self, number: str, side: str) -> tuple[int, Read]:
        """Size of the arrays of one side, and how to read them.

        Args:
            number: id of a fork that is done.
            side: kept or changed.

        Raises:
            UnknownName: no such fork or side.
        """
        files = self._known(number).files
        if side not in files:
            raise UnknownName("side", side[:40], list(files))
        return files[side].bytes, partial(read, files[side])

    def picture(self, shelf: Shelf, number: str, side: str, step: int) -> Picture:
        """The scene before a step of one side, as large as the engine draws it.

        Args:
            shelf: keeps what was drawn last.
            number: id of a fork that is done.
            side: kept or changed.
            step: row of the side's episode.

        Raises:
            UnknownName: no such fork or side.
            PolicyscopeError: no such step, or no larger pictures of this environment.

        Cost: that of ``shelf.pictures.picture``.
        """
        one = self._known(number)
        wanted, recording = one.wanted, shelf.recording(one.wanted.recording)
        if one.answer and not one.futures or step < wanted.step:
            return picture(shelf, self._worlds, wanted.recording, wanted.episode, step)
        if side not in one.futures:
            raise UnknownName("side", side[:40], list(one.futures))
        pixels, future, at = large(recording), one.futures[side], step - wanted.step
        assert pixels is not None
        if not at < len(future):
            last = wanted.step + len(future) - 1
            raise PolicyscopeError(f"this future has no step {step}; it holds 0..{last}")
        return shelf.kept(
            recording,
            ("fork", number, side, step),
            lambda: Picture(
                side=pixels,
                image=drawn(self._worlds, recording, (number, side), future, at, pixels),
            ),
            lambda made: len(made.image),
        )

    def close(self) -> None:
        """Stop all forks and free the worlds."""
        with self._lock:
            played = list(self._kept.values())
            self._kept.clear()
        for one in played:
            one.stopped.set()
        for one in played:
            one.thread.join()
        self._worlds.close()

    def _known(self, number: str) -> "_Played":
        with self._lock:
            played = self._kept.get(number)
        if played is None:
            raise UnknownName("fork", number[:40], [])
        return played

    def _after(self, played: "_Played") -> Fork:
        played.thread.join(self.seconds)
        if played.failed is not None:
            self._drop(played)
            raise played.failed
        self._forget(played)
        return played.told()

    def _drop(self, played: "_Played") -> None:
        with self._lock:
            if self._kept.get(played.number) is played:
                del self._kept[played.number]

    def _forget(self, latest: "_Played") -> None:
        with self._lock:
            ended = [one for one in self._kept.values() if not one.playing and one is not latest]
            for one in ended:
                held = sum(each.held for each in self._kept.values())
                if len(self._kept) <= MOST_KEPT and held <= MOST_BYTES:
                    return
                del self._kept[one.number]


class _Stopped(Exception):
    """Ends a fork that nobody waits for."""


class _Played:
    """One fork; its thread plays it and everyone may ask how far it is."""

    def __init__(self, number: str, shelf: Shelf, recording: Recording, wanted: ForkRequest):
        self.number, self.wanted = number, wanted
        self.stopped = Event()
        self.failed: Exception | None = None
        self.answer: ForkAnswer | None = None
        self.files: Mapping[str, EpisodeFile] = {}
        self.futures: Mapping[str, FutureCourse] = {}
        self._shelf, self._recording = shelf, recording
        self._progress = 0, 0  # futures that have ended, futures there are
        self._steps = 0
        self._rows: dict[str, list[Row]] = {side: [] for side in SIDES}

    def start(self, worlds: Worlds, turn: Lock) -> None:
        """Play it in a thread as soon as it is its turn."""
        self.thread = Thread(target=self._run, args=(worlds, turn), daemon=True)
        self.thread.start()

    @property
    def playing(self) -> bool:
        return self.thread.is_alive() and not self.stopped.is_set()

    @property
    def held(self) -> int:
        """Bytes of its arrays."""
        return sum(file.bytes for file in self.files.values())

    def told(self) -> Fork:
        """The message about it."""
        done, total = self._progress
        state: Literal["playing", "done", "stopped"] = "done" if self.answer else "playing"
        if self.stopped.is_set():
            state = "stopped"
        return Fork(
            id=self.number, request=self.wanted, state=state, done=done, total=total,
            steps=self._steps, answer=self.answer,
        )  # fmt: skip

    def _run(self, worlds: Worlds, turn: Lock) -> None:
        try:
            with turn, np.errstate(all="ignore"):
                if not self.stopped.is_set():
                    self._play(worlds)
        except _Stopped:
            pass
        except Exception as error:
            self.failed = error
        finally:
            self._rows = {}

    def _play(self, worlds: Worlds) -> None:
        began, wanted, recording = time.perf_counter(), self.wanted, self._recording
        changes: list[SceneEdit | Edit | str] = [*scene_edits(wanted.scene), *wanted.edits]
        config = ForkConfig(seeds=wanted.pairs, during=wanted.during, null=wanted.null)
        result = fork(
            recording, wanted.episode, wanted.step, changes, config,
            progress=self._count, watch=self._watch, worlds=worlds,
        )  # fmt: skip
        course, rows = worlds.course(recording, wanted.episode), self._rows
        scene = entities(self._shelf, recording, wanted.episode)
        values = {side: played(rows[side]) for side in SIDES}
        files = {
            side: side_file(course, wanted.step, scene, rows[side], values[side]) for side in SIDES
        }
        if large(recording):
            made = map(unwritten, result.parameters["changes"])
            edits = [change for change in made if isinstance(change, SceneEdit)]
            self.futures = future_courses(worlds, course, wanted.step, edits, rows, values)
        took = (time.perf_counter() - began) * 1e3
        path = self._shelf.typed(recording.path)
        before = float(course.columns["reward"][: wanted.step].sum())
        answer = fork_answer(recording, path, wanted, self.number, result, before, files, took)
        self.files, self.answer = files, answer

    def _count(self, done: int, total: int) -> None:
        self._progress = done, total

    def _watch(self, side: str, row: Row) -> None:
        if self.stopped.is_set():
            raise _Stopped
        self._steps += 1
        if row.episode == 0:
            self._rows[side].append(row)


def _number(recording: Recording, wanted: ForkRequest) -> str:
    text = f"{key(recording)} {wanted.model_dump_json()}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _refuse(recording: Recording, wanted: ForkRequest, playing: int) -> None:
    recording.line(wanted.episode)
    if why := why_not_live(recording):
        raise PolicyscopeError(why)
    if playing >= MOST_PLAYING:
        raise PolicyscopeError(f"{playing} forks are played at the moment; stop one, or wait")

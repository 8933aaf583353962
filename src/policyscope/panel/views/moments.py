"""Moments that a query describes: searches that go on while someone asks for what they find."""

import time
from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd

from policyscope.panel.contract.moments import Moment, Moments
from policyscope.panel.shelf.opening import opened
from policyscope.panel.shelf.shelf import Shelf, recording_signature
from policyscope.recordings.find.grammar import Ranked, parse_query
from policyscope.recordings.find.search import Search
from policyscope.recordings.read import Recording

#: How long a request goes on searching.
SECONDS = 0.3
#: Searches that are kept, and the moments that all of them may hold together.
MOST_KEPT, MOST_MOMENTS = 8, 2_000_000


class Searches:
    """Searches of a server, each as far as it was asked for; safe to use from several threads.

    No search goes on by itself: one that nobody asks for any more costs nothing.

    Args:
        seconds: how long an answer may take, beside the last block of steps.
    """

    def __init__(self, seconds: float = SECONDS):
        self.seconds = seconds
        self._kept: OrderedDict[tuple, _Asked] = OrderedDict()
        self._lock = Lock()

    def answer(
        self, shelf: Shelf, rec: str, query: str, most: int, episode: int | None = None
    ) -> Moments:
        """Go on searching for some time; what is found so far.

        Args:
            shelf: what is served.
            rec: id of the recording.
            query: what is looked for.
            most: moments that are listed.
            episode: list those of this episode alone.

        Raises:
            UnknownName: no recording of that id, or no such episode in it.
            BadQuery: the query cannot be read or answered; points at the word.
            BadFile: the recording is torn.
        """
        recording = shelf.recording(rec)
        if episode is not None:
            recording.line(episode)
        key = recording.path, recording_signature(recording.path), query
        asked = self._asked(key, recording, query)
        try:
            table = asked.go_on(self.seconds)
        except Exception:
            with self._lock:
                if self._kept.get(key) is asked:
                    del self._kept[key]
            raise
        self._forget(key)
        python = opened(
            recording, shelf.typed(recording.path), [f"find(recording, {query!r})"],
            ["from policyscope.recordings.find.search import find"],
        )  # fmt: skip
        return _told(asked, table, most, episode, python)

    def _asked(self, key: tuple, recording: Recording, query: str) -> "_Asked":
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        asked = _Asked(recording, query)
        with self._lock:
            return self._kept.setdefault(key, asked)

    def _forget(self, latest: tuple) -> None:
        with self._lock:
            while len(self._kept) > 1 and (
                len(self._kept) > MOST_KEPT
                or sum(asked.held for asked in self._kept.values()) > MOST_MOMENTS
            ):
                oldest = next(key for key in self._kept if key != latest)
                del self._kept[oldest]


class _Asked:
    """One search; the threads that ask for it take turns."""

    def __init__(self, recording: Recording, query: str):
        self.search = Search(recording, parse_query(query))
        self.steps = int(recording.episodes["steps"].sum())
        self.finished, self.held = False, 0
        self._table: pd.DataFrame | None = None
        self._failed: Exception | None = None
        self._turn = Lock()

    def go_on(self, seconds: float) -> pd.DataFrame:
        with self._turn:
            if self._failed is not None:
                raise self._failed
            try:
                return self._further(seconds)
            except Exception as error:
                self._failed = error
                raise

    def _further(self, seconds: float) -> pd.DataFrame:
        until = time.monotonic() + seconds
        with np.errstate(all="ignore"):  # numbers without end are no moments
            while not self.finished:
                self.finished = not self.search.go_on()
                self._table = None
                if time.monotonic() >= until:
                    break
        if self._table is None:
            self._table = self.search.table()
            self.held = len(self._table)
        return self._table

    @property
    def ranked(self) -> bool:
        clauses = [clause for choice in self.search.query.choices for clause in choice]
        return any(isinstance(clause, Ranked) for clause in clauses)


def _told(
    asked: _Asked, table: pd.DataFrame, most: int, episode: int | None, python: str
) -> Moments:
    counts = table["episode"].value_counts().sort_index()
    listed = table if episode is None else table[table["episode"] == episode]
    return Moments(
        query=asked.search.query.text,
        moments=[_moment(line) for line in listed.head(most).to_dict("records")],
        found=len(table),
        cut=len(listed) > most,
        ranked=asked.ranked,
        episode=counts.index.tolist(),
        count=counts.tolist(),
        done=asked.search.done,
        steps=asked.steps,
        finished=asked.finished,
        python=python,
    )


def _moment(line: dict[Hashable, Any]) -> Moment:
    number = line["number"]
    return Moment(
        episode=line["episode"],
        step=line["step"],
        until=line["until"],
        number=float(number) if np.isfinite(number) else None,
        outcome=str(line["outcome"]),
        total=float(line["return"]),
    )

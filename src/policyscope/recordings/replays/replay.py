"""Recorded episodes run again in a world, proved at each step to be what was recorded."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.stepper import Lane, Snapshot, Start
from policyscope.recordings.arrays.steps import of_episode, rows_of_episode
from policyscope.recordings.read import Recording

#: What a replay needs, and what an agent was asked with.
_NEEDED = ("obs", "action", "reward", "terminated", "truncated")
_TOLD = ("state_in", "row_identity")


@dataclass(frozen=True, eq=False)
class Course:
    """What was executed in an episode of T steps and what the world answered.

    Args:
        recording: where it is from.
        episode: number of the episode.
        columns: (T, ...) each: obs, action, reward, terminated, truncated and the outputs, and,
            where they were recorded, state_in and row_identity. Sites are not among them.
        seed: that the episode began from.
    """

    recording: Recording
    episode: int
    columns: dict[str, np.ndarray]
    seed: int | None

    @classmethod
    def read(cls, recording: Recording, episode: int) -> "Course":
        """Read an episode.

        Args:
            recording: an open recording.
            episode: number of the episode.

        Raises:
            UnknownName: no such episode.
            BadFile: its shard is torn.

        Cost: reads the chunks of the columns it holds.
        """
        steps = of_episode(recording, episode)
        told = [name for name in _TOLD if name in steps.names]
        names = dict.fromkeys([*_NEEDED, *recording.outputs, *told])
        columns = {name: steps.column(name) for name in names}
        seed = recording.line(episode)["seed"]
        return cls(recording, episode, columns, None if pd.isna(seed) else int(seed))

    def __len__(self) -> int:
        return len(self.columns["action"])

    @property
    def bytes(self) -> int:
        """Bytes of its columns."""
        return sum(column.nbytes for column in self.columns.values())

    def value(self, name: str, step: int) -> Any:
        """A column at one step."""
        return self.columns[name][step]

    def site(self, name: str, step: int) -> np.ndarray:
        """A recorded activation at one step.

        Args:
            name: of the site.
            step: row of the episode.

        Raises:
            UnknownName: it was not recorded.
            BadFile: the shard is torn.

        Cost: reads one chunk.
        """
        return rows_of_episode(self.recording, self.episode, step, 1).column(f"sites/{name}")[0]

    @property
    def start(self) -> Start:
        """Where the episode began.

        Raises:
            PolicyscopeError: not from a seed, so nothing tells how to begin it again.
        """
        seed = self.seed
        if seed is None or seed < 0:
            raise PolicyscopeError(
                f"episode {self.episode} did not start from a seed, so it cannot be replayed; "
                "record it from a seed"
            )
        return Start(seed=seed)


class Replay:
    """A course run again in a lane; ``step`` is the row whose decision comes next.

    Args:
        lane: a world of the recording's environment.
        course: what to run.

    Raises:
        PolicyscopeError: an observation, reward or end differs from the recorded one; so do
            ``resume`` and ``advance``.

    Example:
        >>> from policyscope.envs.make import make_lane
        >>> course = Course.read(recording, 0)  # doctest: +SKIP
        >>> run = Replay(make_lane(recording.env), course)  # doctest: +SKIP
        >>> run.begin()  # doctest: +SKIP
        >>> run.advance()  # doctest: +SKIP
    """

    def __init__(self, lane: Lane, course: Course):
        self.lane, self.course, self.step = lane, course, 0

    def begin(self) -> None:
        """Start the episode from its seed."""
        self._reach(0, self.lane.start(self.course.start))

    def resume(self, snapshot: Snapshot, step: int) -> None:
        """Return to a snapshot taken before a step."""
        self._reach(step, self.lane.start(Start(snapshot=snapshot)))

    def advance(self) -> None:
        """Execute the recorded action of this step."""
        t, course = self.step, self.course
        answer = self.lane.step(course.value("action", t))
        self._prove(answer.reward == course.value("reward", t), t, "reward")
        ends = course.value("terminated", t), course.value("truncated", t)
        self._prove((answer.terminated, answer.truncated) == ends, t, "end")
        self._reach(t + 1, answer.obs)

    def _reach(self, step: int, obs: Any) -> None:
        self.step = step
        if step < len(self.course):
            same = np.array_equal(obs, self.course.value("obs", step))
            self._prove(same, step, "observation")

    def _prove(self, equal: Any, step: int, what: str) -> None:
        if not equal:
            versions = self.course.recording.env.versions
            made_with = ", ".join(f"{k} {v}" for k, v in versions.items())
            raise PolicyscopeError(
                f"replaying episode {self.course.episode} gives another {what} at step {step} than "
                f"was recorded; use the packages it was recorded with "
                f"({made_with or 'versions unknown'})"
            )

"""Recorded episodes run again in a world, proved at each step to be what was recorded."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.stepper import Lane, Snapshot, Start
from policyscope.recordings.read import Recording


@dataclass(frozen=True, eq=False)
class Course:
    """What was executed in an episode of T steps and what the world answered.

    Args:
        recording: where it is from.
        episode: number of the episode.
        data: the whole episode, as ``Recording.episode`` gives it.
    """

    recording: Recording
    episode: int
    data: xr.Dataset

    @classmethod
    def read(cls, recording: Recording, episode: int) -> "Course":
        """Read an episode."""
        return cls(recording, episode, recording.episode(episode))

    def __len__(self) -> int:
        return self.data.sizes["step"]

    def value(self, name: str, step: int) -> Any:
        """A variable at one step."""
        return self.data.variables[name].values[step]

    @property
    def start(self) -> Start:
        """Where the episode began.

        Raises:
            PolicyscopeError: not from a seed, so nothing tells how to begin it again.
        """
        seed = self.data.attrs.get("seed")
        if seed is None or seed != seed or seed < 0:
            raise PolicyscopeError(
                f"episode {self.episode} did not start from a seed, so it cannot be replayed; "
                "record it from a seed"
            )
        return Start(seed=int(seed))


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

"""Large pictures of a fork's futures, drawn by the engine on demand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from policyscope.envs.scene import SceneEdit
from policyscope.envs.stepper import Lane, Snapshot, Start
from policyscope.panel.shelf.pictures import address
from policyscope.panel.shelf.thumbnails import png
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.compare import SIDES
from policyscope.recordings.replays.futures import moments
from policyscope.recordings.replays.replay import Course
from policyscope.recordings.replays.worlds import Worlds, key
from policyscope.rollouts.loop import Row


@dataclass(frozen=True, eq=False)
class FutureCourse(Course):
    """What was executed in a future and what the world answered, from the step of its fork on.

    Args:
        moment: that it began at.
    """

    moment: Snapshot

    @property
    def start(self) -> Start:
        """Where the future began."""
        return Start(snapshot=self.moment)


def future_courses(
    worlds: Worlds,
    course: Course,
    step: int,
    scene: Sequence[SceneEdit],
    rows: Mapping[str, Sequence[Row]],
    values: Mapping[str, Mapping[str, np.ndarray]],
) -> dict[str, FutureCourse]:
    """Both sides of the first pair of a fork, ready to be run again.

    Args:
        worlds: kept from one question to the next.
        course: the recorded episode.
        step: of the fork.
        scene: its changes of the scene.
        rows: that each side played.
        values: the same as arrays.

    Raises:
        PolicyscopeError: a world that does not do what was recorded.
    """
    recording = course.recording
    with worlds.alone(recording) as world:
        lane = world.at((key(recording), course.episode), course, step)
        begun = [each[0] for each in moments(lane, lane.snapshot(), scene, 1)]
    ends = {
        side: {
            "terminated": np.array([row.terminated for row in rows[side]]),
            "truncated": np.array([row.truncated for row in rows[side]]),
        }
        for side in SIDES
    }
    return {
        side: FutureCourse(
            recording, course.episode, {**values[side], **ends[side]}, course.seed, moment
        )
        for side, moment in zip(SIDES, begun, strict=True)
    }


def drawn(
    worlds: Worlds, recording: Recording, name: tuple[str, str], future: Course, at: int, side: int
) -> str:
    """A step of a future as the engine draws it, as a PNG data address.

    Args:
        worlds: kept from one question to the next.
        recording: of the fork.
        name: of the future, by which its moments are kept.
        future: what to run.
        at: row of the future.
        side: of the picture, in pixels.

    Raises:
        PolicyscopeError: the world does not do what it did when the future was played.
    """
    with worlds.alone(recording) as world:
        lane: Lane = world.at(name, future, at)
        return address(png(lane.render(side)))

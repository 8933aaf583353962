"""Pictures of a report: the steps around the decision, and its scene before and after changes."""

from collections.abc import Sequence

import numpy as np

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.scene import SceneEdit
from policyscope.recordings.arrays.steps import rows_of_episode
from policyscope.recordings.clips.places import outlines
from policyscope.recordings.clips.video import Look, encode, frames
from policyscope.recordings.highlights.clips import FRAME, pictures_of
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.scenes import scene_at
from policyscope.recordings.replays.worlds import Worlds
from policyscope.reports.parts import Film, Picture

#: Steps shown before and after the decision.
AROUND = 5


def film(recording: Recording, episode: int, step: int, size: int) -> Film:
    """The steps around a decision as a short clip; a coloured frame marks the step itself.

    Args:
        recording: an opened recording.
        episode: number of the episode.
        step: row of the episode.
        size: side of the pictures in pixels.

    Raises:
        MissingPart: PyAV or Pillow is not installed.
        PolicyscopeError: the world has no pictures, or does not do what was recorded.

    Cost: a replay of the episode up to the end of the clip.
    """
    last = min(step + AROUND, int(recording.line(episode)["steps"]) - 1)
    shown = range(max(0, step - AROUND), last + 1)
    drawn = list(frames(recording, episode, Look(size, ("action", "reward")), shown))
    drawn[step - shown.start] = _framed(drawn[step - shown.start])
    fps = 4.0 if len(recording.space.obs_shape) == 3 else 2.0
    return Film(encode(drawn, fps), shown.start, last, fps, drawn[0].shape[1])


def _framed(picture: np.ndarray) -> np.ndarray:
    wide = max(3, min(picture.shape[:2]) // 60)
    out = np.empty_like(picture)
    out[:] = FRAME
    out[wide:-wide, wide:-wide] = picture[wide:-wide, wide:-wide]
    return out


def picture(
    recording: Recording,
    episode: int,
    step: int,
    size: int,
    edits: Sequence[SceneEdit] = (),
    worlds: Worlds | None = None,
) -> Picture:
    """A recorded scene, or one that was changed, with the places of its entities.

    Args:
        recording: an opened recording.
        episode: number of the episode.
        step: row of the episode.
        size: side in pixels.
        edits: changes of the scene.
        worlds: worlds kept from earlier questions.

    Raises:
        PolicyscopeError: the world has no pictures, cannot be changed so, or does not do what was
            recorded.
    """
    with scene_at(recording, episode, step, worlds) as scene:
        scene.changed(edits)
        drawn = np.array(scene.lane.render(size), dtype=np.uint8)
        return Picture(drawn, tuple(outlines(scene.lane, drawn.shape[0])))


def seen(recording: Recording, episode: int, step: int, size: int) -> Picture:
    """What was observed as a picture, where the world cannot be drawn.

    Args:
        recording: an opened recording.
        episode: number of the episode.
        step: row of the episode.
        size: side in pixels, about.

    Raises:
        PolicyscopeError: observations are no pictures.
    """
    drawn = pictures_of(rows_of_episode(recording, episode, step, 1).column("obs"), size)
    if drawn is None:
        raise PolicyscopeError("the world cannot be drawn, and observations are no pictures")
    return Picture(drawn[0])

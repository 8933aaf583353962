"""Videos of recorded episodes, rendered again from their seed and actions."""

import io
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from policyscope.core.errors import BadFile, MissingPart, PolicyscopeError
from policyscope.core.files import atomic_file
from policyscope.envs.make import make_lane
from policyscope.recordings.clips.strips import ActionValues, panel
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.replay import Course, Replay


def write_video(
    recording: Recording,
    episode: int,
    path: str | Path,
    *,
    size: int = 480,
    fps: float = 2,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write an episode as mp4: at step t the scene before the step, with its action values.

    Args:
        recording: an open recording.
        episode: number of the episode.
        path: file to write.
        size: side of the scene in pixels.
        fps: decisions shown per second.
        progress: called with the number of frames drawn.

    Raises:
        MissingPart: PyAV is not installed.
        PolicyscopeError: the replay does not give the recorded observations.

    Cost: replays the episode; about 15 ms a step at 480 pixels.
    """
    path = Path(path)
    frames = _counted(episode_frames(recording, episode, size), progress or (lambda _: None))
    data = encode(frames, fps)
    try:
        with atomic_file(path) as beside:
            beside.write_bytes(data)
    except OSError as error:
        raise BadFile(path, f"cannot be written: {error.strerror}") from None


def _counted(frames: Iterable[np.ndarray], progress: Callable[[int], None]) -> Iterator[np.ndarray]:
    for number, frame in enumerate(frames, 1):
        yield frame
        progress(number)


def video_bytes(recording: Recording, episode: int, *, size: int = 480, fps: float = 2) -> bytes:
    """An episode as the bytes of an mp4 file; see ``write_video``."""
    return encode(episode_frames(recording, episode, size), fps)


def episode_frames(recording: Recording, episode: int, size: int) -> Iterator[np.ndarray]:
    """Rendered scene and action values side by side, (size, width, 3) uint8 for each step.

    Args:
        recording: an open recording.
        episode: number of the episode.
        size: side of the scene in pixels.
    """
    size = size // 2 * 2
    values = action_values(recording, episode)
    for step, frame in enumerate(replay(recording, episode, size)):
        yield frame if values is None else np.hstack([frame, panel(values, step, size)])


def action_values(recording: Recording, episode: int) -> ActionValues | None:
    """What an agent made of its named actions in an episode.

    Returns:
        Probabilities where it put out logits, their bars from 0, else its values; above them the
        value of the observation, if it has one, and the return so far, and how the episode ended.
        None where no output has a number for each action.
    """
    actions = recording.space.actions
    named = [n for n, shape in recording.outputs.items() if actions and shape == (len(actions),)]
    if not named:
        return None
    data, name = recording.episode(episode), named[0]
    values, rewards = data[name].values, data["reward"].values
    told = {"value": data["value"].values} if recording.outputs.get("value") == () else {}
    told["return so far"] = np.cumsum(rewards) - rewards
    least = None
    if name == "logits":
        name, values, least = "probability", softmax(values, axis=1), 0.0
    end = f"{outcome}, return {rewards.sum():.2f}" if (outcome := data.attrs["outcome"]) else ""
    return ActionValues(name, actions, values, data["action"].values, told, least, end)


def replay(recording: Recording, episode: int, size: int) -> Iterator[np.ndarray]:
    """Render an episode again, proving at each step that the world is the recorded one.

    Args:
        recording: an open recording.
        episode: number of the episode.
        size: side of the frames in pixels.

    Yields:
        The scene before each step, (size, size, 3) uint8.

    Raises:
        PolicyscopeError: an observation, reward or end differs from the recorded one.
    """
    course = Course.read(recording, episode)
    lane = make_lane(recording.env)
    try:
        run = Replay(lane, course)
        run.begin()
        while run.step < len(course):
            yield lane.render(size)
            run.advance()
    finally:
        lane.close()


def encode(frames: Iterable[np.ndarray], fps: float) -> bytes:
    """Encode frames as mp4 (H.264).

    Args:
        frames: (height, width, 3) uint8 each, sides even and equal.
        fps: frames per second.

    Raises:
        MissingPart: PyAV is not installed.
    """
    av = _av()
    if fps <= 0:
        raise PolicyscopeError(f"frames per second must be positive, got {fps}")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream: Any = None
        for frame in frames:
            if stream is None:
                rate = Fraction(fps).limit_denominator(1000)
                stream = container.add_stream("libx264", rate=rate, options={"crf": "20"})
                stream.height, stream.width, stream.pix_fmt = *frame.shape[:2], "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        if stream is None:
            raise PolicyscopeError("there is no frame to encode")
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise MissingPart("av", "video") from None
    return av

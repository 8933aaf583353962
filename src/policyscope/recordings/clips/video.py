"""Videos of recorded episodes, rendered again from their seed and actions."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from policyscope.core.errors import BadFile, MissingPart, PolicyscopeError, UnknownName
from policyscope.core.files import atomic_file
from policyscope.core.numbers import rounded
from policyscope.core.target_parser import parse_target
from policyscope.envs.make import make_lane
from policyscope.envs.stepper import Lane
from policyscope.recordings.arrays.steps import Steps, of_episode
from policyscope.recordings.arrays.targets import of_target
from policyscope.recordings.clips.gif import encode_gif
from policyscope.recordings.clips.marks import Canvas, Trace, band, steers
from policyscope.recordings.clips.places import Outline, outlines
from policyscope.recordings.clips.strips import ActionValues, panel
from policyscope.recordings.plan import UNKNOWN
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.replay import Course, Replay

#: What can be drawn: boxes of objects, the action, rewards and the end, and action values.
OVERLAYS = ("boxes", "action", "reward", "values")


@dataclass(frozen=True)
class Look:
    """What a clip shows.

    Args:
        size: side of the scene in pixels; made even.
        overlays: any of ``OVERLAYS``.
        targets: numbers with a small trace below the scene, e.g. value.
    """

    size: int = 480
    overlays: tuple[str, ...] = ("values",)
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.overlays:
            if name not in OVERLAYS:
                raise UnknownName("overlay", name, OVERLAYS)
        if not 32 <= self.size <= 4096:
            raise PolicyscopeError(f"the size must be between 32 and 4096, got {self.size}")


def write_video(
    recording: Recording,
    episode: int,
    path: str | Path,
    *,
    size: int = 480,
    fps: float = 2,
    progress: Callable[[int], None] | None = None,
    overlays: Sequence[str] = ("values",),
    targets: Sequence[str] = (),
    steps: range | None = None,
) -> None:
    """Write an episode as mp4, or as GIF if the name ends so: at step t the scene before the step.

    Args:
        recording: an open recording.
        episode: number of the episode.
        path: file to write.
        size: side of the scene in pixels.
        fps: decisions shown per second.
        progress: called with the number of frames drawn.
        overlays: any of ``OVERLAYS``.
        targets: numbers with a small trace below the scene, e.g. value.
        steps: which steps; all by default.

    Raises:
        MissingPart: PyAV or, for a GIF, Pillow is not installed.
        UnknownName: no such overlay or episode.
        PolicyscopeError: the replay does not give the recorded observations.

    Cost: replays the episode; about 15 ms a step at 480 pixels.
    """
    path, look = Path(path), Look(size, tuple(overlays), tuple(targets))
    drawn = frames(recording, episode, look, steps)
    counted = _counted(drawn, progress or (lambda _: None))
    data = encode_gif(counted, fps) if path.suffix.lower() == ".gif" else encode(counted, fps)
    try:
        with atomic_file(path) as beside:
            beside.write_bytes(data)
    except OSError as error:
        raise BadFile(path, f"cannot be written: {error.strerror}") from None


def _counted(drawn: Iterable[np.ndarray], progress: Callable[[int], None]) -> Iterator[np.ndarray]:
    for number, frame in enumerate(drawn, 1):
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
    return frames(recording, episode, Look(size))


def frames(
    recording: Recording, episode: int, look: Look, steps: range | None = None
) -> Iterator[np.ndarray]:
    """Pictures of the steps of an episode, each of the scene before the step.

    Args:
        recording: an open recording.
        episode: number of the episode.
        look: what they show.
        steps: which steps, in order without gaps; all by default.

    Yields:
        (height, width, 3) uint8, both even; below the scene a band for each target, right of it
        the action values.

    Raises:
        PolicyscopeError: the steps are none of the episode's, a target is none of the agent's, or
            the replay does not give what was recorded.
    """
    size = look.size // 2 * 2
    done, line = of_episode(recording, episode), recording.line(episode)
    shown = _range(steps, int(line["steps"]), episode)
    values = action_values(recording, episode) if "values" in look.overlays else None
    traces = _traces(recording, episode, look.targets)
    high = max(32, size // 9) // 2 * 2
    marked = [name for name in look.overlays if name != "values"]
    for step, (picture, objects) in enumerate(_scenes(recording, episode, size, look)):
        if step >= shown.stop:
            break
        if step < shown.start:
            continue
        frame = _marked(picture, objects, done, step, marked) if marked else picture
        bands = [band(trace, step, shown, size, high) for trace in traces]
        frame = np.vstack([frame, *bands])
        yield frame if values is None else np.hstack([frame, panel(values, step, len(frame))])


def _range(steps: range | None, count: int, episode: int) -> range:
    if steps is None:
        return range(count)
    shown = range(steps.start, min(steps.stop, count))
    if not shown or shown.start < 0:
        raise PolicyscopeError(
            f"there are no steps {steps.start}:{steps.stop} in episode {episode}, which has 0 to "
            f"{count - 1}"
        )
    return shown


def _marked(
    picture: np.ndarray,
    objects: Sequence[Outline],
    done: Steps,
    step: int,
    names: Sequence[str],
) -> np.ndarray:
    canvas = Canvas(picture)
    if "boxes" in names:
        canvas.boxes(objects)
    if "action" in names:
        actions = done.recording.space.actions
        canvas.action(_action_name(actions, done.column("action")[step]), steers(actions))
    if "reward" in names:
        canvas.reward(float(done.column("reward")[step]))
        if step == len(done) - 1:
            outcome = str(done.recording.line(int(done.episode[0]))["outcome"])
            canvas.end(outcome, bool(done.column("terminated")[step]))
    return canvas.pixels


def _action_name(names: Sequence[str], action: Any) -> str:
    if np.ndim(action):
        return ", ".join(rounded(number, 2) for number in action)
    return names[int(action)] if 0 <= int(action) < len(names) else "action unknown"


def _traces(recording: Recording, episode: int, targets: Sequence[str]) -> list[Trace]:
    steps, actions = of_episode(recording, episode), recording.space.actions
    return [Trace(text, of_target(parse_target(text), actions, steps)) for text in targets]


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
    for lane in replayed(recording, episode):
        yield lane.render(size)


def replayed(recording: Recording, episode: int) -> Iterator[Lane]:
    """A world at the moment before each step of an episode, proved to be the recorded one.

    Args:
        recording: an open recording.
        episode: number of the episode.

    Raises:
        PolicyscopeError: an observation, reward or end differs from the recorded one.
    """
    course = Course.read(recording, episode)
    lane = make_lane(recording.env)
    try:
        run = Replay(lane, course)
        run.begin()
        while run.step < len(course):
            yield lane
            run.advance()
    finally:
        lane.close()


def _scenes(
    recording: Recording, episode: int, size: int, look: Look
) -> Iterator[tuple[np.ndarray, list[Outline]]]:
    """Picture and objects before each step; of imported episodes the images that were seen."""
    line = recording.line(episode)
    shape = recording.space.obs_shape
    if recording.act == UNKNOWN and pd.isna(line["seed"]) and len(shape) == 3 and shape[2] == 3:
        for seen in of_episode(recording, episode).column("obs"):
            yield _scaled(seen, size), []
        return
    wanted = "boxes" in look.overlays
    for lane in replayed(recording, episode):
        yield lane.render(size), outlines(lane, size) if wanted else []


def _scaled(seen: np.ndarray, size: int) -> np.ndarray:
    """An image as a square of another size, by its nearest pixels."""
    rows, columns = ((np.arange(size) * n + n // 2) // size for n in seen.shape[:2])
    return np.ascontiguousarray(seen[rows][:, columns], dtype=np.uint8)


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

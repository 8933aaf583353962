"""Short clips of moments: replayed, from recorded pictures, or numbers to be drawn."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from policyscope.core.errors import MissingPart, PolicyscopeError
from policyscope.envs.make import make_lane
from policyscope.envs.stepper import Lane
from policyscope.recordings.arrays.steps import rows_of_episode
from policyscope.recordings.clips.video import encode
from policyscope.recordings.find.grammar import BadQuery
from policyscope.recordings.highlights.moments import (
    SECONDS,
    Moment,
    clip_steps,
    find_number,
    has_values,
)
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.replay import Course, Replay

SIZE = 320
FRAME = (217, 95, 2)
_LINES = 6


@dataclass(frozen=True, eq=False)
class Clip:
    """What is shown of a moment.

    Args:
        moment: which.
        fps: steps a second.
        actions: names of the actions executed, or the numbers.
        trace_name: what the trace is.
        trace: a number at each step of the clip; empty where there is none.
        video: bytes of an mp4, where there are pictures.
        poster: JPEG of the moment's frame, likewise.
        size: width and height in pixels.
        lines: where there are no pictures, numbers at each step by name.
    """

    moment: Moment
    fps: float
    actions: list[str]
    trace_name: str
    trace: np.ndarray
    video: bytes = b""
    poster: bytes = b""
    size: tuple[int, int] = (SIZE, SIZE)
    lines: dict[str, np.ndarray] = field(default_factory=dict)


class Camera:
    """Films moments of a recording.

    Args:
        recording: an open recording.
        size: side of the pictures in pixels.

    Attributes:
        notes: what could not be shown and why, a sentence each.
    """

    def __init__(self, recording: Recording, size: int = SIZE):
        self._recording, self._size = recording, size // 2 * 2
        self._lane: Lane | None = None
        self.notes: list[str] = []

    def film(self, moment: Moment) -> Clip:
        """The clip of a moment.

        Args:
            moment: of this recording.

        Raises:
            MissingPart: PyAV or Pillow is not installed.

        Cost: replays the episode up to the end of the clip, if it can be.
        """
        recording = self._recording
        fps = clip_steps(recording) / SECONDS
        inside = slice(moment.first, moment.last + 1)
        taken = rows_of_episode(recording, moment.episode, inside.start, inside.stop - inside.start)
        names = recording.space.actions
        actions = [names[a] if names else str(a) for a in taken.column("action").tolist()]
        name, trace = _trace(recording, moment)
        frames = self._frames(moment, taken.column("obs"))
        if frames is None:
            lines = _lines(recording, moment)
            return Clip(moment, fps, actions, name, trace[inside], lines=lines)
        at = moment.step - moment.first
        frames[at] = _framed(frames[at])
        height, width = frames[0].shape[:2]
        video, poster = encode(frames, fps), _jpeg(frames[at])
        return Clip(moment, fps, actions, name, trace[inside], video, poster, (width, height))

    def _frames(self, moment: Moment, obs: np.ndarray) -> list[np.ndarray] | None:
        try:
            return list(self._replayed(moment))
        except MissingPart:
            raise
        except PolicyscopeError as error:
            pictures = pictures_of(obs, self._size)
            shown = "the recorded observations" if pictures is not None else "numbers"
            note = f"Clips show {shown}, because the episodes could not be replayed: {error}."
            if not self.notes:
                self.notes.append(note)
            return pictures

    def _replayed(self, moment: Moment) -> Iterator[np.ndarray]:
        course = Course.read(self._recording, moment.episode)
        _ = course.start  # without one there is nothing to replay, nor a world to make
        if self._lane is None:
            self._lane = make_lane(self._recording.env)
        run = Replay(self._lane, course)
        run.begin()
        while run.step <= moment.last:
            if run.step >= moment.first:
                yield self._lane.render(self._size)
            run.advance()

    def close(self) -> None:
        """Free the world."""
        if self._lane is not None:
            self._lane.close()
            self._lane = None


def film_all(
    recording: Recording,
    moments: Sequence[Moment],
    size: int = SIZE,
    progress: Callable[[Moment], None] | None = None,
) -> tuple[list[Clip], list[str]]:
    """Clips of moments, and notes on what could not be shown.

    Args:
        recording: an open recording.
        moments: of it.
        size: side of the pictures in pixels.
        progress: called with each moment that was filmed.

    Raises:
        MissingPart: PyAV or Pillow is not installed.
    """
    camera, clips = Camera(recording, size), []
    try:
        for moment in moments:
            clips.append(camera.film(moment))
            (progress or (lambda _: None))(moment)
    finally:
        camera.close()
    return clips, camera.notes


def _trace(recording: Recording, moment: Moment) -> tuple[str, np.ndarray]:
    """Name and numbers, at all steps of the episode, of what the curve below a clip shows."""
    names = [moment.name] if moment.kind == "undecided" else []
    names += ["value"] if has_values(recording) else []
    for name in names:
        try:
            return name, find_number(recording, moment.episode, name)
        except BadQuery:
            continue
    rewards = recording.episode(moment.episode)["reward"].values
    return (
        ("return so far", np.cumsum(rewards)) if np.isfinite(rewards).all() else ("", rewards[:0])
    )


def _lines(recording: Recording, moment: Moment) -> dict[str, np.ndarray]:
    """Numbers of an episode's steps to draw: scores of actions, or what was observed."""
    data = recording.episode(moment.episode).isel(step=slice(moment.first, moment.last + 1))
    scores = [n for n in ("q", "logits") if n in data and "action_name" in data[n].dims]
    if scores:
        values = data[scores[0]].values.astype(float)
        names = [f"{scores[0]}[{action}]" for action in recording.space.actions]
    else:
        values = data["obs"].values.reshape(data.sizes["step"], -1).astype(float)
        names = [f"observation {i}" for i in range(values.shape[1])]
    spread = np.ptp(values, axis=0) if values.shape[1] else np.zeros(0)
    most = np.sort(np.argsort(-spread, kind="stable")[:_LINES])
    return {names[i]: values[:, i] for i in most}


def pictures_of(obs: np.ndarray, size: int) -> list[np.ndarray] | None:
    """Observations as RGB frames of about a size, None where they are no pictures.

    Args:
        obs: (T, ...); pictures are uint8 with the channels last or first. Of a stack of grey frames
            the newest is shown.
        size: of the longer side in pixels.
    """
    if obs.dtype != np.uint8 or obs.ndim not in (3, 4) or min(obs.shape[1:3]) < 1:
        return None
    if obs.ndim == 3:
        obs = obs[..., None]
    if obs.shape[-1] not in (1, 3, 4) and obs.shape[1] in (1, 3, 4):
        obs = np.moveaxis(obs, 1, -1)
    if obs.shape[-1] not in (1, 3, 4) or min(obs.shape[1:3]) < 8:
        return None
    if obs.shape[-1] != 3:
        obs = np.repeat(obs[..., -1:], 3, -1)
    larger = max(1, size // max(obs.shape[1:3]))
    larger += larger % 2 and any(side % 2 for side in obs.shape[1:3])  # H.264 wants even sides
    return list(obs.repeat(larger, 1).repeat(larger, 2))


def _framed(picture: np.ndarray) -> np.ndarray:
    wide = max(3, min(picture.shape[:2]) // 60)
    out = np.empty_like(picture)
    out[:] = FRAME
    out[wide:-wide, wide:-wide] = picture[wide:-wide, wide:-wide]
    return out


def _jpeg(picture: np.ndarray) -> bytes:
    try:
        from PIL import Image
    except ImportError:
        raise MissingPart("pillow", "video") from None
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()

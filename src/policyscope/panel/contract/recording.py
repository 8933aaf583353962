"""A recording: what holds for all its episodes, and the table of them."""

from typing import Any, Literal

from policyscope.panel.contract.library import RecordingLine
from policyscope.panel.contract.messages import Message


class TrackInfo(Message):
    """A number per step that every episode of a recording has.

    ``group`` names tracks that share an axis (all Q-values); ``shown`` whether the page shows it
    from the start.
    """

    name: str
    unit: str
    group: str
    kind: Literal["line", "event"] = "line"
    shown: bool = False
    source: str = ""
    """Where it comes from: the recording, a target, or a result's id."""


class OverlayInfo(Message):
    """A map per step over the entities, the frame or the scene."""

    name: str
    over: Literal["entities", "frame", "scene"]
    layers: list[str]
    """Names of its L layers, e.g. attention heads."""
    unit: str
    signed: bool = False
    """Whether zero is the middle of the colours."""
    live: bool = False
    """Whether a live computation gives it too."""
    shown: bool = False


class RecordingDetail(RecordingLine):
    """A recording with everything that holds for all its episodes."""

    actions: list[str]
    """Names of discrete actions; empty where they are continuous."""
    rows: list[str]
    features: list[str]
    obs_shape: list[int]
    obs_dtype: str
    frames: bool
    """Whether the observation is an image, (height, width, 3) uint8."""
    sites: dict[str, list[int]]
    outputs: dict[str, list[int]]
    deciding: str | None
    """The output with one number an action, e.g. q."""
    scene: dict[str, Any] | None
    """Roads as the lane gave them: lanes, edges, bounds, destination."""
    tracks: list[TrackInfo]
    overlays: list[OverlayInfo]
    live: bool
    """Whether the agent can be asked anew and its world be restored."""
    live_why: str = ""
    """Why not, where it cannot."""
    python: str
    command: str
    provenance: dict[str, Any]


class EpisodeTable(Message):
    """All episodes, column by column."""

    episode: list[int]
    seed: list[int | None]
    outcome: list[str]
    total: list[float]
    """Undiscounted return."""
    steps: list[int]


class Thumbnail(Message):
    """A small picture of an episode: the ego's path, or its last frame as a PNG data address."""

    path: list[tuple[float, float]] | None = None
    bounds: tuple[float, float, float, float] | None = None
    """x low, y low, x high, y high in metres; the same for all episodes of a recording."""
    image: str | None = None

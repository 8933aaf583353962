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


class PictureView(Message):
    """How the scene lies in the picture that the agent saw: a square part of it, y down.

    A point (x, y) stands at ``(x - cx) / visible + 1/2`` of the picture's side, likewise y.
    """

    visible: float
    """Side of the picture in units of the scene."""
    center: tuple[float, float] | None
    """cx and cy; None where the picture is centred on entity 0."""
    tall: float = 1.0
    """Height of entity 0 as drawn, in heights of its box; both stand on one ground."""
    cells: list[str]
    """Kinds that are drawn ``margin`` beyond their box on each side."""
    margin: float
    background: list[str]
    """Kinds that are no objects: they cannot be moved, and are not marked from the start."""


class RecordingDetail(RecordingLine):
    """A recording with everything that holds for all its episodes."""

    actions: list[str]
    """Names of discrete actions; empty where they are continuous."""
    called: list[str] = []
    """What each is called where people read of it: all that do nothing by one name."""
    rows: list[str]
    features: list[str]
    obs_shape: list[int]
    obs_dtype: str
    frames: bool
    """Whether the observation is an image, (height, width, 3) uint8."""
    picture: PictureView | None = None
    """Where its entities stand in that image, where that is known."""
    large: int | None = None
    """Side in pixels of the pictures that the engine draws on demand; None where it draws none."""
    large_why: str = ""
    """Why it cannot draw them now."""
    units: tuple[str, str] = ("m", "m/s")
    """Of lengths and of speeds in the scene."""
    idle: list[str] = []
    """Actions that all do nothing: one effect under several names."""
    edits: dict[str, list[str]] = {}
    """Changes that the scene takes, and the values of each."""
    sites: dict[str, list[int]]
    outputs: dict[str, list[int]]
    deciding: str | None
    """The output with one number an action, e.g. q."""
    scene: dict[str, Any] | None
    """Roads as the lane gave them: lanes, edges, bounds, destination."""
    queries: list[str] = []
    """Queries for moments that suit it."""
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

"""An episode: where its arrays lie, its tracks and overlays."""

from typing import Literal

from policyscope.panel.contract.messages import Message, Number
from policyscope.panel.contract.recording import OverlayInfo


class ArrayRef(Message):
    """Where the numbers of an array lie: little-endian, C order, ``bytes`` from ``offset`` on.

    A client asks for ``url`` with a ``Range``; rows i to j are the bytes
    ``offset + i * bytes / shape[0]`` and so on.
    """

    name: str
    url: str
    dtype: Literal["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32",
                   "float64"]  # fmt: skip
    shape: list[int]
    offset: int
    bytes: int


class EpisodeDetail(Message):
    """One episode of T steps: its numbers, and where its arrays lie.

    Arrays have T as their first axis: obs, action, policy_action, reward, outputs/NAME,
    sites/NAME, row_identity, ...; those of E rows are called entities/COLUMN (step, identity,
    kind as a code, row, x, y, heading, speed, length, width), ordered by step.
    """

    recording: str
    episode: int
    seed: int | None
    outcome: str
    total: float
    steps: int
    kinds: list[str]
    """Names that the codes of entities/kind stand for."""
    arrays: list[ArrayRef]
    bytes: int
    """Size of the file of all arrays."""
    pictures: str = ""
    """Where larger pictures of its steps are, each under its number; empty where there are none."""
    python: str


class TrackValues(Message):
    """One track of one episode; null where there is no value."""

    name: str
    unit: str
    group: str
    kind: Literal["line", "event"]
    values: list[Number]
    python: str


class OverlayValues(Message):
    """One overlay of one episode.

    ``values`` is (T, L, E) over entities, with ``identity`` (T, E) saying whom each column shows
    (-1 nobody); (T, L, height, width) over the frame, stretched to its size; (T, L, height, width)
    over the scene, stretched over ``extent``.
    """

    info: OverlayInfo
    values: ArrayRef
    identity: ArrayRef | None = None
    extent: tuple[float, float, float, float] | None = None
    """x low, y low, x high, y high in metres."""
    low: float
    high: float
    """One scale for all episodes of the recording where it is known, else for this one."""
    python: str


class Picture(Message):
    """The scene before a step as the engine draws it: a PNG data address of a square."""

    side: int
    image: str


class StepTable(Message):
    """Two tracks over all steps of a recording, for the map of steps; float32 and int32 arrays."""

    steps: int
    arrays: list[ArrayRef]
    """x, y, episode, step, action."""
    python: str = ""

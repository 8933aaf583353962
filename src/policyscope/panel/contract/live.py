"""A live question and its answer."""

from typing import Any

from pydantic import Field

from policyscope.panel.contract.messages import Message, Number


class SceneChange(Message):
    """A ``SceneEdit`` as JSON."""

    kind: str
    identity: int | None = None
    values: dict[str, float] = {}


class ObservationChange(Message):
    """One number of the observation set to another, after the scene was changed."""

    index: list[int] = Field(max_length=8)
    value: float


class LiveRequest(Message):
    """What would the agent do at this step, if ...? Nothing is kept from one request to the next.

    Restores the recorded step, changes the scene in order, executes the actions, changes the
    observation, and asks once.
    """

    recording: str
    episode: int = Field(ge=0)
    step: int = Field(ge=0)
    scene: list[SceneChange] = Field(default=[], max_length=64)
    observation: list[ObservationChange] = Field(default=[], max_length=256)
    actions: list[int] = Field(default=[], max_length=64)
    """Discrete actions executed then, one after the other; the agent is asked after the last."""
    targets: list[str] = Field(default=[], max_length=16)
    large: bool = False
    """Whether ``picture`` is to be as large as the engine draws it."""


class LiveEntity(Message):
    """One entity of the changed scene."""

    identity: int
    kind: str
    row: int
    x: float
    y: float
    heading: float
    speed: float
    length: float
    width: float


class LiveOverlay(Message):
    """An overlay over entities at the changed step: weights (L, E) on ``identity`` (E)."""

    name: str
    values: list[list[float]]
    identity: list[int]


class LiveTarget(Message):
    """A target (``taken``: the recorded action) before and after; null where it looks ahead."""

    target: str
    recorded: Number
    value: Number


class LiveAnswer(Message):
    """What the agent does at the changed step, and the recorded twin."""

    action: list[float]
    """The most likely action, never drawn; one number for a discrete one: its index."""
    recorded_action: list[float]
    """The executed one, which may have been drawn or forced."""
    recorded_best: list[float]
    """The most likely one of the recorded step: what ``action`` compares with."""
    outputs: dict[str, list[float]]
    recorded_outputs: dict[str, list[float]]
    observation: list[Any]
    """Nested numbers in the shape of the observation; empty for images."""
    recorded_observation: list[Any]
    picture: str | None = None
    """What the agent sees now as a PNG data address, or the same larger; null where it is none."""
    twin: int
    """The recorded step that this is compared with: as many steps later as actions were executed,
    or the last one."""
    entities: list[LiveEntity]
    overlays: list[LiveOverlay]
    targets: list[LiveTarget]
    python: str
    """Lines that do the same in Python."""
    milliseconds: float

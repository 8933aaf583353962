"""A policy field: what the agent would do at every place of a step's scene."""

from pydantic import Field

from policyscope.panel.contract.live import SceneChange
from policyscope.panel.contract.messages import Message
from policyscope.panel.contract.result import CheckLine


class FieldRequest(Message):
    """Ask at every place that the picture of this step shows, as it was and with the changes."""

    recording: str
    episode: int = Field(ge=0)
    step: int = Field(ge=0)
    scene: list[SceneChange] = Field(default=[], max_length=64)


class FieldSide(Message):
    """The agent at N places of one scene."""

    shade: list[float]
    """N numbers of what ``FieldAnswer.what`` names."""
    push: list[tuple[float, float]]
    """N mean pushes: the directions of the actions, weighted with their probabilities; x to the
    right, y down."""
    chances: list[list[float]]
    """N x A probabilities; where the agent holds none, 1 for the action that it prefers."""


class FieldAnswer(Message):
    """The field as it was and, where the scene is changed, after it, on one scale."""

    x: list[float]
    y: list[float]
    """Middles of the N cells, in units of the scene."""
    what: str
    unit: str
    low: float
    high: float
    """Ends of ``shade`` over both sides."""
    longest: float
    """Length of the longest push of both sides."""
    policy: bool
    """Whether ``chances`` are probabilities."""
    kept: FieldSide
    changed: FieldSide | None = None
    told: list[str]
    """The changes in words."""
    check: CheckLine
    """The outputs of the unchanged step, asked again, against what was recorded."""
    python: str
    command: str
    milliseconds: float

"""Why the agent does not take another action: the single changes of the scene that make it."""

from pydantic import Field

from policyscope.panel.contract.live import SceneChange
from policyscope.panel.contract.messages import Message, Number
from policyscope.panel.contract.result import CheckLine


class WhyNotRequest(Message):
    """Which change of one entity makes the agent prefer this action at this step?"""

    recording: str
    episode: int = Field(ge=0)
    step: int = Field(ge=0)
    action: int = Field(ge=0)
    """Its index."""


class WhyNotChange(Message):
    """The best change of one entity and kind."""

    change: SceneChange
    told: str
    entity: str
    """Kind of the entity."""
    distance: Number
    """How far it is moved, in units of the scene; null where it is removed."""
    margin: float
    """Score of the action minus that of the best other one; above 0 the agent prefers it."""
    chance: Number
    """Probability of the action then; null where the agent holds none."""


class WhyNotAnswer(Message):
    """All that was tried, those that suffice first, short moves before long ones."""

    action: str
    margin: float
    """Of the unchanged scene; above 0 the action is preferred already."""
    entities: int
    """How many were tried."""
    changes: list[WhyNotChange]
    check: CheckLine
    """The outputs of the unchanged step, asked again, against what was recorded."""
    python: str
    command: str
    milliseconds: float

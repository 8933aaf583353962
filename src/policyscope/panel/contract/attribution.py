"""Explanations on demand: what a target is owed to at a step, and how far that holds."""

from typing import Literal

from pydantic import Field

from policyscope.panel.contract.messages import Message, Number
from policyscope.panel.contract.result import CheckLine


class MethodLine(Message):
    """A method of attribution."""

    name: str
    about: str
    """What its values are, in a line."""


class TargetNeed(Message):
    """What a method needs of a target."""

    kinds: list[str]
    """Of terms, such as logp in logp[taken]."""
    only: bool
    """Whether a term of these kinds has to be there; else none may be."""
    why: str
    """What is wrong with other targets."""


class AttributionChoices(Message):
    """What can be asked of a recording's agent."""

    methods: list[MethodLine]
    sites: list[str]
    """Sites that some method can be asked of, in the order in which they fire; ``preprocess`` is
    the observation."""
    refused: dict[str, dict[str, str]]
    """By site and method: why it cannot be asked there; what is not named can be."""
    needs: dict[str, TargetNeed]
    """By method: what it needs of a target; others can be asked of any."""
    target: str
    """What is explained where no target is named; empty where one must be."""


class AttributionQuestion(Message):
    """What is explained, how, and in which episode."""

    recording: str
    episode: int = Field(ge=0)
    target: str = Field(default="", max_length=1000)
    """Empty: that of ``AttributionChoices``."""
    method: str = Field(default="integrated_gradients", max_length=200)
    site: str = Field(default="preprocess", max_length=200)


class AttributionRequest(AttributionQuestion):
    """How much of the target does each part account for at this step?"""

    step: int = Field(ge=0)


class Share(Message):
    """What one entity or unit accounts for."""

    name: str
    """Kind of an entity; name or index of a unit."""
    identity: int | None = None
    """Of an entity."""
    value: float
    """The sum of its numbers; over a frame, where values do not add up, their mean."""
    places: float = 0.0
    """Of a box: how many places of the map it holds; those at its edge count in part."""
    parts: list[float] = []
    """Of an entity that the observation has a row for: what each number of its row accounts for."""


class AttributionAnswer(Message):
    """The attribution of one decision, in the unit of the target for each unit of what it names."""

    target: str
    unit: str
    values_unit: str
    """Of the values, where it may be another than that of the target."""
    method: str
    site: str
    value: Number
    """The target at this step."""
    change: Number
    """Its difference to the baseline; null for methods that have none."""
    baseline: str
    """What the values are compared with, in words; empty for methods that compare with nothing."""
    gap: Number
    """What of the change the values miss; null likewise."""
    over: Literal["entities", "frame", "none"]
    """What the values lie on."""
    height: int = 0
    width: int = 0
    map: list[Number] = []
    """Over the frame: ``height`` times ``width`` sums over channels, row by row."""
    shares: list[Share]
    """Of entities (of a frame: of their boxes), else of the units; the largest first."""
    rest: Share | None = None
    """What belongs to none of them: places in no box, rows that show nobody, units not listed."""
    adds: bool
    """Whether values are shares of a whole, so that sums of them mean something."""
    sum: Number = None
    """Of all values, where they add up; places in several boxes count once here."""
    parts: list[str] = []
    """Names along ``Share.parts``."""
    units: int
    """How many numbers the site has."""
    check: CheckLine | None
    python: str
    command: str
    milliseconds: float


class TrustFigure(Message):
    """One figure of a trust line; ends are null where an episode alone tells no spread."""

    name: str
    mean: Number
    low: Number
    high: Number
    n: int
    """Decisions."""
    better: str
    reading: str


class TrustLine(Message):
    """How far explanations hold over the decisions of an episode, as far as it is measured."""

    measured: bool
    done: int = 0
    total: int | None = None
    """Parts done and parts there are while it is measured."""
    doing: str = ""
    figures: list[TrustFigure] = []
    reach: float = 0.0
    """Size of a value from which colours are full, over these decisions."""
    command: str

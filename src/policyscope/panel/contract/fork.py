"""Forks: what follows a recorded step with changes and without."""

from typing import Annotated, Literal

from pydantic import Field

from policyscope.panel.contract.episode import EpisodeDetail
from policyscope.panel.contract.live import SceneChange
from policyscope.panel.contract.messages import Estimate, Message
from policyscope.panel.contract.result import CheckLine


class ForkRequest(Message):
    """Play on from this step, with changes and as it was."""

    recording: str
    episode: int = Field(ge=0)
    step: int = Field(ge=0)
    scene: list[SceneChange] = Field(default=[], max_length=64)
    edits: list[Annotated[str, Field(max_length=200)]] = Field(default=[], max_length=16)
    """More changes, as the command line takes them: of activations, or of the scene."""
    during: int | None = Field(default=None, ge=1, le=100_000)
    """Decisions that changes of activations last; null to the end."""
    pairs: int = Field(default=1, ge=1, le=100)
    null: int = Field(default=20, ge=0, le=100)
    """Draws from the null of changes of activations; each plays all pairs again."""


class ForkSide(Message):
    """One side of a fork: pair 0 in full, of the others (P in all) how they ended.

    ``detail`` is an episode: the recorded rows up to the step, then those of the future, with
    arrays as recorded episodes have them, without sites.
    """

    detail: EpisodeDetail
    returns: list[float]
    """Undiscounted, from the step on; one a pair."""
    steps: list[int]
    """From the step on."""
    outcomes: list[str]


class ForkAnswer(Message):
    """Both sides of a fork, and how they differ."""

    kept: ForkSide
    """As it was."""
    changed: ForkSide
    told: list[str]
    """The changes in words."""
    diverges: list[int | None]
    """First step whose action differs, or at which one side has ended; one a pair."""
    difference: Estimate
    """Changed minus kept return, mean over pairs; no interval for one pair."""
    null: list[float]
    """Mean difference of each draw from the null; empty without changes of activations."""
    chance: str
    """Why there are fewer pairs than asked for; empty where there are not."""
    check: CheckLine
    """The unchanged future of pair 0 against the recording."""
    python: str
    command: str
    milliseconds: float


class Fork(Message):
    """A fork that is played, or was: ask again until it is done."""

    id: str
    request: ForkRequest
    state: Literal["playing", "done", "stopped"]
    done: int
    """Futures that have ended."""
    total: int
    """Futures there are; 0 until one has ended."""
    steps: int
    """Decisions played so far, of all futures together."""
    answer: ForkAnswer | None = None

"""Jobs and notes."""

from typing import Literal

from pydantic import Field

from policyscope.panel.contract.messages import Message


class JobRequest(Message):
    """Run a method on a recording; its result appears in the library."""

    recording: str
    method: str
    options: dict[str, str | int | float | bool] = Field(default={}, max_length=16)


class Job(Message):
    """Work that goes on while nobody looks."""

    id: str
    recording: str
    method: str
    command: str
    state: Literal["running", "done", "failed", "cancelled"]
    done: int
    total: int | None
    """How much there is to do, where that is known."""
    began: str
    ended: str | None
    result: str | None
    """Id of its result."""
    message: str
    """Last line it said."""


class NoteText(Message):
    """What someone writes on a recording, an episode, or a step of one."""

    episode: int | None = Field(default=None, ge=0)
    step: int | None = Field(default=None, ge=0)
    text: str = Field(min_length=1, max_length=10_000)


class Note(NoteText):
    """A note as it is saved beside the recording."""

    id: str
    written: str
    """ISO time of the last change."""

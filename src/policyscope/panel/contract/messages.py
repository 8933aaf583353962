"""What all messages share, and the answer to a request that cannot be met."""

from pydantic import BaseModel, ConfigDict

Number = float | None


class Message(BaseModel):
    """A part of the contract; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Problem(Message):
    """What an answer with status 400 or above holds: what is wrong, never a traceback."""

    code: str
    """Stable word for programs: unknown_name, bad_request, bad_range, bad_file, changed, ..."""
    message: str
    """One line that names the cause and the mend."""
    at: int | None = None
    """Where in a query the word begins that it is about, in characters; its length for its end."""
    length: int | None = None
    """Of that word; 0 where something is missing."""


class Estimate(Message):
    """A number with its 95% interval.

    The ends are null where one sample tells no spread, and where the library did not wait for them.
    """

    name: str
    value: float
    low: Number
    high: Number
    n: int

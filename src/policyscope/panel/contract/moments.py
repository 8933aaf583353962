"""Moments of a recording that a query describes."""

from policyscope.panel.contract.messages import Message, Number


class Moment(Message):
    """Successive steps of an episode that a query holds for."""

    episode: int
    step: int
    until: int
    """The last of its steps."""
    number: Number
    """Of the first clause that has one, at its strongest."""
    outcome: str
    total: float
    """Undiscounted return of the episode."""


class Moments(Message):
    """What is found of a query so far.

    A search goes on by a part of a second with each request; the same request asks for more.
    """

    query: str
    moments: list[Moment]
    """Ranked ones strongest first, others in order."""
    found: int
    """How many there are, listed or not."""
    cut: bool
    """Whether fewer are listed."""
    ranked: bool
    episode: list[int]
    """Episodes that have some, listed or not, in order."""
    count: list[int]
    """How many each of them has."""
    done: int
    """Steps gone through."""
    steps: int
    """Steps there are."""
    finished: bool
    python: str

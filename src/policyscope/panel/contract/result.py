"""A saved result."""

from typing import Any

from policyscope.panel.contract.library import ResultLine
from policyscope.panel.contract.messages import Message, Number


class CheckLine(Message):
    """A check of a result: ``value sense bound``, resting on n samples."""

    name: str
    value: Number
    sense: str
    bound: Number
    n: int
    passed: bool


class ResultDetail(ResultLine):
    """A result with its parameters, checks and the line that makes it."""

    parameters: dict[str, Any]
    provenance: dict[str, Any]
    check_lines: list[CheckLine]
    variables: dict[str, list[str]]
    """Dimensions of each of its arrays, e.g. {"q": ["step (13)", "action (3)"]}."""
    python: str | None
    figure: bool
    """Whether it can be drawn."""

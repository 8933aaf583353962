"""Check: a figure that a result must reach to be believed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policyscope.core.errors import PolicyscopeError
from policyscope.core.files import json_number

_SIGNS = {"at most": "<=", "at least": ">="}


def told_apart(value: float, bound: float) -> tuple[str, str]:
    """A value and its bound in 3 digits, or in as many as it takes to tell them apart.

    Example:
        >>> told_apart(0.25, 0.1), told_apart(0.10004, 0.1)
        (('0.25', '0.1'), ('0.10004', '0.1'))
    """
    for digits in range(3, 17):
        texts = f"{value:.{digits}g}", f"{bound:.{digits}g}"
        if texts[0] != texts[1] or value == bound:
            break
    return texts


@dataclass(frozen=True)
class Check:
    """One measured figure against its bound; made by ``at_most`` or ``at_least``.

    Args:
        name: what was measured, e.g. ``completeness gap``.
        value: the figure.
        bound: what it is held against.
        n: how many samples it was measured on.
        passed: whether it holds. NaN never does.
        sense: at most or at least.
    """

    name: str
    value: float
    bound: float
    n: int
    passed: bool
    sense: str = "at most"

    def __post_init__(self) -> None:
        if self.sense not in _SIGNS:
            raise PolicyscopeError(f"check '{self.name}': sense is 'at most' or 'at least'")
        if self.n < 1:
            raise PolicyscopeError(f"check '{self.name}' was measured on no sample")

    @classmethod
    def at_most(cls, name: str, value: float, bound: float, n: int) -> "Check":
        """A check that passes when the value does not exceed the bound.

        Example:
            >>> Check.at_most("parity gap", 2e-7, 1e-6, n=64).passed
            True
        """
        value, bound = float(value), float(bound)
        return cls(name, value, bound, int(n), value <= bound, "at most")

    @classmethod
    def at_least(cls, name: str, value: float, bound: float, n: int) -> "Check":
        """A check that passes when the value reaches the bound."""
        value, bound = float(value), float(bound)
        return cls(name, value, bound, int(n), value >= bound, "at least")

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "FAILED"
        sign = _SIGNS[self.sense]
        value, bound = told_apart(self.value, self.bound)
        return f"{self.name}: {value} {sign} {bound} (n={self.n}) {verdict}"

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file; NaN and infinities as text."""
        return {
            "name": self.name,
            "value": json_number(self.value),
            "bound": json_number(self.bound),
            "n": self.n,
            "passed": self.passed,
            "sense": self.sense,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Check":
        """Inverse of ``to_json``."""
        return cls(
            values["name"],
            float(values["value"]),
            float(values["bound"]),
            values["n"],
            values["passed"],
            values["sense"],
        )

"""What the doctor says of one thing it looked at."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from policyscope.core.checks import Check

PASSED, FAILED, NOTED, UNMEASURED = "passed", "FAILED", "noted", "not measured"
VERDICTS = (PASSED, FAILED, NOTED, UNMEASURED)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        name: what, e.g. ``parity``.
        verdict: passed, FAILED, noted (true, and to be known) or not measured.
        told: what was found, in words and numbers.
        check: the figure behind it, where there is one.
    """

    name: str
    verdict: str
    told: str
    check: Check | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        check = self.check and self.check.to_json()
        return {"name": self.name, "verdict": self.verdict, "told": self.told, "check": check}


def looked_at(name: str, look: Callable[[], Finding]) -> Finding:
    """A finding; an agent that fails while it is looked at has failed.

    Args:
        name: what is looked at.
        look: looks.
    """
    try:
        return look()
    except Exception as error:  # a network of any making can raise anything
        told = " ".join(str(error).split())[:300] or type(error).__name__
        return Finding(name, FAILED, f"{type(error).__name__}: {told}")

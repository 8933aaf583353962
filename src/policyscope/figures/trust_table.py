"""The tables under a figure that say how far it holds."""

from collections.abc import Mapping, Sequence
from typing import Any

from policyscope.core.checks import Check
from policyscope.core.numbers import mean_text, rounded
from policyscope.figures.page import table


def trust_table(figures: Sequence[Mapping[str, Any]], words: str) -> str:
    """Figures of a trust line with their intervals; empty where there are none.

    Args:
        figures: ``mean``, ``low`` and ``high`` of each, None where unknown, and what it is.
        words: what they were measured on.
    """
    rows = [
        (one["name"], mean_text(one), one["better"], one["reading"], str(one["n"]))
        for one in figures
    ]
    head = ("figure", "mean [95 %]", "better", "reads", "n")
    return table("Trust", head, rows, words) if rows else ""


def checks_table(checks: Sequence[Check]) -> str:
    """Checks with their values and bounds.

    Args:
        checks: of a result.
    """
    rows = [
        (c.name, rounded(c.value), f"{c.sense} {rounded(c.bound)}", str(c.n),
         "yes" if c.passed else "NO")
        for c in checks
    ]  # fmt: skip
    return table("Checks", ("check", "value", "bound", "n", "met"), rows)

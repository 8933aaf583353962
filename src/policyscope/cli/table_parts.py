"""What tables of explanations share: numbers with their intervals, checks, and the last lines."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from policyscope.core.checks import told_apart
from policyscope.core.numbers import rounded


def number_text(value: float | None, form: str = ".3g") -> str:
    """A number for a cell; a dash where there is none.

    Args:
        value: the number.
        form: as ``format`` takes it; of significant digits, such as .3g, as ``rounded`` has them.

    Example:
        >>> number_text(23600.0), number_text(None), number_text(0.5, "+.2f")
        ('23600', '–', '+0.50')
    """
    if value is None:
        return "–"
    digits = re.fullmatch(r"\.(\d+)g", form)
    return rounded(value, int(digits[1])) if digits else format(value, form)


def interval_text(
    found: Mapping[str, Any], form: str = ".3g", between: str = " ", alone: str = ""
) -> str:
    """A number and its interval for a cell.

    Args:
        found: ``mean`` or ``estimate``, ``low`` and ``high``; None where there is none.
        form: of the numbers.
        between: stands between the number and the interval.
        alone: follows a number without an interval.

    Example:
        >>> interval_text({"mean": 0.5, "low": 0.25, "high": 1.0}).replace(chr(92), "")
        '0.5 [0.25, 1]'
    """
    mean = found["mean"] if "mean" in found else found["estimate"]
    if mean is None:
        return "–"
    if found["low"] is None:
        return number_text(mean, form) + alone
    ends = ", ".join(number_text(found[end], form) for end in ("low", "high"))
    return escape(f"{number_text(mean, form)}{between}[{ends}]")


def percent(share: float | None) -> str:
    """A share of a whole for a cell."""
    return number_text(share, ".0%")


def counted(count: int, name: str) -> str:
    """How many there are of something.

    Example:
        >>> counted(1, "episode"), counted(3, "episode")
        ('1 episode', '3 episodes')
    """
    return f"{count} {name}{'' if count == 1 else 's'}"


def put_checks(console: Console, checks: Sequence[Mapping[str, Any]]) -> None:
    """Print how many checks passed, and each that did not."""
    failed = [c for c in checks if not c["passed"]]
    console.print(f"checks: {len(checks) - len(failed)} of {len(checks)} passed")
    for c in failed:
        value, bound = told_apart(float(c["value"]), float(c["bound"]))
        console.print(
            "FAILED: {}: {}, {} {}".format(c["name"], value, c["sense"], bound),
            style="bold red", markup=False,
        )  # fmt: skip
        if c["name"].startswith("standard error"):
            console.print("  four times the samples halve it (--help: samples)", markup=False)


def put_places(console: Console, values: Mapping[str, Any]) -> None:
    """Print where the result and its figure lie."""
    console.print(
        f"result: {values['result']}\nfigure: {values['figure']}", markup=False, soft_wrap=True
    )

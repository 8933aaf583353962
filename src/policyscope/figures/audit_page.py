"""Page of an audit: its picture, the same numbers as a table, what was left out, and its origin."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policyscope.attribution.audit import audit_report
from policyscope.core.result import Result
from policyscope.core.target_words import target_title
from policyscope.figures.attribution_audit import draw
from policyscope.figures.origin import origin
from policyscope.figures.page import table, write_page

NUMBERS = (
    "Mean [95 % bootstrap interval over episodes]; n: the decisions at which there was something "
    "to measure, of {decisions}. What each figure is, docs/attribution.md says."
)


def write_audit_page(result: Result, path: Path, mode: str = "light") -> None:
    """Write the page.

    Args:
        result: of ``attribution.audit.audit``.
        path: file to write.
        mode: light or dark.
    """
    told = audit_report(result)
    better, lines = told["better"], told["methods"]
    head = ("method", *(f"{name}\n{way} is better" for name, way in better.items()), "seconds")
    rows = [
        (line["method"], *(_cell(line[name]) for name in better), f"{line['seconds']:.1f}")
        for line in lines
    ]
    words = NUMBERS.format(decisions=told["n"]["decisions"])
    left_out = [(name, why) for name, why in told["left_out"].items()]
    parts = [
        draw(result, mode),
        table("The same as numbers", head, rows, words),
        *([table("Left out", ("method", "why"), left_out)] if left_out else []),
        *origin(result),
    ]
    write_page(path, f"audit of {target_title(told['target'])}", parts, mode)


def _cell(told: Mapping[str, Any]) -> str:
    """Mean with n, and the interval below: six of them stand side by side."""
    if told["mean"] is None:
        return "none"
    ends = told["low"] is not None and f"[{told['low']:.2f}, {told['high']:.2f}]"
    return f"{told['mean']:.2f}, n {told['n']}\n{ends or '(one episode)'}"

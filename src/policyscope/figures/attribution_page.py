"""Page of an attribution: figure, checks and the line that makes it again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policyscope.core.result import Result
from policyscope.figures.attribution import draw
from policyscope.figures.page import code, note, table, write_page

TRUST = (
    "Means over decisions with bootstrap intervals; what each figure is, docs/attribution.md says."
)


def write_attribution_page(result: Result, path: Path, mode: str = "light") -> None:
    """Write the page.

    Args:
        result: of ``attribution.explain.attribute``.
        path: file to write.
        mode: light or dark.
    """
    checks = [
        (
            c.name,
            f"{c.value:.3g}",
            f"{c.sense} {c.bound:.3g}",
            str(c.n),
            "yes" if c.passed else "NO",
        )
        for c in result.checks
    ]
    trust = [
        (line["name"], _told(line), line["better"], line["reading"], str(line["n"]))
        for line in result.data.attrs["trust"]
    ]
    parts = [
        draw(result, mode),
        table("Trust", ("figure", "mean [95 %]", "better", "reads", "n"), trust, TRUST)
        if trust
        else "",
        table("How far it holds", ("check", "value", "bound", "n", "met"), checks)
        if checks
        else note(result.unchecked or "", "How far it holds"),
        code(result.python or "", "Again in Python"),
    ]
    write_page(path, f"attribution of {result.data.attrs['target']}", parts, mode)


def _told(line: Mapping[str, Any]) -> str:
    if line["mean"] is None:
        return "none"
    if line["low"] is None or line["high"] is None:
        return f"{line['mean']:.3g} (one episode)"
    return f"{line['mean']:.3g} [{line['low']:.3g}, {line['high']:.3g}]"

"""Page of an attribution: figure, checks and the line that makes it again."""

from pathlib import Path

from policyscope.core.result import Result
from policyscope.figures.attribution import draw
from policyscope.figures.page import code, note, table, write_page


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
    parts = [
        draw(result, mode),
        table("How far it holds", ("check", "value", "bound", "n", "met"), checks)
        if checks
        else note(result.unchecked or "", "How far it holds"),
        code(result.python or "", "Again in Python"),
    ]
    write_page(path, f"attribution of {result.data.attrs['target']}", parts, mode)

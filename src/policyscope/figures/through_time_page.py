"""The page that ``policyscope explain --method through_time`` writes."""

from pathlib import Path

from policyscope.attribution.results.time_summary import by_steps_ago
from policyscope.core.result import Result
from policyscope.core.stats import Interval
from policyscope.figures.page import code, note, table, write_page
from policyscope.figures.through_time import draw

_WORDS = (
    "Integrated gradients of the target share its change from the baseline out over the last "
    "observations and the memory that stood before the first of them. Compared with: {baseline}."
)
_MANY = (
    " A share is a value over the sum of all values of its decision without their signs; intervals "
    "are 95 % bootstrap intervals over episodes. Decisions of younger episodes have no such step "
    "and do not count there."
)


def write_through_time_page(result: Result, path: Path, mode: str = "light") -> None:
    """Write figure, numbers, checks and the line that makes it again.

    Args:
        result: of the method ``through_time``.
        path: file to write.
        mode: light or dark.
    """
    single = result.data.sizes["row"] == 1
    words = _WORDS.format(**result.data.attrs) + ("" if single else _MANY)
    kinds = ("values",) if single else ("values", "absolute", "signed")
    head = {"values": "mean value", "absolute": "share without sign", "signed": "with sign"}
    lines = [
        (
            "memory before" if line["ago"] is None else str(line["ago"]),
            *(_told(line[kind]) for kind in kinds),
            str(line["decisions"]),
        )
        for line in by_steps_ago(result)
    ]
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
        note(words),
        table("By steps ago", ("steps ago", *(head[kind] for kind in kinds), "decisions"), lines),
        table("Checks", ("check", "value", "bound", "n", "met"), checks),
        code(result.python or "", "Again in Python"),
    ]
    write_page(path, f"{result.data.attrs['target']} through time", parts, mode)


def _told(interval: Interval) -> str:
    if interval.n < 2:
        return f"{interval.mean:.3g}"
    return f"{interval.mean:.3g} [{interval.low:.3g}, {interval.high:.3g}]"

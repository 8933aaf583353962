"""The page that ``policyscope explain --method through_time`` writes."""

from pathlib import Path

from policyscope.attribution.results.time_summary import by_steps_ago
from policyscope.core.numbers import rounded
from policyscope.core.result import Result
from policyscope.core.stats import Interval
from policyscope.figures.page import code, note, table, write_page
from policyscope.figures.through_time import draw
from policyscope.figures.trust_table import checks_table, trust_table

_WORDS = (
    "Integrated gradients of the target share its change from the baseline out over the last "
    "observations and the memory that stood before the first of them. Compared with: {baseline}."
)
_MANY = (
    " A share is a value over the sum of all values of its decision without their signs; intervals "
    "are 95 % bootstrap intervals over episodes. Decisions of younger episodes have no such step "
    "and do not count there."
)

_TRUST = (
    "Whole observations, and the memory before them, are set to the baseline or put back. Means "
    "over episodes of some of the decisions."
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
    parts = [
        draw(result, mode),
        note(words),
        table("By steps ago", ("steps ago", *(head[kind] for kind in kinds), "decisions"), lines),
        trust_table(result.data.attrs["trust"], _TRUST),
        checks_table(result.checks),
        code(result.python or "", "Again in Python"),
    ]
    write_page(path, f"{result.data.attrs['target']} through time", parts, mode)


def _told(interval: Interval) -> str:
    if interval.n < 2:
        return rounded(interval.mean)
    return f"{rounded(interval.mean)} [{rounded(interval.low)}, {rounded(interval.high)}]"

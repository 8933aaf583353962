"""The page that ``policyscope explain --method through_time`` writes."""

from pathlib import Path

from policyscope.attribution.results.time_summary import (
    by_steps_ago,
    through_time_report,
    way_words,
)
from policyscope.core.numbers import rounded
from policyscope.core.result import Result
from policyscope.core.stats import Interval
from policyscope.figures.origin import origin
from policyscope.figures.page import note, table, write_page
from policyscope.figures.through_time import draw
from policyscope.figures.trust_table import checks_table, trust_table

_WORDS = (
    "{by} of the target share its change from the baseline out over the last observations and the "
    "memory that stood before the first of them. Compared with: {baseline}."
)
_GAP = " Of the change the values miss {mean} {unit}{tail}."
_ERROR = " Random orders were drawn: the standard error is {mean} of the values' size{tail}."
_EXACT = " Exact: all coalitions of observations and memory were looked at."
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
    words = f"{_held(result)}{'' if single else _MANY}"
    kinds = ("values",) if single else ("values", "absolute", "signed")
    unit = result.data.attrs["unit"]
    mean = f"mean value ({unit})" if unit else "mean value"
    head = {"values": mean, "absolute": "share without sign", "signed": "with sign"}
    found = by_steps_ago(result)
    sampled = any(line["error"] is not None for line in found)
    heads = ("steps ago", *(head[kind] for kind in kinds), *(["standard error"] if sampled else []))
    lines = [
        (
            "memory before" if line["ago"] is None else str(line["ago"]),
            *(_told(line[kind]) for kind in kinds),
            *([rounded(line["error"])] if sampled else []),
            str(line["decisions"]),
        )
        for line in found
    ]
    parts = [
        draw(result, mode),
        note(words),
        table("By steps ago", (*heads, "decisions"), lines),
        trust_table(result.data.attrs["trust"], _TRUST),
        checks_table(result.checks),
        *origin(result),
    ]
    write_page(path, f"{result.data.attrs['target']} through time", parts, mode)


def _held(result: Result) -> str:
    """What was done, with what it is compared, and how far it holds."""
    attrs, numbers = result.data.attrs, through_time_report(result)["numbers"]
    way = way_words(result.data)
    words = _WORDS.format(by=f"{way[0].upper()}{way[1:]}", baseline=attrs["baseline"])
    if "error" in numbers:
        told, form = numbers["error"], _ERROR if numbers["error"]["mean"] else _EXACT
    else:
        told, form = numbers["gap"], _GAP
    mean, p95, n = rounded(told["mean"]), rounded(told["p95"]), result.data.sizes["row"]
    tail = f" in the mean, 95th percentile {p95} (n = {n})" if n > 1 else ""
    return words + form.format(mean=mean, unit=attrs["unit"], tail=tail)


def _told(interval: Interval) -> str:
    if interval.n < 2:
        return rounded(interval.mean)
    return f"{rounded(interval.mean)} [{rounded(interval.low)}, {rounded(interval.high)}]"

"""What the numbers of an attribution are, in the words that tables, figures and reports share."""

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from policyscope.attribution.config import ENTITIES, without_baseline
from policyscope.attribution.results.entity_shares import adds_up
from policyscope.core.result import Result

#: The ego's row is one, the others are many.
OTHERS = (
    "Signed and absolute: of the ego its own row, of the others the mean over the vehicles in "
    "sight. Part: of a decision's absolute sum, of the others all together."
)
#: Why a figure of a trust line can have a smaller n than the decisions that it was asked of.
FEWER = (
    "n: the decisions at which there was something to measure, of {decisions}. Left out are those "
    "at which no unit changes the target and, under removal, those without 3 entities whose "
    "removals differ."
)


def baseline_words(result: Result) -> str:
    """What an attribution is compared with, or what its trust line is, where it has no baseline.

    Args:
        result: of ``attribution.explain.attribute``.
    """
    if words := compared_words(result):
        return words
    attrs = result.data.attrs
    told = attrs.get("baseline", "zero")
    line = f"; the trust line sets units to: {told}" if attrs.get("trust") else ""
    return f"no baseline{line}"


def compared_words(result: Result) -> str:
    """What an attribution is compared with; empty where it compares with nothing.

    Args:
        result: of ``attribution.explain.attribute``.
    """
    attrs = result.data.attrs
    options = tuple(result.parameters.get("options", ()))
    if given := [option for option in options if option.startswith("baselines=")]:
        return f"compared with: {given[0]}"
    if without_baseline(attrs["method"]):
        return ""
    return f"compared with: {attrs.get('baseline', 'zero')}"


def entity_words(data: xr.Dataset) -> str:
    """What an entity's number is at a step.

    Args:
        data: of ``attribution.explain.attribute``, with entities.
    """
    if data.attrs.get("players") == ENTITIES:
        return "its Shapley value"
    if "vehicles" in data:
        return "sum over its row"
    return "sum over its box" if adds_up(data) else "mean over the places in its box"


def kind_words(data: xr.Dataset) -> str:
    """What the number of all entities of a kind is at a step.

    Args:
        data: of ``attribution.explain.attribute``, with entities.
    """
    if data.attrs.get("players") == ENTITIES:
        return "sum of the Shapley values of a kind"
    if adds_up(data):
        return "sum over the rows of a kind" if "vehicles" in data else "sum over a kind's boxes"
    if "vehicles" in data:
        return "mean over the vehicles of a kind, of each the sum over its row"
    return "mean over the places in a kind's boxes"


def greatest_words(single: bool) -> str:
    """What the share of steps is at which an entity, or a kind, is the greatest.

    Args:
        single: whether entities of one episode are told, or kinds.
    """
    compared = (
        "those who act are compared with everybody, others among themselves"
        if single
        else "all kinds are compared"
    )
    return f"share of the steps in sight at which nobody accounts for more; {compared}"


def fewer_words(trust: Sequence[Mapping[str, Any]], decisions: int) -> str:
    """Why figures have fewer decisions than were asked about; empty where none has.

    Args:
        trust: lines of the trust line.
        decisions: that it was asked of.
    """
    fewer = any(0 < line["n"] < decisions for line in trust)
    return FEWER.format(decisions=decisions) if fewer else ""

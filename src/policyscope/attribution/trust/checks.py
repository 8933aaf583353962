"""Checks of an attribution: sums that must be met, errors of what was drawn."""

from policyscope.attribution.config import COMPLETE, THROUGH, AttributionConfig
from policyscope.attribution.methods.told import Told
from policyscope.core.checks import Check

#: Share of the mean change of the target that the mean gap may reach.
GAP = 0.02
#: Share of the size of sampled values that their standard error may reach.
ERROR = 0.1


def checks_of(config: AttributionConfig, told: Told, whole: bool = True) -> list[Check]:
    """What of a method's values can be checked, and how it came out.

    Args:
        config: names the method.
        told: what it said of N decisions.
        whole: whether all that reaches the target flows through the site.
    """
    if config.method == "shapley" and float(told["error"].max()):
        error = float(told["error"].mean())
        return [
            Check.at_most("standard error / size of the values", error, ERROR, len(told["error"]))
        ]
    if config.method not in COMPLETE or "gap" not in told or not whole:
        return []
    gap, change = told["gap"].abs(), told["change"].abs()
    if nothing_changes(told) and not float(gap.max()):
        return []
    share = float(gap.mean() / change.mean()) if float(change.mean()) else float("inf")
    return [Check.at_most("completeness: mean gap / mean change", share, GAP, len(gap))]


def nothing_changes(told: Told) -> bool:
    """Whether the target is everywhere what it is at the baseline."""
    return "change" in told and not bool(told["change"].any())


def unchecked_because(config: AttributionConfig, told: Told) -> str:
    """Why a method's values have no check.

    Args:
        config: names the method.
        told: what it said.
    """
    if nothing_changes(told):
        return "the target is the same at the baseline: there is nothing to account for"
    if config.method == "shapley":
        return "exact: every coalition was looked at"
    if config.method in THROUGH:
        return "part of the change goes round the site, so that no sum is known"
    return f"{config.method} promises no sum; the trust line says how far its values hold"

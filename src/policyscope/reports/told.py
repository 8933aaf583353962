"""A report as JSON values and as short lines for a terminal."""

import math
from typing import Any

import numpy as np

from policyscope.attribution.results.entity_shares import adds_up
from policyscope.attribution.results.wording import entity_words
from policyscope.core.numbers import mean_text, rounded, signed
from policyscope.reports.numbers import Alone, read_alone
from policyscope.reports.parts import Blame, Report


def values_of(report: Report) -> dict[str, Any]:
    """The numbers of a report as JSON values; parts that are missing are null.

    Args:
        report: of ``reports.decision.report``.
    """
    return {
        "headline": report.headline,
        "place": report.place,
        "numbers": _numbers(report),
        "attribution": _attribution(report),
        "why_not": _nearest(report),
        "without": _without(report),
        "fork": _fork(report),
        "missing": report.missing,
        "checks": [c.to_json() for result in report.results.values() for c in result.checks],
        "passed": report.passed,
        "seconds": {name: round(seconds, 3) for name, seconds in report.seconds.items()},
        "provenance": report.provenance,
        "commands": report.commands,
    }


def lines_of(report: Report) -> list[tuple[str, str]]:
    """Title and text of each part, a line each.

    Args:
        report: of ``reports.decision.report``.
    """
    lines = []
    if blame := report.blame:
        data = blame.result.data
        value, unit = float(data["target"].values[0]), data["target"].attrs.get("unit", "")
        target = f"{rounded(value)} {unit}"
        words = target_words(blame).removeprefix("the target ")
        alone = "".join(f"; {one.told}" for one in alone_of(report))
        lines.append(("target", f"{words} = {target.strip()}{alone}"))
        most = [(str(e["name"]), float(e["share"])) for e in blame.entities.to_dict("records")]
        shown = ", ".join(f"{name} {signed(share)}" for name, share in (most or blame.units)[:4])
        told = [data.attrs["unit"], data.attrs["method"].replace("_", " ")]
        told += [share_words(blame)] if most else []
        lines.append(("owed to", f"{shown} ({', '.join(word for word in told if word)})"))
        for line in blame.trust:
            if line["name"] == "removal" and line["mean"] is not None:
                of = f"n = {line['n']} of {blame.decisions} decisions"
                lines.append(("trust", f"removal {mean_text(line)}, {of}"))
    if nearest := report.nearest:
        found = nearest.told or "no change of a single entity that was tried"
        if nearest.result is None:
            found = "no change is needed: the agent prefers it in the scene as it is"
        lines.append((f"for {nearest.action}", found))
    if one := report.without:
        lines.append((f"without {one.name}", f"{one.action[0]} -> {one.action[1]}"))
    if report.fork is not None:
        mean, low, high = (float(v) for v in report.fork.data["difference"].values)
        pairs = report.fork.data.sizes["pair"]
        spread = f" [{low:.2f}, {high:.2f}] over" if low != high else ", equal in all"
        spread = spread if pairs > 1 else " in"
        lines.append(("played on", f"return {mean:+.2f} without it{spread} {_pairs(pairs)}"))
    return [*lines, *((f"no {name}", why) for name, why in report.missing.items())]


def _pairs(count: int) -> str:
    return f"{count} pairs of futures" if count != 1 else "one pair of futures"


def alone_of(report: Report) -> list[Alone]:
    """Actions that the target reads by themselves although others do the same.

    Args:
        report: of ``reports.decision.report``.
    """
    if report.blame is None:
        return []
    return read_alone(report.numbers, report.blame.result.data.attrs["target"])


def target_words(blame: Blame) -> str:
    """The target; why this action rather than others is a long formula.

    Args:
        blame: the attribution.
    """
    if blame.against_mean:
        return "the Q-value of the chosen action minus the mean over all actions"
    return f"the target {blame.result.data.attrs['target']}"


def share_words(blame: Blame) -> str:
    """What an entity's share is.

    Args:
        blame: the attribution, with entities.
    """
    data = blame.result.data
    add = "" if adds_up(data) else ", as values of this method do not add up"
    return f"{entity_words(data)}{add}"


def _known(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(float(value)) else None


def _numbers(report: Report) -> dict[str, Any] | None:
    numbers = report.numbers
    if numbers is None:
        return None
    names = numbers.names
    return {
        "kind": numbers.kind,
        "actions": {n: _known(v) for n, v in zip(names, numbers.values, strict=True)},
        "chosen": None if numbers.taken is None else names[numbers.taken],
        "preferred": None if numbers.best is None else names[numbers.best],
        "executed": None
        if numbers.executed is None
        else {
            "action": numbers.keys[numbers.executed],
            "value": _known(numbers.single[numbers.executed]),
        },
        **{name: _known(value) for name, value in numbers.told.items()},
    }


def _attribution(report: Report) -> dict[str, Any] | None:
    blame = report.blame
    if blame is None:
        return None
    data = blame.result.data
    return {
        **{name: data.attrs[name] for name in ("target", "method", "site")},
        "value": _known(data["target"].values[0]),
        "alone": [one.told for one in alone_of(report)],
        "unit": data.attrs["unit"],
        "share": share_words(blame) if len(blame.entities) else None,
        "entities": [
            {
                "name": str(line["name"]), "kind": str(line["kind"]),
                "identity": None if line["identity"] < 0 else int(line["identity"]),
                "share": _known(line["share"]), "effect": _known(line["effect"]),
            }
            for line in blame.entities.to_dict("records")
        ],
        "units": [{"name": name, "share": _known(share)} for name, share in blame.units],
        "trust": blame.trust,
        "decisions": blame.decisions,
    }  # fmt: skip


def _nearest(report: Report) -> dict[str, Any] | None:
    nearest = report.nearest
    if nearest is None:
        return None
    told = {"action": nearest.action, "needed": nearest.result is not None}
    if nearest.result is None:
        return {**told, "change": None, "margin": None, "distance": None}
    one = nearest.result.data.isel(change=nearest.change or 0)
    return {
        **told,
        "change": nearest.told or None,
        "margin": _known(one["margin"]),
        "distance": _known(one["distance"]),
    }


def _without(report: Report) -> dict[str, Any] | None:
    one = report.without
    if one is None:
        return None
    return {
        "name": one.name, "identity": one.identity,
        "target": [_known(value) for value in one.target],
        "action": list(one.action),
    }  # fmt: skip


def _fork(report: Report) -> dict[str, Any] | None:
    if report.fork is None:
        return None
    data = report.fork.data
    mean, low, high = (float(v) for v in data["difference"].values)
    several = data.sizes["pair"] > 1 and not np.isclose(low, high, rtol=0, atol=0)
    return {
        "pairs": data.sizes["pair"],
        "difference": {"mean": mean, "interval": [low, high] if several else None},
        "outcome": {s: data["outcome"].sel(side=s).values.tolist() for s in ("kept", "changed")},
    }

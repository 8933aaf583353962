"""What an attribution says over many decisions: by feature, ego and others apart."""

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from policyscope.attribution.results.conducted import conductance_report
from policyscope.attribution.results.entities import by_identity, by_kind
from policyscope.attribution.results.initialisations import has_bars
from policyscope.attribution.results.wording import (
    OTHERS,
    baseline_words,
    entity_words,
    fewer_words,
    greatest_words,
    kind_words,
)
from policyscope.attribution.trust.line import ROWS, finite, interval_values
from policyscope.core.result import Result
from policyscope.core.stats import Interval, bootstrap_mean

#: Units that a table holds.
UNITS = 12


def by_feature(result: Result, seed: int = 0) -> list[dict[str, Any]]:
    """Mean share of each number of the ego's row and of the rows of the others who are there.

    Signed means cancel where a feature speaks for and against; absolute ones do not. Rows that
    show nobody are left out: they would only dilute.

    Args:
        result: of ``attribution.explain.attribute`` at a site with vehicles; else nothing is told.
        seed: of the bootstrap.

    Returns:
        For each of ego and others and each feature: ``who``, ``feature``, and intervals over
        episodes ``signed`` and ``absolute``, in the target's unit, and ``part``: its share of a
        decision's absolute sum. Where there are untrained agents also ``initial``, the same means
        with the run's own initial weights, and ``fresh``, the lowest and highest of those of the
        initialisations. Where there are actions also ``actions``: all of these for each.
    """
    if "vehicles" not in result.data:
        return []
    data, who = result.data, result.data["identity"].values
    layers = data["layer"].values
    found = []
    for name, mask in (("ego", who == 0), ("others", who > 0)):
        for unit, layer in enumerate(layers[1:] if len(layers) > 1 else layers):
            mine = np.zeros(data["attribution"].shape[1:], bool)
            mine[:, unit] = True
            there = mask[:, -mine.shape[0] :]
            line = _line(data, mine, there, who[:, -mine.shape[0] :] >= 0, seed)
            if line is not None:
                found.append({"who": name, "feature": str(layer), **line})
    return found


def by_unit(result: Result, most: int = 40, seed: int = 0) -> list[dict[str, Any]]:
    """Mean share of the units of a site with few, those with the largest absolute ones first.

    Args:
        result: of ``attribution.explain.attribute``; of vehicles, frames and large sites nothing
            is told.
        most: units.
        seed: of the bootstrap.

    Returns:
        As ``by_feature``, ``feature`` being the unit's indices and ``who`` empty.
    """
    data = result.data
    if "vehicles" in data or not has_bars(data):
        return []
    values = data["attribution"].values
    size = np.abs(values.reshape(len(values), -1)).mean(0)
    found = []
    for unit in np.argsort(-size, kind="stable")[:most]:
        at = np.unravel_index(unit, values.shape[1:])
        mine = np.zeros(values.shape[1:], bool)
        mine[at] = True
        line = _line(data, mine, None, None, seed)
        if line is not None:
            found.append({"who": "", "feature": ",".join(map(str, at)) or "0", **line})
    return found


def _line(
    data: xr.Dataset,
    mine: Bool[np.ndarray, "..."],
    there: Bool[np.ndarray, "N S"] | None,
    present: Bool[np.ndarray, "N S"] | None,
    seed: int,
) -> dict[str, Any] | None:
    """What is said of some units by the agent, by untrained ones and for each action.

    Args:
        data: of an attribution.
        mine: (S, ...) units that the line is about.
        there: (N, S) slots that it is about; None for all.
        present: (N, S) slots that count in a decision's whole; None for all.
        seed: of the bootstrap.
    """

    def told(name: str, *at: int) -> dict[str, np.ndarray] | None:
        values = data[name].values[at] if at else data[name].values
        return _by_episode(data, values.astype(float), mine, there, present)

    def untrained(prefix: str, *at: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        own = told(f"{prefix}initial", *at) if f"{prefix}initial" in data else None
        if own is not None:
            found["initial"] = {k: float(means.mean()) for k, means in own.items()}
        if f"{prefix}fresh" in data:
            lines = [told(f"{prefix}fresh", i, *at) for i in range(data.sizes["initialisation"])]
            known = [line for line in lines if line is not None]
            found["fresh"] = {
                k: (min(means), max(means))
                for k in (known[0] if known else ())
                if (means := [float(line[k].mean()) for line in known if k in line])
            }
        return found

    own = told("attribution")
    if own is None:
        return None
    line = {k: bootstrap_mean(means, seed) for k, means in own.items()} | untrained("")
    if "actions" in data:
        line["actions"] = {}
        for i, action in enumerate(data["action"].values.tolist()):
            means = told("actions", i) or {}
            line["actions"][action] = {
                **{k: bootstrap_mean(each, seed) for k, each in means.items()},
                **untrained("actions_", i),
            }
    return line


def _by_episode(
    data: xr.Dataset,
    values: Float[np.ndarray, "N ..."],
    mine: Bool[np.ndarray, "..."],
    there: Bool[np.ndarray, "N S"] | None,
    present: Bool[np.ndarray, "N S"] | None,
) -> dict[str, np.ndarray] | None:
    """Means of each episode: signed, absolute, and as a part of a decision's absolute sum."""

    def only(slots: Bool[np.ndarray, "N S"] | None, of: np.ndarray) -> np.ndarray:
        if slots is None:
            return of
        return np.where(slots.reshape(*slots.shape, *[1] * (values.ndim - 2)), of, np.nan)

    shown = only(present, values)
    flat = only(there, np.where(mine, shown, np.nan)).reshape(len(values), -1)
    total = np.nansum(np.abs(shown).reshape(len(values), -1), 1)
    part = np.divide(
        np.nansum(np.abs(flat), 1), total, out=np.full(len(values), np.nan), where=total > 0
    )
    kinds = {"signed": flat, "absolute": np.abs(flat), "part": part}
    found = {k: means for k, each in kinds.items() if len(means := episode_means(data, each))}
    return found if "signed" in found else None


def episode_means(data: xr.Dataset, values: np.ndarray) -> Float[np.ndarray, " E"]:
    """Mean of what is not NaN in each episode that has any.

    Args:
        data: with the coordinate ``episode`` along N rows.
        values: (N, ...).
    """
    episode = data["episode"].values
    each = (values[episode == k] for k in np.unique(episode))
    return np.array([np.nanmean(own) for own in each if np.isfinite(own).any()])


def attribution_report(result: Result) -> dict[str, Any]:
    """The numbers of an attribution as JSON values.

    Args:
        result: of ``attribution.explain.attribute``.
    """
    data = result.data
    numbers: dict[str, Any] = {"target": mean_and_tail(data["target"].values)}
    for name in ("change", "gap", "steps", "passes", "error"):
        if name in data:
            numbers[name] = mean_and_tail(
                np.abs(data[name].values) if name == "gap" else data[name].values
            )
    decisions = data.sizes["row"]
    return {
        "method": data.attrs["method"],
        "target": data.attrs["target"],
        "site": data.attrs["site"],
        "baseline": data.attrs["baseline"],
        "unit": data["target"].attrs.get("unit", ""),
        "value_unit": data.attrs["unit"],
        "compared": baseline_words(result),
        "n": {"decisions": decisions, "episodes": len(np.unique(data["episode"].values))},
        "numbers": numbers,
        "feature_value": OTHERS,
        "features": [_feature(line) for line in by_feature(result)],
        "units": [_feature(line) for line in by_unit(result, UNITS)],
        "entity_value": entity_words(data),
        "entity_greatest": greatest_words(True),
        "entities": by_identity(result),
        "kind_value": kind_words(data),
        "kind_greatest": greatest_words(False),
        "kinds": by_kind(result),
        "conductance": conductance_report(result),
        "trust": data.attrs["trust"],
        "trust_n": fewer_words(data.attrs["trust"], min(decisions, ROWS)),
        "checks": [check.to_json() for check in result.checks],
        "unchecked": result.unchecked,
        "passed": result.passed,
        "python": result.python,
    }


def mean_and_tail(values: np.ndarray) -> dict[str, float | None]:
    """Mean and 95th percentile, as JSON values.

    Args:
        values: (N,) of the decisions.
    """
    return {"mean": finite(values.mean()), "p95": finite(np.quantile(values, 0.95))}


def _feature(line: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in line.items():
        if isinstance(value, Interval):
            found[name] = interval_values(value)
        elif name == "fresh":
            found[name] = {k: [finite(end) for end in ends] for k, ends in value.items()}
        elif name == "initial":
            found[name] = {k: finite(mean) for k, mean in value.items()}
        elif name == "actions":
            found[name] = {action: _feature(own) for action, own in value.items()}
        else:
            found[name] = value
    return found

"""What an attribution says over many decisions: by feature, ego and others apart."""

from typing import Any

import numpy as np
import xarray as xr

from policyscope.attribution.trust import finite
from policyscope.core.result import Result
from policyscope.core.stats import Interval, bootstrap_mean


def by_feature(result: Result, seed: int = 0) -> list[dict[str, Any]]:
    """Mean share of each number of the ego's row and of the rows of the others who are there.

    Signed means cancel where a feature speaks for and against; absolute ones do not. Rows that
    show nobody are left out: they would only dilute.

    Args:
        result: of ``attribution.explain.attribute`` at a site with vehicles; else nothing is told.
        seed: of the bootstrap.

    Returns:
        For each of ego and others and each feature: ``who``, ``feature``, and intervals ``signed``
        and ``absolute`` over episodes, in the target's unit.
    """
    if "vehicles" not in result.data:
        return []
    data = result.data["vehicles"]
    data = data.isel(layer=slice(1, None)) if data.sizes["layer"] > 1 else data
    who = result.data["identity"].values
    found = []
    for name, mask in (("ego", who == 0), ("others", who > 0)):
        for layer in data["layer"].values:
            values = np.where(mask, data.sel(layer=layer).values, np.nan)
            found.append(
                {
                    "who": name,
                    "feature": str(layer),
                    "signed": _over_episodes(result.data, values, seed),
                    "absolute": _over_episodes(result.data, np.abs(values), seed),
                }
            )
    return [line for line in found if line["signed"] is not None]


def _over_episodes(data: xr.Dataset, values: np.ndarray, seed: int) -> Interval | None:
    """Mean over the rows that show somebody, episode by episode; None where none does."""
    means = []
    for episode in np.unique(data["episode"].values):
        own = values[data["episode"].values == episode]
        if np.isfinite(own).any():
            means.append(np.nanmean(own))
    return bootstrap_mean(np.array(means), seed) if means else None


def attribution_report(result: Result) -> dict[str, Any]:
    """The numbers of an attribution as JSON values.

    Args:
        result: of ``attribution.explain.attribute``.
    """
    data = result.data
    numbers: dict[str, Any] = {"target": _told(data["target"].values)}
    for name in ("change", "gap", "steps", "passes", "error"):
        if name in data:
            numbers[name] = _told(np.abs(data[name].values) if name == "gap" else data[name].values)
    return {
        "method": data.attrs["method"],
        "target": data.attrs["target"],
        "site": data.attrs["site"],
        "unit": data["target"].attrs.get("unit", ""),
        "n": {"decisions": data.sizes["row"], "episodes": len(np.unique(data["episode"].values))},
        "numbers": numbers,
        "features": [
            {
                "who": line["who"],
                "feature": line["feature"],
                **{k: _interval(line[k]) for k in ("signed", "absolute")},
            }
            for line in by_feature(result)
        ],
        "trust": data.attrs["trust"],
        "checks": [check.to_json() for check in result.checks],
        "unchecked": result.unchecked,
        "passed": result.passed,
        "python": result.python,
    }


def _told(values: np.ndarray) -> dict[str, float | None]:
    return {"mean": finite(values.mean()), "p95": finite(np.quantile(values, 0.95))}


def _interval(interval: Interval) -> dict[str, Any]:
    ends = {k: finite(getattr(interval, k)) for k in ("mean", "low", "high")}
    return {**ends, "n": interval.n}

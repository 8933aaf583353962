"""What an attribution through time says over many decisions: by steps ago, memory apart."""

from typing import Any

import numpy as np
import xarray as xr

from policyscope.attribution.results.summary import episode_means, mean_and_tail
from policyscope.attribution.trust.line import interval_values
from policyscope.core.result import Result
from policyscope.core.stats import bootstrap_mean

_NUMBERS = ("target", "change", "gap", "steps", "passes", "error")


def by_steps_ago(result: Result, seed: int = 0) -> list[dict[str, Any]]:
    """Mean share of the observation so many steps ago, and of the memory before the window.

    The share of a decision's whole: each value over the sum of all without their signs, memory
    included. Decisions whose episode was younger have no such step and do not count there.

    Args:
        result: of ``attribution.through_time.through_time``.
        seed: of the bootstrap.

    Returns:
        For each number of steps ago, latest first, then for memory (``ago`` None): ``ago``,
        ``decisions`` that have it, intervals ``absolute`` and ``signed`` over episodes, and
        ``values``, intervals of the values in the target's unit; ``error``, the mean standard error
        of the values, None where nothing was sampled. What no decision has is left out.
    """
    data = result.data
    values = all_values(data)
    whole = np.nansum(np.abs(values), 1)
    share = np.divide(values, whole[:, None], out=np.zeros_like(values), where=whole[:, None] > 0)
    share[np.isnan(values)] = np.nan
    errors, found = all_errors(data), []
    for column, ago in enumerate([*data["past"].values.tolist(), None]):
        own = share[:, column]
        if np.isfinite(own).any():
            found.append(
                {
                    "ago": ago,
                    "decisions": int(np.isfinite(own).sum()),
                    "absolute": bootstrap_mean(episode_means(data, np.abs(own)), seed),
                    "signed": bootstrap_mean(episode_means(data, own), seed),
                    "values": bootstrap_mean(episode_means(data, values[:, column]), seed),
                    "error": None if errors is None else float(np.nanmean(errors[:, column])),
                }
            )
    return found


def way_words(data: xr.Dataset) -> str:
    """What the values are: by which way the change was shared out.

    Args:
        data: of ``attribution.through_time.through_time``; results of old tell no way.
    """
    return "Shapley values" if data.attrs.get("by") == "shapley" else "integrated gradients"


def all_values(data: xr.Dataset) -> np.ndarray:
    """Values of each decision, (row, past + 1): the latest observation first, memory last."""
    return _both(data, "")


def all_errors(data: xr.Dataset) -> np.ndarray | None:
    """Standard errors of ``all_values``; None where nothing was sampled."""
    if "error" not in data or not data["error"].any():
        return None
    return _both(data, "_error")


def _both(data: xr.Dataset, ending: str) -> np.ndarray:
    both = [data[f"observation{ending}"].values, data[f"memory{ending}"].values[:, None]]
    return np.concatenate(both, 1).astype(float)


def through_time_report(result: Result) -> dict[str, Any]:
    """The numbers of an attribution through time as JSON values.

    Args:
        result: of ``attribution.through_time.through_time``.
    """
    data = result.data
    told = {k: data[k].values for k in _NUMBERS if k in data}
    told["gap"] = np.abs(told["gap"])
    return {
        "method": result.method,
        "by": way_words(data),
        "target": data.attrs["target"],
        "unit": data.attrs["unit"],
        "baseline": data.attrs["baseline"],
        "n": {"decisions": data.sizes["row"], "episodes": len(np.unique(data["episode"].values))},
        "numbers": {name: mean_and_tail(values) for name, values in told.items()},
        "past": [
            {
                **{k: line[k] for k in ("ago", "decisions", "error")},
                **{k: interval_values(line[k]) for k in ("absolute", "signed", "values")},
            }
            for line in by_steps_ago(result)
        ],
        "trust": data.attrs["trust"],
        "checks": [check.to_json() for check in result.checks],
        "passed": result.passed,
        "python": result.python,
    }

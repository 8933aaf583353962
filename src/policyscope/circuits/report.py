"""An attention result as plain values: for JSON, for tables, for pages."""

from typing import Any

import numpy as np
import xarray as xr

from policyscope.core.result import Result


def report(result: Result) -> dict[str, Any]:
    """What an attention result says, as JSON values; unknown numbers are None.

    Args:
        result: of the method ``attention``.

    Returns:
        ``n`` (episodes, decisions), ``claims`` with a verdict for every head and the measures
        behind it, all ``measures``, ``checks``, ``notes`` and ``parameters``.
    """
    data = result.data
    claims = [
        {
            "claim": str(name),
            "text": line["claim_text"].item(),
            "heads": [
                {"head": int(h), "verdict": str(v), "after_training": str(t)}
                for h, v, t in zip(
                    data["head"].values, line["verdict"].values, line["learned"].values, strict=True
                )
            ],
            "verdict_measure": line["claim_verdict"].item(),
            "effect_measure": line["claim_effect"].item(),
            "expected_sign": int(line["claim_sign"]),
        }
        for name in data["claim"].values
        for line in [data.sel(claim=name)]
    ]
    return {
        "method": result.method,
        "n": {
            "episodes": data.sizes["recorded_episode"],
            "decisions": data.sizes["decision"],
            "action_changes": data.sizes.get("change", 0),
        },
        "claims": claims,
        "measures": {str(m): _measure(data.sel(measure=m)) for m in data["measure"].values},
        "checks": [check.to_json() for check in result.checks],
        "passed": result.passed,
        "notes": [note for note in data.attrs["notes"].split("\n") if note],
        "parameters": result.parameters,
    }


def memory_report(result: Result) -> dict[str, Any]:
    """What a memory result says, as JSON values; unknown numbers are None.

    Args:
        result: of the method ``memory``.

    Returns:
        ``n`` (episodes, decisions after the first of an episode), ``reset``, what changes where
        memory is reset at every step, ``velocity``, R squared by what is read and direction,
        ``frame``, the site beside the memory, ``checks``, ``notes`` and ``parameters``.
    """
    data = result.data
    reset = {
        str(name): {**_estimate(line, "estimate", "low", "high"), "unit": line["unit"].item(),
                    "title": line["title"].item()}
        for name in data["measure"].values
        for line in [data.sel(measure=name)]
    }  # fmt: skip
    velocity = {}
    if "read" in data:
        velocity = {
            str(source): {
                str(way): _estimate(data.sel(source=source, direction=way),
                                    "read", "read_low", "read_high")
                for way in data["direction"].values
            }
            for source in data["source"].values
        }  # fmt: skip
    return {
        "method": result.method,
        "n": {"episodes": data.attrs["episodes"], "decisions": data.attrs["decisions"]},
        "reset": reset,
        "velocity": velocity,
        "frame": data.attrs["frame"],
        "checks": [check.to_json() for check in result.checks],
        "passed": result.passed,
        "notes": [note for note in data.attrs["notes"].split("\n") if note],
        "parameters": result.parameters,
    }


def _estimate(line: xr.Dataset, *names: str) -> dict[str, float | None]:
    kinds = ("estimate", "low", "high")
    return {k: _number(line[name].item()) for k, name in zip(kinds, names, strict=True)}


def traces_report(result: Result) -> dict[str, Any]:
    """What traces say, as JSON values.

    Args:
        result: of the method ``traces``.

    Returns:
        ``site``, ``kind``, ``stage``, ``episode``, ``n`` (steps, units, vehicles; 0 vehicles where
        the site has no axis of them), ``liveliest``, the six units that vary most with the standard
        deviation over all steps (and vehicles), ``notes`` and ``parameters``.
    """
    data = result.data
    spread = np.sqrt(
        np.nanmean(data["centred"].values ** 2, axis=tuple(range(data["centred"].ndim - 1)))
    )
    most = np.argsort(-spread, kind="stable")[:6]
    return {
        "method": result.method,
        **{k: data.attrs[k] for k in ("site", "kind", "stage", "episode", "outcome")},
        "n": {
            "steps": data.sizes["step"],
            "units": data.sizes["unit"],
            "vehicles": data.sizes.get("identity", 0),
        },
        "liveliest": [
            {"unit": int(u), "standard_deviation": _number(float(spread[u]))} for u in most
        ],
        "checks": [check.to_json() for check in result.checks],
        "passed": result.passed,
        "notes": [result.unchecked] if result.unchecked else [],
        "parameters": result.parameters,
    }


def _measure(row: xr.Dataset) -> dict[str, Any]:
    return {
        "title": row["title"].item(),
        "unit": row["unit"].item(),
        "n_rows": int(row["n_rows"]),
        "n_episodes": int(row["n_episodes"]),
        "heads": [
            {
                str(q): {
                    k: _number(row[k].sel(quantity=q).values[i])
                    for k in ("estimate", "low", "high")
                }
                for q in row["quantity"].values
            }
            for i in range(row.sizes["head"])
        ],
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

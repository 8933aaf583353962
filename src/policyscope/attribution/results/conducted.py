"""What flows through the units of a site: to which action, and from which inputs."""

from typing import Any

import numpy as np
import xarray as xr

from policyscope.attribution.trust.line import finite
from policyscope.core.result import Result

#: Inputs that are named one by one, and units that a report holds.
NAMED, UNITS = 40, 40


def by_named_input(data: xr.Dataset) -> tuple[list[str], np.ndarray] | None:
    """Names of inputs, and what comes from each to each unit (unit, input).

    Of vehicles the features of the ego and, summed over their rows, of the others; of few inputs
    each; None for frames.

    Args:
        data: with ``by_input`` (unit, input axes).
    """
    values = data["by_input"].values
    if values.ndim == 3:
        features = data.attrs.get("features") or [str(i) for i in range(values.shape[2])]
        names = [f"ego {name}" for name in features] + [f"all others {name}" for name in features]
        return names, np.concatenate([values[:, 0], values[:, 1:].sum(1)], 1)
    if values.ndim == 2 and values.shape[1] <= NAMED:
        return [str(i) for i in range(values.shape[1])], values
    return None


def conductance_report(result: Result, most: int = UNITS) -> dict[str, Any] | None:
    """What flows through the units that most flows through, as JSON values.

    Args:
        result: of ``attribution.explain.attribute``; None unless its method is neuron_conductance.
        most: units.

    Returns:
        ``units``: for each, the one with the largest mean for any action first, ``unit`` (its
        indices), ``actions``: of each ``mean``, ``low`` and ``high`` (over episodes, None for one)
        of the conductance for the action's score minus the mean over actions; and ``inputs``: of
        each what of the target's conductance comes from it, None for frames. ``of`` units there
        are; ``n`` episodes; ``looked_at`` decisions for the inputs.
    """
    data = result.data
    if "conductance" not in data:
        return None
    flow, shape = data["conductance"].values, data["attribution"].shape[1:]
    order = np.argsort(-np.abs(flow).max(1), kind="stable")[:most]
    ends = {"mean": flow, "low": data["conductance_low"].values,
            "high": data["conductance_high"].values}  # fmt: skip
    named = by_named_input(data)
    units = [
        {
            "unit": ",".join(str(i) for i in np.unravel_index(unit, shape)),
            "actions": {
                str(action): {end: finite(values[unit, i]) for end, values in ends.items()}
                for i, action in enumerate(data["action"].values)
            },
            "inputs": named and dict(zip(named[0], map(float, named[1][unit]), strict=True)),
        }
        for unit in order
    ]
    return {
        "units": units,
        "of": len(flow),
        "n": len(np.unique(data["episode"].values)),
        "looked_at": int(data.sizes["decision"]),
    }

"""What an attribution through time says, by steps ago, and the frames that were seen then."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from policyscope.attribution.asking.chosen import Chosen
from policyscope.recordings.arrays.steps import rows_of_episode

#: What is in the unit of the target.
UNIT = {
    "observation", "memory", "target", "change", "gap", "observation_error", "memory_error",
}  # fmt: skip


def time_arrays(chosen: Chosen, told: Mapping[str, np.ndarray], past: int, unit: str) -> xr.Dataset:
    """Values by steps ago, NaN where there was no such step, or no memory before the window.

    Args:
        chosen: N decisions.
        told: (N, past) of observations, the oldest first, (N,) of all else.
        past: observations of a window.
        unit: of the target.
    """
    ago = np.arange(past)
    exists = ago <= chosen.step[:, None]
    before = chosen.step >= past  # else the window begins with the episode: nothing to remember
    arrays: dict[str, tuple[Any, np.ndarray]] = {}
    for name, values in told.items():
        if name.startswith("observation"):  # the latest first, so that column k is k steps ago
            shown = np.where(exists, values[:, ::-1], np.nan).astype(np.float32)
            arrays[name] = ("row", "past"), shown
        elif name.startswith("memory"):
            arrays[name] = "row", np.where(before, values, np.nan).astype(np.float32)
        else:
            arrays[name] = "row", values
    coords = {
        "past": ("past", ago, {"unit": "steps ago"}),
        "episode": ("row", chosen.episode),
        "step": ("row", chosen.step),
    }
    data = xr.Dataset(arrays, coords)
    for name in UNIT & set(data):
        data[name].attrs["unit"] = unit
    return data


def frames_of(
    recording: Any, chosen: Chosen, past: int
) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Frames of the only decision's window, the latest first; none where they are no pictures.

    Args:
        recording: an opened recording.
        chosen: the decision.
        past: observations of the window.
    """
    k, t = int(chosen.episode[0]), int(chosen.step[0])
    begin = max(t - past + 1, 0)
    obs = rows_of_episode(recording, k, begin, t + 1 - begin).column("obs")
    if obs.dtype != np.uint8 or obs.ndim != 4 or obs.shape[-1] != 3:
        return {}
    return {"frame": (("past", "y", "x", "colour"), obs[(t - np.arange(past)).clip(begin) - begin])}

"""A method of your own with a page, a track and an overlay in the panel: see docs/panel.md."""

import numpy as np
import xarray as xr

from policyscope.core.registry import register
from policyscope.core.result import Result
from policyscope.core.views import Overlay, Track


def haste(recording):
    """A result: saved, it has a page."""
    q = recording.rows(["q"])["q"]
    data = xr.Dataset({"mean": float((q[:, -1] - q[:, 0]).mean())})
    return Result("haste", data, unchecked="a dummy claims nothing")


def track(recording, k):
    """Numbers per step: what the last action promises over the first."""
    q = recording.episode(k)["q"].values
    return [Track("haste", q[:, -1] - q[:, 0], unit="return")]


def overlay(recording, k):
    """A map per step: 1 on every entity that the agent sees, by identity."""
    who = recording.episode(k)["row_identity"].values
    return [Overlay("seen", "entities", np.float32(who >= 0)[:, None], ["seen"], identity=who)]


register("track", "haste", "my_views:track")
register("overlay", "seen", "my_views:overlay")

"""The figure of an attribution through time where Pillow is not installed."""

import importlib
import sys

import numpy as np
import pytest
import xarray as xr

from policyscope.core.errors import MissingPart
from policyscope.core.result import Result
from policyscope.figures import through_time


def test_only_frames_need_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    figures = importlib.reload(through_time)
    one = {name: ("row", np.ones(1)) for name in ("target", "change", "memory")}
    data = xr.Dataset(
        {"observation": (("row", "past"), np.ones((1, 3))), **one},
        {"past": np.arange(3), "episode": ("row", [0]), "step": ("row", [9])},
        {"target": "value", "unit": "return", "baseline": "zero"},
    )
    (bars,) = figures.draw(Result("through_time", data, unchecked="made up")).data
    assert list(bars.y) == [1, 1, 1, 1]
    data["frame"] = ("past", "y", "x", "colour"), np.zeros((3, 8, 8, 3), np.uint8)
    with pytest.raises(MissingPart, match=r"'pillow'.*policyscope\[video\]"):
        figures.draw(Result("through_time", data, unchecked="made up"))

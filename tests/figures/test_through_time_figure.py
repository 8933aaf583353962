"""The figure of an attribution through time: many decisions, and a single one."""

import numpy as np
import pytest
import xarray as xr

from policyscope.attribution.results.time_summary import by_steps_ago
from policyscope.core.result import Result
from policyscope.figures.attribution_maps import COLOURS
from policyscope.figures.through_time import draw

PAST = 5


def found(count, frame=False, young=False):
    rng = np.random.default_rng(1)
    seen, memory = rng.normal(size=(count, PAST)), rng.normal(size=count)
    if young:
        seen[:, 3:], memory[:] = np.nan, np.nan
    data = xr.Dataset(
        {
            "observation": (("row", "past"), seen), "memory": ("row", memory),
            **{name: ("row", np.ones(count)) for name in ("target", "change", "gap", "steps")},
        },
        {"past": np.arange(PAST), "episode": ("row", np.arange(count) % 3),
         "step": ("row", np.full(count, 2 if young else 9))},
        {"target": "value", "unit": "return", "baseline": "zero"},
    )  # fmt: skip
    if frame:
        pictures = rng.integers(0, 256, (PAST, 8, 8, 3), dtype=np.uint8)
        data["frame"] = (("past", "y", "x", "colour"), pictures)
    return Result("through_time", data, unchecked="made up")


def test_shares_stand_by_steps_ago_and_memory_apart():
    result = found(12)
    lines = by_steps_ago(result)
    absolute, signed = draw(result).data
    assert list(absolute.x) == [0, -1, -2, -3, -4, -6]  # now on the right, memory behind a gap
    np.testing.assert_allclose(absolute.y, [line["absolute"].mean for line in lines])
    np.testing.assert_allclose(signed.y, [line["signed"].mean for line in lines])
    np.testing.assert_allclose(
        signed.error_y.arrayminus, [line["signed"].mean - line["signed"].low for line in lines]
    )
    colours = absolute.marker.color
    assert len(set(colours[:-1])) == 1
    assert colours[-1] != colours[0]


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_a_single_decision_has_its_values_and_its_frames(mode):
    result = found(1, frame=True)
    figure = draw(result, mode)
    (bars,) = figure.data
    expected = [*result.data["observation"].values[0], float(result.data["memory"][0])]
    np.testing.assert_allclose(bars.y, expected)
    speaks_for, against = COLOURS[mode]
    assert list(bars.marker.color) == [speaks_for if v > 0 else against for v in expected]
    assert [image.x for image in figure.layout.images] == [0, -1, -2, -3, -4]
    assert bars.customdata[1] == "step 8"
    assert not draw(found(1), mode).layout.images


def test_steps_that_there_were_not_have_no_bar():
    figure = draw(found(1, frame=True, young=True))
    assert list(figure.data[0].x) == [0, -1, -2]
    assert len(figure.layout.images) == 3
    assert "memory<br>before" not in figure.layout.xaxis.ticktext


def test_sampled_values_have_their_errors():
    result = found(1)
    errors = np.array([[0.1, 0.2, 0.3, 0.4, 0.5]])
    more = {"observation_error": (("row", "past"), errors), "memory_error": ("row", [0.6])}
    data = result.data.assign(**more, error=("row", [0.2])).assign_attrs(by="shapley")
    (bars,) = draw(Result("through_time", data, unchecked="made up")).data
    np.testing.assert_allclose(bars.error_y.array, [0.2, 0.4, 0.6, 0.8, 1.0, 1.2])
    assert bars.error_y.visible
    assert not draw(result).data[0].error_y.visible  # nothing was drawn at random
    exact = data.assign(error=("row", [0.0]))
    assert not draw(Result("through_time", exact, unchecked="made up")).data[0].error_y.visible

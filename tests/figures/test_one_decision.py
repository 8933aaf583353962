"""What a page draws of one decision, of values without a sign, and of many steps."""

import numpy as np
import pytest
import xarray as xr

from policyscope.core.result import Result
from policyscope.core.target_words import target_title
from policyscope.figures.attribution_lanes import draw_lanes
from policyscope.figures.attribution_maps import COLOURS, colours_of
from policyscope.figures.attribution_page import write_attribution_page

USUAL = "q[taken] - 0.5*q[GO] - 0.5*q[STAY]"


def by_vehicle(values, steps):
    """A number for each of three vehicles at each step, none for the ego."""
    values = np.broadcast_to(values, (len(steps), 3))
    rows = np.repeat(np.arange(len(steps)), 3)
    data = xr.Dataset(
        {
            "attribution": (("row", "slot", "feature"), values[..., None]),
            "vehicles": (("row", "layer", "entity"), values[:, None]),
            "identity": (("row", "entity"), np.tile([1, 2, 3], (len(steps), 1))),
            "target": ("row", np.full(len(steps), 4.15), {"unit": "return"}),
            "sight_share": ("sight", values.ravel()),
            "sight_row": ("sight", rows),
            "sight_identity": ("sight", np.tile([1, 2, 3], len(steps))),
            "sight_kind": ("sight", np.full(3 * len(steps), "vehicle")),
        },
        {"episode": ("row", np.full(len(steps), 3)), "step": ("row", np.asarray(steps)),
         "feature": ["sum"], "layer": ["sum"]},
        {"target": USUAL, "method": "shapley", "site": "preprocess", "trust": [],
         "unit": "return", "baseline": "zero"},
    )  # fmt: skip
    return Result("attribution", data, unchecked="made up")


def test_one_decision_is_bars_of_its_entities():
    figure = draw_lanes(by_vehicle([-0.25, 5.0, 1e-9], [5]))
    bars = figure.data[0]
    assert list(bars.y) == ["vehicle 2", "vehicle 1", "vehicle 3"]
    assert list(bars.x) == [5.0, -0.25, 1e-9]
    assert list(bars.text) == ["5", "-0.25", "about 0"]
    speaks_for, against = COLOURS["light"]
    assert list(bars.marker.color) == [speaks_for, against, speaks_for]
    assert figure.layout.xaxis.title.text == "return"
    assert "at 3:5" in figure.layout.title.text


def test_the_page_of_one_decision_says_target_and_place(tmp_path):
    path = tmp_path / "page.html"
    write_attribution_page(by_vehicle([-0.25, 5.0, 0.0], [5]), path)
    text = path.read_text(encoding="utf-8")
    assert "shapley of q[taken] - mean of q over 2 actions" in text
    assert "At preprocess, episode 3, step 5: the target is 4.15 return." in text
    assert "mean of the absolute value" not in text, "a mean over vehicles says nothing here"
    assert "unit: return" in text


@pytest.mark.parametrize(("low", "shade"), [(0.0, "paper"), (-0.5, "against")])
def test_colours_have_two_ends_only_where_values_have_two_signs(low, shade):
    scale = colours_of(np.array([low, 1.0]))
    first = scale["colorscale"][0][1]
    assert (first == COLOURS["light"][1]) == (shade == "against")
    assert scale["cmin"] == (0 if low == 0 else -scale["cmax"])


@pytest.mark.parametrize(
    ("steps", "named"),
    [(range(60), range(0, 60, 5)), (range(7, 20), range(7, 20)), (range(100), range(0, 100, 10))],
)
def test_steps_are_named_at_round_numbers(steps, named):
    figure = draw_lanes(by_vehicle([-1.0, 2.0, 3.0], list(steps)))
    assert list(figure.layout.xaxis.ticktext) == list(named)
    first = figure.layout.xaxis.tickvals[0]
    assert steps[first] == named[0]


def test_steps_that_were_drawn_keep_their_numbers():
    steps = [3, 7, 13, 18, 20, 31]
    figure = draw_lanes(by_vehicle([-1.0, 2.0, 3.0], steps))
    assert list(figure.layout.xaxis.ticktext) == steps


@pytest.mark.parametrize(
    "target",
    [
        "q[taken] - 0.5*q[GO] - 0.4*q[STAY]",
        "q[taken] - 0.5*q[GO] - 0.5*q[GO]",
        "q[taken] - 0.5*logit[GO] - 0.5*q[STAY]",
        "q[taken] - 0.25*q[GO] - 0.25*q[STAY]",
        "q[GO] - q[STAY]",
        "value",
    ],
)
def test_other_differences_are_no_means(target):
    assert target_title(USUAL) == "q[taken] - mean of q over 2 actions"
    assert target_title(target) == target

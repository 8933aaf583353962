"""Figures of attributions: what is drawn is what the result holds, in both looks."""

import numpy as np
import pytest
import xarray as xr

from policyscope.attribution.results.summary import by_feature
from policyscope.core.result import Result
from policyscope.figures.attribution import draw
from policyscope.figures.attribution_actions import draw_actions
from policyscope.figures.attribution_maps import (
    COLOURS,
    SHOWN,
    STRIP,
    maps,
    painted,
    scale_of,
    strip,
    strongest,
)
from policyscope.figures.attribution_page import write_attribution_page

RNG = np.random.default_rng(0)
ACTIONS, FEATURES = ["GO", "STAY"], ["x", "y", "v"]
#: Bars of the others are of many rows, that of the ego of one: the legend says so.
NAMED = {"ego": "ego, trained", "others": "others: mean of vehicles (part: sum), trained"}
ATTRS = {"target": "value", "method": "integrated_gradients", "site": "preprocess", "trust": [],
         "actions": "Q-value minus the mean over actions"}  # fmt: skip


def vehicles(actions=True):
    """8 decisions of 2 episodes, 4 slots of which some are empty."""
    identity = np.array([[0, 1, 2, -1]] * 4 + [[0, 3, -1, -1]] * 4)
    shape = (8, 4, 3)
    values = RNG.normal(size=shape)
    dims = ("row", "slot", "feature")
    data = xr.Dataset(
        {
            "attribution": (dims, values),
            "vehicles": (("row", "layer", "entity"), RNG.normal(size=(8, 4, 4))),
            "identity": (("row", "entity"), identity),
            "target": ("row", np.ones(8), {"unit": "return"}),
            "initial": (dims, values * 0.1),
            "fresh": (("initialisation", *dims), RNG.normal(size=(3, *shape))),
        },
        {
            "episode": ("row", np.repeat([0, 1], 4)), "step": ("row", np.tile(np.arange(4), 2)),
            "feature": FEATURES, "layer": ["sum", *FEATURES],
        },
        ATTRS,
    )  # fmt: skip
    if actions:
        data = data.assign_coords(action=ACTIONS)
        data["actions"] = (("action", *dims), RNG.normal(size=(2, *shape)))
        data["actions_fresh"] = (
            ("initialisation", "action", *dims), RNG.normal(size=(3, 2, *shape)),
        )  # fmt: skip
    return Result("attribution", data, unchecked="made up")


def frames(steps=30, episodes=2):
    count = steps * episodes
    data = xr.Dataset(
        {
            "attribution": (("row", "y", "x"), RNG.normal(size=(count, 4, 4))),
            "map": (("row", "layer", "y", "x"), RNG.normal(size=(count, 1, 4, 4))),
            "frame": (
                ("row", "frame_y", "frame_x", "colour"),
                RNG.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8),
            ),
            "target": ("row", np.zeros(count), {"unit": "return"}),
        },
        {
            "episode": ("row", np.repeat(np.arange(episodes), steps)),
            "step": ("row", np.tile(np.arange(steps), episodes)),
        },
        ATTRS,
    )
    return Result("attribution", data, unchecked="made up")


def test_bars_marks_and_bands_hold_the_means():
    result = vehicles()
    lines = by_feature(result)
    # Numbers of slots that show nobody are no part of a decision's whole.
    assert sum(line["part"].mean for line in lines) == pytest.approx(1)
    figure = draw(result)
    for panel, kind in (("x", "signed"), ("x2", "absolute"), ("x3", "part")):
        own = [trace for trace in figure.data if trace.xaxis == panel]
        for who in ("ego", "others"):
            mine = [line for line in lines if line["who"] == who]
            bar = next(t for t in own if t.name == NAMED[who])
            np.testing.assert_allclose(bar.x, [line[kind].mean for line in mine])
            np.testing.assert_allclose(
                bar.error_x.array, [line[kind].high - line[kind].mean for line in mine]
            )
            band = next(
                t for t in own if t.type == "bar" and list(t.y) == list(bar.y) and t is not bar
            )
            np.testing.assert_allclose(
                np.asarray(band.base, float), [line["fresh"][kind][0] for line in mine]
            )
            ends = np.asarray(band.base, float) + np.asarray(band.x, float)
            np.testing.assert_allclose(ends, [line["fresh"][kind][1] for line in mine])
            mark = next(t for t in own if t.type == "scatter" and list(t.y) == list(bar.y))
            np.testing.assert_allclose(mark.x, [line["initial"][kind] for line in mine])
    assert list(figure.layout.yaxis.ticktext) == FEATURES
    assert "3 initialisations" in figure.layout.title.text
    shown = [trace.name for trace in figure.data if trace.showlegend]
    assert len(shown) == len(set(shown)) == 4


def test_actions_have_a_panel_each_on_one_scale():
    result = vehicles()
    lines = by_feature(result)
    figure = draw_actions(result)
    titles = [note.text for note in figure.layout.annotations]
    assert titles[: len(ACTIONS)] == ACTIONS
    for i, (panel, name) in enumerate(zip(("x", "x2"), ACTIONS, strict=True)):
        bar = next(t for t in figure.data if t.xaxis == panel and t.name == "ego, trained")
        own = [line["actions"][name] for line in lines if line["who"] == "ego"]
        np.testing.assert_allclose(bar.x, [line["signed"].mean for line in own])
        below = next(t for t in figure.data if t.xaxis == f"x{i + 3}" and t.name == "ego, trained")
        np.testing.assert_allclose(below.x, [line["absolute"].mean for line in own])
    assert figure.layout.xaxis.range == figure.layout.xaxis2.range
    assert figure.layout.xaxis3.range == figure.layout.xaxis4.range
    assert draw_actions(vehicles(actions=False)) is None


def test_colours_of_maps_have_one_scale_for_all_rows():
    data = frames().data
    reach = scale_of(data["map"].values)
    assert reach == pytest.approx(np.quantile(np.abs(data["map"].values), 0.995))
    few = maps(data, [0, 1])
    many = maps(data, strongest(data))
    for figure in (few, many):
        bar = figure.data[-1].marker
        assert (bar.cmin, bar.cmax) == (-reach, reach)
    row = 3
    np.testing.assert_array_equal(maps(data, [row, 5]).data[0].z, painted(data, row, reach))
    assert len(many.data) == SHOWN + 1


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_for_and_against_have_two_colours_and_nothing_has_none(mode):
    data = frames(2, 1).data
    data["map"][0] = 0.0
    data["map"][0, 0, 0, 0], data["map"][0, 0, 3, 3] = 5.0, -5.0
    seen = painted(data, 0, 5.0, mode)
    speaks_for, against = (
        [int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in COLOURS[mode]
    )
    assert seen[0, 0].tolist() == seen[1, 1].tolist() == speaks_for  # a cell covers 2 x 2 pixels
    assert seen[7, 7].tolist() == against
    assert (np.ptp(seen[2:6, 2:6].astype(int), axis=2) == 0).all()  # grey: nothing said
    again = painted(data, 0, 50.0, mode)
    assert np.abs(again[0, 0].astype(int) - speaks_for).max() > 30


def test_a_strip_goes_through_the_episode_at_even_distances():
    data = frames().data
    rows = strip(data, 1)
    assert len(rows) == STRIP
    steps = data["step"].values[rows]
    assert (data["episode"].values[rows] == 1).all()
    assert (steps[0], steps[-1]) == (0, 29)
    assert set(np.diff(steps)) <= {1, 2}
    assert len(strip(frames(3, 1).data, 0)) == 3


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_pages_hold_what_there_is(tmp_path, mode):
    write_attribution_page(vehicles(), tmp_path / "bars.html", mode)
    bars = (tmp_path / "bars.html").read_text(encoding="utf-8")
    assert "Each action" in bars
    assert "learned nothing" in bars
    assert "Through an episode" not in bars
    write_attribution_page(frames(), tmp_path / "maps.html", mode)
    shown = (tmp_path / "maps.html").read_text(encoding="utf-8")
    assert "Through an episode" in shown
    assert "learned nothing" not in shown

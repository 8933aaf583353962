"""The plain figure: it shows the numbers of a result, whatever their axes."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from policyscope.core.result import Result
from policyscope.figures.plain import MOST, POINTS, draw
from policyscope.figures.theme import ink

RNG = np.random.default_rng(0)


def drawn(data: dict, mode: str = "light") -> go.Figure:
    return draw(Result("mine", xr.Dataset(data), unchecked="made up"), mode)


def test_numbers_lines_and_maps_hold_what_the_result_holds():
    line, map_ = RNG.normal(size=9), RNG.normal(size=(4, 9))
    figure = drawn({
        "share": ((), 0.25, {"unit": "m"}), "word": ((), "left"), "gain": ("step", line),
        "map": (("unit", "step"), map_), "names": ("step", list("abcdefghi")),
    })  # fmt: skip
    table, curve, heat = figure.data
    names, values, units = table.cells["values"]
    assert list(names) == ["share", "word"]
    assert list(values) == ["0.25", "left"]
    assert list(units) == ["m", ""]
    np.testing.assert_array_equal(curve.y, line)
    np.testing.assert_array_equal(heat.z, map_)
    assert heat.zmin == -heat.zmax == -np.abs(map_).max()
    assert (figure.layout.xaxis2.title.text, figure.layout.yaxis2.title.text) == ("step", "unit")
    assert "4 of 5 variables" in figure.layout.title.text


def test_more_axes_and_more_points_than_can_be_drawn_are_said():
    cube = RNG.random((2, 3, 5))
    figure = drawn({"cube": (("head", "a", "b"), cube), "long": ("step", np.arange(3.0 * POINTS))})
    heat, curve = figure.data
    np.testing.assert_array_equal(heat.z, cube[0])
    assert heat.zmin is None
    np.testing.assert_array_equal(curve.y, np.arange(0.0, 3 * POINTS, 3))
    np.testing.assert_array_equal(curve.x, curve.y)
    titles = [note.text for note in figure.layout.annotations]
    assert titles == ["cube, first head of 2", "long, one step in 3"]


def test_coordinates_are_told_where_they_tell_points_apart():
    data = xr.Dataset(
        {"q": ("action", [1.0, 2.0]), "r": ("row", [1.0, 2.0])},
        {"action": ["LEFT", "RIGHT"], "row": ["a", "a"]},
    )
    q, r = draw(Result("mine", data, unchecked="made up")).data
    assert (list(q.x), list(r.x)) == (["LEFT", "RIGHT"], [0, 1])


def test_there_is_a_figure_of_anything():
    assert len(drawn({}).data) == 0
    assert len(drawn({"none": ("step", np.zeros(0))}).data) == 0
    many = drawn({f"v{i}": ("step", np.full(2, np.nan)) for i in range(MOST + 3)}, "dark")
    assert len(many.data) == MOST
    assert many.layout.template.layout.paper_bgcolor == ink("dark")["paper"]
    assert len(drawn({"hole": (("a", "b"), np.full((2, 2), np.nan))}).data) == 1

"""Pages of figures in a narrow window: nothing is cut, and no page scrolls sideways."""

import re

import numpy as np
import plotly.graph_objects as go
import pytest
import xarray as xr

from policyscope.core.result import Result
from policyscope.figures.audit_page import write_audit_page
from policyscope.figures.page import code, table, write_page
from policyscope.figures.theme import NARROWEST, dress, titled

FIGURES = ["deletion", "insertion", "infidelity", "untrained", "spread", "removal"]
WAYS = ["higher", "higher", "lower", "lower", "lower", "higher"]


@pytest.fixture
def page(browser):
    with browser.new_context() as context:
        yield context.new_page()


def audit():
    shape = (2, len(FIGURES))
    data = xr.Dataset(
        {
            "mean": (("method", "figure"), np.full(shape, 0.5)),
            "low": (("method", "figure"), np.full(shape, 0.25)),
            "high": (("method", "figure"), np.full(shape, 0.75)),
            "n": (("method", "figure"), np.full(shape, 31)),
            "seconds": ("method", [1.5, 2.5]),
        },
        {"method": ["gradient", "input_x_gradient"], "figure": FIGURES},
        {"target": "q[taken] - 0.5*q[A] - 0.5*q[B]", "site": "preprocess", "level": "vehicles",
         "baseline": "zero", "better": WAYS, "decisions": 32,
         "left_out": {"blur": "blur needs a map: take --method occlusion"}},
    )  # fmt: skip
    told = {"recording": {"name": "rec", "env": "made/up", "episodes": 1, "seed": 4,
                          "weights": "ab" * 32}}  # fmt: skip
    return Result("attribution_audit", data, told, unchecked="made up")


def overflow(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_timeout(600)
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def right_ends(page, selector):
    script = f"[...document.querySelectorAll('{selector}')].map(e=>e.getBoundingClientRect().right)"
    return page.evaluate(script)


def test_six_panels_and_their_numbers_fit_a_thousand_pixels(page, tmp_path):
    path = tmp_path / "audit.html"
    write_audit_page(audit(), path)
    page.goto(path.as_uri())
    assert overflow(page, 1000) == 0
    titles = right_ends(page, ".infolayer .annotation-text")
    assert len(titles) == len(FIGURES)
    assert max(titles) <= 1000
    assert max(right_ends(page, "td")) <= 1000
    text = page.inner_text("body")
    assert "0.50, n 31" in text
    assert "[0.25, 0.75]" in text
    assert "take --method occlusion" in text, "the mend stands with what was left out"
    assert "rec: made/up, 1 episode from seed 4 on" in text


def test_a_figure_of_fixed_width_would_be_cut(page, tmp_path):
    """What the page avoids: plotly draws a layout's width however narrow the window is."""
    figure = dress(go.Figure(layout={"width": 1180, "height": 300, "margin": {"t": 90}}))
    figure.add_scatter(x=[0, 1], y=[0, 1])
    fixed, fitted = tmp_path / "fixed.html", tmp_path / "fitted.html"
    fixed.write_text(figure.to_html(), encoding="utf-8")
    write_page(fitted, "fitted", [titled(figure, "Title", "words")])
    for path, cut in ((fixed, True), (fitted, False)):
        page.goto(path.as_uri())
        overflow(page, 1000)
        assert (max(right_ends(page, ".main-svg")) > 1000) == cut, path.name
    assert overflow(page, 700) == 0, "below its narrowest the figure scrolls, not the page"
    assert max(right_ends(page, ".main-svg")) > 700


def test_long_text_is_broken_and_numbers_are_not(page, tmp_path):
    path = tmp_path / "page.html"
    reads = "1: ranks entities as their removal from the scene does, 0: unlike it; " * 3
    parts = [table("T", ("a", "b"), [("x", reads), ("y", "-0.127 [-0.338, 0.106]")]),
             code("result = " + "attribute(open_recording('runs/coin'), " * 6)]  # fmt: skip
    write_page(path, "page", parts)
    page.goto(path.as_uri())
    assert overflow(page, 600) == 0
    high = page.evaluate("[...document.querySelectorAll('tr')].map(r=>r.clientHeight)")
    assert high[1] > 1.8 * high[2]


@pytest.mark.parametrize("width", [500, 1180])
def test_words_below_a_title_fit_the_narrowest_drawing(width):
    words = "sum over its row; coloured: speaks for or against the target; grey: not in sight"
    figure = go.Figure(layout={"width": width, "height": 400, "margin": {"t": 100}})
    text = titled(figure, "a < b", words).layout.title.text
    assert text.startswith("a &lt; b<br>")
    lines = re.sub(r"<span[^>]*>|</span>", "", text).split("<br>")[1:]
    assert " ".join(lines) == words
    assert max(map(len, lines)) * 6.6 <= NARROWEST * width
    assert figure.layout.height - 400 == figure.layout.margin.t - 100 == 24 * (len(lines) - 1)

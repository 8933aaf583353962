"""A result's page: its figure is drawn, its checks and parameters are those that were saved."""

import pytest
from playwright.sync_api import expect

from policyscope.core.result import Result


@pytest.fixture(scope="module")
def result(runs):
    return Result.load(runs / "rec" / "explain" / "attention")


def opened(visitor):
    """The result's page, from the library by a click."""
    page = visitor.goto("#/")
    page.get_by_role("table", name="results").get_by_role("link", name="attention").click()
    expect(page.locator(".result h2").first).to_have_text("attention")
    return page


def test_the_figure_is_drawn(visitor, result):
    page = opened(visitor)
    page.wait_for_selector('.figure[data-drawn="true"]')
    plots = page.locator(".figure .main-svg").first
    box = plots.bounding_box()
    assert box["width"] > 500
    assert box["height"] > 300
    assert page.locator(".figure .trace, .figure .hm, .figure .points").count() > 3
    texts = page.locator(".figure text").evaluate_all("nodes => nodes.map(n => n.textContent)")
    assert set(map(str, result.data["claim_text"].values)) <= set(texts)
    assert all("plotly" in url or url.startswith((visitor.address, "data:", "blob:"))
               for url in visitor.asked)  # fmt: skip


def test_the_checks_are_those_of_the_result(visitor, result):
    page = opened(visitor)
    lines = page.locator("section[aria-label=checks] li")
    expect(lines).to_have_count(len(result.checks))
    told = dict(zip(lines.locator(".name").all_inner_texts(), lines.all_inner_texts(), strict=True))
    assert sorted(told) == sorted(check.name for check in result.checks)
    for check in result.checks:
        assert ("passed" if check.passed else "FAILED") in told[check.name]
        assert f"on {check.n} sample" in told[check.name].replace("\u202f", "")
    facts = page.locator("section[aria-label=Parameters]")
    expect(facts).to_contain_text("resamples")
    expect(facts).to_contain_text("100")
    arrays = page.locator("section[aria-label=Arrays] dt").all_inner_texts()
    assert set(arrays) <= set(map(str, result.data.variables))
    assert len(arrays) > 10


def test_the_line_of_python_makes_the_result(visitor, result, runs, monkeypatch):
    page = opened(visitor)
    line = page.locator("section[aria-label=Python] code").inner_text()
    monkeypatch.chdir(runs)
    names: dict = {}
    exec(line, names)
    made = names["result"]
    assert made.method == "attention"
    assert set(made.data.variables) == set(result.data.variables)


def test_the_theme_is_switched_and_kept(visitor):
    page = opened(visitor)
    page.wait_for_selector('.figure[data-drawn="true"]')
    ground = "getComputedStyle(document.querySelector('.result')).backgroundColor"
    paper = "document.querySelector('.figure .main-svg').style.background"
    ink = "getComputedStyle(document.querySelector('.figure text')).fill"
    before = [page.evaluate(what) for what in (ground, paper, ink)]
    page.get_by_role("button", name="switch to the dark theme").click()
    page.wait_for_function(f"([ink]) => {ink} !== ink", arg=[before[2]], timeout=5000)
    after = [page.evaluate(what) for what in (ground, paper, ink)]
    assert all(old != new for old, new in zip(before, after, strict=True))
    page.reload()
    expect(page.get_by_role("button", name="switch to the light theme")).to_be_visible()
    page.wait_for_selector(".result")
    assert page.evaluate(ground) == after[0]


def test_dark_systems_begin_dark(visitors):
    page = visitors(color_scheme="dark").goto("#/recordings/rec/episodes/2")
    expect(page.get_by_role("button", name="switch to the light theme")).to_be_visible()
    red = page.evaluate(
        "getComputedStyle(document.querySelector('header')).backgroundColor.match(/\\d+/g).map(Number)"
    )
    assert max(red[:3]) < 100

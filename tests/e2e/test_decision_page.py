"""The page of ``policyscope report``, opened from disk: complete, alone, and within its window."""

import pytest
from playwright.sync_api import expect

from policyscope.figures.decision_page import write_decision
from policyscope.reports.config import ReportConfig
from policyscope.reports.decision import report


@pytest.fixture(scope="module")
def pages(rec, tmp_path_factory):
    """A report and its page in both looks."""
    folder = tmp_path_factory.mktemp("report")
    k = int(rec.episodes["episode"].iloc[0])
    found = report(rec, k, 2, ReportConfig(seeds=2, size=96, method="input_x_gradient"))
    paths = {mode: folder / f"{mode}.html" for mode in ("light", "dark")}
    for mode, path in paths.items():
        write_decision(found, path, mode)
    return found, {mode: path.as_uri() for mode, path in paths.items()}


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_it_loads_alone_and_shows_its_parts(visitors, pages, mode):
    found, addresses = pages
    visitor = visitors(addresses[mode])
    page = visitor.page
    page.goto(addresses[mode])
    expect(page.get_by_role("heading", level=1)).to_have_text(found.headline)
    expect(page.locator("section")).to_have_count(6)
    expect(page.locator("p.missing")).to_have_count(0)
    expect(page.locator("#numbers tr.chosen")).to_have_count(1)
    rows = page.locator("#attribution table").first.locator("tr")
    expect(rows.nth(1)).to_contain_text(str(found.blame.entities["name"][0]))
    polygons = page.locator("#attribution svg.scene polygon")
    assert 1 <= polygons.count() <= len(found.blame.entities)
    sizes = page.locator("svg.scene image").evaluate_all(
        "(all) => all.map((i) => i.getBBox().width)"
    )
    assert len(sizes) >= 2
    assert min(sizes) == 96
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark == {"light": "rgb(246, 247, 248)", "dark": "rgb(14, 16, 20)"}[mode]
    assert [url for url in visitor.asked if not url.startswith(("data:", addresses[mode]))] == []


@pytest.mark.parametrize("width", [360, 800])
def test_it_fits_a_narrow_window(visitors, pages, width):
    address = pages[1]["light"]
    visitor = visitors(address)
    visitor.page.set_viewport_size({"width": width, "height": 700})
    visitor.page.goto(address)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width

"""The exported page, opened from disk: the same view, without any server."""

import pytest
from playwright.sync_api import expect

from policyscope.panel.export import export_page


@pytest.fixture(scope="module")
def exported(runs, tmp_path_factory) -> str:
    """The first four episodes of ``rec`` as one file."""
    path = tmp_path_factory.mktemp("exported") / "page.html"
    return export_page(runs / "rec", path, [0, 1, 2, 3], ["output_layer.relus.1"]).path.as_uri()


def said(page) -> dict:
    """What an episode's page says of a step."""
    return page.evaluate("""() => {
      const text = (selector) => [...document.querySelectorAll(selector)].map((n) => n.textContent);
      return {
        label: text("[data-step-label]"),
        values: text("[data-track] [data-value]"),
        actors: [...document.querySelectorAll(".actor > g")].map((n) =>
          n.getAttribute("transform")),
        lines: [...document.querySelectorAll(".attention")].map((n) =>
          [n.dataset.layer, n.dataset.identity, n.dataset.weight].join()),
        weights: text(".entity .weight"),
        changes: text("section[aria-label='steps where the action changes'] td"),
      };
    }""")


@pytest.fixture
def page_alone(visitors, exported):
    """A window on the exported page that may ask for nothing else."""
    visitor = visitors(exported)
    yield visitor
    assert [url for url in visitor.asked if not url.startswith(("data:", "blob:", exported))] == []


def test_it_begins_at_its_first_episode_and_says_what_the_server_says(visitors, page_alone):
    page = page_alone.goto("")
    page_alone.came_to("#/recordings/rec/episodes/0")
    served = visitors()
    served.goto("#/recordings/rec/episodes/0")
    for visitor in (page_alone, served):
        for _ in range(2):
            visitor.page.keyboard.press("ArrowDown")
        visitor.came_to("#/recordings/rec/episodes/2")
        expect(visitor.page.locator("[data-step-label]")).to_contain_text("step 0 of 12")
        visitor.page.wait_for_selector("[data-view=timeline]:not(.busy)")
    for step in range(4):
        page_alone.at_step(step)
        served.at_step(step)
        told = said(page)
        assert told == said(served.page)
        assert len(told["actors"]) > 5
        assert len(told["lines"]) > 5
        page.keyboard.press("ArrowRight")
        served.page.keyboard.press("ArrowRight")


def test_its_heat_map_and_tracks_work(page_alone, rec):
    page = page_alone.goto("#/recordings/rec/episodes/3?site=output_layer.relus.1&tracks=margin")
    expect(page.locator("[data-heat]")).to_be_visible()
    expect(page.locator('[data-track="margin"] [data-value]')).to_be_visible()
    q = sorted(rec.episode(3)["q"].values[0])
    told = page_alone.numbers('[data-track="margin"] [data-value]')
    assert told == pytest.approx([q[-1] - q[-2]], abs=6e-3)
    page.get_by_role("button", name="+ tracks").click()
    expect(page.get_by_label("target", exact=True)).to_have_count(0)


def test_what_needs_a_server_is_absent_and_says_why(page_alone):
    page = page_alone.goto("#/recordings/rec/episodes/2?live=1")
    expect(page.get_by_text("The agent cannot be asked here.")).to_be_visible()
    expect(page.get_by_text("An exported page holds no agent")).to_be_visible()
    expect(page.get_by_role("button", name="jobs")).to_have_count(0)
    page.get_by_role("button", name="Notes").click()
    expect(page.locator("textarea")).to_have_count(0)
    page_alone.goto("#/recordings/rec/steps")
    expect(page.get_by_text("An exported page holds no map of all steps")).to_be_visible()


def test_an_episode_that_it_lacks_is_told(page_alone):
    page = page_alone.page
    page.goto(page_alone.address + "#/recordings/rec/episodes/5")
    expect(page.get_by_role("alert")).to_contain_text("does not hold")
    expect(page.get_by_role("alert")).to_contain_text("policyscope panel")


def test_two_of_its_episodes_stand_side_by_side(page_alone):
    page = page_alone.goto("#/recordings/rec/episodes/2?beside=rec,3,1&step=2")
    steps = page.locator("[data-pane-step]")
    expect(steps).to_have_count(2)
    assert steps.evaluate_all("n => n.map((each) => each.dataset.paneStep)") == ["2", "3"]


def test_its_table_lists_its_episodes(page_alone, rec):
    page = page_alone.goto("#/recordings/rec")
    expect(page.locator("tr.episode").first).to_be_visible()
    told = page.locator("tr.episode td:nth-child(2)").all_inner_texts()
    assert told[:4] == ["0", "1", "2", "3"]
    expect(page.locator(".thumb svg path.way").nth(3)).to_be_attached()

"""The library and the table of episodes, as a visitor sees and drives them."""

import re

import pytest
from playwright.sync_api import expect

from policyscope.panel.application import application
from policyscope.panel.serve import served


def fixed(value: float) -> str:
    """As the page prints a number."""
    return f"{value:.2f}".replace("-", "\u2212")


def column(page, number: int) -> list[str]:
    return page.locator(f"tr.episode td:nth-child({number})").all_inner_texts()


def test_the_library_lists_recordings_results_and_what_is_torn(visitor, rec):
    page = visitor.goto()
    lines = page.get_by_role("table", name="recordings").locator("tbody tr")
    assert sorted(lines.locator("td:first-child").all_inner_texts()) == [
        "cartpole", "random", "rec", "torn",
    ]  # fmt: skip
    line = lines.filter(has=page.get_by_role("link", name="rec", exact=True))
    texts = line.locator("td").all_inner_texts()
    steps = int(rec.episodes["steps"].sum())
    assert texts[1:5] == ["highway-ego-attention", "highway/intersection greedy", "6", str(steps)]
    assert texts[5] == fixed(rec.episodes["return"].mean())
    shares = rec.episodes["outcome"].value_counts(normalize=True)
    for outcome, share in shares.items():
        assert f"{outcome.replace('_', ' ')} {share:.0%}" in texts[7]
    torn = lines.filter(has_text="torn")
    expect(torn).to_contain_text("cannot be opened")
    expect(torn).to_contain_text("recording.json")
    assert torn.get_by_role("link").count() == 0
    results = page.get_by_role("table", name="results").locator("tbody tr")
    assert results.locator("td").all_inner_texts()[:3] == ["attention", "rec", "17/17"]


def test_the_table_of_episodes_tells_what_was_recorded(visitor, rec):
    page = visitor.goto("#/recordings/rec")
    told = rec.episodes
    assert column(page, 2) == [str(k) for k in told["episode"]]
    assert column(page, 3) == [str(seed) for seed in told["seed"]]
    assert column(page, 4) == [text.replace("_", " ") for text in told["outcome"]]
    assert column(page, 5) == [fixed(value) for value in told["return"]]
    assert column(page, 7) == [str(steps) for steps in told["steps"]]
    expect(page.locator(".thumb svg path.way")).to_have_count(6)
    ends = page.locator(".thumb svg circle.end").evaluate_all(
        "nodes => nodes.map(n => [Number(n.getAttribute('cx')), Number(n.getAttribute('cy'))])"
    )
    for k, end in enumerate(ends):
        ego = rec.entities(k).query("identity == 0").iloc[-1]
        assert end == pytest.approx([ego["x"], ego["y"]], abs=0.2)


def test_sorting_filtering_and_counting(visitor, rec):
    page = visitor.goto("#/recordings/rec")
    told = rec.episodes
    page.get_by_role("button", name="return").click()
    assert column(page, 5) == [fixed(value) for value in sorted(told["return"])]
    visitor.came_to("#/recordings/rec?sort=return")
    page.get_by_role("button", name="return").click()
    assert column(page, 5) == [fixed(v) for v in sorted(told["return"], reverse=True)]
    expect(page.locator("th", has_text="return")).to_have_attribute("aria-sort", "descending")

    field = page.get_by_label("filter episodes")
    field.fill("!crashed steps>=10")
    wanted = told[(told["steps"] >= 10) & ~told["outcome"].str.contains("crashed")]
    assert 0 < len(wanted) < len(told)
    expect(page.locator(".filter p")).to_have_text(f"{len(wanted)} of 6 episodes")
    assert sorted(column(page, 2)) == sorted(str(k) for k in wanted["episode"])
    field.fill("colour<3")
    expect(page.locator(".filter p")).to_contain_text("there is no column")
    field.fill("return<-100")
    expect(page.get_by_text("No episode passes the filter")).to_be_visible()
    field.press("Escape")
    expect(page.locator("tr.episode")).to_have_count(6)


def test_an_episode_is_opened_by_the_keyboard_alone(visitor):
    page = visitor.goto("#/")
    table = page.get_by_role("table", name="recordings")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "rec":
            break
    expect(table.get_by_role("link", name="rec", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("tr.episode")).to_have_count(6)
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(page.locator('tr.episode[aria-current="true"] td:nth-child(2)')).to_have_text("2")
    page.keyboard.press("Enter")
    visitor.came_to("#/recordings/rec/episodes/2")
    expect(page.locator("[data-step-label]")).to_contain_text("step 0 of 12")
    page.keyboard.press("ArrowDown")
    visitor.came_to("#/recordings/rec/episodes/3")
    page.go_back()
    visitor.came_to("#/recordings/rec/episodes/2")


def test_the_way_back_and_the_header(visitor, rec):
    page = visitor.goto("#/recordings/rec/episodes/1?step=3")
    expect(page).to_have_title(re.compile("episode 1.*highway-ego-attention.*policyscope"))
    figures = page.get_by_role("group", name=re.compile("summary over 6 episodes"))
    expect(figures).to_contain_text(fixed(rec.episodes["return"].mean()))
    where = page.get_by_role("navigation", name="where you are")
    where.get_by_role("link", name="highway-ego-attention").click()
    visitor.came_to("#/recordings/rec")
    where.get_by_role("link", name="library").click()
    visitor.came_to("#/")
    expect(page.get_by_role("table", name="recordings")).to_be_visible()


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("#/recordings/nobody", "nobody"),
        ("#/recordings/torn", "recording.json"),
        ("#/recordings/rec/episodes/99", "99"),
        ("#/recordings/nobody/episodes/0", "nobody"),
        ("#/recordings/nobody/steps", "nobody"),
        ("#/results/nothing", "nothing"),
    ],
)
def test_an_address_of_nothing_is_told_and_left_again(visitor, place, told):
    visitor.refused = (404, 409)
    page = visitor.page
    page.goto(visitor.address + place, wait_until="domcontentloaded")
    failure = page.locator("main [role=alert]").first
    expect(failure).to_contain_text(told)
    assert "Traceback" not in failure.inner_text()
    page.get_by_role("link", name="library").click()
    expect(page.get_by_role("table", name="recordings")).to_be_visible()


def test_a_recording_without_entities_is_shown_too(visitor):
    page = visitor.goto("#/recordings/cartpole")
    expect(page.locator("tr.episode")).to_have_count(2)
    page.locator("tr.episode").nth(1).click()
    visitor.came_to("#/recordings/cartpole/episodes/1")
    expect(page.locator("[data-step-label]")).to_contain_text("episode 1")


def test_pictures_are_thumbnails(visitors, pixels):
    with served(application(pixels.parent)) as at:
        page = visitors(at).goto("#/recordings/pixels")
        expect(page.locator(".thumb img")).to_have_count(2)

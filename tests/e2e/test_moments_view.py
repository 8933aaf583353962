"""Moments that a query finds, as a visitor asks for them, goes to them and shares them."""

import re
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import expect

from policyscope.recordings.find.search import find

QUERY = "value drops > 0.5 within 3"


@pytest.fixture(scope="module")
def table(rec):
    """What is to be found; some episodes have several moments, and one has none or all do."""
    table = find(rec, QUERY)
    assert len(table) > len(set(table["episode"])) > 1
    return table


def field(page):
    return page.get_by_role("combobox", name="find moments")


def steps_text(line) -> str:
    return str(line.step) if line.step == line.until else f"{line.step}\u2013{line.until}"


def listed(page) -> list[tuple[str, str]]:
    rows = page.get_by_role("table", name="moments").locator("tr.moment")
    texts = [rows.nth(i).locator("td").all_inner_texts() for i in range(rows.count())]
    return [(cells[0].strip(), cells[1]) for cells in texts]


def test_a_query_is_asked_and_its_moments_listed_counted_and_reached(visitor, rec, table):
    page = visitor.goto("#/recordings/rec")
    page.keyboard.press("/")
    expect(field(page)).to_be_focused()
    page.keyboard.type(QUERY)
    counts = table["episode"].value_counts()
    told = f"{len(table)} moments in {len(counts)} of {len(rec)} episodes"
    expect(page.locator(".find p")).to_have_text(told)
    assert listed(page) == [(str(line.episode), steps_text(line)) for line in table.itertuples()]
    found = page.locator("tr.episode td:nth-child(6)").all_inner_texts()
    assert found == [str(counts.get(k, "")) for k in rec.episodes["episode"]]

    line = table.iloc[len(table) // 2]
    page.locator("tr.moment").nth(len(table) // 2).click()
    visitor.at_step(int(line["step"]))
    step = f"step={line['step']}&" if line["step"] else ""
    query = quote(QUERY, safe="").replace("%20", "+")
    visitor.came_to(f"#/recordings/rec/episodes/{line['episode']}?{step}tab=moments&find={query}")
    here = int(counts[line["episode"]])
    expect(page.locator("[data-moments]")).to_have_attribute("data-moments", str(here))
    expect(page.locator('tr.moment[aria-current="true"] td').nth(1)).to_have_text(steps_text(line))


def test_keys_go_from_moment_to_moment_across_episodes(visitor, table):
    first = table.iloc[0]
    page = visitor.goto(f"#/recordings/rec/episodes/{first['episode']}?find={quote(QUERY)}")
    page.wait_for_selector("[data-moments]")
    at = (first["episode"], 0)
    for line in table.itertuples():
        if (line.episode, line.step) <= at:
            continue
        page.keyboard.press("n")
        visitor.at_step(line.step)
        expect(page.locator("[data-step-label]")).to_contain_text(f"episode {line.episode} ")
    page.keyboard.press("n")
    last, before = table.iloc[-1], table.iloc[-2]
    visitor.at_step(int(last["step"]))
    page.get_by_role("button", name="moment before").click()
    visitor.at_step(int(before["step"]))
    page.keyboard.press("p")
    visitor.at_step(int(table.iloc[-3]["step"]))


def test_the_marks_lie_at_the_moments(visitor, rec, table):
    episode = int(table["episode"].value_counts().idxmax())
    page = visitor.goto(f"#/recordings/rec/episodes/{episode}?find={quote(QUERY)}")
    page.wait_for_selector("[data-moments] canvas")
    page.wait_for_timeout(300)
    steps = int(rec.line(episode)["steps"])
    drawn = page.evaluate(
        """(steps) => {
          const canvas = document.querySelector("[data-moments] canvas");
          const { width, height } = canvas;
          const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
          return [...Array(steps).keys()].map((t) => {
            const x = Math.floor(((t + 0.5) / steps) * width);
            return pixels[4 * (Math.floor(height / 2) * width + x) + 3] > 0;
          });
        }""",
        steps,
    )
    wanted = np.zeros(steps, bool)
    for line in table[table["episode"] == episode].itertuples():
        wanted[line.step : line.until + 1] = True
    assert drawn == wanted.tolist()
    assert wanted.any()
    assert not wanted.all()


def test_a_link_restores_query_list_marks_and_filter(visitor, visitors, rec):
    page = visitor.goto("#/recordings/rec/episodes/1")
    outcome = rec.episodes["outcome"].iloc[-1]
    field(page).fill(f"outcome == {outcome} and step == 1")
    field(page).press("Enter")
    page.get_by_role("button", name="only these").click()
    page.keyboard.press("n")
    page.get_by_role("button", name="Moments", exact=True).click()
    ended = rec.episodes[rec.episodes["outcome"].str.split("+").map(lambda o: outcome in o)]
    rows = page.locator("nav tr.episode td:first-child")
    assert rows.all_inner_texts() == [str(k) for k in ended["episode"]]
    place = visitor.place()
    assert "filter=moments%3E0" in place
    other = visitors()
    other.goto(place)
    expect(other.page.locator("nav tr.episode")).to_have_count(len(ended))
    expect(field(other.page)).to_have_value(f"outcome == {outcome} and step == 1")
    assert listed(other.page) == listed(page)
    assert len(listed(page)) == len(ended) > 0
    assert other.place() == place


@pytest.mark.parametrize("where", ["#/recordings/rec", "#/recordings/rec/episodes/1"])
def test_an_error_underlines_its_word_and_says_what_there_is(visitor, where):
    visitor.refused = (400,)
    page = visitor.goto(where)
    field(page).fill("outcome == arived and value > 1")
    mark = page.locator(".mirror mark")
    expect(mark).to_have_text("arived")
    assert "wavy" in mark.evaluate("node => getComputedStyle(node).textDecoration")
    left, right, size = page.evaluate("""() => {
      const input = document.querySelector(".field input");
      const pen = document.createElement("canvas").getContext("2d");
      pen.font = getComputedStyle(input).font;
      const box = document.querySelector(".mirror mark").getBoundingClientRect();
      const from = input.getBoundingClientRect().left + 8 - input.scrollLeft;
      const at = from + pen.measureText("outcome == ").width;
      return [box.left - at, box.right - at - pen.measureText("arived").width, box.width];
    }""")
    assert abs(left) < 1.5
    assert abs(right) < 1.5
    assert size > 20
    expect(page.locator(".find p")).to_contain_text("Did you mean arrived")
    assert page.locator("[data-moments]").count() == 0
    field(page).fill("outcome == arrived and value > -1000")
    expect(page.locator(".find p")).to_contain_text(re.compile(r"\d+ (moments?|here)"))
    expect(mark).to_have_count(0)


def test_examples_suit_the_recording_and_what_was_asked_comes_back(visitor, rec):
    page = visitor.goto("#/recordings/rec")
    page.keyboard.press("/")
    options = page.get_by_role("option")
    expect(options.filter(has_text="q[FASTER]-q[SLOWER] crosses 0")).to_have_count(1)
    expect(options.filter(has_text="entity(vehicle).distance")).to_have_count(1)
    options.filter(has_text="abs(advantage) top 20").click()
    expect(page.locator(".find p")).to_contain_text("20 moments")
    page.reload()
    field(page).click()
    field(page).fill("")
    expect(page.locator(".find p")).to_have_count(0)
    field(page).click()
    expect(options.first).to_have_text("abs(advantage) top 20")
    expect(page.get_by_text("asked before")).to_be_visible()
    visitor.goto("#/recordings/cartpole")
    field(page).click()
    expect(options.filter(has_text="outcome == terminated")).to_have_count(1)


def test_the_python_line_gives_what_is_listed(visitor, rec):
    page = visitor.goto(f"#/recordings/rec?find={quote(QUERY)}")
    line = page.locator(".moments .line code").get_attribute("title")
    names: dict = {}
    *first, last = line.splitlines()
    exec("\n".join(first), names)  # noqa: S102 (our own lines)
    table = eval(last, names)  # noqa: S307
    assert listed(page) == [(str(one.episode), steps_text(one)) for one in table.itertuples()]
    assert len(table) > 3


def test_an_exported_page_has_no_field_for_queries(visitors, page_file):
    visitor = visitors(page_file.as_uri())
    page = visitor.goto(f"#/recordings/random/episodes/1?find={quote(QUERY)}")
    expect(page.get_by_label("filter episodes")).to_be_visible()
    assert field(page).count() == 0
    assert page.locator("[data-moments]").count() == 0

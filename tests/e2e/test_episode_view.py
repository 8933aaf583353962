"""An episode: what the page shows of a step is what was recorded of it."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

EPISODE = 2  # 13 steps with all three actions
PLACE = f"#/recordings/rec/episodes/{EPISODE}"
PATTERN = "sites/attention_layer.pattern"

BODIES = """() => Object.fromEntries(
  [...document.querySelectorAll("svg[data-view=scene] .actor[data-identity]")].map((node) => [
    node.dataset.identity,
    node.querySelector("g").getAttribute("transform").match(/-?[\\d.]+(e-?\\d+)?/g).map(Number),
  ]))"""
WEIGHTS = """() => [...document.querySelectorAll(".attention")]
  .filter((node) => getComputedStyle(node).display !== "none")
  .map((node) => ["layer", "identity", "weight"].map((name) => Number(node.dataset[name])))"""


@pytest.fixture(scope="module")
def data(rec):
    return rec.episode(EPISODE)


@pytest.fixture(scope="module")
def actions(data):
    names = list(data["action_name"].values)
    return [names[a] for a in data["action"].values]


@pytest.fixture(scope="module")
def changes(actions):
    return [t for t in range(1, len(actions)) if actions[t] != actions[t - 1]]


def shown_as_recorded(visitor, rec, data, actions, step):
    """Compare everything that the page says of a step with the recording."""
    page = visitor.page
    visitor.at_step(step)
    last = data.sizes["step"] - 1
    expect(page.locator("[data-step-label]")).to_have_text(
        f"episode {EPISODE} \u00b7 step {step} of {last}"
    )
    bodies = page.evaluate(BODIES)
    there = rec.entities(EPISODE).query("step == @step")
    assert sorted(map(int, bodies)) == sorted(there["identity"])
    for entity in there.itertuples():
        wanted = [entity.x, entity.y, np.degrees(entity.heading)]
        assert bodies[str(entity.identity)] == pytest.approx(wanted, abs=1e-3)

    identity, pattern = data["row_identity"].values[step], data[PATTERN].values[step, :, 0]
    told = {(layer, who): weight for layer, who, weight in page.evaluate(WEIGHTS)}
    wanted = {
        (head, int(who)): pattern[head, row]
        for row, who in enumerate(identity) if who >= 0
        for head in range(4) if pattern[head, row] >= 0.01
    }  # fmt: skip
    assert told == pytest.approx(wanted, abs=1e-5)

    q = [visitor.numbers(f'[data-track="q[{name}]"] [data-value]')[0]
         for name in data["action_name"].values]  # fmt: skip
    assert q == pytest.approx(data["q"].values[step], abs=6e-3)
    assert visitor.numbers('[data-track="reward"] [data-value]') == pytest.approx(
        [data["reward"].values[step]], abs=6e-3
    )
    expect(page.locator('[data-track="action"] [data-value]')).to_have_text(actions[step])
    left, width = page.locator("[data-cursor]").evaluate("n => [n.style.left, n.style.width]")
    assert float(left[:-1]) == pytest.approx(100 * step / (last + 1), abs=0.01)
    assert float(width[:-1]) == pytest.approx(100 / (last + 1), abs=0.01)
    visitor.came_to(PLACE + (f"?step={step}" if step else ""))


def test_every_way_to_a_step_shows_what_was_recorded(visitor, rec, data, actions):
    page = visitor.goto(PLACE)
    shown_as_recorded(visitor, rec, data, actions, 0)
    page.keyboard.press("ArrowRight")
    shown_as_recorded(visitor, rec, data, actions, 1)
    page.get_by_role("button", name="step forward").click()
    shown_as_recorded(visitor, rec, data, actions, 2)
    page.get_by_role("slider", name="step").fill("7")
    shown_as_recorded(visitor, rec, data, actions, 7)
    plot = page.get_by_role("group", name="Q-values over time").locator("[data-plot]")
    box = visitor.at_rest(plot)
    at = (4.5 / 13) * box["width"]
    plot.click(position={"x": at, "y": box["height"] / 2})
    shown_as_recorded(visitor, rec, data, actions, 4)
    page.keyboard.press("End")
    shown_as_recorded(visitor, rec, data, actions, 12)
    page.keyboard.press("ArrowRight")
    shown_as_recorded(visitor, rec, data, actions, 12)


def test_a_drag_over_the_timeline_scrubs(visitor, rec, data, actions):
    page = visitor.goto(PLACE)
    plot = page.get_by_role("group", name="Q-values over time").locator("[data-plot]")
    box = visitor.at_rest(plot)
    y, step = box["y"] + 20, box["width"] / 13
    page.mouse.move(box["x"] + step / 2, y)
    page.mouse.down()
    seen = []
    for k in (2, 3, 8, 5):
        page.mouse.move(box["x"] + step * (k + 0.5), y)
        visitor.at_step(k)
        seen.append(k)
    page.mouse.move(box["x"] + 3 * box["width"], y)
    visitor.at_step(12)
    page.mouse.up()
    page.mouse.move(box["x"] + step, y)
    shown_as_recorded(visitor, rec, data, actions, 12)


def test_playing_goes_through_the_steps_and_ends(visitor):
    page = visitor.goto(PLACE + "?step=6")
    page.get_by_label("speed of playing").select_option("16 steps/s")
    page.evaluate("""() => {
      window.labels = [];
      const label = document.querySelector("[data-step-label]");
      new MutationObserver(() => window.labels.push(label.textContent))
        .observe(label, { characterData: true, subtree: true, childList: true });
    }""")
    page.keyboard.press("Space")
    visitor.at_step(12)
    steps = [int(re.search(r"step (\d+)", text)[1]) for text in page.evaluate("window.labels")]
    assert steps == sorted(set(steps))
    assert steps[-1] == 12
    expect(page.get_by_role("button", name="play", exact=True)).to_be_visible()
    visitor.came_to(PLACE + "?step=12")


def test_jumps_to_where_the_action_changes(visitor, actions, changes):
    page = visitor.goto(PLACE)
    reached = []
    for _ in changes:
        page.keyboard.press("Shift+ArrowRight")
        visitor.at_step(changes[len(reached)])
        reached.append(changes[len(reached)])
    page.keyboard.press("Shift+ArrowLeft")
    visitor.at_step(changes[-2])
    rows = page.locator("section[aria-label='steps where the action changes'] tbody tr")
    assert rows.evaluate_all("rows => rows.map(r => Number(r.dataset.step))") == changes
    cells = rows.nth(1).locator("td").all_inner_texts()
    assert cells[1:3] == [actions[changes[1] - 1], actions[changes[1]]]
    rows.nth(1).click()
    visitor.at_step(changes[1])
    expect(rows.nth(1)).to_have_attribute("aria-selected", "true")


def test_the_question_mark_lists_the_keys_that_work(visitor):
    page = visitor.goto(PLACE)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="keys")
    expect(dialog).to_be_visible()
    for text in ("play or pause", "step back, step forward", "keep one layer alone", "zoom in"):
        expect(dialog).to_contain_text(text)
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-step-label]")).to_contain_text("step 0 of")
    page.keyboard.press("?")
    expect(dialog).to_be_hidden()
    page.keyboard.press("ArrowRight")
    visitor.at_step(1)


def layers_shown(page) -> set[int]:
    return {int(layer) for layer, _, _ in page.evaluate(WEIGHTS)}


def test_a_head_is_shown_alone(visitor, data):
    page = visitor.goto(PLACE + "?step=3")
    page.wait_for_selector(".attention")
    assert layers_shown(page) == {0, 1, 2, 3}
    heads = page.locator("[data-layer-button]")
    expect(heads).to_have_count(4)
    heads.nth(2).hover()
    assert layers_shown(page) == {2}
    page.mouse.move(5, 5)
    assert layers_shown(page) == {0, 1, 2, 3}
    assert "layer" not in visitor.place()
    heads.nth(1).click()
    page.mouse.move(5, 5)
    assert layers_shown(page) == {1}
    visitor.came_to(PLACE + "?step=3&layer=1")
    page.keyboard.press("4")
    assert layers_shown(page) == {3}
    visitor.came_to(PLACE + "?step=3&layer=3")
    page.reload()
    page.wait_for_selector(".attention", state="attached")
    assert layers_shown(page) == {3}
    expect(heads.nth(3)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    assert layers_shown(page) == {0, 1, 2, 3}


def test_lines_and_the_list_of_vehicles_are_one(visitor, data):
    page = visitor.goto(PLACE + "?step=3")
    page.wait_for_selector(".attention")
    head, who, _ = max(page.evaluate(WEIGHTS), key=lambda mark: (mark[1] != 0, mark[2]))
    row = page.locator(f'[data-entity="{who}"]')
    row.hover()
    lit = "nodes => [...new Set(nodes.map(n => Number(n.dataset.identity)))]"
    assert page.locator(".attention.lit").evaluate_all(lit) == [who]
    expect(page.locator(f'.actor[data-identity="{who}"]')).to_have_class(re.compile("lit"))
    page.mouse.move(5, 5)
    expect(page.locator(".attention.lit")).to_have_count(0)
    actor = page.locator(f'.actor[data-identity="{who}"] .body')
    actor.hover()
    expect(page.locator(".entity.lit").locator("[data-entity]")).to_have_attribute(
        "data-entity", str(who)
    )
    actor.click()
    visitor.came_to(PLACE + f"?step=3&identity={who}")
    expect(row).to_have_attribute("aria-pressed", "true")
    texts = row.locator(".weight").all_inner_texts()
    column = list(data["row_identity"].values[3]).index(who)
    weights = data[PATTERN].values[3, :, 0, column]
    told = [float(text) if text else 0.0 for text in texts]
    assert told == pytest.approx(weights, abs=0.0101)
    assert max(told) > 0
    row.click()
    visitor.came_to(PLACE + "?step=3")


def test_the_label_names_the_episode_that_is_shown(visitor):
    page = visitor.goto("#/recordings/rec/episodes/1")
    page.route("**/episodes/2/arrays*", lambda route: None)  # never answered
    with page.expect_request("**/episodes/2/arrays*"):
        page.keyboard.press("ArrowDown")
    visitor.came_to("#/recordings/rec/episodes/2")
    texts = page.locator("[data-step-label]").all_inner_texts()
    assert texts in ([], ["episode 1 \u00b7 step 0 of 9"])

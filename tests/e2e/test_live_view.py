"""The live view: what is changed in the browser changes what the agent answers, as in Python."""

import os
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from policyscope.recordings.replays.whatif import ask

EPISODE, STEP = 2, 3
PLACE = f"#/recordings/rec/episodes/{EPISODE}?step={STEP}&live=1"
CENTRE = "node => { const b = node.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }"  # noqa: E501


class Live:
    """The live view of one step, opened."""

    def __init__(self, visitor):
        self.visitor = visitor
        self.page = visitor.goto(PLACE)
        self.rested()

    def rested(self) -> None:
        """Wait until the last question is answered."""
        expect(self.page.locator(".live .took")).to_have_text(re.compile("ms"))
        expect(self.page.locator(".live")).to_have_attribute("aria-busy", "false")

    def changed(self) -> None:
        """Wait until a change is asked and answered."""
        expect(self.page.get_by_role("button", name="reset")).to_be_enabled()
        self.rested()
        expect(self.page.locator(".live .python code")).to_be_visible()

    def scores(self) -> tuple[list[float], list[float]]:
        """Recorded Q-values, and those of now."""
        rows = "table[aria-label='Q-values, recorded and now'] tbody"
        return (
            self.visitor.numbers(f"{rows} td:nth-child(3)"),
            self.visitor.numbers(f"{rows} td:nth-child(4)"),
        )

    def python(self, runs):
        """What the shown lines of Python give."""
        lines = self.page.locator(".live .python code").get_attribute("title")
        names: dict = {}
        os.chdir(runs)
        exec(lines, names)
        return names["answer"]

    def drag(self, identity: int, right: float, down: float, moves: int = 10) -> None:
        """Drag a vehicle with the mouse, in pixels."""
        body = self.page.locator(f'.actor[data-identity="{identity}"] .body')
        x, y = body.evaluate(CENTRE)
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + right, y + down, steps=moves)
        self.page.mouse.up()
        self.changed()


@pytest.fixture
def live(visitor, monkeypatch, runs):
    monkeypatch.chdir(runs)
    return Live(visitor)


@pytest.fixture(scope="module")
def data(rec):
    return rec.episode(EPISODE)


@pytest.fixture(scope="module")
def nearest(rec):
    """A vehicle that the agent sees, the nearest to the ego."""
    there = rec.entities(EPISODE).query("step == @STEP").set_index("identity")
    others = there[(there["row"] >= 0) & (there.index != 0)]
    away = np.hypot(others["x"] - there.loc[0, "x"], others["y"] - there.loc[0, "y"])
    return int(away.idxmin())


def test_a_vehicle_is_dragged_and_the_agent_follows(live, runs, rec, data, nearest):
    page = live.page
    before, _ = live.scores()
    assert before == pytest.approx(data["q"].values[STEP], abs=6e-3)
    lines = "nodes => nodes.map(n => n.outerHTML).join()"
    old = page.locator(".attention").evaluate_all(lines)
    where = page.locator(f'.actor[data-identity="{nearest}"] > g').get_attribute("transform")
    live.drag(nearest, 40, 25)
    recorded, now = live.scores()
    assert recorded == before
    assert max(abs(a - b) for a, b in zip(recorded, now, strict=True)) > 0.01
    assert page.locator(".attention").evaluate_all(lines) != old
    moved = page.locator(f'.actor[data-identity="{nearest}"] > g').get_attribute("transform")
    assert moved != where

    there = rec.entities(EPISODE).query("step == @STEP and identity == @nearest").iloc[0]
    scale = page.locator("svg[data-view=scene]").evaluate("node => node.getScreenCTM().a")
    answer = live.python(runs)
    entities = answer.changed.entities
    place = list(entities.identity).index(nearest)
    assert entities.x[place] == pytest.approx(there["x"] + 40 / scale, abs=1)
    assert entities.y[place] == pytest.approx(there["y"] + 25 / scale, abs=1)
    assert now == pytest.approx(answer.changed.outputs["q"], abs=6e-3)
    action = data["action_name"].values[int(answer.changed.action)]
    expect(page.locator(".live .action b")).to_have_text(str(action))
    told = page.locator(f'[data-entity="{nearest}"] .weight').all_inner_texts()
    identity = list(answer.changed.identity)
    if nearest in identity:
        pattern = answer.changed.sites["attention_layer.pattern"][:, 0, identity.index(nearest)]
        assert [float(text or 0) for text in told] == pytest.approx(pattern, abs=0.0101)

    page.get_by_role("button", name="reset").click()
    live.rested()
    assert live.scores() == (before, before)
    back = page.locator(f'.actor[data-identity="{nearest}"] > g').get_attribute("transform")
    assert back == where
    assert live.visitor.place() == PLACE


def test_a_quick_drag_is_followed(live, nearest):
    live.drag(nearest, 40, 25, moves=1)


def test_a_number_of_the_observation_is_typed(live, runs, rec, data):
    page = live.page
    before, _ = live.scores()
    field = page.get_by_label("ego vx", exact=True)
    column = list(data["feature"].values).index("vx")
    assert float(field.input_value().replace("\u2212", "-")) == pytest.approx(
        data["obs"].values[STEP, 0, column], abs=6e-4
    )
    field.fill("0.8")
    field.press("Enter")
    live.changed()
    wanted = ask(rec, EPISODE, STEP, observation={(0, column): 0.8})
    _, now = live.scores()
    assert now != before
    assert now == pytest.approx(wanted.changed.outputs["q"], abs=6e-3)
    answer = live.python(runs)
    np.testing.assert_array_equal(answer.changed.observation, wanted.changed.observation)
    field.fill("much")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.press("Escape")
    expect(field).to_have_value("0.8")
    page.wait_for_timeout(750)  # what follows faster is undone together with it
    page.get_by_role("button", name=re.compile("ego vx: back to")).click()
    live.rested()
    assert live.scores() == (before, before)
    page.get_by_role("button", name="undo").click()
    live.changed()
    assert live.scores()[1] == now


def test_a_target_is_typed_and_watched(live, data, rec, nearest):
    visitor, page = live.visitor, live.page
    visitor.refused = (400, 404)
    field = page.locator("#live-target")
    field.fill("q[FASTR]")
    field.press("Enter")
    expect(page.locator("#live-target-wrong")).to_contain_text("FASTER")
    field.fill("q[FASTER]-q[SLOWER]")
    field.press("Enter")
    line = page.locator("section[aria-label=targets] li")
    expect(line).to_have_count(1)
    q = data["q"].values[STEP]
    expect(line.locator("b")).not_to_have_text("\u2013")
    told = visitor.numbers("section[aria-label=targets] li .number:not(.change)")
    assert told == pytest.approx([q[2] - q[0]] * 2, abs=6e-4)
    live.drag(nearest, -30, 0)
    _, now = live.scores()
    told = visitor.numbers("section[aria-label=targets] li .number:not(.change)")
    assert told[0] == pytest.approx(q[2] - q[0], abs=6e-4)
    assert told[1] == pytest.approx(now[2] - now[0], abs=0.011)
    assert abs(told[1] - told[0]) > 1e-3
    page.get_by_role("button", name="remove the target").click()
    expect(line).to_have_count(0)


def test_a_vehicle_is_moved_by_keys_sped_removed_and_added(live, runs, nearest):
    page = live.page
    page.locator(f'.actor[data-identity="{nearest}"]').focus()
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    live.changed()
    assert f"step={STEP}" in live.visitor.place()
    changes = page.locator("section[aria-label='changes of the scene'] li span")
    expect(changes).to_have_count(1)
    page.get_by_label("vehicle", exact=True).select_option(str(nearest))
    speed = page.get_by_label("speed in metres per second")
    speed.fill("15")
    speed.press("Enter")
    expect(changes.nth(1)).to_contain_text("15 m/s")
    live.rested()
    answer = live.python(runs)
    place = list(answer.changed.entities.identity).index(nearest)
    assert answer.changed.entities.speed[place] == pytest.approx(15)
    bodies = page.locator("svg[data-view=scene] .actor")
    count = bodies.count()
    page.get_by_role("button", name="add", exact=True).last.click()
    expect(bodies).to_have_count(count + 1)
    live.rested()
    page.get_by_label("vehicle", exact=True).select_option(str(nearest))
    page.get_by_role("button", name="remove", exact=True).click()
    expect(page.locator(f'.actor[data-identity="{nearest}"]')).to_have_count(0)
    live.rested()
    assert len(live.python(runs).changed.entities) == count


def test_each_step_keeps_its_changes(live, data, nearest):
    page = live.page
    live.drag(nearest, 30, 10)
    _, now = live.scores()
    page.locator("[data-step-label]").click()
    page.keyboard.press("ArrowRight")
    live.visitor.at_step(STEP + 1)
    expect(page.get_by_role("button", name="reset")).to_be_disabled()
    live.rested()
    assert live.scores()[1] == pytest.approx(data["q"].values[STEP + 1], abs=6e-3)
    page.keyboard.press("ArrowLeft")
    live.visitor.at_step(STEP)
    live.changed()
    assert live.scores()[1] == now


def test_an_agent_without_entities_is_asked_too(visitor, runs):
    from policyscope.recordings.read import open_recording

    page = visitor.goto("#/recordings/cartpole/episodes/0?step=2&live=1")
    field = page.locator("section[aria-label=observation] input").nth(2)
    field.fill("0.25")
    field.press("Enter")
    expect(page.get_by_role("button", name="reset")).to_be_enabled()
    expect(page.locator(".live .python code")).to_be_visible()
    answer = ask(open_recording(runs / "cartpole"), 0, 2, observation={(2,): 0.25})
    logits = answer.changed.outputs["logits"]
    chances = np.exp(logits) / np.exp(logits).sum()
    rows = "table[aria-label='probabilities, recorded and now'] tbody"
    assert visitor.numbers(f"{rows} td:nth-child(4)") == pytest.approx(chances, abs=6e-3)

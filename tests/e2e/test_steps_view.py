"""The map of all steps: its points are the recorded ones, and a click opens what was clicked."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

X, Y = "q[SLOWER]", "q[FASTER]"
PLACE = f"#/recordings/rec/steps?x={X}&y={Y}"


@pytest.fixture(scope="module")
def rows(rec):
    return rec.rows(["q", "action"])


def drawn(page) -> None:
    page.wait_for_selector('.frame[data-drawn="true"]')


def numbers(text: str) -> list[float]:
    return [float(n) for n in re.findall(r"-?\d+\.\d+", text.replace("\u2212", "-"))]


def test_points_are_drawn_counted_and_told(visitor, rows):
    page = visitor.goto(PLACE)
    drawn(page)
    frame = page.get_by_role("application")
    expect(frame).to_have_attribute("aria-label", re.compile(f"^{len(rows['q'])} steps"))
    head = page.locator("section[aria-label='selected steps'] h2")
    expect(head).to_contain_text(f"{len(rows['q'])} steps in 6 episodes")
    lines = page.locator("section[aria-label='selected steps'] tbody tr")
    told = {cells[0].strip(): cells[1:] for cells in
            (text.split("\t") for text in lines.all_inner_texts())}  # fmt: skip
    for action, name in enumerate(("SLOWER", "IDLE", "FASTER")):
        mine = rows["action"] == action
        assert int(told[name][0]) == mine.sum()
        assert numbers(told[name][2])[0] == pytest.approx(rows["q"][mine, 0].mean(), abs=6e-3)
        assert numbers(told[name][3])[0] == pytest.approx(rows["q"][mine, 2].mean(), abs=6e-3)
    colours = page.evaluate("""() => {
      const canvas = document.querySelector(".frame canvas");
      const copy = Object.assign(document.createElement("canvas"),
        { width: canvas.width, height: canvas.height });
      const pen = copy.getContext("2d");
      pen.drawImage(canvas, 0, 0);
      const data = pen.getImageData(0, 0, copy.width, copy.height).data;
      const seen = new Set();
      for (let i = 0; i < data.length; i += 4) if (data[i + 3])
        seen.add([data[i], data[i + 1], data[i + 2]].map((v) => v >> 5).join());
      return seen.size;
    }""")
    assert colours > 3


def test_keys_go_through_the_steps_and_enter_opens_one(visitor, rows):
    page = visitor.goto(PLACE)
    drawn(page)
    page.get_by_role("application").focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    tip = page.locator(".frame .tip")
    expect(tip).to_contain_text(f"episode {rows['episode'][11]}, step {rows['step'][11]}")
    assert numbers(tip.inner_text()) == pytest.approx(rows["q"][11, [0, 2]], abs=6e-4)
    page.keyboard.press("Enter")
    visitor.came_to(f"#/recordings/rec/episodes/{rows['episode'][11]}?step={rows['step'][11]}")
    visitor.at_step(int(rows["step"][11]))


def test_a_click_on_a_point_opens_its_step(visitor, rows):
    page = visitor.goto(PLACE)
    drawn(page)
    q = rows["q"][:, [0, 2]]
    span = q.max(0) - q.min(0)
    away = [np.partition(np.abs((q - point) / span).max(1), 1)[1] for point in q]
    alone = int(np.argmax(away))
    frame = page.get_by_role("application")
    frame.focus()
    for _ in range(alone + 1):
        page.keyboard.press("ArrowRight")
    tip = page.locator(".frame .tip")
    left, top = tip.evaluate("n => [parseFloat(n.style.left), parseFloat(n.style.top)]")
    page.mouse.move(5, 5)
    frame.hover(position={"x": left - 3, "y": top})
    frame.hover(position={"x": left, "y": top})
    place = f"episode {rows['episode'][alone]}, step {rows['step'][alone]}"
    expect(tip).to_contain_text(place)
    frame.click(position={"x": left, "y": top})
    visitor.came_to(
        f"#/recordings/rec/episodes/{rows['episode'][alone]}?step={rows['step'][alone]}"
    )


def test_axes_take_targets_and_tell_what_is_wrong(visitor, rows):
    visitor.refused = (400, 404)
    page = visitor.goto("#/recordings/rec/steps")
    drawn(page)
    field = page.locator("#axis-x")
    field.fill("q[FASTER]-q[SLOWER]")
    field.press("Enter")
    expect(page.get_by_role("application")).to_have_attribute(
        "aria-label", re.compile(re.escape("q[FASTER]-q[SLOWER] across"))
    )
    field.fill("q[NOWHERE]")
    field.press("Enter")
    expect(page.locator("#axis-x-problem")).to_contain_text("NOWHERE")
    expect(page.locator("#axis-y-problem")).to_be_hidden()
    field.fill("reward")
    field.press("Enter")
    drawn(page)
    expect(page.locator("#axis-x-problem")).to_be_hidden()
    assert "x=reward" in visitor.place()

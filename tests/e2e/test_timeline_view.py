"""Tracks, targets and heat maps over time, and episodes of agents that see other things."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from policyscope.panel.application import application
from policyscope.panel.serve import served

EPISODE = 2
PLACE = f"#/recordings/rec/episodes/{EPISODE}"
SITE = "attention_layer.pattern"


@pytest.fixture(scope="module")
def data(rec):
    return rec.episode(EPISODE)


def test_a_target_becomes_a_track_and_a_wrong_one_is_told(visitor, data):
    visitor.refused = (400, 404)
    page = visitor.goto(PLACE + "?step=5")
    page.get_by_role("button", name="+ tracks").click()
    expect(page.get_by_label("search tracks")).to_be_focused()
    field = page.get_by_label("target")
    field.fill("q[FASTER]-q[SLOWR]")
    field.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="SLOWER")).to_be_visible()
    assert page.locator('[data-track*="SLOWR"]').count() == 0
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    visitor.at_step(6)
    page.get_by_role("button", name="+ tracks").click()
    field.fill("q[FASTER]-q[SLOWER]")
    field.press("Enter")
    expect(page.locator('[data-track="q[FASTER]-q[SLOWER]"] [data-value]')).to_be_visible()
    q = data["q"].values
    for step in (6, 7):
        visitor.at_step(step)
        told = visitor.numbers('[data-track="q[FASTER]-q[SLOWER]"] [data-value]')
        assert told == pytest.approx([q[step, 2] - q[step, 0]], abs=6e-3)
        page.keyboard.press("Escape")
        page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "decodeURIComponent(location.hash).includes('q[FASTER]-q[SLOWER]')", timeout=3000
    )


def test_tracks_are_searched_added_and_removed(visitor, data):
    page = visitor.goto(PLACE + "?step=4")
    page.get_by_role("button", name="+ tracks").click()
    page.get_by_label("search tracks").fill("margin")
    boxes = page.locator(".picker fieldset input[type=checkbox]")
    expect(boxes).to_have_count(1)
    boxes.check()
    best = np.sort(data["q"].values[4])
    expect(page.locator('[data-track="margin"]')).to_be_visible()
    told = visitor.numbers('[data-track="margin"] [data-value]')
    assert told == pytest.approx([best[-1] - best[-2]], abs=6e-3)
    page.get_by_label("search tracks").fill("no such track")
    expect(page.get_by_text('No track has "no such track" in its name.')).to_be_visible()
    page.locator('[data-track="margin"]').hover()
    page.get_by_role("button", name="remove margin").click()
    expect(page.locator('[data-track="margin"]')).to_have_count(0)


def test_a_hover_over_a_lane_tells_the_values_there(visitor, data):
    page = visitor.goto(PLACE)
    plot = page.get_by_role("group", name="Q-values over time").locator("[data-plot]")
    box = visitor.at_rest(plot)
    plot.hover(position={"x": (9.5 / 13) * box["width"], "y": 10})
    tip = plot.locator(".tip")
    expect(tip).to_contain_text("step 9")
    told = [float(text.replace("\u2212", "-")) for text in tip.locator("b").all_inner_texts()]
    assert told == pytest.approx(data["q"].values[9], abs=6e-3)
    expect(page.locator("[data-step-label]")).to_contain_text("step 0 of")


def hovered(visitor, step: int, row: int, rows: int) -> tuple[str, str]:
    """Name and value that the heat map tells at a step in one of its rows."""
    page = visitor.page
    plot = page.get_by_role("group", name="activations over time").locator("[data-plot]")
    box = visitor.at_rest(page.locator("[data-heat]"))
    x, y = (step + 0.5) / 13 * box["width"], (row + 0.5) / rows * box["height"]
    page.mouse.move(box["x"] + x, box["y"] + y)
    tip = plot.locator(".tip")
    expect(tip).to_contain_text(f"step {step}")
    return tip.locator(".name").first.inner_text(), tip.locator("b").first.inner_text()


def test_the_heat_map_of_a_site_tells_its_activations(visitor, data):
    site = "output_layer.relus.1"
    page = visitor.goto(PLACE)
    page.get_by_label("site").select_option(site)
    expect(page.locator("[data-heat]")).to_have_attribute("data-heat", site)
    visitor.came_to(PLACE + f"?site={site}")
    values = data[f"sites/{site}"].values
    scale = [float(text.replace("\u2212", "-"))
             for text in page.locator(".scale small").all_inner_texts()]  # fmt: skip
    assert scale[1] == pytest.approx(values.max(), abs=6e-3)
    strongest = int(values.max(0).argmax())
    for step, unit in ((0, 0), (3, 17), (12, 63), (int(values[:, strongest].argmax()), strongest)):
        name, value = hovered(visitor, step, unit, 64)
        assert name == f"unit {unit}"
        assert float(value.replace("\u2212", "-")) == pytest.approx(values[step, unit], abs=6e-3)


def test_the_heat_map_follows_vehicles_and_its_units_become_tracks(visitor, data):
    page = visitor.goto(PLACE + f"?site={SITE}")
    page.wait_for_selector("[data-heat]")
    who = data["row_identity"].values
    identities = sorted({int(i) for i in who.ravel() if i >= 0})
    rows = 4 * len(identities)
    step = 6
    seen = [i for i in identities if i in who[step]]
    weight = data[f"sites/{SITE}"].values
    for identity in (seen[0], seen[-1]):
        name, value = hovered(visitor, step, 2 * len(identities) + identities.index(identity), rows)
        assert name == f"unit 2, {identity or 'ego'}"
        column = list(who[step]).index(identity)
        assert float(value) == pytest.approx(weight[step, 2, 0, column], abs=6e-3)
    absent = [i for i in identities if i not in who[step]]
    assert absent
    assert hovered(visitor, step, identities.index(absent[0]), rows)[1] == "not shown"

    hovered(visitor, step, identities.index(seen[-1]), rows)
    page.mouse.down()
    page.mouse.up()  # its row changes from step to step, so it has no track
    assert page.locator('[data-track^="site["]').count() == 0
    page.get_by_label("by identity").uncheck()
    column = list(who[step]).index(seen[-1])
    expect(page.locator("[data-heat]")).to_be_visible()
    assert hovered(visitor, step, column, 4 * who.shape[1])[0] == f"unit 0, {column}"
    page.mouse.down()
    page.mouse.up()
    track = f"site[{SITE}][0,0,{column}]"
    visitor.at_step(step)
    expect(page.locator(f'[data-track="{track}"] [data-value]')).to_be_visible()
    told = visitor.numbers(f'[data-track="{track}"] [data-value]')
    assert told == pytest.approx([weight[step, 0, 0, column]], abs=6e-3)


def test_the_timeline_zooms_and_follows_the_step(visitor):
    page = visitor.goto(PLACE)
    axis = page.locator(".axis .label")
    assert axis.first.inner_text() == "0"
    for _ in range(2):
        page.get_by_role("button", name="less time").click()
    few = [int(text) for text in axis.all_inner_texts()]
    assert max(few) < 8
    page.keyboard.press("End")
    visitor.at_step(12)
    expect(axis.last).to_have_text(re.compile("1[012]"))
    page.get_by_role("button", name="all steps").click()
    expect(axis.first).to_have_text("0")


def test_an_episode_without_entities_shows_its_features(visitor, runs):
    from policyscope.recordings.read import open_recording

    data = open_recording(runs / "cartpole").episode(1)
    page = visitor.goto("#/recordings/cartpole/episodes/1?step=3")
    visitor.at_step(3)
    assert page.locator("svg[data-view=scene] .actor").count() == 0
    shown = page.locator(".stage").inner_text().replace("\u2212", "-")
    for value in data["obs"].values[3]:
        assert f"{value:.2f}" in shown or f"{value:.3f}" in shown
    logits = page.get_by_role("group", name="over time").first
    assert logits.count() == 1
    page.keyboard.press("ArrowRight")
    visitor.at_step(4)
    assert page.locator(".stage").inner_text().replace("\u2212", "-") != shown


PIXELS = """(node) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 48, height: 32 });
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.drawImage(node, 0, 0, 48, 32);
  const row = pen.getImageData(0, 16, 48, 1).data;
  return Array.from({ length: 48 }, (_, x) => row[4 * x]);
}"""


def test_pictures_of_an_image_agent_are_the_recorded_ones(visitors, pixels):
    from policyscope.recordings.read import open_recording

    frames = open_recording(pixels).episode(1)["obs"].values
    with served(application(pixels.parent)) as at:
        visitor = visitors(at)
        page = visitor.goto("#/recordings/pixels/episodes/1")
        for step in (0, 5, 11):
            page.get_by_role("slider", name="step").fill(str(step))
            visitor.at_step(step)
            picture = page.locator(".picture canvas, .picture img").first
            picture.wait_for()
            wanted = frames[step, 16, :, 0].tolist()
            page.wait_for_function(
                f"([wanted]) => {{ const read = {PIXELS};"
                " const node = document.querySelector('.picture canvas, .picture img');"
                " return JSON.stringify(read(node)) === JSON.stringify(wanted); }",
                arg=[wanted],
                timeout=3000,
            )

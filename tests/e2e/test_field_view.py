"""The policy field in the browser: Python's numbers, before and after changes, on one scale."""

import json
import re
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import expect

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.envs.scene import SceneEdit
from policyscope.panel.application import application
from policyscope.panel.serve import served
from policyscope.recordings.replays.field import policy_field

CANVAS = 'canvas[data-view="frame"]'
K = 0


@pytest.fixture(scope="module")
def panel(games):
    with served(application(games)) as address:
        yield address


@pytest.fixture
def visitor(visitors, panel):
    return visitors(panel)


def field(page, side: str) -> tuple[list[float], int]:
    """Values of all places of one side, and how many arrows there are."""
    layer = page.locator(f'[data-field-side="{side}"]')
    expect(layer).to_be_visible(timeout=60_000)
    shades = layer.locator("[data-shade]").evaluate_all("n => n.map(n => +n.dataset.shade)")
    return shades, layer.locator("path:not([d=''])").count()


def test_the_policy_field_is_that_of_python(visitor, coinrun):
    step = 6
    page = visitor.goto(f"#/recordings/coinrun/episodes/{K}?step={step}")
    expect(page.get_by_role("button", name="Policy field")).to_be_visible()
    page.keyboard.press("v")
    shades, arrows = field(page, "kept")
    data = policy_field(coinrun, K, step).data
    np.testing.assert_array_equal(np.float32(shades), data["value"].values[0])
    assert 0 < arrows <= len(shades)
    assert "field=1" in visitor.place()
    legend = page.locator("[data-view=field-legend]")
    low, high = (float(legend.locator(f"[data-{e}]").get_attribute(f"data-{e}")) for e in
                 ("low", "high"))  # fmt: skip
    assert (low, high) == pytest.approx((data["value"].values.min(), data["value"].values.max()))
    expect(legend).to_contain_text(re.compile(r"value.*\(return\).*push.*ms", re.DOTALL))

    x, y = data.attrs["at"]
    place = int(np.hypot(data["x"].values - x, data["y"].values - y).argmax())
    box = visitor.at_rest(page.locator("[data-field-side] rect[data-shade]").nth(place))
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    told = legend.locator("[data-value-at]")
    expect(told).to_have_attribute("data-value-at", re.compile(r"\d"))
    assert np.float32(told.get_attribute("data-value-at")) == data["value"].values[0, place]
    chances = data["probability"].values[0, place]
    names = np.array([str(name) for name in data["action_name"].values])
    does = ~np.isin(names, ["IDLE", "D", "A", "W", "S", "Q", "E"])
    best = int(np.where(does, chances, 0).argmax())
    expect(legend.locator("[data-done-at]")).to_contain_text(f"{names[best]} {chances[best]:.2f}")

    page.keyboard.press("ArrowRight")
    expect(page.locator(f'{CANVAS}[data-step="{step + 1}"]')).to_be_visible()
    page.wait_for_function(
        "n => document.querySelector('[data-field-side]')?.dataset.places === n",
        arg=str(policy_field(coinrun, K, step + 1).data.sizes["place"]), timeout=60_000,
    )  # fmt: skip
    page.keyboard.press("v")
    expect(page.locator("[data-field-side]")).to_have_count(0)


def test_the_field_before_and_after_live_changes_has_one_scale(visitor, coinrun):
    step = 6
    table = coinrun.entities(K).query("step == @step and kind == 'saw'")
    saw = int(table["identity"].iloc[0])
    scene = quote(json.dumps([["remove", {}, saw]]), safe="")
    place = f"#/recordings/coinrun/episodes/{K}?step={step}&live=1&field=1&scene={scene}"
    page = visitor.goto(place)
    data = policy_field(coinrun, K, step, [SceneEdit("remove", saw)]).data
    for s, side in enumerate(("kept", "changed")):
        shades, _ = field(page, side)
        np.testing.assert_array_equal(np.float32(shades), data["value"].values[s])
    low = page.locator("[data-view=field-legend] [data-low]").get_attribute("data-low")
    assert float(low) == pytest.approx(float(data["value"].values.min()))
    page.get_by_role("button", name="reset").click()
    expect(page.locator("[data-field-side=changed]")).to_have_count(0, timeout=30_000)
    expect(page.locator("[data-field-side=kept]")).to_have_count(1)


def test_a_game_without_cells_has_no_field(visitor):
    page = visitor.goto("#/recordings/bigfish/episodes/0?field=1")
    expect(page.get_by_role("button", name="Notes")).to_be_visible()
    assert page.get_by_role("button", name="Policy field").count() == 0
    assert page.locator("[data-view^=field]").count() == 0
    page.keyboard.press("?")
    assert "policy field" not in page.get_by_role("dialog").inner_text()

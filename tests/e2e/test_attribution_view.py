"""Explanations in the browser: Python's numbers as bars and over the scene, step by step."""

import re
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import expect

from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.core.result import Result
from policyscope.panel.application import application
from policyscope.panel.serve import served

K = 0
TARGET = "q[FASTER]-q[SLOWER]"
PANEL = '[data-view="explain"]'
SEEN = f"{PANEL} [data-value]"


def explained(recording, step: int, **options) -> Result:
    return attribute(
        recording, AttributionConfig(trust=False, initialisations=0, **options), K, step
    )


def bars(page, value: float) -> dict[int, float]:
    """Shares by identity, once the numbers are those of a decision whose target is known."""
    page.wait_for_function(
        """(value) => {
          const seen = document.querySelector('[data-view="explain"]:not(.asking) [data-value]');
          return seen && Math.abs(Number(seen.dataset.value) / value - 1) < 1e-6;
        }""",
        arg=value, timeout=60_000,
    )  # fmt: skip
    return {
        int(identity): share
        for identity, share in page.locator(f"{PANEL} [data-share][data-identity]").evaluate_all(
            "bars => bars.map((bar) => [bar.dataset.identity, Number(bar.dataset.share)])"
        )
    }


def shares(result: Result) -> dict[int, float]:
    data = result.data.isel(row=0)
    pairs = zip(data["identity"].values, data["vehicles"].values[0], strict=True)
    return {int(who): float(value) for who, value in pairs if who >= 0}


def test_bars_and_overlay_follow_the_scrubbing_with_pythons_numbers(visitor, rec):
    page = visitor.goto(f"#/recordings/rec/episodes/{K}?step=2")
    page.keyboard.press("e")
    usual = explained(rec, 2)
    found = bars(page, float(usual.data["target"].values[0]))
    assert np.float32([*found.values()]) == pytest.approx(
        np.float32([shares(usual)[who] for who in found])
    )
    assert "tab=explain" in visitor.place()
    told = page.locator(f"{PANEL} .numbers")
    expect(told).to_contain_text(re.compile("change .*compared with: zero.*gap", re.DOTALL))
    assert "explain=" not in visitor.place()

    page.get_by_label("target", exact=True).fill(TARGET)
    page.get_by_label("target", exact=True).press("Enter")
    page.get_by_label("method").select_option("input_x_gradient")
    reach = 0.0
    for step in (2, 3, 4):
        if step > 2:
            page.keyboard.press("ArrowRight")
        result = explained(rec, step, target=TARGET, method="input_x_gradient")
        found, expected = bars(page, float(result.data["target"].values[0])), shares(result)
        assert found == pytest.approx(expected)
        sizes = [abs(value) for value in found.values()]
        assert sizes == sorted(sizes, reverse=True)
        reach = max(reach, sizes[0])
        drawn = page.locator("[data-view=scene] circle.disc").evaluate_all(
            "n => n.map((one) => [one.dataset.identity, one.dataset.value.replace('\u2212', '-')])"
        )
        assert drawn
        for identity, value in drawn:
            assert float(value) == pytest.approx(expected[int(identity)], abs=6e-4)
    place = visitor.place()
    assert f"explain=input_x_gradient,preprocess,{quote(TARGET, safe='')}" in place
    assert "step=4" in place

    again = visitor.goto(place)
    assert bars(again, float(result.data["target"].values[0])) == pytest.approx(expected)
    expect(again.get_by_label("target", exact=True)).to_have_value(TARGET)
    command = again.locator(PANEL).get_by_text("policyscope explain")
    expect(command).to_contain_text(":0:4 --method input_x_gradient --target")


def test_a_bar_and_its_vehicle_are_one(visitor, rec):
    result = explained(rec, 3)
    page = visitor.goto(f"#/recordings/rec/episodes/{K}?step=3&tab=explain")
    found = bars(page, float(result.data["target"].values[0]))
    who = next(identity for identity in found if identity)
    bar = page.locator(f'{PANEL} li[data-identity="{who}"]')
    bar.hover()
    expect(page.locator(f'[data-view=scene] .actor.lit[data-identity="{who}"]')).to_be_visible()
    parts = page.locator(f'[data-parts="{who}"]')
    expect(parts).to_contain_text(re.compile(r"presence .*sin_h"))
    page.mouse.move(1, 1)
    expect(page.locator("[data-view=scene] .actor.lit")).to_have_count(0)
    page.locator(f'[data-view=scene] .actor[data-identity="{who}"] .body').hover()
    expect(bar).to_have_class(re.compile("lit"))
    bar.get_by_role("button").click()
    assert f"identity={who}" in visitor.place()


def test_the_trust_line_is_measured_meanwhile(visitor, rec):
    page = visitor.goto(
        f"#/recordings/rec/episodes/{K}?step=1&tab=explain&explain=gradient,preprocess,value"
    )
    bars(page, float(explained(rec, 1, target="value").data["target"].values[0]))
    assert page.locator(f"{PANEL} [data-baseline]").count() == 0  # slopes compare with nothing
    trust = page.locator('[data-view="trust"]')
    expect(trust).to_contain_text("measuring how far this holds")
    page.keyboard.press("ArrowRight")
    bars(page, float(explained(rec, 2, target="value").data["target"].values[0]))
    page.wait_for_selector('[data-measured="true"]', timeout=90_000)
    told = attribute(rec, AttributionConfig("value", "gradient", rows=32), K).data.attrs["trust"]
    for figure in told:
        shown = trust.locator(f'[data-figure="{figure["name"]}"]').inner_text()
        mean = float(re.match(r"[\u2212\d.e]+", shown).group().replace("\u2212", "-"))
        assert mean == pytest.approx(figure["mean"], rel=6e-3)
        assert shown.endswith(f"n {figure['n']}")


def test_what_cannot_be_explained_marks_the_target(visitor):
    visitor.refused = (400, 404)
    page = visitor.goto(f"#/recordings/rec/episodes/{K}?step=1&tab=explain")
    field = page.get_by_label("target", exact=True)
    expect(page.locator(SEEN)).to_be_visible(timeout=60_000)
    field.fill("q[SIDEWAYS]")
    field.press("Enter")
    expect(field).to_have_attribute("aria-invalid", "true")
    alert = page.locator(PANEL).get_by_role("alert")
    expect(alert).to_contain_text("SIDEWAYS")
    assert page.locator(f"{PANEL} [data-share]").count() == 0
    field.fill("value")
    field.press("Enter")
    expect(field).to_have_attribute("aria-invalid", "false")
    expect(page.locator(SEEN)).to_be_visible(timeout=60_000)


def test_fast_scrubbing_asks_for_no_step_that_was_passed_over(visitor, rec):
    steps = int(rec.line(1)["steps"])
    page = visitor.goto("#/recordings/rec/episodes/1?tab=explain&explain=gradient,preprocess,value")
    expect(page.locator(SEEN)).to_be_visible(timeout=60_000)
    asked = []
    page.on("request", lambda one: "api/attribution" in one.url and asked.append(one.post_data))
    for _ in range(3):
        page.keyboard.press("End")
        page.keyboard.press("Home")
    page.keyboard.press("End")
    value = explained_at(rec, 1, steps - 1)
    bars(page, value)
    page.wait_for_timeout(1500)
    own = [text for text in asked if '"step"' in text]
    assert len(own) == len(set(own))  # each at most once, and one at a time


def test_methods_that_cannot_be_asked_at_a_site_are_grey(visitor, rec):
    page = visitor.goto(f"#/recordings/rec/episodes/{K}?step=1&tab=explain")
    expect(page.locator(SEEN)).to_be_visible(timeout=60_000)
    method = page.get_by_label("method", exact=True)
    refused = method.locator("option:disabled")
    expect(refused).to_have_count(4)
    assert set(refused.all_inner_texts()) == {"blur", "conductance", "curved", "grad cam"}
    conductance = method.locator("option[value=conductance]")
    expect(conductance).to_have_attribute("title", re.compile("hidden site"))
    page.locator(PANEL).get_by_label("site").select_option("output_layer.layers.0")
    expect(conductance).to_be_enabled()
    method.select_option("conductance")
    expect(page.locator(SEEN)).to_be_visible(timeout=60_000)
    page.locator(PANEL).get_by_label("site").select_option("preprocess")
    expect(method).to_have_value("integrated_gradients")


def test_the_explanation_stands_alone_and_saved_overlays_come_back(visitor, rec):
    page = visitor.goto(f"#/recordings/rec/episodes/{K}?step=3")
    layers = page.get_by_role("group", name="layers").get_by_role("button")
    expect(layers.first).to_be_visible()
    saved = layers.all_inner_texts()
    page.keyboard.press("e")
    expect(page.locator(SEEN)).to_be_visible(timeout=60_000)
    expect(layers).to_have_count(1)
    expect(layers).to_contain_text("share")
    page.keyboard.press("e")
    expect(layers).to_have_count(len(saved))
    assert layers.all_inner_texts() == saved


def explained_at(recording, episode: int, step: int) -> float:
    config = AttributionConfig("value", "gradient", trust=False)
    return float(attribute(recording, config, episode, step).data["target"].values[0])


def test_overlays_stay_where_the_explanation_lies_on_nothing(visitor, rec):
    site = next(name for name in rec.agent.sites() if name.startswith("output_layer"))
    place = f"#/recordings/rec/episodes/{K}?step=1&tab=explain&explain=gradient,"
    page = visitor.goto(f"{place}{site},value")
    bars(page, float(explained(rec, 1, target="value").data["target"].values[0]))
    picker = page.locator("summary", has_text="Overlays")
    expect(picker).to_be_visible()
    weights = page.locator(".head .weight").first
    expect(weights).to_be_visible()
    assert "explanation" not in weights.get_attribute("title")
    visitor.goto(f"{place}preprocess,value")
    expect(page.locator(".head .weight")).to_have_count(1)
    expect(page.locator(".head .weight")).to_have_attribute("title", re.compile("^explanation"))
    expect(picker).to_have_count(0)


def test_an_exported_page_has_no_such_control(visitors, page_file):
    page = visitors().page
    page.goto(page_file.as_uri())
    page.wait_for_selector('body[data-ready="true"]', state="attached")
    page.locator("main table tbody tr").first.click()
    expect(page.get_by_role("button", name="Notes")).to_be_visible()
    assert page.get_by_role("button", name="Explain", exact=True).count() == 0
    page.keyboard.press("?")
    assert "what the decision is owed to" not in page.get_by_role("dialog").inner_text()


@pytest.fixture(scope="module")
def panel(games):
    with served(application(games)) as address:
        yield address


def pixels(page) -> np.ndarray:
    """The map as it is painted: how opaque each place is, blue for, orange against."""
    found = page.locator(".frame .over canvas").evaluate(
        """(canvas) => [canvas.width, canvas.height, Array.from(
          canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)]"""
    )
    return np.array(found[2]).reshape(found[1], found[0], 4)


def test_the_bars_of_a_frame_account_for_all_of_its_map(visitors, panel, coinrun):
    data = explained(coinrun, 5, target="value", method="input_x_gradient").data
    page = visitors(panel).goto(
        f"#/recordings/coinrun/episodes/{K}?step=5&tab=explain"
        "&explain=input_x_gradient,preprocess,value"
    )
    bars(page, float(data["target"].values[0]))
    names = page.locator(f"{PANEL} li[data-share] .name").all_inner_texts()
    assert any(re.fullmatch(r"walls, \d+ box(es)?", name) for name in names)
    assert "rest of the picture" in names
    values = page.locator(f"{PANEL} [data-share]").evaluate_all(
        "bars => bars.map((bar) => Number(bar.dataset.share))"
    )
    flat = data["map"].values[0, 0].astype(float)
    near = 2e-3 * np.abs(values).max()
    assert sum(values) == pytest.approx(flat.sum(), abs=near)
    total = float(page.locator(f"{PANEL} [data-sum]").get_attribute("data-sum"))
    assert total == pytest.approx(flat.sum(), rel=1e-4)
    wall = next(name for name in names if name.startswith("walls"))
    page.get_by_role("button", name="wall", exact=True).click()
    expect(page.locator(f"{PANEL} .name", has_text=wall)).to_have_count(0)
    expect(page.locator(f"{PANEL} [data-head]")).to_have_text(re.compile("sums over boxes"))


def test_the_map_follows_over_the_frames(visitors, panel, coinrun):
    options = {"target": "value", "method": "input_x_gradient"}
    page = visitors(panel).goto(
        f"#/recordings/coinrun/episodes/{K}?step=5&tab=explain"
        "&explain=input_x_gradient,preprocess,value"
    )
    for step in (5, 6):
        if step > 5:
            page.keyboard.press("ArrowRight")
        data = explained(coinrun, step, **options).data
        bars(page, float(data["target"].values[0]))
        flat = data["map"].values[0, 0]
        page.wait_for_function(
            """(place) => {
              const canvas = document.querySelector(".frame .over canvas");
              const label = document.querySelector("[data-step-label]")?.textContent ?? "";
              return canvas?.width === 64 && label.includes(place);
            }""",
            arg=f"step {step} of",
        )
        painted = pixels(page)
        strong = np.abs(flat) > np.quantile(np.abs(flat), 0.99)
        assert painted.shape[:2] == flat.shape
        more_blue = painted[..., 2] > painted[..., 0]
        np.testing.assert_array_equal(more_blue[strong], flat[strong] > 0)
        full = painted[..., 3] / painted[..., 3].max()
        share = np.minimum(np.abs(flat) / np.quantile(np.abs(flat), 0.995), 1)
        assert np.corrcoef(full.ravel(), share.ravel())[0, 1] > 0.99

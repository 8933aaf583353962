"""Two episodes beside each other on one clock."""

import re

import pytest
from playwright.sync_api import expect

PLACE = "#/recordings/rec/episodes/2"
RECORDING, EPISODE = "main header select >> nth=0", "main header select >> nth=1"
SHIFT = "main header input"
BODIES = """(side) => Object.fromEntries(
  [...document.querySelectorAll(".side")[side].querySelectorAll(".actor[data-identity]")]
    .map((node) => [node.dataset.identity,
      node.querySelector("g").getAttribute("transform").match(/-?[\\d.]+(e-?\\d+)?/g)
        .slice(0, 2).map(Number)]))"""


def pane_shows(page, side: int, recording, episode: int, step: int) -> None:
    """Compare the bodies of a pane with a recorded step."""
    label = page.locator(".side").nth(side).locator("[data-pane-step]")
    expect(label).to_have_attribute("data-pane-step", str(step))
    expect(label).to_contain_text(f"episode {episode} \u00b7 step {step} of")
    bodies = page.evaluate(BODIES, side)
    there = recording.entities(episode).query("step == @step")
    assert sorted(map(int, bodies)) == sorted(there["identity"])
    for entity in there.itertuples():
        assert bodies[str(entity.identity)] == pytest.approx([entity.x, entity.y], abs=1e-3)


def test_two_episodes_run_on_one_clock(visitor, rec):
    page = visitor.goto(PLACE + "?step=2")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("[data-comparison]")).to_contain_text("the same episode twice")
    page.locator(EPISODE).select_option("4")
    pane_shows(page, 0, rec, 2, 2)
    pane_shows(page, 1, rec, 4, 2)
    page.keyboard.press("ArrowRight")
    pane_shows(page, 0, rec, 2, 3)
    pane_shows(page, 1, rec, 4, 3)
    shift = page.locator(SHIFT)
    shift.fill("-5")
    shift.press("Enter")
    pane_shows(page, 0, rec, 2, 3)
    pane_shows(page, 1, rec, 4, 0)
    expect(page.locator(".side").nth(1)).to_contain_text("not begun")
    shift.fill("4")
    shift.press("Enter")
    pane_shows(page, 1, rec, 4, 7)
    page.locator("[data-step-label]").click()
    page.keyboard.press("End")
    pane_shows(page, 0, rec, 2, 12)
    expect(page.locator(".side").nth(1)).to_contain_text("ended")
    page.get_by_role("button", name="Swap").click()
    expect(page.locator(".side").nth(0).locator("[data-pane-step]")).to_contain_text("episode 4")
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".side")).to_have_count(0)
    assert visitor.place().startswith("#/recordings/rec/episodes/4")


def test_two_agents_on_one_seed_and_where_they_part(visitor, rec, recording):
    page = visitor.goto("#/recordings/rec/episodes/1?beside=random,1,0")
    pane_shows(page, 0, rec, 1, 0)
    pane_shows(page, 1, recording, 1, 0)
    mine, other = rec.episode(1)["action"].values, recording.episode(1)["action"].values
    parting = next(t for t in range(min(len(mine), len(other))) if mine[t] != other[t])
    names = rec.episode(1)["action_name"].values
    told = page.locator("[data-comparison]")
    expect(told).to_contain_text("same world, seed 1")
    expect(told).to_contain_text(f"{names[mine[parting]]} or {names[other[parting]]}")
    if parting:
        page.get_by_role("button", name=re.compile(f"step {parting}$")).click()
    pane_shows(page, 0, rec, 1, parting)
    pane_shows(page, 1, recording, 1, parting)
    expect(page.locator(".parts").first).to_have_text("actions part here")


def test_another_recording_is_chosen(visitor, rec, recording):
    page = visitor.goto(PLACE)
    page.get_by_role("button", name="Compare").click()
    chooser = page.locator(RECORDING)
    expect(chooser.locator("option")).to_have_text(["cartpole", "random", "rec"])
    chooser.select_option("random")
    pane_shows(page, 0, rec, 2, 0)
    pane_shows(page, 1, recording, 2, 0)
    chooser.select_option("cartpole")
    visitor.refused = (404,)  # it has no episode 2
    expect(page.locator(".side").nth(1).get_by_role("alert")).to_be_visible()
    page.locator(EPISODE).select_option("1")
    expect(page.locator(".side").nth(1).locator("[data-pane-step]")).to_contain_text("episode 1")

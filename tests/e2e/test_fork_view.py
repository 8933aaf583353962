"""What if from here: both futures in the browser are those of Python, on one clock."""

import json
import os
import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from policyscope.cli.main import main
from policyscope.envs.scene import SceneEdit
from policyscope.panel.export import export_page
from policyscope.recordings.read import open_recording
from policyscope.recordings.replays.fork import ForkConfig, fork

EPISODE, STEP = 2, 3
UNIT = "zero output_layer.relus.0[3]"
BUTTON = "What if from here"
LIVE = f"#/recordings/rec/episodes/{EPISODE}?step={STEP}&live=1"


def scene(*changes: list) -> str:
    return quote(json.dumps(list(changes), separators=(",", ":")), safe="")


def link(step: int = STEP, pairs: int = 1) -> str:
    fork = f"fork={STEP},{pairs},{scene(['remove', {}, 1])}"
    return f"#/recordings/rec/episodes/{EPISODE}?step={step}&{fork}"


def done(page) -> None:
    """Wait until the fork is played."""
    expect(page.locator("[data-difference]")).to_be_visible(timeout=30_000)


def sides(page) -> list[int]:
    """Steps that both pictures show."""
    nodes = page.locator("[data-side-step]")
    return nodes.evaluate_all("nodes => nodes.map(n => Number(n.dataset.sideStep))")


def told(page) -> tuple[list[float], float]:
    """Mean returns of both sides, and their difference."""
    returns = page.locator("[data-return]").evaluate_all(
        "nodes => nodes.map(n => Number(n.dataset.return))"
    )
    return returns, float(page.locator("[data-difference]").get_attribute("data-difference"))


def places(page, side: str) -> dict[str, str]:
    """Where the vehicles of a picture are, by identity."""
    return page.locator(f'[data-side="{side}"] .actor').evaluate_all(
        """nodes => Object.fromEntries(nodes.map(n =>
             [n.dataset.identity, n.querySelector("g").getAttribute("transform")]))"""
    )


@pytest.fixture(scope="module")
def python(rec):
    """The fork of ``link``, played by Python."""
    return fork(rec, EPISODE, STEP, [SceneEdit("remove", 1)], ForkConfig(seeds=1)).data


def test_a_change_set_live_is_played_on_and_both_futures_move(visitor, rec, runs, monkeypatch):
    page = visitor.goto(LIVE)
    expect(page.locator("[data-fork-hint]")).to_contain_text("change the scene")
    page.get_by_label("vehicle", exact=True).select_option("1")
    page.get_by_role("button", name="remove", exact=True).click()
    expect(page.locator(".live .python code")).to_be_visible(timeout=15_000)
    page.get_by_role("button", name=BUTTON).click()
    done(page)
    assert "fork=3,1," in visitor.place()
    data = fork(rec, EPISODE, STEP, [SceneEdit("remove", 1)], ForkConfig(seeds=1)).data
    returns, difference = told(page)
    assert returns == data["return"].values[:, 0].tolist()
    assert difference == float(data["difference"][0])
    expect(page.locator('[data-check="true"]')).to_contain_text("in all")

    assert sides(page) == [STEP, STEP]
    assert "1" in places(page, "kept")
    assert "1" not in places(page, "changed")
    before = {side: places(page, side) for side in ("kept", "changed")}
    later = int(data["diverges"][0]) + 1
    for _ in range(STEP, later):
        page.keyboard.press("ArrowRight")
    visitor.at_step(later)
    assert sides(page) == [later, later]
    for side, old in before.items():
        assert places(page, side)["0"] != old["0"]
    assert places(page, "kept")["0"] != places(page, "changed")["0"]
    table = rec.entities(EPISODE).query("step == @later and identity == 0").iloc[0]
    x, y = map(float, re.findall(r"-?[\d.]+", places(page, "kept")["0"])[:2])
    assert (x, y) == pytest.approx((table["x"], table["y"]), abs=1e-6)

    lines = page.locator("[aria-label='numbers of the fork'] code").first.get_attribute("title")
    names: dict = {}
    monkeypatch.chdir(runs)
    exec(lines, names)
    assert float(names["result"].data["difference"][0]) == difference
    assert os.getcwd() == str(runs)


def test_a_link_restores_the_fork_and_its_step(visitor, python):
    steps = python["steps"].values[:, 0] + STEP
    last = int(steps.max()) - 1
    page = visitor.goto(link(last))
    done(page)
    assert sides(page) == (steps - 1).tolist()
    assert visitor.place() == link(last)
    for side, count in zip(("kept", "changed"), steps, strict=True):
        ended = page.locator(f'[data-side="{side}"] [data-ended]')
        expect(ended).to_have_count(int(last >= count))
    parting = page.locator("[data-parting]")
    diverges = int(python["diverges"][0])
    expect(parting).to_have_attribute("data-parting", "" if diverges < 0 else str(diverges))
    page.get_by_role("button", name=f"step {diverges}", exact=True).click()
    visitor.at_step(diverges)
    expect(page.get_by_text("actions part here")).to_have_count(2)
    marks = page.locator("[data-mark]").evaluate_all("nodes => nodes.map(n => n.dataset.mark)")
    assert marks == ["what if", "actions part"]


def test_the_timeline_of_both_is_scrubbed_with_the_mouse(visitor, python):
    page = visitor.goto(link(0))
    done(page)
    assert sides(page) == [0, 0]
    expect(page.get_by_text("recorded", exact=True)).to_have_count(2)
    steps = int(python["steps"].values.max()) + STEP
    lane = visitor.at_rest(page.locator("[data-view='fork-time'] [data-plot]").first)
    page.mouse.move(lane["x"] + 2, lane["y"] + 10)
    page.mouse.down()
    page.mouse.move(lane["x"] + lane["width"] * (STEP + 1.5) / steps, lane["y"] + 10, steps=5)
    page.mouse.up()
    visitor.at_step(STEP + 1)
    assert sides(page) == [STEP + 1] * 2


def test_more_pairs_give_an_interval_and_forks_can_be_returned_to(visitor, rec):
    page = visitor.goto(link())
    done(page)
    first = told(page)
    page.get_by_label("pairs").select_option("5")
    numbers = page.get_by_label("numbers of the fork")
    expect(numbers).to_contain_text("mean of 5 pairs, 95%", timeout=30_000)
    data = fork(rec, EPISODE, STEP, [SceneEdit("remove", 1)], ForkConfig(seeds=5)).data
    assert told(page)[1] == float(data["difference"][0])
    assert "fork=3,5," in visitor.place()
    page.get_by_label("forks of this session").select_option(label="2:3 remove vehicle 1")
    expect(numbers).to_contain_text("one pair", timeout=15_000)
    assert told(page) == first
    assert visitor.place() == link()


def test_back_at_the_step_its_changes_are_set_live(visitor):
    page = visitor.goto(link(STEP + 2))
    done(page)
    page.keyboard.press("f")
    visitor.at_step(STEP)
    expect(page.locator(".live")).to_contain_text("remove vehicle 1")
    assert "fork=" not in visitor.place()
    page.keyboard.press("f")
    done(page)
    assert "fork=3,1," in visitor.place()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name=BUTTON)).to_be_visible()


def test_what_a_fork_leaves_out_is_said(visitor):
    page = visitor.goto(f"{LIVE}&observation=0.3:0.5")
    hint = page.locator("[data-fork-hint]")
    expect(hint).to_contain_text("numbers of the observation are left out")
    expect(hint).to_contain_text("Change the scene first")
    page.get_by_role("button", name=BUTTON).click()
    assert "fork=" not in visitor.place()


def test_a_fork_that_cannot_be_says_why(visitor):
    visitor.refused = (400, 404)
    page = visitor.goto(f"#/recordings/rec/episodes/{EPISODE}?fork=3,1,{scene(['remove', {}, 99])}")
    expect(page.get_by_text(re.compile("no vehicle 99 is on the road")).first).to_be_visible(
        timeout=20_000
    )
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name=BUTTON)).to_be_visible()


def test_a_change_of_an_activation_is_given_as_text(visitor, rec, runs, capsys):
    visitor.refused = (404,)
    page = visitor.goto(link())
    done(page)
    field = page.get_by_label("change as text")
    field.fill("zero no.such.site[1]")
    field.press("Enter")
    wrong = page.locator("header [role=alert]")
    expect(wrong).to_be_visible(timeout=20_000)
    moment = f"{runs / 'rec'}:{EPISODE}:{STEP}"
    assert main(["fork", moment, "--edit", "zero no.such.site[1]", "--clip", "none"]) != 0
    assert wrong.inner_text() in capsys.readouterr().err
    assert visitor.place() == link()  # what was played stays
    expect(page.locator("[data-difference]")).to_be_visible()

    field.fill(UNIT)
    expect(wrong).to_have_count(0)
    field.press("Enter")
    expect(page.locator("[data-null]")).to_have_attribute("data-null", "20", timeout=60_000)
    expect(field).to_have_value("")
    page.get_by_label("during").fill("1")
    page.get_by_label("during").press("Enter")
    expect(page.locator("[aria-label='numbers of the fork'] code").last).to_have_attribute(
        "title", re.compile("--during 1"), timeout=60_000
    )
    changes = [SceneEdit("remove", 1), UNIT]
    data = fork(rec, EPISODE, STEP, changes, ForkConfig(seeds=1, during=1)).data
    returns, difference = told(page)
    assert returns == data["return"].values[:, 0].tolist()
    beaten = int((abs(data["null"].values) >= abs(difference)).sum())
    expect(page.locator("[data-null] b")).to_have_text(f"{beaten} of 20")
    where = visitor.place()
    assert where.endswith(",1")
    page.reload()
    expect(page.locator("[data-null]")).to_be_visible(timeout=60_000)
    assert told(page) == (returns, difference)
    page.get_by_role("button", name=f"take back {UNIT}").click()
    done(page)
    assert visitor.place() == link()


def test_where_no_scene_can_be_changed_activations_can(visitor, runs):
    page = visitor.goto("#/recordings/cartpole/episodes/0?step=3")
    page.get_by_role("button", name=BUTTON).click()
    expect(page.get_by_text("Nothing is changed yet")).to_be_visible()
    recording = open_recording(runs / "cartpole")
    site = next(name for name in recording.agent.modules() if "relu" in name)
    page.get_by_label("change as text").fill(f"clamp {site}[0]=9")
    page.keyboard.press("Enter")
    expect(page.locator("[data-null]")).to_be_visible(timeout=60_000)
    result = fork(recording, 0, 3, [f"clamp {site}[0]=9"], ForkConfig(seeds=1))
    assert told(page)[0] == result.data["return"].values[:, 0].tolist()


def test_an_exported_page_says_that_it_cannot_play_on(visitors, rec, tmp_path):
    path = export_page(rec.path, tmp_path / "page.html", [EPISODE]).path
    visitor = visitors(path.as_uri())
    page = visitor.goto(link())
    expect(page.get_by_text("an exported page cannot do this").first).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("no what if in an export")).to_be_visible()
    assert page.get_by_role("button", name=BUTTON).count() == 0

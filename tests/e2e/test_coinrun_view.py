"""CoinRun in the panel: pictures to the pixel, boxes, live changes, and games of other kinds."""

import base64
import io
import json
import re
from importlib.metadata import PackageNotFoundError
from urllib.parse import quote, unquote_plus

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.envs.procgen.lane import make_lane
from policyscope.envs.procgen.objects import boxes
from policyscope.envs.scene import SceneEdit
from policyscope.envs.stepper import Start
from policyscope.panel import check
from policyscope.panel.application import application
from policyscope.panel.export import export_page
from policyscope.panel.serve import served
from policyscope.recordings.read import open_recording
from policyscope.recordings.replays.fork import ForkConfig, fork

CANVAS = 'canvas[data-view="frame"]'
PIXELS = "(node) => node.toDataURL()"
# Boxes in pixels of the picture, as they lie over it on the screen, without their outlines.
BOXES = """(side) => {
  const picture = document.querySelector('canvas[data-view="frame"]').getBoundingClientRect();
  return [...document.querySelectorAll(".actor[data-identity]")].map((actor) => {
    const body = actor.querySelector(".body");
    const matrix = body.getScreenCTM();
    const [x, y, width, height] = ["x", "y", "width", "height"].map((n) => body[n].baseVal.value);
    const at = (px, py) => {
      const point = new DOMPoint(px, py).matrixTransform(matrix);
      return [(point.x - picture.left) / picture.width * side,
              (point.y - picture.top) / picture.height * side];
    };
    return [Number(actor.dataset.identity), ...at(x, y), ...at(x + width, y + height)];
  });
}"""
K = 0


@pytest.fixture(scope="module")
def panel(games):
    with served(application(games)) as address:
        yield address


@pytest.fixture
def visitor(visitors, panel):
    return visitors(panel)


def replayed(recording, step):
    """The lane at a recorded step, by the recorded actions alone."""
    lane = make_lane(recording.env)
    lane.start(Start(seed=int(recording.line(K)["seed"])))
    for action in recording.episode(K)["action"].values[:step]:
        lane.step(int(action))
    return lane


def drawn(page, side: int, step: int, changed: str = "false") -> np.ndarray:
    """Pixels of the picture, once it is that of a step, of a side, changed or not."""
    canvas = page.locator(f'{CANVAS}[data-step="{step}"][data-changed="{changed}"]')
    expect(canvas).to_have_attribute("width", str(side), timeout=15_000)
    return pixels(canvas)


def pixels(canvas) -> np.ndarray:
    data = base64.b64decode(canvas.evaluate(PIXELS).partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def rested(page) -> None:
    """Wait until the last live question is answered."""
    expect(page.locator(".live .took")).to_have_text(re.compile("ms"), timeout=15_000)
    expect(page.locator(".live")).to_have_attribute("aria-busy", "false")


def test_a_fork_from_a_link_shows_what_both_futures_saw(visitor, games, coinrun):
    step = 3
    there = coinrun.entities(K).query("step == @step and kind == 'coin'")
    scene = quote(json.dumps([["remove", {}, int(there["identity"].iloc[0])]]), safe="")
    place = f"#/recordings/coinrun/episodes/{K}?step={step}&fork={step},1,{scene}"
    page = visitor.goto(place)
    expect(page.locator("[data-difference]")).to_be_visible(timeout=60_000)
    result = fork(coinrun, K, step, ["remove coin"], ForkConfig(seeds=1))
    shown = page.locator("[data-return]").evaluate_all("nodes => nodes.map(n => +n.dataset.return)")
    assert shown == result.data["return"].values[:, 0].tolist()
    expect(page.locator('[data-check="true"]')).to_be_visible()
    lane = replayed(coinrun, step)
    seen = np.asarray(lane.apply(SceneEdit("remove", int(there["identity"].iloc[0]))))
    changed = page.locator(f'[data-side="changed"] {CANVAS}[data-step="{step}"]')
    expect(changed).to_have_attribute("width", "64")
    np.testing.assert_array_equal(pixels(changed), seen)
    kept = page.locator(f'[data-side="kept"] {CANVAS}[data-step="{step}"]')
    np.testing.assert_array_equal(pixels(kept), coinrun.episode(K)["obs"].values[step])
    last = int(result.data["steps"].values[0, 0]) + step - 1
    page.goto(f"{visitor.address}{place.replace(f'step={step}', f'step={last}', 1)}")
    kept = page.locator(f'[data-side="kept"] {CANVAS}[data-step="{last}"]')
    expect(kept).to_be_visible(timeout=30_000)
    np.testing.assert_array_equal(pixels(kept), coinrun.episode(K)["obs"].values[last])


def test_both_futures_of_a_fork_are_drawn_large(visitor, coinrun):
    step = 3
    there = coinrun.entities(K).query("step == @step and kind == 'coin'")
    coin = int(there["identity"].iloc[0])
    scene = quote(json.dumps([["remove", {}, coin]]), safe="")
    fork = f"fork={step},1,{scene}"
    page = visitor.goto(f"#/recordings/coinrun/episodes/{K}?step={step}&{fork}")
    expect(page.locator("[data-difference]")).to_be_visible(timeout=60_000)
    assert not [address for address in visitor.asked if "/pictures/" in address]
    page.get_by_role("button", name="512", exact=True).click()
    for at in (step, step + 1, step - 1):
        for side in ("kept", "changed"):
            lane = replayed(coinrun, min(step, at))
            if side == "changed" and at >= step:
                lane.apply(SceneEdit("remove", coin))
            if at > step:
                lane.step(int(coinrun.episode(K)["action"].values[step]))
            canvas = page.locator(f'[data-side="{side}"] {CANVAS}[data-step="{at}"]')
            expect(canvas).to_have_attribute("width", "512", timeout=20_000)
            np.testing.assert_array_equal(pixels(canvas), lane.render(512))
        page.keyboard.press("ArrowRight" if at == step else "Home")
        if at == step + 1:
            for _ in range(step - 1):
                page.keyboard.press("ArrowRight")


def test_pictures_of_both_sizes_are_right_to_the_pixel(visitor, coinrun):
    page = visitor.goto(f"#/recordings/coinrun/episodes/{K}?step=6")
    for step in (6, 7):
        frame = coinrun.episode(K)["obs"].values[step]
        np.testing.assert_array_equal(drawn(page, 64, step), frame)
        page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="512", exact=True).click()
    lane = replayed(coinrun, 8)
    np.testing.assert_array_equal(drawn(page, 512, 8), lane.render(512))
    assert "large=1" in visitor.place()
    page.keyboard.press("ArrowRight")
    lane.step(int(coinrun.episode(K)["action"].values[8]))
    np.testing.assert_array_equal(drawn(page, 512, 9), lane.render(512))
    page.wait_for_function("location.hash.includes('step=9')")
    page.reload()
    np.testing.assert_array_equal(drawn(page, 512, 9), lane.render(512))
    page.get_by_role("button", name="64", exact=True).click()
    np.testing.assert_array_equal(drawn(page, 64, 9), lane.render(64))
    assert "large" not in visitor.place()


def test_boxes_lie_where_the_objects_are_drawn(visitor, coinrun):
    for step in (4, 68):
        lane = replayed(coinrun, step)
        shown = lane.entities()
        for side, query in ((64, ""), (512, "&large=1")):
            everything = "&kinds=player,coin,crate,saw,enemy,wall,lava"
            place = f"#/recordings/coinrun/episodes/{K}?step={step}{query}{everything}"
            page = visitor.goto(place)
            picture = drawn(page, side, step)
            found = {int(who): box for who, *box in page.evaluate(BOXES, side)}
            wanted = boxes(lane.state(), shown, side)
            inside = (wanted[:, :2] < side).all(1) & (wanted[:, 2:] > 0).all(1)
            assert set(found) == set(shown.identity[inside].tolist())
            for i in np.flatnonzero(inside):
                who = int(shown.identity[i])
                np.testing.assert_allclose(found[who], wanted[i], atol=0.1, err_msg=str(who))
            # Below the boxes lies what they are called: crates are brown, whatever the theme.
            for i in np.flatnonzero(inside & (shown.kind == "crate")):
                left, top, right, bottom = np.clip(wanted[i], 0, side).round().astype(int)
                if right - left > side // 20 and bottom - top > side // 20:
                    red, _, blue = picture[top:bottom, left:right].reshape(-1, 3).mean(0)
                    assert red > blue + 20


def test_the_list_and_the_boxes_light_each_other(visitor, coinrun):
    page = visitor.goto(f"#/recordings/coinrun/episodes/{K}?step=4")
    crate = page.locator('.actor[data-kind="crate"]').last  # on top
    who = crate.get_attribute("data-identity")
    row = page.locator(f'button[data-entity="{who}"]')
    expect(row).to_have_text(re.compile(f"crate {who}"))
    for _ in range(10):  # a row that is still being laid out moves away from under the mouse
        page.mouse.move(5, 5)
        row.hover()
        page.wait_for_timeout(200)
        if "lit" in (crate.get_attribute("class") or "").split():
            break
    expect(crate).to_have_class(re.compile(r"\blit\b"))
    page.mouse.move(5, 5)
    expect(crate).not_to_have_class(re.compile(r"\blit\b"))
    crate.locator(".body").click()
    expect(row).to_have_attribute("aria-pressed", "true")
    assert f"identity={who}" in visitor.place()

    assert page.locator('.actor[data-kind="wall"]').count() == 0
    page.get_by_role("button", name="wall", exact=True).click()
    expect(page.locator('.actor[data-kind="wall"]').first).to_be_visible()
    page.get_by_role("button", name="player", exact=True).click()
    expect(page.locator('.actor[data-kind="player"]')).to_have_count(0)
    place = visitor.place()
    assert "kinds=" in place
    assert "player" not in place.split("kinds=")[1].split("&")[0]


def test_what_is_told_of_an_episode(visitor, coinrun):
    page = visitor.goto("#/recordings/coinrun")
    images = page.locator(".thumb img")
    expect(images).to_have_count(2)
    assert images.first.evaluate("node => node.naturalWidth") == 64
    texts = page.locator("table").first.inner_text()
    for k in (0, 1):
        line = coinrun.line(k)
        assert str(line["outcome"]).replace("_", " ").split("+")[0] in texts
        assert f"{line['return']:.2f}" in texts
    page = visitor.goto(f"#/recordings/coinrun/episodes/{K}?step=5&site=gru.gru.memory")
    data = coinrun.episode(K)
    value = page.locator('[data-track="value"] [data-value]').inner_text()
    assert float(value.replace("\u2212", "-")) == pytest.approx(data["value"].values[5], abs=6e-3)
    rows = page.locator('.value[data-track^="p["]')
    expect(rows).to_have_count(9)
    shares = [float(text) for text in rows.locator("[data-value]").all_inner_texts()]
    assert sum(shares) == pytest.approx(1, abs=0.05)
    expect(rows.first).to_contain_text("no-op \u00d77")
    heat = page.get_by_text("24 units")
    expect(heat).to_be_visible()


def test_a_thing_is_removed_and_the_agent_sees_it(visitor, games, coinrun, monkeypatch):
    monkeypatch.chdir(games)
    step = 12
    lane = replayed(coinrun, step)
    seen = lane.entities()
    near = boxes(lane.state(), seen, 64)
    shown = (near[:, :2] < 60).all(1) & (near[:, 2:] > 4).all(1) & (seen.kind == "crate")
    who = int(seen.identity[np.flatnonzero(shown)[0]])
    page = visitor.goto(f"#/recordings/coinrun/episodes/{K}?step={step}&live=1&identity={who}")
    rested(page)
    page.get_by_role("button", name="remove", exact=True).click()
    frame = drawn(page, 64, step, "true")
    rested(page)
    np.testing.assert_array_equal(frame, lane.apply(SceneEdit("remove", who)))
    expect(page.locator(f'[data-ghost="{who}"]')).to_be_visible()
    names: dict = {}
    exec(page.locator(".live .python code").get_attribute("title"), names)
    answer = names["answer"]
    told = float(page.locator(".live .value").get_attribute("data-value-now") or "nan")
    assert told == pytest.approx(float(answer.changed.outputs["value"]), abs=1e-6)
    np.testing.assert_array_equal(answer.changed.observation, frame)

    page.get_by_label("execute an action first").select_option("RIGHT")
    lane.step(7)
    expect(page.locator(".live th.number").first).to_have_text(f"step {step + 1}")
    rested(page)
    np.testing.assert_array_equal(drawn(page, 64, step, "true"), lane.render(64))
    page.get_by_role("button", name="512", exact=True).click()
    np.testing.assert_array_equal(drawn(page, 512, step, "true"), lane.render(512))
    assert "actions=7" in visitor.place()
    page.get_by_role("button", name="reset").click()
    drawn(page, 512, step)


def test_the_live_box_shows_all_actions_and_changes_at_once(visitor):
    visitor.page.set_viewport_size({"width": 1280, "height": 800})
    page = visitor.goto(f"#/recordings/coinrun/episodes/{K}?step=6&live=1&actions=7")
    rested(page)
    box = page.locator(".below .content").bounding_box()
    for part in (".scores tbody tr:last-child", ".changes", ".note"):
        inner = page.locator(f".live {part}").bounding_box()
        assert inner["y"] + inner["height"] <= box["y"] + box["height"], part
        assert inner["x"] + inner["width"] <= box["x"] + box["width"], part
    beside = [page.locator(f".live {part}").bounding_box() for part in (".scores", ".changes")]
    assert beside[0]["x"] + beside[0]["width"] <= beside[1]["x"]
    assert beside[0]["y"] == beside[1]["y"]


def test_a_crate_is_dragged_in_the_picture(visitor, coinrun):
    step = 12
    page = visitor.goto(f"#/recordings/coinrun/episodes/{K}?step={step}&live=1")
    rested(page)
    body = page.locator('.actor[data-kind="crate"] .body').last  # on top
    who = int(body.evaluate("node => node.parentNode.dataset.identity"))
    box = visitor.at_rest(body)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 8, y - 90, steps=6)
    page.mouse.up()
    rested(page)
    seen = drawn(page, 64, step, "true")
    found = re.search(r"scene=([^&]+)", visitor.place())
    assert found, visitor.place()
    ((kind, values, identity),) = json.loads(unquote_plus(found.group(1)))
    assert (kind, identity) == ("move", who)
    lane = replayed(coinrun, step)
    was = lane.entities()
    picture = page.locator(CANVAS).bounding_box()
    assert picture is not None
    tile = picture["width"] / coinrun.scene["visible"]
    at = list(was.identity).index(who)
    assert values["x"] == pytest.approx(was.x[at] - 8 / tile, abs=0.2)
    assert values["y"] == pytest.approx(was.y[at] - 90 / tile, abs=0.2)
    np.testing.assert_array_equal(seen, lane.apply(SceneEdit("move", who, values)))


def test_stepping_asks_for_frames_in_runs_and_large_ones_one_by_one(visitor, coinrun):
    page = visitor.goto(f"#/recordings/coinrun/episodes/{K}")
    drawn(page, 64, 0)
    asked = len(visitor.asked)
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    frame = drawn(page, 64, 40)
    np.testing.assert_array_equal(frame, coinrun.episode(K)["obs"].values[40])
    new = visitor.asked[asked:]
    assert len(new) <= 3, new
    page.get_by_role("button", name="512", exact=True).click()
    drawn(page, 512, 40)
    asked = len(visitor.asked)
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    drawn(page, 512, 20)
    new = [url for url in visitor.asked[asked:] if "/pictures/" in url]
    assert 1 <= len(new) <= 22
    assert len(set(new)) == len(new)


def test_two_episodes_beside_each_other(visitor, coinrun):
    page = visitor.goto("#/recordings/coinrun/episodes/0?step=9&beside=coinrun,1,0")
    both = page.locator(f'{CANVAS}[data-step="9"]')
    expect(both).to_have_count(2)
    for k in (0, 1):
        np.testing.assert_array_equal(pixels(both.nth(k)), coinrun.episode(k)["obs"].values[9])
    assert page.locator(".side").nth(1).locator(".actor").count() > 0


def test_an_exported_page_holds_the_frames(visitors, coinrun, tmp_path):
    path = export_page(coinrun.path, tmp_path / "page.html").path
    visitor = visitors(path.as_uri())
    page = visitor.goto(f"#/recordings/coinrun/episodes/{K}?step=11&large=1")
    np.testing.assert_array_equal(drawn(page, 64, 11), coinrun.episode(K)["obs"].values[11])
    assert page.locator(".actor[data-identity]").count() > 0
    expect(page.get_by_role("button", name="512", exact=True)).to_have_count(0)


def test_a_game_without_known_objects(visitor, games):
    page = visitor.goto("#/recordings/bigfish/episodes/0?step=3&live=1")
    frame = open_recording(games / "bigfish").episode(0)["obs"].values[3]
    np.testing.assert_array_equal(drawn(page, 64, 3), frame)
    rested(page)
    assert page.locator(".actor").count() == 0
    expect(page.get_by_role("group", name="entities")).to_have_count(0)
    page.get_by_role("button", name="512", exact=True).click()
    drawn(page, 512, 3)


def test_without_an_engine_the_frames_are_there(visitors, games, coinrun, monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("policyscope.envs.procgen.engine.distribution", absent)
    with served(application(games)) as address:
        page = visitors(address).goto(f"#/recordings/coinrun/episodes/{K}?step=5&large=1&live=1")
        np.testing.assert_array_equal(drawn(page, 64, 5), coinrun.episode(K)["obs"].values[5])
        said = re.compile("need an engine that is not installed")
        expect(page.locator(".room [role=alert]")).to_have_text(said)
        expect(page.locator('[data-view="cannot-ask"]')).to_have_text(said)
        assert page.locator(".actor").count() > 0


def test_the_check_of_pages_knows_one_that_shows_frames(browser, panel, monkeypatch):
    monkeypatch.setattr(check, "MOST_STEPS", 4)
    seen = check.check_page(browser, f"{panel}#/recordings/coinrun/episodes/0")
    assert seen.problems == []
    assert (seen.frames, seen.steps, seen.moved) == (1, 4, True)
    assert "a frame" in str(seen)

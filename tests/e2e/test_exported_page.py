"""The exported page in a real browser: what is drawn, and what clicks and keys do."""

import re
from pathlib import Path
from threading import Thread

import numpy as np

from policyscope.panel.serve import PageServer


def at(page_file: Path, **where) -> str:
    return f"{page_file.as_uri()}#" + "&".join(f"{k}={v}" for k, v in where.items())


def label(page) -> str:
    return page.text_content("#step-label")


def step(page) -> int:
    return int(re.search(r"step (\d+)", label(page)).group(1))


def minus(text: str) -> str:
    return text.replace("\u2212", "-")


def until(page, reached) -> None:
    """Wait up to 10 s; the page's policy forbids playwright's own wait_for_function."""
    for _ in range(200):
        if reached():
            return
        page.wait_for_timeout(50)
    raise AssertionError("not reached within 10 s")


def lines(page) -> list[dict]:
    return page.eval_on_selector_all(
        "#scene line.attention",
        """nodes => nodes.map(n => ({
             head: Number(n.dataset.head), identity: Number(n.dataset.identity),
             weight: Number(n.dataset.weight),
             width: parseFloat(getComputedStyle(n).strokeWidth),
             opacity: parseFloat(getComputedStyle(n).strokeOpacity)}))""",
    )


def test_draws_the_recorded_scene_and_attention_of_the_step(show, page_file, recording, changing):
    page = show(at(page_file, episode=changing, step=2))
    table = recording.entities(changing)
    table = table[table["step"] == 2]
    drawn = page.eval_on_selector_all(
        "#scene .actor", "nodes => nodes.map(n => Number(n.dataset.identity))"
    )
    assert sorted(drawn) == sorted(table["identity"])
    ego = table[table["identity"] == 0].iloc[0]
    place = page.get_attribute("#scene .actor.ego g", "transform")
    x, y = (float(v) for v in re.search(r"translate\((\S+) (\S+)\)", place).groups())
    np.testing.assert_allclose([x, y], [ego["x"], ego["y"]], rtol=1e-3, atol=1e-3)

    data = recording.episode(changing)
    pattern = data["sites/attention_layer.pattern"].values[2, :, 0]
    identities = data["row_identity"].values[2]
    expected = {
        (head, int(identity)): pattern[head, row]
        for row, identity in enumerate(identities)
        if identity > 0
        for head in range(4)
        if pattern[head, row] >= 0.01
    }
    shown = {(each["head"], each["identity"]): each for each in lines(page)}
    assert shown.keys() == expected.keys()
    widths = {key: each["width"] / each["weight"] for key, each in shown.items()}
    for key, weight in expected.items():
        np.testing.assert_allclose(shown[key]["weight"], weight, rtol=1e-3)
    np.testing.assert_allclose(list(widths.values()), next(iter(widths.values())), rtol=1e-2)
    own = page.eval_on_selector_all(
        "#scene circle.attention", "nodes => nodes.map(n => Number(n.dataset.weight))"
    )
    on_ego = pattern[:, list(identities).index(0)]
    np.testing.assert_allclose(own, on_ego[on_ego >= 0.01], rtol=1e-3)


def test_values_and_chosen_action_of_the_step(show, page_file, recording, changing):
    page = show(at(page_file, episode=changing, step=1))
    data = recording.episode(changing)
    q = data["q"].values[1]
    shown = [float(minus(t)) for t in page.locator(".values .value b").all_text_contents()]
    np.testing.assert_allclose(shown, q, atol=0.0051)
    chosen = page.text_content(".values .value.chosen .name")
    assert chosen == recording.space.actions[int(data["action"].values[1])]
    tracks = page.locator(".lane.values polyline.track")
    assert tracks.count() == 3
    points = tracks.first.get_attribute("points").split()
    assert len(points) == data.sizes["step"]


def test_keys_scrub_play_and_explain(show, page_file, changing, recording):
    page = show(at(page_file, episode=changing, step=0))
    last = recording.episode(changing).sizes["step"] - 1
    first_scene = page.inner_html("#scene")
    page.keyboard.press("ArrowRight")
    assert step(page) == 1
    assert page.inner_html("#scene") != first_scene
    page.keyboard.press("ArrowLeft")
    assert page.inner_html("#scene") == first_scene
    page.keyboard.press("ArrowLeft")
    assert step(page) == 0
    page.keyboard.press("End")
    assert step(page) == last
    page.keyboard.press("Home")
    assert step(page) == 0
    page.select_option("#speed", "30")
    page.focus("#slider")
    page.keyboard.press(" ")
    until(page, lambda: step(page) == last)
    until(page, lambda: page.get_attribute("#play", "aria-label") == "play")
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("?")
    assert not page.is_visible("#help")
    page.keyboard.press("ArrowDown")
    assert (label(page).startswith(f"episode {changing + 1} "), step(page)) == (True, 0)


def test_the_timeline_and_the_list_of_changes_go_to_steps(show, page_file, changing, recording):
    page = show(at(page_file, episode=changing, step=0))
    count = recording.episode(changing).sizes["step"]
    box = page.locator(".lane.values .plot").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 2.5 / count, box["y"] + 20)
    assert step(page) == 2
    page.mouse.move(box["x"] + box["width"] * 0.5 / count, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 3.5 / count, box["y"] + 30)
    page.mouse.up()
    assert step(page) == 3
    data = recording.episode(changing)
    actions = data["action"].values
    expected = [t for t in range(1, count) if actions[t] != actions[t - 1]]
    rows = page.locator("#changes tbody tr")
    assert [int(rows.nth(i).get_attribute("data-step")) for i in range(rows.count())] == expected
    rows.first.click()
    assert step(page) == expected[0]
    shown = [float(minus(t)) for t in rows.first.locator("td").all_text_contents()[3:]]
    np.testing.assert_allclose(shown, data["q"].values[expected[0]], atol=0.0051)


def test_a_head_stands_alone_on_hover_and_click(show, page_file, changing):
    page = show(at(page_file, episode=changing, step=1))
    assert {each["head"] for each in lines(page)} == {0, 1, 2, 3}
    page.hover("[data-head-button='2']")
    assert {each["head"] for each in lines(page) if each["opacity"] > 0} == {2}
    page.mouse.move(5, 5)
    assert {each["head"] for each in lines(page) if each["opacity"] > 0} == {0, 1, 2, 3}
    page.click("[data-head-button='1']")
    page.mouse.move(5, 5)
    assert {each["head"] for each in lines(page) if each["opacity"] > 0} == {1}
    assert page.url.endswith(f"#episode={changing}&step=1&head=1")
    page.keyboard.press("Escape")
    assert "head" not in page.url


def test_a_vehicle_lights_its_row_and_its_lines(show, page_file, changing):
    page = show(at(page_file, episode=changing, step=1))
    identity = page.get_attribute("#scene .actor.seen", "data-identity")
    page.hover(f"#scene .actor[data-identity='{identity}'] .body", force=True)
    assert page.locator(".vehicle.lit").get_attribute("data-identity") == identity
    assert {str(n["identity"]) for n in lines(page) if n["opacity"] > 0.5} == {identity}
    page.hover(".vehicle[data-identity='0']")
    assert page.locator("#scene .actor.lit").get_attribute("data-identity") == "0"


def test_rows_are_identities_that_stay_in_place(show, page_file, changing):
    page = show(at(page_file, episode=changing, step=0))
    order = "nodes => nodes.map(n => n.dataset.identity).join()"
    before = page.eval_on_selector_all(".vehicle", order)
    page.keyboard.press("End")
    assert page.eval_on_selector_all(".vehicle", order) == before
    assert before.split(",") == sorted(before.split(","), key=int)


def test_heat_cells_are_the_weights_over_time(show, page_file, changing, recording):
    page = show(at(page_file, episode=changing, step=0))
    cells = page.eval_on_selector_all(
        ".vehicle[data-identity='0'] .heat rect[data-weight]",
        "nodes => nodes.map(n => [Number(n.dataset.step), Number(n.dataset.head),"
        " Number(n.dataset.weight)])",
    )
    data = recording.episode(changing)
    for t, head, weight in cells:
        row = list(data["row_identity"].values[t]).index(0)
        right = data["sites/attention_layer.pattern"].values[t, head, 0, row]
        np.testing.assert_allclose(weight, right, rtol=1e-3)
    assert len(cells) >= data.sizes["step"]


def test_the_table_of_episodes_sorts_and_opens(show, page_file, recording):
    page = show(page_file)
    page.click("#episodes th:nth-child(3) button")
    returns = [
        float(minus(t)) for t in page.locator("#episodes td:nth-child(3)").all_text_contents()
    ]
    assert returns == sorted(returns)
    assert len(returns) == len(recording)
    page.click("#episodes th:nth-child(3) button")
    assert page.get_attribute("#episodes th:nth-child(3)", "aria-sort") == "descending"
    page.click("#episodes tr[data-episode='3']")
    assert label(page).startswith("episode 3 ")
    assert page.url.endswith("#episode=3&step=0")


def test_the_address_restores_what_was_shown(show, page_file):
    page = show(at(page_file, episode=2, step=1, head=3))
    assert label(page).startswith("episode 2 · step 1 ")
    assert page.get_attribute("[data-head-button='3']", "aria-pressed") == "true"
    page.evaluate("location.hash = '#episode=1&step=2'")
    until(page, lambda: label(page).startswith("episode 1 · step 2"))
    wild = show(at(page_file, episode=77, step=9999, head=12))
    assert label(wild).startswith("episode 0 · step")


def test_the_main_view_needs_no_scrolling(show, page_file, changing):
    for size in ((1280, 800), (1920, 1080)):
        page = show(at(page_file, episode=changing, step=1), *size)
        room = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        assert room == list(size)
        assert page.locator("footer").bounding_box()["y"] < size[1]


def test_light_and_dark(show, page_file):
    page = show(page_file, color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.click("#theme")
    assert page.evaluate(ground) != dark
    assert page.get_attribute("html", "data-theme") == "light"


def test_served_page_is_the_same(show, page_file):
    with PageServer(page_file, 0) as server:
        thread = Thread(target=server.run)
        thread.start()
        try:
            page = show(f"http://127.0.0.1:{server.port}/#episode=1&step=1")
            assert label(page).startswith("episode 1 · step 1 ")
            assert len(lines(page)) > 0
        finally:
            server.stop()
            thread.join()


def test_without_attention_the_scene_stands_and_the_mend_is_told(show, quiet_page_file):
    page = show(quiet_page_file)
    assert page.locator("#scene .actor .body").count() > 3
    assert page.locator(".attention").count() == 0
    assert not page.is_visible("#heads")
    assert "--sites '*.pattern'" in page.text_content("#notes")
    assert page.locator(".vehicle").count() > 1


def test_without_a_scene_the_tracks_stand(show, cartpole_file):
    page = show(cartpole_file)
    assert "gives no scene" in page.text_content("#notes")
    assert not page.is_visible("#scene")
    assert page.locator(".lane.values polyline.track").count() == 2
    assert page.locator(".lane.small-lane polyline.track").count() == 4
    page.keyboard.press("ArrowRight")
    assert step(page) == 1

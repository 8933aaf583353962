"""The address holds the whole view: opened elsewhere it shows the same."""

from urllib.parse import unquote

from playwright.sync_api import expect


def texts(page) -> str:
    """All text of the view, without what tells how long the server took."""
    page.wait_for_timeout(300)
    return page.evaluate("""() => {
      const main = document.querySelector("main").cloneNode(true);
      for (const node of main.querySelectorAll(".took, .tip")) node.remove();
      for (const node of document.querySelectorAll("main input, main select")) {
        main.append(`${node.ariaLabel ?? node.name}=${node.value};`);
      }
      return main.textContent.replace(/\\s+/g, " ");
    }""")


def same_elsewhere(visitor, visitors) -> str:
    """Open the address in another browser profile; gives it."""
    place, other = visitor.place(), visitors()
    other.goto(place)
    for _ in range(30):  # a busy machine takes its time to fill the panes
        told, seen = texts(visitor.page), texts(other.page)
        if seen == told:
            break
    assert seen == told
    assert other.place() == place
    return unquote(place)


def test_a_view_with_everything_in_it(visitor, visitors):
    page = visitor.goto("#/recordings/rec/episodes/2?step=3")
    page.get_by_role("button", name="+ tracks").click()
    page.get_by_label("target", exact=True).fill("q[FASTER]-q[IDLE]")
    page.get_by_label("target", exact=True).press("Enter")
    expect(page.locator('[data-track="q[FASTER]-q[IDLE]"]')).to_be_visible()
    page.get_by_role("button", name="\u2212 tracks").click()
    page.get_by_label("site").select_option("output_layer.relus.1")
    page.locator('[data-entity="4"]').click()
    page.keyboard.press("2")
    page.keyboard.press("+")
    page.get_by_label("filter episodes").fill("steps>=9")
    place = same_elsewhere(visitor, visitors)
    for part in ("step=3", "q[FASTER]-q[IDLE]", "site=output_layer.relus.1", "identity=4",
                 "layer=1", "zoom=1.4", "filter=steps>=9"):  # fmt: skip
        assert part in place


def test_a_live_view_with_changes(visitor, visitors):
    page = visitor.goto("#/recordings/rec/episodes/2?step=3&live=1")
    page.get_by_label("vehicle", exact=True).select_option("6")
    speed = page.get_by_label("speed in metres per second")
    speed.fill("1.5")
    speed.press("Enter")
    field = page.get_by_label("ego vx", exact=True)
    field.fill("0.25")
    field.press("Enter")
    page.locator("#live-target").fill("value")
    page.locator("#live-target").press("Enter")
    expect(page.locator("section[aria-label=targets] li b")).not_to_have_text("\u2013")
    code = page.locator(".live .python code")
    expect(code).to_contain_text("SceneEdit('speed', 6")
    expect(code).to_contain_text("0.25")
    place = same_elsewhere(visitor, visitors)
    for part in ("live=1", '"speed"', "1.5", "0.25", "targets=value"):
        assert part in place


def test_two_panes(visitor, visitors):
    page = visitor.goto("#/recordings/rec/episodes/2")
    page.get_by_role("button", name="Compare").click()
    page.locator("main header select").first.select_option("random")
    shift = page.locator("main header input")
    shift.fill("2")
    shift.press("Enter")
    page.locator("[data-step-label]").click()
    page.keyboard.press("ArrowRight")
    place = same_elsewhere(visitor, visitors)
    assert "beside=" in place
    assert "step=1" in place


def test_a_sorted_and_filtered_table(visitor, visitors):
    page = visitor.goto("#/recordings/rec")
    page.get_by_role("button", name="steps").click()
    page.get_by_label("filter episodes").fill("!crashed")
    place = same_elsewhere(visitor, visitors)
    assert place == "#/recordings/rec?sort=steps&filter=!crashed"


def test_the_history_goes_back_and_forth(visitor):
    page = visitor.goto("#/")
    page.get_by_role("link", name="rec", exact=True).click()
    expect(page.locator("tr.episode")).to_have_count(6)
    page.locator("tr.episode").nth(2).click()
    visitor.at_step(0)
    for step in (1, 2, 3):
        page.keyboard.press("ArrowRight")
        visitor.at_step(step)
    visitor.came_to("#/recordings/rec/episodes/2?step=3")
    page.keyboard.press("ArrowDown")
    visitor.came_to("#/recordings/rec/episodes/3")
    page.go_back()
    visitor.at_step(3)
    page.go_back()
    expect(page.get_by_role("table", name="episodes")).to_be_visible()
    page.go_forward()
    visitor.at_step(3)


def test_an_address_that_makes_no_sense_does_no_harm(visitor):
    page = visitor.goto("#/recordings/rec/episodes/2?step=9999&layer=77&zoom=-3&scene=%7B&x")
    visitor.at_step(12)
    expect(page.locator(".actor").first).to_be_visible()
    visitor.goto("#/what/is/this?really=&")
    expect(page.get_by_role("table", name="recordings")).to_be_visible()

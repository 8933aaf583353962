"""Notes and jobs: written by one, seen by the other, still there after a reload."""

import json
import re
import time

import pytest
from playwright.sync_api import expect

from policyscope.core.result import Result


def saved(folder) -> list[dict]:
    return json.loads((folder / "rec" / "notes.json").read_text())["notes"]


def write(page, label: str, text: str) -> None:
    field = page.get_by_label(label)
    field.fill(text)
    field.press("Control+Enter")
    expect(page.locator(".notes li", has_text=text)).to_be_visible()
    expect(page.locator(".notes li", has_text=text).get_by_role("button", name="edit")
           ).to_be_enabled()  # fmt: skip


def test_a_note_is_written_edited_seen_by_another_and_removed(visitors, serve):
    at, folder = serve("rec")
    one, two = visitors(at), visitors(at)
    place = "#/recordings/rec/episodes/2?step=4"
    page = one.goto(place)
    page.get_by_role("button", name="Notes").click()
    write(page, "note on episode 2, step 4", "why <b>not</b> & \u00fc\n2nd line")
    assert [(note["episode"], note["step"], note["text"]) for note in saved(folder)] == [
        (2, 4, "why <b>not</b> & \u00fc\n2nd line")
    ]
    page.reload()
    page.get_by_role("button", name="Notes").click()
    note = page.locator(".notes li")
    expect(note).to_have_count(1)
    assert note.locator("p").inner_text() == "why <b>not</b> & \u00fc\n2nd line"
    note.get_by_role("button", name="edit").click()
    field = note.get_by_role("textbox")
    field.fill("it yields")
    field.press("Control+Enter")
    expect(note.locator("p")).to_have_text("it yields")

    other = two.goto("#/recordings/rec")
    seen = other.locator(".notes li")
    expect(seen.locator("p")).to_have_text("it yields")
    seen.get_by_role("button", name="episode 2, step 4").click()
    two.at_step(4)
    assert two.place().startswith("#/recordings/rec/episodes/2?step=4")
    other.get_by_role("button", name="Notes").click()
    other.get_by_role("button", name="this episode").click()
    write(other, "note on episode 2", "the whole of it")
    page.reload()
    page.get_by_role("button", name="Notes").click()
    expect(page.locator(".notes li")).to_have_count(2)
    with page.expect_response(lambda answer: answer.request.method == "DELETE"):
        page.locator(".notes li", has_text="it yields").get_by_role("button", name="remove").click()
    expect(page.locator(".notes li")).to_have_count(1)
    expect(page.locator(".notes li p")).to_have_text("the whole of it")
    assert [note["text"] for note in saved(folder)] == ["the whole of it"]


def run_traces(page, site: str, episode: int) -> None:
    form = page.get_by_role("form", name="run a method")
    form.locator("select").first.select_option("traces")
    form.locator("select").nth(1).select_option(site)
    form.get_by_role("textbox").fill(str(episode))
    form.get_by_role("button", name="run").click()


# 6 s: the job starts a Python of its own.
@pytest.mark.slow
def test_a_job_goes_on_over_a_reload_and_its_result_opens(visitors, serve):
    at, folder = serve("rec")
    visitor = visitors(at)
    page = visitor.goto("#/recordings/rec")
    run_traces(page, "output_layer.relus.1", 3)
    jobs = page.get_by_role("button", name=re.compile("^jobs"))
    expect(jobs).to_have_accessible_name("jobs, 1 running")
    page.reload()
    expect(jobs).to_have_accessible_name("jobs, 1 running")
    jobs.click()
    item = page.locator("li[data-state]")
    expect(item).to_contain_text("traces")
    expect(item).to_have_attribute("data-state", "done", timeout=30_000)
    results = page.get_by_role("table", name="results").locator("tbody tr")
    expect(results).to_have_count(2)
    item.get_by_role("link", name="result").click()
    page.wait_for_selector('.figure[data-drawn="true"]')
    made = Result.load(folder / "rec" / "explain" / "traces")
    assert made.data.attrs["episode"] == 3
    expect(page.locator("section[aria-label=Parameters]")).to_contain_text("output_layer.relus.1")


def test_a_long_job_is_cancelled_and_leaves_nothing(visitors, serve):
    at, folder = serve("random")
    page = visitors(at).goto("#/recordings/random")
    form = page.get_by_role("form", name="run a method")
    form.locator("select").first.select_option("attention")
    form.get_by_role("textbox").first.fill("500000")
    form.get_by_role("button", name="run").click()
    page.get_by_role("button", name=re.compile("^jobs")).click()
    item = page.locator("li[data-state]")
    expect(item).to_have_attribute("data-state", "running")
    began = time.monotonic()
    item.get_by_role("button", name="cancel").click()
    expect(item).to_have_attribute("data-state", "cancelled", timeout=10_000)
    assert time.monotonic() - began < 8
    expect(item).to_contain_text("cancelled")
    assert not list(folder.glob("random/explain/*"))
    page.reload()
    expect(page.get_by_role("button", name=re.compile("^jobs"))).to_have_accessible_name("jobs")


def test_an_option_that_cannot_be_is_told_before_anything_runs(visitors, serve):
    at, _ = serve("rec")
    page = visitors(at).goto("#/recordings/rec")
    form = page.get_by_role("form", name="run a method")
    form.locator("select").first.select_option("traces")
    form.get_by_role("textbox").fill("6")
    expect(page.get_by_role("alert")).to_contain_text("episode is at most 5")
    expect(form.get_by_role("button", name="run")).to_be_disabled()
    page.get_by_role("button", name=re.compile("^jobs")).click()
    expect(page.get_by_text("No job since the server began")).to_be_visible()

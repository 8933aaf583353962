"""What a page may do, what a strange page may not, and two visitors at once."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from policyscope.panel.application import application
from policyscope.panel.contract.work import NoteText
from policyscope.panel.notes import add
from policyscope.panel.serve import served
from policyscope.panel.shelf.shelf import Shelf

TOKEN = "0123456789abcdef"


def test_every_request_goes_to_the_panel(visitor):
    page = visitor.goto("#/")
    episode = "#/recordings/rec/episodes/2?live=1&site=output_layer.relus.1"
    for place in ("#/recordings/rec", episode, "#/recordings/rec/steps"):
        visitor.goto(place)
        page.wait_for_timeout(200)
    home = urlsplit(visitor.address).netloc
    assert {urlsplit(url).netloc for url in visitor.asked} <= {home, ""}
    assert len(visitor.asked) > 15


def test_a_name_full_of_markup_stays_text(visitors, serve):
    at, folder = serve("cartpole")
    evil = "<img src=x onerror=window.hurt=1>"
    (folder / "cartpole").rename(folder / evil)
    shelf = Shelf(folder)
    add(shelf, shelf.id_of(folder / evil), NoteText(text=evil))
    visitor = visitors(at)
    page = visitor.goto("#/")
    link = page.get_by_role("link", name=evil)
    expect(link).to_be_visible()
    link.click()
    expect(page.locator("tr.episode")).to_have_count(2)
    expect(page.locator(".notes li p")).to_have_text(evil)
    assert page.evaluate("window.hurt") is None
    assert page.locator("main img[src=x]").count() == 0


def test_a_token_opens_the_page_and_stays_with_the_browser(visitors, runs):
    with served(application(runs, token=TOKEN)) as at:
        stranger = visitors(at)
        stranger.refused = (401, 403)
        stranger.page.goto(at)
        assert stranger.page.locator("tr.episode, table").count() == 0
        assert "rec" not in stranger.page.locator("body").inner_text().split()
        guest = visitors(at)
        guest.page.goto(at + f"?token={TOKEN}")
        expect(guest.page.get_by_role("table", name="recordings")).to_be_visible()
        assert TOKEN not in guest.page.url
        guest.page.reload()
        expect(guest.page.get_by_role("table", name="recordings")).to_be_visible()


@pytest.fixture
def strange():
    """Another site on this machine."""

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><link rel=icon href=data:,><title>strange</title>")

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Empty)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_another_site_can_neither_read_nor_write(visitors, strange, serve):
    at, folder = serve("rec")
    visitor = visitors(strange)
    visitor.page.goto(strange)
    ask = """async ([url, given]) => {
      try { return await (await fetch(url, given)).text(); } catch { return "refused"; }
    }"""
    note = {"method": "POST", "body": json.dumps({"text": "hi"})}
    plain = {**note, "headers": {"Content-Type": "text/plain"}}
    typed = {**note, "headers": {"Content-Type": "application/json"}}
    for path, given in (
        ("api/library", {}), ("api/recordings/rec/notes", plain),
        ("api/recordings/rec/notes", {**plain, "mode": "no-cors"}),
        ("api/recordings/rec/notes", typed),
    ):  # fmt: skip
        answer = visitor.page.evaluate(ask, [at + path, given])
        assert answer in ("refused", "")
    assert not (folder / "rec" / "notes.json").exists()
    assert visitor.problems  # the browser tells of each
    visitor.problems.clear()


def test_the_panel_is_not_framed_by_another_site(visitors, strange, address):
    visitor = visitors(strange)
    visitor.page.goto(strange)
    visitor.page.evaluate(
        "(url) => { document.body.append(Object.assign(document.createElement('iframe'),"
        " { src: url })); }",
        address,
    )
    visitor.page.wait_for_timeout(600)
    frames = [frame for frame in visitor.page.frames if frame != visitor.page.main_frame]
    assert all(frame.query_selector("header") is None for frame in frames)
    visitor.problems.clear()


def test_two_visitors_do_not_disturb_each_other(visitors):
    one, two = visitors(), visitors()
    one.goto("#/recordings/rec/episodes/2?step=3&live=1")
    two.goto("#/recordings/rec/episodes/2?step=3&live=1")
    for visitor, speed in ((one, "1"), (two, "14")):
        page = visitor.page
        page.get_by_label("vehicle", exact=True).select_option("6")
        field = page.get_by_label("speed in metres per second")
        field.fill(speed)
        field.press("Enter")
    for visitor, speed in ((one, "1"), (two, "14")):
        code = visitor.page.locator(".live .python code")
        expect(code).to_contain_text(f"SceneEdit('speed', 6, {{'speed': {speed}.0}})")
        expect(visitor.page.locator(".live")).to_have_attribute("aria-busy", "false")
    now = "table[aria-label='Q-values, recorded and now'] tbody td:nth-child(4)"
    assert one.numbers(now) != two.numbers(now)
    third = visitors()
    third.goto(one.place())
    expect(third.page.locator(".live .python code")).to_be_visible()
    assert third.numbers(now) == one.numbers(now)


def test_a_server_that_went_away_is_told_and_comes_back(visitors, runs):
    with served(application(runs)) as at:
        visitor = visitors(at)
        page = visitor.goto("#/recordings/rec")
    expect(page.locator("tr.episode")).to_have_count(6)
    page.locator("tr.episode").nth(2).click()
    expect(page.get_by_role("alert").first).to_contain_text("server does not answer")
    visitor.problems.clear()

"""The page of highlights, opened from disk: its clips play, and the words below follow them."""

import re

import pytest
from playwright.sync_api import expect

from policyscope.figures.highlights_page import write_highlights
from policyscope.recordings.highlights.clips import film_all
from policyscope.recordings.highlights.moments import choose


@pytest.fixture(scope="module")
def highlights(rec, tmp_path_factory):
    """Moments of the shipped agent and their page."""
    moments = choose(rec, 4)
    path = tmp_path_factory.mktemp("highlights") / "page.html"
    clips, notes = film_all(rec, moments, 96)
    write_highlights(rec, clips, path, notes)
    return moments, path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_clips_play_and_the_words_follow(visitors, highlights, scheme):
    moments, address = highlights
    visitor = visitors(address, color_scheme=scheme)
    page = visitor.page
    page.goto(address)
    if not page.evaluate("document.createElement('video').canPlayType('video/mp4; codecs=avc1')"):
        pytest.skip("this Chromium plays no H.264")
    cards = page.locator("article")
    expect(cards).to_have_count(len(moments))
    for card, moment in zip(cards.all(), moments, strict=True):
        expect(card.locator(".now")).to_contain_text(f"step {moment.step} ")
        expect(card.locator(".why")).to_contain_text(moment.why)
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light == {"light": "rgb(246, 247, 248)", "dark": "rgb(18, 20, 23)"}[scheme]
    first = cards.first
    first.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('video').currentTime > 0.5")
    first.get_by_role("button", name="Pause").click()
    shown = first.locator("video").evaluate("(v) => [v.currentTime, v.duration, v.videoWidth]")
    steps = moments[0].last - moments[0].first + 1
    assert shown[2] == 96
    fps = steps / shown[1]
    step = moments[0].first + min(steps - 1, int(shown[0] * fps + 1e-3))
    told = int(re.search(r"step (\d+)", first.locator(".now").inner_text())[1])
    assert abs(told - step) <= 1
    assert told > moments[0].first or shown[0] < 1 / fps
    page.get_by_role("button", name="Play all").click()
    page.wait_for_function("[...document.querySelectorAll('video')].every((v) => !v.paused)")
    page.get_by_role("button", name="Pause all").click()
    page.wait_for_function("[...document.querySelectorAll('video')].every((v) => v.paused)")
    assert [url for url in visitor.asked if not url.startswith(("data:", address))] == []


def test_its_cards_fit_a_narrow_window(visitors, highlights):
    visitor = visitors(highlights[1])
    visitor.page.set_viewport_size({"width": 360, "height": 700})
    visitor.page.goto(highlights[1])
    wide = visitor.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360

"""The headless check: passes on a real page and fails on pages that lack something."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from policyscope.core.errors import BadFile, MissingPart, PolicyscopeError
from policyscope.panel.browser import chromium
from policyscope.panel.bundle import script
from policyscope.panel.check import check_page, main
from policyscope.panel.export import export_page


def in_thread(task):
    """Run where playwright's loop of the session's browser is not."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(task).result()


def test_a_real_page_passes(browser, page_file, tmp_path, capsys):
    shot = tmp_path / "page.png"
    assert in_thread(lambda: main([str(page_file), "--screenshot", str(shot)])) == 0
    said = capsys.readouterr().out
    assert said.startswith("ok: ")
    assert "attention lines" in said
    assert said.count("\n") == 1
    assert shot.read_bytes().startswith(b"\x89PNG")


def test_a_page_without_a_scene_is_failed_in_one_line(browser, cartpole_file, capsys):
    assert in_thread(lambda: main([str(cartpole_file)])) == 1
    said = capsys.readouterr().out
    assert said.startswith("FAILED: 0 vehicles")
    assert said.count("\n") == 1


def broken(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("</body>", "<script src='other.js'></script></body>", "other.js"),
        (".actor .body { ", ".actor .body { display: none; ", "no vehicle is drawn"),
        (".attention { fill: none; ", ".attention { display: none; ", "no attention line"),
        (".track { fill: none; ", ".track { display: none; ", "no track of values"),
    ],
)
def test_a_page_that_lacks_something_fails(browser, page_file, tmp_path, old, new, told):
    page = tmp_path / "page.html"
    page.write_text(broken(page_file.read_text(), old, new))
    assert told in str(check_page(browser, str(page)))


def test_a_frozen_page_fails(browser, recording, tmp_path, monkeypatch):
    frozen = broken(script(), "ArrowRight:", "ArrowNone:")
    monkeypatch.setattr("policyscope.panel.export.script", lambda: frozen)
    page = export_page(recording, tmp_path / "page.html").path
    assert "going to another step changes nothing" in str(check_page(browser, str(page)))


def test_pages_that_do_not_open(browser, tmp_path):
    with pytest.raises(BadFile, match="no such page"):
        check_page(browser, str(tmp_path / "none.html"))
    other = tmp_path / "other.html"
    other.write_text("<p>no recording</p>")
    with pytest.raises(PolicyscopeError, match="does not show a recording"):
        check_page(browser, str(other))


def launch():
    with chromium():
        pass


def test_missing_parts_are_told(browser, monkeypatch, tmp_path):
    monkeypatch.setattr("policyscope.panel.browser.installed", lambda: None)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with pytest.raises(PolicyscopeError, match="playwright install chromium"):
        in_thread(launch)
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(MissingPart, match=r"policyscope\[dev\]"):
        launch()


def test_a_browser_that_does_not_start_is_told(browser, monkeypatch, tmp_path):
    monkeypatch.setattr("policyscope.panel.browser.installed", lambda: "/bin/false")
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with pytest.raises(PolicyscopeError, match="/bin/false does not start"):
        in_thread(launch)

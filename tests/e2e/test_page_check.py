"""The headless check: passes on a real page and fails on pages that lack something."""

import base64
import hashlib
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from policyscope.core.errors import BadFile, MissingPart, PolicyscopeError
from policyscope.panel.browser import chromium
from policyscope.panel.browser import main as name_browser
from policyscope.panel.bundle import script
from policyscope.panel.check import check_page, main, served
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


def hashed(text: str) -> str:
    """The page with the hash of the style it now has."""
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    text, count = re.subn(r"style-src '[^']*'", f"style-src 'sha256-{digest}'", text)
    assert count == 1
    return text


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
    page.write_text(hashed(broken(page_file.read_text(), old, new)))
    assert told in str(check_page(browser, str(page)))


@pytest.mark.parametrize(
    ("old", "new"),
    [(".track { fill: none; ", ".track { fill: red; "), ("<body", "<body style='color:red'")],
)
def test_a_style_that_is_not_the_pages_own_is_refused(browser, page_file, tmp_path, old, new):
    page = tmp_path / "page.html"
    page.write_text(broken(page_file.read_text(), old, new))
    assert "Content Security Policy" in str(check_page(browser, str(page)))


def test_the_page_is_looked_at_once_more_as_it_is_served(browser, page_file, capsys):
    assert in_thread(lambda: main([str(page_file), "--serve"])) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1] == said[0].replace("ok: ", "ok: served, ")


def test_a_served_page_that_fails_fails_the_check(browser, page_file, monkeypatch, capsys):
    monkeypatch.setattr("policyscope.panel.serve._Handler.do_GET", lambda h: h.send_error(404))
    assert in_thread(lambda: main([str(page_file), "--serve"])) == 2
    assert "127.0.0.1" in capsys.readouterr().err


def test_only_a_file_can_be_served(tmp_path):
    with pytest.raises(BadFile, match="no such page"), served(str(tmp_path / "none.html")):
        pass


def test_the_browser_that_is_used_is_named(browser, monkeypatch, tmp_path, capsys):
    own = tmp_path / "chromium"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert in_thread(name_browser) == 0
    assert capsys.readouterr().out == f"{own}\n"
    own.unlink()
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    assert in_thread(name_browser) == 2
    assert "playwright install chromium" in capsys.readouterr().err


@pytest.mark.parametrize(("ci", "end"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_no_browser_skips_the_tests_but_fails_them_in_ci(monkeypatch, absent, ci, end):
    monkeypatch.setenv("CI", ci)
    with pytest.raises(end, match="no Chromium"):
        absent("no Chromium was found")


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

"""The headless check: passes on a real page and fails on pages that lack something."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from policyscope.core.errors import BadFile, MissingPart, PolicyscopeError
from policyscope.panel import pages
from policyscope.panel.browser import chromium
from policyscope.panel.browser import main as name_browser
from policyscope.panel.check import check_page, main, shown_at
from policyscope.panel.export import export_page


def in_thread(task):
    """Run where playwright's loop of the session's browser is not."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(task).result()


def test_the_panel_and_an_exported_page_pass(browser, folder, page_file, tmp_path, capsys):
    shot = tmp_path / "page.png"
    arguments = [str(page_file), str(folder), "--screenshot", str(shot)]
    assert in_thread(lambda: main(arguments)) == 0
    exported, served = capsys.readouterr().out.splitlines()
    assert exported.startswith(f"ok: {page_file}: ")
    assert served == exported.replace(str(page_file), str(folder))
    assert shot.read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def spoiled(tmp_path, recording, monkeypatch):
    """Exports a page of a spoiled build."""
    static = tmp_path / "static"
    static.mkdir()
    for file in pages.STATIC.iterdir():
        (static / file.name).write_text(file.read_text())

    def export(name, old, new):
        text = (static / name).read_text()
        assert old in text
        (static / name).write_text(text.replace(old, new))
        monkeypatch.setattr("policyscope.panel.pages.STATIC", static)
        monkeypatch.setattr("policyscope.panel.export.STATIC", static)
        return export_page(recording.path, tmp_path / "page.html").path

    return export


@pytest.mark.parametrize(
    ("hidden", "told"),
    [
        (".actor", "no vehicle is drawn"),
        ("line.attention", "no attention line is drawn"),
        ("[data-view=timeline] canvas", "no track of values is drawn"),
    ],
)
def test_a_page_that_lacks_something_fails(browser, spoiled, hidden, told):
    page = spoiled("panel.css", "[hidden]", f"{hidden}{{display:none!important}}[hidden]")
    assert told in str(check_page(browser, str(page)))


def test_a_frozen_page_fails(browser, spoiled):
    page = spoiled("panel.js", "ArrowRight", "ArrowNone")
    assert "going to another step changes nothing" in str(check_page(browser, str(page)))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("console.error('told so');", "console error: told so"),
        ("new Image().src = 'http://192.0.2.1/x.png';", "Content Security Policy"),
        ("setTimeout(() => { throw new Error('thrown'); });", "script error: thrown"),
        ("fetch('http://192.0.2.1/');", "Content Security Policy"),
    ],
)
def test_a_page_that_complains_or_asks_elsewhere_fails(browser, page_file, spoiled, code, told):
    start = (pages.STATIC / "panel.js").read_text()[:40]
    page = spoiled("panel.js", start, code + start)
    assert told in str(check_page(browser, str(page)))


def test_a_script_that_is_not_the_pages_own_is_refused(browser, page_file, tmp_path):
    page = tmp_path / "page.html"
    text = page_file.read_text()
    page.write_text(text.replace("</body>", "<script>window.strange = 1</script></body>"))
    assert "Content Security Policy" in str(check_page(browser, str(page)))


def test_pages_that_do_not_open(browser, tmp_path):
    with pytest.raises(BadFile, match="no such page"):
        check_page(browser, str(tmp_path / "none.html"))
    with pytest.raises(BadFile, match="holds no recording"), shown_at(str(tmp_path)):
        pass
    with pytest.raises(PolicyscopeError, match="cannot be opened"):
        check_page(browser, "http://127.0.0.1:1/")


def test_an_empty_page_is_told(browser, tmp_path, monkeypatch):
    monkeypatch.setattr("policyscope.panel.check.OPENS_WITHIN_MS", 500)
    other = tmp_path / "other.html"
    other.write_text("<p>no recording</p>")
    with pytest.raises(PolicyscopeError, match="shows no recording"):
        check_page(browser, str(other))


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

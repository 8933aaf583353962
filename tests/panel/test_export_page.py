"""The page as a file: one, whole, asking for nothing, and safe whatever names it holds."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from policyscope.core.errors import BadFile
from policyscope.panel.bundle import script, static_folder
from policyscope.panel.export import export_page, render_page
from policyscope.panel.page_data import page_data

HOSTILE = "</script><script>alert(1)</script><!--"


class Scripts(HTMLParser):
    """Collects the scripts of a page and every address it names."""

    def __init__(self):
        super().__init__()
        self.scripts, self.addresses, self.metas = [], [], []
        self._inside = False

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "action", "srcset")]
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append([values.get("type"), ""])
        if tag == "meta":
            self.metas.append(values)

    def handle_data(self, data):
        if self._inside:
            self.scripts[-1][1] += data

    def handle_endtag(self, tag):
        self._inside = False


def parse(text: str) -> Scripts:
    page = Scripts()
    page.feed(text)
    return page


def test_the_page_is_one_file_that_names_no_other(recording, tmp_path):
    written = export_page(recording, tmp_path / "new" / "page.html")
    text = written.path.read_text()
    assert (written.episodes, written.of) == (3, 3)
    assert written.bytes == written.path.stat().st_size
    page = parse(text)
    assert page.addresses == ["data:,"]
    assert set(re.findall(r"https?://[^\s\"'<)]+", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\(|sendBeacon", text)
    assert list(tmp_path.glob("new/*")) == [written.path]


def test_the_policy_allows_this_script_alone(recording):
    page = parse(render_page(page_data(recording)))
    assert [kind for kind, _ in page.scripts] == ["application/json", None]
    digest = base64.b64encode(hashlib.sha256(page.scripts[1][1].encode()).digest()).decode()
    policy = next(m["content"] for m in page.metas if "http-equiv" in m)
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'")


def test_no_name_can_leave_its_place(recording):
    data = page_data(recording)
    hostile = replace(data, agent=HOSTILE, actions=[HOSTILE, "B", "C"])
    text = render_page(hostile)
    page = parse(text)
    assert len(page.scripts) == 2
    values = json.loads(page.scripts[0][1])
    assert (values["agent"], values["actions"][0]) == (HOSTILE, HOSTILE)
    assert "<script>alert" not in text


def test_every_module_is_bundled_once_and_small():
    bundled = script()
    names = {p.name for p in static_folder().iterdir() if p.name.endswith(".js")}
    assert len(names) > 10
    assert sorted(re.findall(r"^// (\w+\.js)$", bundled, re.MULTILINE)) == sorted(names)
    assert not re.search(r"^(import|export) ", bundled, re.MULTILINE)
    for name in names:
        source = (static_folder() / name).read_text()
        assert len(source.splitlines()) < 400
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|\beval\(", source)


def doubly_declared(source: str) -> set[str]:
    found = re.findall(r"^(?:function|const|let|class) (\w+)", source, re.MULTILINE)
    return {name for name in found if found.count(name) > 1}


def test_modules_share_no_top_level_name():
    assert doubly_declared(script()) == set()
    assert doubly_declared(script() + "\nfunction clamp() {}\n") == {"clamp"}


def test_a_file_that_cannot_be_written_is_named(recording, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(BadFile, match="cannot be written"):
        export_page(recording, blocked / "page.html")

"""Exported pages: they hold the server's own answers, and can ask nobody for more."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from starlette.testclient import TestClient

from policyscope.cli.main import main
from policyscope.core import registry
from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName
from policyscope.panel import held
from policyscope.panel.application import application
from policyscope.panel.export import Written, export_page, render_page
from policyscope.panel.held import LIVE_WHY, Held, part

WEB = Path(__file__).resolve().parents[2] / "web"


def read_held(page: Path) -> Held:
    text = re.search(r'<script type="application/json" id="held">(.*?)</script>', page.read_text())[
        1
    ]
    values = json.loads(text)
    return Held(values["json"], {k: base64.b64decode(v) for k, v in values["bytes"].items()})


@pytest.fixture(scope="module")
def written(recorded, tmp_path_factory) -> Written:
    return export_page(recorded, tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture(scope="module")
def answers(written) -> Held:
    return read_held(written.path)


@pytest.fixture
def server(recorded):
    return TestClient(application(recorded), base_url="http://127.0.0.1")


def test_json_is_what_the_server_answers(answers, server, recorded):
    assert len(answers.values) > 20
    changed = []
    for path, values in answers.values.items():
        served = server.get(path)
        assert served.status_code == 200, path
        if without_place(served, recorded) != values:
            changed.append(path)
    assert sorted(changed) == ["/api/library", "/api/recordings/rec"]
    served = without_place(server.get("/api/recordings/rec"), recorded)
    assert answers.values["/api/recordings/rec"] == {**served, "live": False, "live_why": LIVE_WHY}
    assert served["live"]
    served = server.get("/api/library").json()
    assert answers.values["/api/library"] == {**served, "results": [], "methods": []}


def without_place(answer, recorded: Path):
    """Values of an answer whose lines to copy do not tell where the recording lies."""
    return json.loads(answer.text.replace(f"{recorded.parent}/", ""))


def test_lines_name_the_recording_as_it_was_typed(recorded, tmp_path, monkeypatch):
    monkeypatch.chdir(recorded.parent.parent)
    typed = f"{recorded.parent.name}/rec"
    for folder, told in ((Path(typed), typed), (recorded, "rec")):
        answers = read_held(export_page(folder, tmp_path / "p.html", [0]).path)
        recording = answers.values["/api/recordings/rec"]
        assert f"open_recording('{told}')" in recording["python"]
        assert recording["command"] == f"policyscope panel {told}"


def arrays_of(answers: Held):
    for values in answers.values.values():
        if isinstance(values, dict):
            refs = [*values.get("arrays", []), values.get("values"), values.get("identity")]
            yield from (ref for ref in refs if isinstance(ref, dict))


def test_bytes_are_what_the_server_answers(answers, server):
    refs = list(arrays_of(answers))
    assert len(refs) > 20
    for ref in refs:
        first, last = ref["offset"], ref["offset"] + ref["bytes"]
        size = np.dtype(ref["dtype"]).itemsize
        assert ref["bytes"] == size * int(np.prod(ref["shape"]))
        assert first % size == 0
        assert last <= len(answers.blobs[ref["url"]])
        if ref["bytes"]:
            served = server.get(ref["url"], headers={"Range": f"bytes={first}-{last - 1}"})
            assert answers.blobs[ref["url"]][first:last] == served.content


def test_each_listed_track_and_overlay_is_held_for_each_episode(answers):
    recording = answers.values["/api/recordings/rec"]
    assert recording["tracks"]
    assert recording["overlays"]
    for k in range(3):
        base = f"/api/recordings/rec/episodes/{k}"
        for track in recording["tracks"]:
            (values,) = answers.values[f"{base}/tracks?name={part(track['name'])}"]
            assert values["name"] == track["name"]
        for overlay in recording["overlays"]:
            assert f"{base}/overlays/{part(overlay['name'])}" in answers.values
        assert f"{base}/thumbnail" in answers.values


def test_a_name_is_encoded_as_the_page_does():
    name = "q[A b]-q[é/ü]@t+5 (x)!~*'._-&=?#%"
    assert unquote(part(name)) == name
    code = f"process.stdout.write(encodeURIComponent({json.dumps(name)}))"
    try:
        done = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True)
        assert part(name) == done.stdout
    except FileNotFoundError:
        assert part(name) == (
            "q%5BA%20b%5D-q%5B%C3%A9%2F%C3%BC%5D%40t%2B5%20(x)!~*'._-%26%3D%3F%23%25"
        )


def test_one_episode(recorded, tmp_path):
    written = export_page(recorded, tmp_path / "one.html", [2])
    assert (written.episodes, written.of) == (1, 3)
    answers = read_held(written.path)
    assert answers.values["/api/recordings/rec/episodes"]["episode"] == [2]
    assert {path for path in answers.blobs if "/episodes/2/" not in path} == set()
    assert "#/recordings/rec/episodes/2" in written.path.read_text()


def test_one_episode_is_at_the_scale_of_the_recording(recorded, tmp_path):
    answers = read_held(export_page(recorded, tmp_path / "one.html", [2]).path)
    held = [k for k in range(3) if f"/api/recordings/rec/episodes/{k}/thumbnail" in answers.values]
    assert held == [0, 1, 2]
    assert "/api/recordings/rec/episodes/0" not in answers.values


@pytest.mark.parametrize(("episodes", "told"), [([2], 1), ([0, 2], 2), (None, None)])
def test_it_says_how_many_of_the_episodes_it_holds(recorded, tmp_path, episodes, told):
    answers = read_held(export_page(recorded, tmp_path / "page.html", episodes).path)
    recording = answers.values["/api/recordings/rec"]
    assert (recording["episodes"], recording["held"]) == (3, told)
    assert [line["held"] for line in answers.values["/api/library"]["recordings"]] == [told]


def test_targets_are_held_and_shown_as_tracks(recorded, tmp_path, server, capsys):
    page, target = tmp_path / "p.html", "q[FASTER]-q[SLOWER]"
    listed = server.get("/api/recordings/rec").json()["tracks"]
    assert target not in [track["name"] for track in listed]
    flags = ["--track", target, "--track", "reward"]
    assert main(["export", str(recorded), "--out", str(page), *flags]) == 0
    answers = read_held(page)
    tracks = {track["name"]: track for track in answers.values["/api/recordings/rec"]["tracks"]}
    assert tracks[target] == {
        "name": target, "unit": "return", "group": target, "kind": "line", "shown": True,
        "source": "target",
    }  # fmt: skip
    assert tracks["reward"]["shown"]
    assert len(tracks) == len(listed) + 1
    for k in range(3):
        path = f"/api/recordings/rec/episodes/{k}/tracks?name={part(target)}"
        assert answers.values[path] == without_place(server.get(path), recorded)
    capsys.readouterr()
    page.unlink()
    assert main(["export", str(recorded), "--out", str(page), "--track", "q[FASTR]"]) == 2
    assert "FASTER" in capsys.readouterr().err
    assert not page.exists()


def test_a_plugins_track_is_held(recorded, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(registry, "_ENTRIES", {**registry._ENTRIES, "track": {}})
    (tmp_path / "my_exported_track.py").write_text(
        "from policyscope.core.registry import register\n"
        "from policyscope.core.views import Track\n"
        "import numpy as np\n"
        "def sevens(recording, episode):\n"
        "    steps = len(recording.episode(episode)['reward'])\n"
        "    return [Track('sevens', np.full(steps, 7.0))]\n"
        "register('track', 'sevens', 'my_exported_track:sevens')\n"
    )
    page = tmp_path / "p.html"
    flags = ["--out", str(page), "--plugin", "my_exported_track"]
    assert main(["export", str(recorded), *flags]) == 0
    (values,) = read_held(page).values["/api/recordings/rec/episodes/0/tracks?name=sevens"]
    assert set(values["values"]) == {7.0}
    assert main(["export", str(recorded), *flags[:2], "--plugin", "no_such_module"]) == 2
    assert "no_such_module cannot be imported" in capsys.readouterr().err


def test_a_page_takes_as_many_frames_as_it_can_hold(pictured, tmp_path, monkeypatch):
    whole = export_page(pictured, tmp_path / "p.html")
    assert (whole.episodes, whole.left_out) == (2, [])
    frames = 70 * 48 * 64 * 3
    monkeypatch.setattr(held, "MOST_BYTES", int(1.5 * frames))
    some = export_page(pictured, tmp_path / "p.html")
    assert (some.episodes, some.of) == (1, 2)
    assert some.left_out == [
        "1 of 2 episodes: a page takes 1.0 MB of arrays at most; export others by their number"
    ]
    answers = read_held(some.path)
    assert answers.values["/api/recordings/frames/episodes"]["episode"] == [0]
    assert answers.values["/api/recordings/frames"]["held"] == 1
    monkeypatch.setattr(held, "MOST_BYTES", frames)
    with pytest.raises(PolicyscopeError, match=r"episode 1 alone takes 0\.\d MB"):
        export_page(pictured, tmp_path / "p.html", [1])


def test_what_does_not_fit_is_said_and_can_be_asked_for(tmp_path, agent, monkeypatch):
    from policyscope.recordings.record import record

    sites = ["attention_layer.pattern", "output_layer.relus.0", "attention_layer.residual"]
    folder = tmp_path / "many"
    record(agent, None, 2, 5, sites, folder)
    whole = export_page(folder, tmp_path / "whole.html")
    assert whole.left_out == []
    monkeypatch.setattr(held, "SPARE_BYTES", 0)
    lean = export_page(folder, tmp_path / "lean.html")
    assert lean.bytes < whole.bytes
    assert len(lean.left_out) == 2
    assert all(re.fullmatch(r"site \S+: \d\.\d MB; hold it with --site", s) for s in lean.left_out)
    answers = read_held(lean.path)
    # The pattern is what the overlay draws: it is there anyway.
    assert list(answers.values["/api/recordings/many"]["sites"]) == ["attention_layer.pattern"]
    named = [ref["name"] for ref in answers.values["/api/recordings/many/episodes/0"]["arrays"]]
    assert [n for n in named if n.startswith("sites/")] == ["sites/attention_layer.pattern"]
    asked = export_page(folder, tmp_path / "asked.html", None, ["output_layer.relus.0"])
    assert "sites/output_layer.relus.0" in asked.path.read_text()
    assert len(asked.left_out) == 1


def test_the_policy_names_what_the_page_runs_and_forbids_all_else(written):
    text = written.path.read_text()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
    rules = dict(rule.split(" ", 1) for rule in policy.replace("&#x27;", "'").split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert set(rules) == {
        "default-src", "img-src", "style-src", "script-src", "base-uri", "form-action",
    }  # fmt: skip
    scripts = re.findall(r'<script(?: type="module")?>(.*?)</script>', text, re.DOTALL)
    assert len(scripts) == 2
    assert rules["script-src"].split() == [hashed(script) for script in scripts]
    assert rules["style-src"] == hashed(re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1])


def hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_page_refers_to_no_other_file(written, recorded):
    text = written.path.read_text()
    markup = re.sub(r"<(script|style)\b[^>]*>.*?</\1>", "", text, flags=re.DOTALL)
    assert re.findall(r'(?:src|href)="([^"]*)"', markup) == ["data:,"]
    assert str(recorded.parent) not in text


def test_answers_cannot_end_the_element_they_stand_in():
    nasty = "</script><script>alert(1)</script><!--"
    page = render_page(Held({"/api/notes": [nasty]}, {}), "#/</script>")
    assert "alert(1)</script>" not in page
    assert page.count("</script>") == 3
    assert json.loads(re.search(r'id="held">(.*?)</script>', page)[1])["json"]["/api/notes"] == [
        nasty
    ]


def test_the_command_writes_beside_the_recording(recorded, capsys):
    assert main(["export", str(recorded)]) == 0
    page = recorded.parent / "rec.html"
    said = capsys.readouterr().out
    assert said == f"wrote {page}: all 3 episodes, {page.stat().st_size / 1e6:.2f} MB\n"
    page.unlink()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["9"], "no episode 9; it has 3, 0 to 2"),
        (["--site", "attention_layer.patern"], "Did you mean attention_layer.pattern?"),
        (["--serve"], "--serve"),
    ],
)
def test_errors_are_one_line(recorded, tmp_path, capsys, flags, told):
    assert main(["export", str(recorded), "--out", str(tmp_path / "p.html"), *flags]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert not (tmp_path / "p.html").exists()


def test_what_is_no_recording_is_told(tmp_path):
    with pytest.raises(BadFile, match="is no recording"):
        export_page(tmp_path, tmp_path / "p.html")


def test_a_place_that_cannot_be_written_is_told(recorded, tmp_path):
    with pytest.raises(BadFile, match="choose another --out"):
        export_page(recorded, tmp_path)


def test_an_unbuilt_page_is_told(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr("policyscope.panel.pages.STATIC", tmp_path)
    with pytest.raises(PolicyscopeError, match="make setup"):
        export_page(recorded, tmp_path / "p.html")


def test_unknown_sites_are_told_from_python(recorded, tmp_path):
    with pytest.raises(UnknownName, match="recorded site"):
        export_page(recorded, tmp_path / "p.html", sites=["none"])

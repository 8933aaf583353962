"""What docs/panel.md says about adding a view, run as it stands there."""

import ast
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from policyscope.core import registry
from policyscope.panel.application import application
from policyscope.recordings.read import open_recording

ROOT = Path(__file__).resolve().parents[2]
PATTERN = "sites/attention_layer.pattern"


def blocks():
    """Python code of the section, in order."""
    text = (ROOT / "docs" / "panel.md").read_text(encoding="utf-8")
    section = re.split(r"^## ", text.split("\n## Adding a view\n")[1], flags=re.MULTILINE)[0]
    return re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)


@pytest.fixture
def folder(recorded, tmp_path, monkeypatch):
    """A folder with the docs' runs/rec and examples/my_views.py; nothing of it stays imported."""
    shutil.copytree(recorded, tmp_path / "runs" / "rec")
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "my_views.py").write_text(blocks()[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("examples")  # PYTHONPATH=examples
    entries = {kind: dict(names) for kind, names in registry._ENTRIES.items()}
    monkeypatch.setattr(registry, "_ENTRIES", entries)
    yield tmp_path
    sys.modules.pop("my_views", None)


def client(folder):
    return TestClient(application(folder / "runs"), base_url="http://127.0.0.1")


def numbers(page, array):
    """Numbers of an array, asked for as the page does."""
    asked = {"Range": f"bytes={array['offset']}-{array['offset'] + array['bytes'] - 1}"}
    answer = page.get(array["url"], headers=asked)
    assert answer.status_code == 206
    return np.frombuffer(answer.content, array["dtype"]).reshape(array["shape"])


def get(page, path, **asked):
    answer = page.get(f"/api/{path}", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_code_is_the_example_and_has_nine_lines():
    code = blocks()[0]
    assert code == (ROOT / "examples" / "my_views.py").read_text(encoding="utf-8")
    body = [n for n in ast.parse(code).body if not isinstance(n, ast.Import | ast.ImportFrom)]
    functions = [n for n in body if isinstance(n, ast.FunctionDef)]
    inside = sum(len(f.body) - 1 for f in functions)
    assert inside + len(body) - len(functions) - 1 == 9


def test_page_track_and_overlay_are_there(folder):
    exec(blocks()[1], {})
    page = client(folder)
    recording = open_recording(folder / "runs" / "rec")

    (line,) = [r for r in get(page, "library")["results"] if r["method"] == "haste"]
    result = get(page, f"results/{line['id']}")
    assert (line["recording"], line["problem"]) == ("rec", None)
    assert result["unchecked"] == "a dummy claims nothing"
    assert "mean" in result["variables"]

    detail = get(page, "recordings/rec")
    (track,) = [t for t in detail["tracks"] if t["name"] == "haste"]
    (seen,) = [o for o in detail["overlays"] if o["name"] == "seen"]
    assert (track["unit"], seen["over"], seen["layers"]) == ("return", "entities", ["seen"])
    for k in range(3):
        data = recording.episode(k)
        q = data["q"].values
        (values,) = get(page, f"recordings/rec/episodes/{k}/tracks", name="haste")
        assert values["values"] == (q[:, 2] - q[:, 0]).tolist()
        overlay = get(page, f"recordings/rec/episodes/{k}/overlays/seen")
        who = data["row_identity"].values
        np.testing.assert_array_equal(numbers(page, overlay["identity"]), who)
        np.testing.assert_array_equal(numbers(page, overlay["values"])[:, 0], who >= 0)


def test_without_registering_there_is_only_the_page(folder):
    """The wrong variant: the module without its last two lines."""
    code = "\n".join(line for line in blocks()[0].splitlines() if not line.startswith("register("))
    (folder / "examples" / "my_views.py").write_text(code)
    exec(blocks()[1], {})
    page = client(folder)
    assert [r["method"] for r in get(page, "library")["results"]] == ["haste"]
    detail = get(page, "recordings/rec")
    assert "haste" not in [t["name"] for t in detail["tracks"]]
    assert "seen" not in [o["name"] for o in detail["overlays"]]
    missing = page.get("/api/recordings/rec/episodes/0/tracks", params={"name": "haste"})
    assert missing.status_code == 404
    assert "unknown target 'haste'" in missing.json()["message"]
    assert page.get("/api/recordings/rec/episodes/0/overlays/seen").status_code == 404


def test_an_overlay_by_row_order_is_noticed(folder):
    """The wrong variant: identities counted through the rows of the observation."""
    code = blocks()[0].replace("identity=who", "identity=np.arange(15) + 0 * who")
    assert code != blocks()[0]
    (folder / "examples" / "my_views.py").write_text(code)
    exec(blocks()[1], {})
    page = client(folder)
    overlay = get(page, "recordings/rec/episodes/0/overlays/seen")
    who = open_recording(folder / "runs" / "rec").episode(0)["row_identity"].values
    assert (numbers(page, overlay["identity"]) != who).sum() > 10


def test_a_failing_function_takes_no_page_down(folder):
    (folder / "examples" / "my_views.py").write_text(
        blocks()[0].replace('["q"].values', '["Q"].values')
    )
    exec(blocks()[1], {})
    page = client(folder)
    (track,) = [t for t in get(page, "recordings/rec")["tracks"] if t["name"] == "haste"]
    assert track["unit"] == ""
    answer = page.get("/api/recordings/rec/episodes/0/tracks", params={"name": "haste"})
    assert answer.status_code == 400
    message = answer.json()["message"]
    assert message.startswith("track function 'haste' (my_views:track) failed on episode 0")
    assert len(get(page, "recordings/rec/episodes/0/tracks", name="value")[0]["values"]) > 0


def test_a_result_with_rows_needs_no_function(folder):
    exec(blocks()[2], {})
    page = client(folder)
    (line,) = [r for r in get(page, "library")["results"] if r["method"] == "hurry"]
    assert (line["id"], line["recording"]) == ("hurry", "rec")
    detail = get(page, "recordings/rec")
    assert "hurry: lead" in [t["name"] for t in detail["tracks"]]
    assert "hurry: weight" in [o["name"] for o in detail["overlays"]]
    recording = open_recording(folder / "runs" / "rec")
    for k in range(3):
        data = recording.episode(k)
        (values,) = get(page, f"recordings/rec/episodes/{k}/tracks", name="hurry: lead")
        assert values["unit"] == "return"
        assert values["values"] == (data["q"].values[:, 2] - data["q"].values[:, 0]).tolist()
        overlay = get(page, f"recordings/rec/episodes/{k}/overlays/hurry: weight")
        np.testing.assert_array_equal(numbers(page, overlay["identity"]), data["row_identity"])
        np.testing.assert_array_equal(numbers(page, overlay["values"]), data[PATTERN][:, :, 0])
    table = get(page, "recordings/rec/steps", x="hurry: lead", y="q[FASTER]-q[SLOWER]")
    x, y = (numbers(page, table["arrays"][i]) for i in (0, 1))
    np.testing.assert_array_equal(x, y)

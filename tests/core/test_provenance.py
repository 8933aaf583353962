import json
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

import policyscope
from policyscope.core import provenance as module
from policyscope.core.provenance import provenance, without_paths


def test_it_holds_versions_and_survives_json():
    found = provenance("policyscope record a", seed=5)
    assert json.loads(json.dumps(found)) == found
    assert found["policyscope"] == policyscope.__version__
    assert {"torch", "numpy", "highway-env", "gymnasium"} <= set(found["packages"])
    assert all(found["packages"].values())
    used = provenance(packages={"procgen-mirror": "0.10"})["packages"]
    assert set(used) == {"torch", "numpy", "procgen-mirror"}
    assert found["seed"] == 5
    assert found["threads"] == 1
    age = datetime.now(UTC) - datetime.fromisoformat(found["date"])
    assert abs(age.total_seconds()) < 60


def test_it_tells_neither_place_nor_host():
    text = json.dumps(provenance(f"policyscope record {Path.home()}/secret/agent --out=/srv/x/rec"))
    assert str(Path.home()) not in text
    assert "secret" not in text
    assert "srv" not in text
    assert "record agent --out=rec" in text
    assert str(Path(policyscope.__file__).parent) not in text
    assert f'"{socket.gethostname()}' not in text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("load('/home/me/run 1/a')", "load('run 1/a')"),
        ("show ~/agents/a", "show a"),
        (r"show C:\Users\me\a", "show a"),
        ("show runs/a b/c", "show runs/a b/c"),
        ("show https://x.org/a/b", "show https://x.org/a/b"),
        ("show /", "show ."),
        ("steps 1/2", "steps 1/2"),
    ],
)
def test_absolute_paths_are_cut(text, kept):
    assert without_paths(text) == kept


def make_checkout(root, package="src/policyscope"):
    folder = root / package
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("x = 1\n")
    words = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], [*words, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", root, *command], check=True, capture_output=True)
    head = subprocess.run(
        ["git", "-C", root, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    return folder, head.stdout.strip()


def test_commit_of_a_checkout_and_its_changes(tmp_path):
    folder, head = make_checkout(tmp_path)
    assert module._commit(folder) == head
    (folder / "__init__.py").write_text("x = 2\n")
    assert module._commit(folder) == head + "+changes"


def test_no_commit_of_somebody_elses_checkout(tmp_path):
    folder, _ = make_checkout(tmp_path, "venv/site-packages/policyscope")
    assert module._commit(folder) is None
    folder, _ = make_checkout(tmp_path / "b", "src/policyscope/src/policyscope")
    assert module._commit(folder) is None

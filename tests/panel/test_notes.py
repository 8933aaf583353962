"""Notes beside a recording: nothing is lost, nothing else is disturbed."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from policyscope.agents.store import load_agent
from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName
from policyscope.core.files import digest
from policyscope.panel import notes
from policyscope.panel.contract.work import NoteText
from policyscope.panel.shelf.shelf import Shelf
from policyscope.recordings.plan import read_plan
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record_plan


@pytest.fixture
def folder(recorded, tmp_path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "runs/rec"))


@pytest.fixture
def shelf(folder) -> Shelf:
    return Shelf(folder.parent)


def test_notes_are_written_changed_and_removed(shelf, folder):
    assert notes.all_notes(shelf, "rec") == []
    assert not (folder / notes.FILE).exists()
    texts = [
        NoteText(text="überholt\nnicht"),
        NoteText(episode=1, text="crash?"),
        NoteText(episode=2, step=3, text="brakes late"),
    ]
    written = [notes.add(shelf, "rec", text) for text in texts]
    assert notes.all_notes(shelf, "rec") == written
    assert len({note.id for note in written}) == 3
    assert all(len(note.id) == 8 and note.written.endswith("+00:00") for note in written)
    again = notes.change(shelf, "rec", written[1].id, NoteText(episode=0, step=0, text="no"))
    assert (again.id, again.text, again.step) == (written[1].id, "no", 0)
    assert notes.all_notes(shelf, "rec") == [written[0], again, written[2]]
    assert notes.remove(shelf, "rec", written[0].id) == written[0]
    assert notes.all_notes(Shelf(folder.parent), "rec") == [again, written[2]]
    values = json.loads((folder / notes.FILE).read_text())
    assert (values["kind"], values["version"], len(values["notes"])) == ("notes", 1, 2)


def test_a_link_is_not_followed(shelf, folder, tmp_path):
    notes.add(shelf, "rec", NoteText(text="secret"))
    (folder / notes.FILE).rename(tmp_path / "elsewhere.json")
    (folder / notes.FILE).symlink_to(tmp_path / "elsewhere.json")
    before = (tmp_path / "elsewhere.json").read_bytes()
    for what in (
        lambda: notes.all_notes(shelf, "rec"),
        lambda: notes.add(shelf, "rec", NoteText(text="more")),
    ):
        with pytest.raises(BadFile, match="is a link"):
            what()
    assert (tmp_path / "elsewhere.json").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NoteText(text=" \n"), "needs some text"),
        (NoteText(step=1, text="x"), "needs its episode"),
        (NoteText(episode=3, text="x"), "no episode 3"),
        (NoteText(episode=0, step=100, text="x"), "has no step 100"),
    ],
)
def test_a_note_on_nothing_is_refused(shelf, folder, text, message):
    kept = notes.add(shelf, "rec", NoteText(text="kept"))
    for write in (
        lambda: notes.add(shelf, "rec", text),
        lambda: notes.change(shelf, "rec", kept.id, text),
    ):
        with pytest.raises(PolicyscopeError, match=message):
            write()
    assert notes.all_notes(shelf, "rec") == [kept]


def test_an_unknown_note_or_recording(shelf):
    with pytest.raises(UnknownName, match="note 'abc'"):
        notes.remove(shelf, "rec", "abc")
    with pytest.raises(UnknownName, match="note 'abc'"):
        notes.change(shelf, "rec", "abc", NoteText(text="x"))
    with pytest.raises(UnknownName, match="recording"):
        notes.add(shelf, "../rec", NoteText(text="x"))


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"kind": "notes", "version": 1}',
        '{"kind": "notes", "version": 1, "notes": [{"text": "x"}]}',
        '{"kind": "notes", "version": 1, "notes": 3}',
        '{"kind": "notes", "version": 2, "notes": []}',
    ],
)
def test_a_damaged_file_is_told_and_never_overwritten(shelf, folder, content):
    (folder / notes.FILE).write_text(content)
    for use in (
        lambda: notes.all_notes(shelf, "rec"),
        lambda: notes.add(shelf, "rec", NoteText(text="x")),
        lambda: notes.change(shelf, "rec", "a", NoteText(text="x")),
        lambda: notes.remove(shelf, "rec", "a"),
    ):
        with pytest.raises(BadFile, match=r"notes\.json"):
            use()
    assert (folder / notes.FILE).read_text() == content


def test_two_browsers_lose_nothing(shelf, folder):
    shelves = [shelf, Shelf(folder.parent)]

    def write(k: int) -> str:
        return notes.add(shelves[k % 2], "rec", NoteText(text=f"note {k}")).id

    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(write, range(24)))
        list(pool.map(lambda name: notes.remove(shelf, "rec", name), written[::2]))
    assert {note.id for note in notes.all_notes(shelf, "rec")} == set(written[1::2])


WRITER = """
import sys
from pathlib import Path
from policyscope.panel.notes import add
from policyscope.panel.contract.work import NoteText
from policyscope.panel.shelf.shelf import Shelf

shelf = Shelf(Path(sys.argv[1]))
shelf.recording("rec")
print("ready", flush=True)
sys.stdin.readline()
for k in range(10):
    add(shelf, "rec", NoteText(text=f"{sys.argv[2]} {k}"))
"""


def test_two_servers_lose_nothing(shelf, folder):
    command = [sys.executable, "-c", WRITER, str(folder.parent)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    both = [subprocess.Popen([*command, name], **pipes) for name in ("a", "b")]
    for process in both:
        assert process.stdout.readline() == b"ready\n"
    for process in both:
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in both:
        process.communicate(timeout=30)
        assert process.returncode == 0
    found = [note.text for note in notes.all_notes(shelf, "rec")]
    assert sorted(found) == sorted(f"{name} {k}" for name in "ab" for k in range(10))
    assert [text for text in found if text[0] == "a"] == [f"a {k}" for k in range(10)]


def test_a_recording_with_notes_opens_and_goes_on_to_the_same_bytes(folder, recorded, shelf):
    notes.add(shelf, "rec", NoteText(text="x"))
    assert len(open_recording(folder)) == 3
    shutil.rmtree(folder / "shards/00000")
    (folder / "episodes.parquet").unlink()
    record_plan(load_agent(folder / "agent"), read_plan(folder), folder)
    assert [note.text for note in notes.all_notes(Shelf(folder.parent), "rec")] == ["x"]
    (folder / notes.FILE).unlink()
    assert digest(folder) == digest(recorded), "more than the notes differs"


def test_a_folder_that_cannot_be_written(shelf, folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", str(folder / notes.FILE))

    kept = notes.add(shelf, "rec", NoteText(text="kept"))
    with monkeypatch.context() as patch:
        patch.setattr("policyscope.panel.notes.write_json", full)
        with pytest.raises(BadFile, match="No space left"):
            notes.add(shelf, "rec", NoteText(text="lost"))
    assert notes.all_notes(shelf, "rec") == [kept]
    assert [p.name for p in folder.glob(".*")] == []

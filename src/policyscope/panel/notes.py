"""Notes on a recording, its episodes and steps, kept as ``notes.json`` beside the recording.

Each change reads the file anew under a lock, so that two browsers, or two servers, lose nothing.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import ValidationError

from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName, system_error
from policyscope.core.files import check_schema, read_json, write_json
from policyscope.panel.contract.work import Note, NoteText
from policyscope.panel.shelf.shelf import Shelf
from policyscope.recordings.read import Recording

FILE, KIND, VERSION = "notes.json", "notes", 1
#: More notes than anyone writes by hand; each change writes the whole file.
MOST = 10_000
_lock = Lock()


def all_notes(shelf: Shelf, rec: str) -> list[Note]:
    """Notes in the order they were written."""
    return read_notes(shelf.recording(rec).path)


def add(shelf: Shelf, rec: str, note: NoteText) -> Note:
    """Write a note; errors are those of ``add_note``."""
    return add_note(shelf.recording(rec), note)


def change(shelf: Shelf, rec: str, note: str, text: NoteText) -> Note:
    """Change a note; errors are those of ``change_note``."""
    return change_note(shelf.recording(rec), note, text)


def remove(shelf: Shelf, rec: str, note: str) -> Note:
    """Remove a note; errors are those of ``remove_note``."""
    return remove_note(shelf.recording(rec), note)


def read_notes(folder: Path) -> list[Note]:
    """Notes of a recording, in the order they were written; none where nobody wrote any.

    Args:
        folder: of the recording.

    Raises:
        BadFile: the file is damaged or of another version.
    """
    path = folder / FILE
    if path.is_symlink():
        raise BadFile(path, "is a link, which is not followed", "put the file itself there")
    if not path.exists():
        return []
    values = check_schema(read_json(path), KIND, VERSION, path)
    try:
        return [Note(**line) for line in values["notes"]]
    except (KeyError, TypeError, ValidationError):
        raise BadFile(
            path, "is damaged: a note in it cannot be read", "mend or move the file"
        ) from None


def add_note(recording: Recording, text: NoteText) -> Note:
    """Write a note.

    Args:
        recording: an open recording.
        text: what to write, and where.

    Raises:
        BadFile: the file is damaged, or cannot be written.
        PolicyscopeError: no such episode or step, or the note is empty.
    """
    _check(recording, text)
    with _changing(recording.path) as notes:
        if len(notes) >= MOST:
            raise PolicyscopeError(f"there are {MOST} notes already; remove some first")
        taken = {note.id for note in notes}
        name = next(i for i in iter(lambda: secrets.token_hex(4), None) if i not in taken)
        note = Note(**text.model_dump(), id=name, written=_now())
        notes.append(note)
    return note


def change_note(recording: Recording, name: str, text: NoteText) -> Note:
    """Replace a note, which keeps its place in the order.

    Args:
        recording: an open recording.
        name: id of the note.
        text: what it says from now on, and where.

    Raises:
        UnknownName: there is no such note.
        BadFile: the file is damaged, or cannot be written.
        PolicyscopeError: no such episode or step, or the note is empty.
    """
    _check(recording, text)
    with _changing(recording.path) as notes:
        place = _find(notes, name)
        notes[place] = Note(**text.model_dump(), id=name, written=_now())
    return notes[place]


def remove_note(recording: Recording, name: str) -> Note:
    """Remove a note.

    Args:
        recording: an open recording.
        name: id of the note.

    Returns:
        What was removed.

    Raises:
        UnknownName: there is no such note.
        BadFile: the file is damaged, or cannot be written.
    """
    with _changing(recording.path) as notes:
        return notes.pop(_find(notes, name))


@contextmanager
def _changing(folder: Path) -> Iterator[list[Note]]:
    """The notes, written back at the end; what raises, reading included, leaves the file alone."""
    with _lock, _file_lock(folder):
        notes = read_notes(folder)
        yield notes
        values: dict[str, Any] = {"kind": KIND, "version": VERSION}
        values["notes"] = [note.model_dump() for note in notes]
        try:
            write_json(folder / FILE, values)
        except OSError as error:
            raise system_error(error) from None


@contextmanager
def _file_lock(folder: Path) -> Iterator[None]:
    """Keep other processes out; the lock lies on a file that is never replaced."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with (folder / "recording.json").open("rb") as file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _check(recording: Recording, text: NoteText) -> None:
    if not text.text.strip():
        raise PolicyscopeError("a note needs some text")
    if text.episode is None:
        if text.step is not None:
            raise PolicyscopeError("a note on a step needs its episode too")
        return
    steps = int(recording.line(text.episode)["steps"])
    if text.step is not None and text.step >= steps:
        raise PolicyscopeError(
            f"episode {text.episode} has no step {text.step}; it holds 0..{steps - 1}"
        )


def _find(notes: list[Note], name: str) -> int:
    for place, note in enumerate(notes):
        if note.id == name:
            return place
    raise UnknownName("note", name, [note.id for note in notes])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

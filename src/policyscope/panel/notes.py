"""x"""

from policyscope.panel.library import Shelf
from policyscope.panel.schemas import Note, NoteText

def all_notes(shelf: Shelf, rec: str) -> list[Note]:
    raise NotImplementedError


def add(shelf: Shelf, rec: str, note: NoteText) -> Note:
    raise NotImplementedError


def change(shelf: Shelf, rec: str, note: str, text: NoteText) -> Note:
    raise NotImplementedError


def remove(shelf: Shelf, rec: str, note: str) -> Note:
    raise NotImplementedError

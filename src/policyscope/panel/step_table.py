"""x"""

from policyscope.panel.library import Shelf
from policyscope.panel.ranges import Read
from policyscope.panel.schemas import StepTable

def table(shelf: Shelf, rec: str, x: str, y: str) -> StepTable:
    raise NotImplementedError


def open_bytes(shelf: Shelf, rec: str, x: str, y: str) -> tuple[int, Read]:
    raise NotImplementedError

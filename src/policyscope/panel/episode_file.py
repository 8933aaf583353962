"""x"""

from policyscope.panel.library import Shelf
from policyscope.panel.ranges import Read


def open_bytes(shelf: Shelf, rec: str, k: int) -> tuple[int, Read]:
    raise NotImplementedError

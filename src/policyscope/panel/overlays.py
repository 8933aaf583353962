"""x"""

from policyscope.panel.library import Shelf
from policyscope.panel.ranges import Read
from policyscope.panel.schemas import OverlayValues

def values(shelf: Shelf, rec: str, k: int, name: str) -> OverlayValues:
    raise NotImplementedError


def open_bytes(shelf: Shelf, rec: str, k: int, name: str) -> tuple[int, Read]:
    raise NotImplementedError

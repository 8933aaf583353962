"""x"""

from policyscope.panel.library import Shelf
from policyscope.panel.schemas import TrackValues

def values(shelf: Shelf, rec: str, k: int, names: list[str]) -> list[TrackValues]:
    raise NotImplementedError

"""x"""

from policyscope.panel.library import Shelf
from policyscope.panel.schemas import Thumbnail

def thumbnail(shelf: Shelf, rec: str, k: int) -> Thumbnail:
    raise NotImplementedError

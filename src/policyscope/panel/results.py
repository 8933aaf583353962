"""x"""

from typing import Any
from policyscope.panel.library import Shelf
from policyscope.panel.schemas import ResultDetail

def detail(shelf: Shelf, res: str) -> ResultDetail:
    raise NotImplementedError


def figure(shelf: Shelf, res: str, theme: str) -> dict[str, Any]:
    raise NotImplementedError

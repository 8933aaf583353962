"""x"""

from policyscope.panel.library import Shelf
from policyscope.panel.schemas import LiveAnswer, LiveRequest


class Worlds:
    """x"""


def ask(shelf: Shelf, worlds: Worlds, question: LiveRequest) -> LiveAnswer:
    raise NotImplementedError

"""x"""

from policyscope.panel.library import Shelf
from policyscope.panel.schemas import EpisodeDetail, EpisodeTable, RecordingDetail

def describe(shelf: Shelf, rec: str) -> RecordingDetail:
    raise NotImplementedError


def episode_table(shelf: Shelf, rec: str) -> EpisodeTable:
    raise NotImplementedError


def episode_detail(shelf: Shelf, rec: str, k: int) -> EpisodeDetail:
    raise NotImplementedError

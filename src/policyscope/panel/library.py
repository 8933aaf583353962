"""What the served folder holds: recordings and results by the ids that requests name them by."""

from pathlib import Path

from policyscope.core.result import Result
from policyscope.panel.schemas import Library
from policyscope.recordings.read import Recording


class Shelf:
    """Recordings and results under a folder, found by id.

    Ids are looked up in what a scan of the folder found; no path is ever made from a request.

    Args:
        folder: what is served.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def recording(self, rec: str) -> Recording:
        """An open recording.

        Raises:
            UnknownName: no recording of that id.
            BadFile: it cannot be opened.
        """
        raise NotImplementedError

    def result(self, res: str) -> Result:
        """A loaded result; errors are those of ``recording``."""
        raise NotImplementedError


def listing(shelf: Shelf) -> Library:
    """All recordings and results; one that cannot be opened tells why."""
    raise NotImplementedError

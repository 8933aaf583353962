"""The library: one line for each recording and result of the served folder."""

from time import monotonic

from policyscope import __version__
from policyscope.panel.contract.library import Library
from policyscope.panel.shelf.lines import recording_line
from policyscope.panel.shelf.methods import served_methods
from policyscope.panel.shelf.results import result_line
from policyscope.panel.shelf.shelf import Shelf

PATIENCE_SECONDS = 0.3


def listing(shelf: Shelf) -> Library:
    """All recordings and results; one that cannot be opened tells why.

    Intervals of mean returns are computed for 0.3 s and kept; other means come without theirs until
    the next listing, or until the recording is asked for.

    Args:
        shelf: what is served.

    Cost: some milliseconds for each recording the first time.
    """
    found, until = shelf.found(), monotonic() + PATIENCE_SECONDS
    return Library(
        folder=shelf.path(shelf.folder),
        version=__version__,
        recordings=[
            recording_line(shelf, rec, folder, until - monotonic())
            for rec, folder in found.recordings.items()
        ],
        results=[result_line(shelf, res, folder) for res, folder in found.results.items()],
        methods=served_methods(),
        whole=found.whole,
    )

"""The page that ``policyscope explain --method traces`` writes."""

from pathlib import Path

from policyscope.core.result import Result
from policyscope.figures.page import note, write_page
from policyscope.figures.traces import VEHICLES, draw


def write_traces_page(result: Result, path: Path, mode: str = "light") -> None:
    """Write lines and heat maps of a site, and what they show and leave out.

    Args:
        result: of the method ``traces``.
        path: file to write.
        mode: light or dark.
    """
    write_page(path, f"Traces of {result.data.attrs['site']}", traces_parts(result, mode), mode)


def traces_parts(result: Result, mode: str = "light") -> list:
    """The figure and the words below it."""
    vehicles = result.data.sizes.get("identity", 0)
    words = f"The episode ended: {result.data.attrs['outcome'] or 'not within the recording'}."
    if vehicles > VEHICLES:
        words += (
            f" Drawn: the {VEHICLES} of {vehicles} vehicles longest in view; all in the result."
        )
    return [draw(result, mode), note(f"{words} {(result.unchecked or '').capitalize()}.")]

"""The page that ``policyscope explain --method memory`` writes."""

from pathlib import Path

from policyscope.core.result import Result
from policyscope.figures.memory import draw
from policyscope.figures.page import note, write_page

_WORDS = (
    "{episodes} episodes, {decisions} decisions after the first of an episode. Left: Kullback-"
    "Leibler divergence of the policy as it acted from the policy whose memory is reset at every "
    "step, on the same observations; the band holds half of the decisions."
)
_READ = (
    " Right: share of the variance of the velocity that a ridge regression finds on episodes it "
    "did not see, in the memory and in what the frame alone is encoded as ({frame}); bars are "
    "bootstrap intervals over episodes."
)


def write_memory_page(result: Result, path: Path, mode: str = "light") -> None:
    """Write the figure and what it shows.

    Args:
        result: of the method ``memory``.
        path: file to write.
        mode: light or dark.
    """
    attributes = result.data.attrs
    words = _WORDS.format(**attributes)
    if "read" in result.data:
        words += _READ.format(**attributes)
    words = " ".join(
        [words, *(f"{line.capitalize()}." for line in attributes["notes"].split("\n") if line)]
    )
    write_page(path, "What the memory does", [draw(result, mode), note(words)], mode)

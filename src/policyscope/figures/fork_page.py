"""The page that ``policyscope fork`` writes: both futures as a clip, then what they came to."""

import base64
from pathlib import Path

from policyscope.core.result import Result
from policyscope.figures.fork import draw
from policyscope.figures.step_page import write_step_page

_WORDS = (
    "Episode {episode}, step {step}; {changes}. {pairs}: both futures of a pair draw the same "
    "chances. {effect} (undiscounted, from this step on{between}). "
    "{parting}"
)


def write_fork_page(result: Result, path: Path, clip: bytes | None, mode: str = "light") -> None:
    """Write a page that opens from disk.

    Args:
        result: of ``fork``.
        path: file to write.
        clip: an mp4 file's bytes; None leaves the clip out.
        mode: light or dark.
    """
    video = [] if clip is None else [_VIDEO.format(source=base64.b64encode(clip).decode())]
    write_step_page(result, path, words(result), [*video, draw(result, mode)], mode)


_VIDEO = (
    '<video controls autoplay loop muted playsinline style="max-width:100%" '
    'src="data:video/mp4;base64,{source}"></video>'
)


def words(result: Result) -> str:
    """What a fork found, as sentences.

    Args:
        result: of ``fork``.
    """
    data, told = result.data, result.parameters
    n = data.sizes["pair"]
    mean, low, high = (float(v) for v in data["difference"].values)
    apart = data["diverges"].values
    parted = apart[apart >= 0]
    parting = (
        f"The actions part in {len(parted)} of {n}, first at step {int(parted.min())}."
        if len(parted)
        else "The actions never part."
    )
    spread, between = "", ""
    if n > 1 and low == high:  # no interval: numbers that never differ do not tell their spread
        between = f"; equal in all {n} pairs"
    elif n > 1:
        spread, between = f" [{low:.2f}, {high:.2f}]", "; the interval is a bootstrap over pairs"
    pairs = f"{n} pairs" if n > 1 else f"One pair, as {data.attrs['chance'] or 'was asked'}"
    if n > 1 and data.attrs["held"]:
        pairs += f" ({data.attrs['held']})"
    return _WORDS.format(
        episode=told["episode"],
        step=told["step"],
        changes=", ".join(told["told"]) or "nothing changed",
        pairs=pairs,
        effect=f"Changed minus kept: {mean:+.2f}{spread}",
        between=between,
        parting=parting,
    )

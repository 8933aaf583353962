"""Frames as a GIF that repeats, all of one palette."""

import io
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

import numpy as np

from policyscope.core.errors import MissingPart, PolicyscopeError

#: Frames that the palette is made of, and the side they are made small to for it.
SAMPLED, SMALL = 32, 128
#: A GIF counts hundredths of a second, and programs show one below 2 as 10.
FASTEST = 50


def encode_gif(frames: Iterable[np.ndarray], fps: float) -> bytes:
    """Encode frames as a GIF; equal frames in a row become one that is shown longer.

    Args:
        frames: (height, width, 3) uint8 each, all of one shape.
        fps: frames per second, at most 50; times are rounded to hundredths of a second.

    Raises:
        MissingPart: Pillow is not installed.
        PolicyscopeError: there is no frame, or the rate is out of range.

    Cost: keeps a byte for each pixel of all frames.
    """
    try:
        from PIL import Image
    except ImportError:
        raise MissingPart("pillow", "video") from None
    if not 0 < fps <= FASTEST:
        raise PolicyscopeError(f"a GIF shows at most {FASTEST} frames per second, got {fps}")
    coming = iter(frames)
    sampled = list(islice(coming, SAMPLED))
    if not sampled:
        raise PolicyscopeError("there is no frame to encode")
    palette = _palette(sampled)

    def pictures() -> Iterator[Any]:
        for frame in chain(sampled, coming):
            image = Image.fromarray(frame)
            yield image.quantize(palette=palette, dither=Image.Dither.NONE)

    drawn = pictures()
    buffer = io.BytesIO()
    hundredths = max(2, round(100 / fps))
    next(drawn).save(
        buffer, "GIF", save_all=True, append_images=drawn, duration=hundredths * 10, loop=0,
        disposal=1, optimize=False,
    )  # fmt: skip
    return buffer.getvalue()


def _palette(frames: list[np.ndarray]) -> Any:
    """256 colours of all frames, the rare ones too: a coin has few pixels."""
    from PIL import Image

    small = []
    for frame in frames:
        step = max(1, max(frame.shape[:2]) // SMALL)
        small.append(frame[::step, ::step])
    return Image.fromarray(np.vstack(small)).quantize(256, Image.Quantize.MAXCOVERAGE)

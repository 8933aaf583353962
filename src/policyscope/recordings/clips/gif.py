"""Frames as a GIF that repeats, all of one palette."""

import io
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from policyscope.core.errors import MissingPart, PolicyscopeError

#: Side that frames are made small to for the palette.
SMALL = 128
#: Bits of each channel by which two colours count as different there.
BITS = 6
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

    Cost: keeps all frames, compressed, and a byte for each of their pixels.
    """
    try:
        from PIL import Image
    except ImportError:
        raise MissingPart("pillow", "video") from None
    if not 0 < fps <= FASTEST:
        raise PolicyscopeError(f"a GIF shows at most {FASTEST} frames per second, got {fps}")
    packed, colours, shape = [], _Colours(), (0, 0, 3)
    for frame in frames:
        packed.append(zlib.compress(frame.tobytes(), 1))
        colours.add(frame)
        shape = frame.shape
    if not packed:
        raise PolicyscopeError("there is no frame to encode")
    palette = colours.palette()

    def pictures() -> Iterator[Any]:
        for data in packed:
            image = Image.fromarray(np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape))
            yield image.quantize(palette=palette, dither=Image.Dither.NONE)

    drawn = pictures()
    buffer = io.BytesIO()
    hundredths = max(2, round(100 / fps))
    next(drawn).save(
        buffer, "GIF", save_all=True, append_images=drawn, duration=hundredths * 10, loop=0,
        disposal=1, optimize=False,
    )  # fmt: skip
    return buffer.getvalue()


class _Colours:
    """Which colours frames hold, one of each bin of like ones: memory is that of the bins."""

    def __init__(self) -> None:
        self._held = np.zeros(1 << 3 * BITS, bool)
        self._colours = np.zeros((1 << 3 * BITS, 3), np.uint8)

    def add(self, frame: np.ndarray) -> None:
        """Add those of a frame, (height, width, 3) uint8."""
        step = max(1, max(frame.shape[:2]) // SMALL)
        pixels = frame[::step, ::step].reshape(-1, 3)
        red, green, blue = (pixels >> (8 - BITS)).astype(np.intp).T
        bins = (red << 2 * BITS) | (green << BITS) | blue
        self._held[bins], self._colours[bins] = True, pixels

    def palette(self) -> Any:
        """256 colours of all frames, the rare ones too: a coin has few pixels."""
        from PIL import Image

        found = self._colours[self._held]
        return Image.fromarray(found[:, None]).quantize(256, Image.Quantize.MAXCOVERAGE)

"""Action values of an episode as pixels: bars for the present step, strips through time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from policyscope.core.errors import MissingPart

BACKGROUND = (250, 250, 250)
INK = (30, 30, 30)
FAINT = (205, 205, 205)
CHOSEN = (217, 95, 2)
LOW, HIGH = np.array([237, 244, 251]), np.array([8, 69, 148])


@dataclass(frozen=True)
class ActionValues:
    """What is drawn beside an episode's frames.

    Args:
        name: what the values are, e.g. q.
        actions: names of the A actions.
        values: (T, A) numbers.
        chosen: (T,) executed actions.
    """

    name: str
    actions: Sequence[str]
    values: np.ndarray
    chosen: np.ndarray


def panel(shown: ActionValues, step: int, height: int) -> np.ndarray:
    """Draw the panel for one step.

    Args:
        shown: values of the whole episode; one colour scale holds for all of it.
        step: the step whose bars are drawn and whose column is framed.
        height: pixels.

    Returns:
        (height, about 2/3 height, 3) uint8; both sides are even.

    Raises:
        MissingPart: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        raise MissingPart("pillow", "video") from None
    width = height * 2 // 3 // 2 * 2
    image = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(8, height // 24))
    margin, line = height // 30, height // 16
    name = shown.actions[int(shown.chosen[step])]
    draw.text((margin, margin), f"step {step}   {name}", fill=INK, font=font)
    area = (margin, margin + 2 * line, width - margin, height // 2)
    _bars(draw, font, area, shown, step)
    area = (margin, height // 2 + 2 * line, width - margin, height - margin)
    draw.text((margin, height // 2 + line // 2), f"{shown.name} through time", fill=INK, font=font)
    _strips(draw, area, shown, step)
    return np.asarray(image, dtype=np.uint8).copy()


def _bars(
    draw: Any, font: Any, area: tuple[int, int, int, int], shown: ActionValues, step: int
) -> None:
    left, top, right, bottom = area
    each = (bottom - top) / len(shown.actions)
    for a, name in enumerate(shown.actions):
        y = top + a * each
        share = _share(shown)[step, a]
        taken = a == int(shown.chosen[step])
        draw.text((left, y), f"{name}  {shown.values[step, a]:.3g}", fill=INK, font=font)
        box = (left, y + each * 0.55, right, y + each * 0.85)
        draw.rectangle(box, fill=FAINT)
        colour = CHOSEN if taken else tuple(HIGH.tolist())
        draw.rectangle((*box[:2], left + max(1, share * (right - left)), box[3]), fill=colour)


def _strips(draw: Any, area: tuple[int, int, int, int], shown: ActionValues, step: int) -> None:
    left, top, right, bottom = area
    steps, actions = shown.values.shape
    wide, high = (right - left) / steps, (bottom - top) / actions
    colours = LOW + _share(shown)[..., None] * (HIGH - LOW)
    for t in range(steps):
        for a in range(actions):
            x, y = left + t * wide, top + a * high
            colour = tuple(int(c) for c in colours[t, a])
            draw.rectangle((x, y, x + wide, y + high * 0.8), fill=colour)
            if a == int(shown.chosen[t]):
                draw.rectangle((x, y + high * 0.8, x + wide, y + high * 0.92), fill=CHOSEN)
    x = left + step * wide
    draw.rectangle((x, top - 2, x + wide, bottom), outline=INK, width=2)


def _share(shown: ActionValues) -> np.ndarray:
    """Values as shares of the episode's range, (T, A)."""
    low, high = shown.values.min(), shown.values.max()
    return (shown.values - low) / (high - low) if high > low else np.full(shown.values.shape, 0.5)

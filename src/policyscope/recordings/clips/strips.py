"""Action values of an episode as pixels: bars for the present step, strips through time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from policyscope.core.errors import MissingPart
from policyscope.core.numbers import rounded

BACKGROUND = (250, 250, 250)
INK = (30, 30, 30)
FAINT = (205, 205, 205)
CHOSEN = (217, 95, 2)
LEAST_LINE = 9
"""Height in pixels of a line that a name can be read in."""
FEW = 6
"""Actions that have room for two lines each."""
LOW, HIGH = np.array([237, 244, 251]), np.array([8, 69, 148])


@dataclass(frozen=True, eq=False)
class ActionValues:
    """What is drawn beside an episode's frames.

    Args:
        name: what the values are, e.g. q.
        actions: names of the A actions.
        values: (T, A) numbers.
        chosen: (T,) executed actions.
        told: (T,) numbers to write above, by name.
        least: where bars begin; None for the least value of the episode.
        end: how the episode ended, written above at its last step.
    """

    name: str
    actions: Sequence[str]
    values: np.ndarray
    chosen: np.ndarray
    told: Mapping[str, np.ndarray] = field(default_factory=dict)
    least: float | None = None
    end: str = ""


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
        from PIL import ImageDraw, ImageFont
    except ImportError:
        raise MissingPart("pillow", "video") from None
    width = height * 2 // 3 // 2 * 2
    margin, line = height // 30, height // 16
    crowded = len(shown.actions) > FEW
    middle = height * (13 if crowded else 10) // 20
    below = (margin, middle + 2 * line, width - margin, height - margin)
    image = _background(shown, (width, height), below).copy()
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(8, height // 24))
    name = shown.actions[int(shown.chosen[step])]
    draw.text((margin, margin), f"step {step}   {name}", fill=INK, font=font)
    told = [f"{name} {numbers[step]:.2f}" for name, numbers in shown.told.items()]
    while len(told) > 1 and draw.textlength("   ".join(told), font) > width - 2 * margin:
        told.pop()
    draw.text((margin, margin + line), "   ".join(told), fill=INK, font=font)
    if shown.end and step == len(shown.values) - 1:
        heading, colour = shown.end, CHOSEN
    else:
        heading, colour = f"{shown.name} through time", INK
    area = (margin, margin + 2 * line, width - margin, middle)
    if crowded:
        small = ImageFont.load_default(size=max(7, (middle - area[1]) // len(shown.actions) - 2))
        _lines(draw, small, area, shown, step)
    else:
        _bars(draw, font, area, shown, step)
    draw.text((margin, middle + line // 2), heading, fill=colour, font=font)
    _frame_step(draw, below, len(shown.values), step)
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
        draw.text((left, y), f"{name}  {rounded(shown.values[step, a])}", fill=INK, font=font)
        box = (left, y + each * 0.55, right, y + each * 0.85)
        draw.rectangle(box, fill=FAINT)
        colour = CHOSEN if taken else tuple(HIGH.tolist())
        draw.rectangle((*box[:2], left + max(1, share * (right - left)), box[3]), fill=colour)


def _lines(
    draw: Any, font: Any, area: tuple[int, int, int, int], shown: ActionValues, step: int
) -> None:
    """As ``_bars``, with name, bar and number side by side."""
    left, top, right, bottom = area
    each = (bottom - top) / len(shown.actions)
    begin, end = left + (right - left) * 2 // 5, right - (right - left) // 6
    told = each >= LEAST_LINE  # the action taken is named above
    if not told:
        begin, end = left, right
    for a, name in enumerate(shown.actions):
        y = top + a * each
        taken = a == int(shown.chosen[step])
        colour = CHOSEN if taken else tuple(HIGH.tolist())
        long = max(1, _share(shown)[step, a] * (end - begin))
        draw.rectangle((begin, y + each * 0.2, end, y + each * 0.8), fill=FAINT)
        draw.rectangle((begin, y + each * 0.2, begin + long, y + each * 0.8), fill=colour)
        if not told:
            continue
        draw.text((left, y), name, fill=CHOSEN if taken else INK, font=font)
        number = f"{shown.values[step, a]:.2f}"
        draw.text((right - draw.textlength(number, font), y), number, fill=INK, font=font)


@lru_cache(maxsize=2)
def _background(shown: ActionValues, size: tuple[int, int], area: tuple[int, int, int, int]) -> Any:
    """The strips, which are the same at every step, on an otherwise empty panel."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", size, BACKGROUND)
    _strips(ImageDraw.Draw(image), area, shown)
    return image


def _strips(draw: Any, area: tuple[int, int, int, int], shown: ActionValues) -> None:
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


def _frame_step(draw: Any, area: tuple[int, int, int, int], steps: int, step: int) -> None:
    left, top, right, bottom = area
    wide = (right - left) / steps
    x = left + step * wide
    draw.rectangle((x, top - 2, x + wide, bottom), outline=INK, width=2)


@lru_cache(maxsize=2)
def _share(shown: ActionValues) -> np.ndarray:
    """Values as shares of the range from the least to the episode's greatest, (T, A)."""
    low = shown.values.min() if shown.least is None else shown.least
    high = shown.values.max()
    return (shown.values - low) / (high - low) if high > low else np.full(shown.values.shape, 0.5)

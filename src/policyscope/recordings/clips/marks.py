"""What is drawn over a picture: boxes, the action, rewards and ends, and traces of targets."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from policyscope.core.errors import MissingPart
from policyscope.core.numbers import rounded, signed
from policyscope.recordings.clips.places import Outline
from policyscope.recordings.clips.strips import BACKGROUND, CHOSEN, FAINT, INK

COLOURS = {
    "player": (217, 95, 2), "mouse": (217, 95, 2), "ego": (217, 95, 2),
    "coin": (166, 118, 0), "cheese": (166, 118, 0),
    "saw": (200, 25, 55), "enemy": (200, 25, 55), "lava": (150, 20, 20),
    "vehicle": (20, 90, 190),
}  # fmt: skip
OTHER = (110, 60, 160)
GAIN, LOSS, CUT = (0, 120, 60), (200, 25, 55), (110, 110, 110)
WHITE = (255, 255, 255)
#: Sides below which boxes have no halo, and no names.
PLAIN, NAMELESS = 160, 200
_WAYS = {"LEFT": (-1, 0), "RIGHT": (1, 0), "UP": (0, -1), "DOWN": (0, 1)}


@dataclass(frozen=True, eq=False)
class Trace:
    """A number at each step of an episode.

    Args:
        name: what it is.
        values: (T,) numbers; NaN where there is none.
    """

    name: str
    values: np.ndarray


class Canvas:
    """A picture that is drawn on.

    Args:
        picture: (height, width, 3) uint8.

    Raises:
        MissingPart: Pillow is not installed.
    """

    def __init__(self, picture: np.ndarray):
        try:
            from PIL import Image, ImageDraw
        except ImportError:
            raise MissingPart("pillow", "video") from None
        self._image = Image.fromarray(picture)
        self._draw = ImageDraw.Draw(self._image)
        self._size = min(picture.shape[:2])

    @property
    def pixels(self) -> np.ndarray:
        """The picture with what was drawn, (height, width, 3) uint8."""
        return np.asarray(self._image, dtype=np.uint8).copy()

    def boxes(self, shown: Sequence[Outline]) -> None:
        """Outlines in the colours of their kinds, with names where there is room for them."""
        line = max(1, self._size // 250)
        for one in sorted(shown, key=lambda one: one.identity == 0):
            colour, path = COLOURS.get(one.kind, OTHER), [tuple(c) for c in one.corners]
            ring = [*path, path[0], path[1]]
            if self._size >= PLAIN:
                self._draw.line(ring, fill=WHITE, width=line + 2, joint="curve")
            self._draw.line(ring, fill=colour, width=line, joint="curve")
        if self._size < NAMELESS:
            return
        taken: list[tuple[float, float, float, float]] = []
        for one in sorted(shown, key=lambda one: one.identity):
            if one.kind != "lava":
                self._name(one, taken)

    def _name(self, one: Outline, taken: list[tuple[float, float, float, float]]) -> None:
        """A name above or below its box; left out where neither place is free."""
        font, (left, top, right, bottom) = _font(max(9, self._size // 45)), one.box
        _, _, wide, high = (int(n) for n in self._draw.textbbox((0, 0), one.name, font))
        wide, high = wide + 4, high + 3
        x = min(max((left + right - wide) / 2, 1), self._image.width - wide - 1)
        for y in (top - high - 2, bottom + 2):
            place = (x, y, x + wide, y + high)
            inside = 0 <= y <= self._image.height - high
            if inside and not any(_overlap(place, other) for other in taken):
                taken.append(place)
                self._draw.rectangle(place, fill=COLOURS.get(one.kind, OTHER))
                self._draw.text((x + 2, y), one.name, fill=WHITE, font=font)
                return

    def action(self, name: str, arrow: bool) -> None:
        """The action, top left.

        Args:
            name: of the action.
            arrow: whether to draw the direction that the name says as an arrow on a pad.
        """
        side, edge = max(14, self._size // 9), max(1, self._size // 60)
        towards = way(name) if arrow else None
        if towards is None:
            self._pill(name, edge, INK)
            return
        pad = _pad(towards, side)
        self._image.paste(pad, (edge, edge), pad)

    def reward(self, reward: float) -> None:
        """A reward that is not 0, top right: green above 0, red below."""
        if reward == reward and reward != 0:
            edge = max(1, self._size // 60)
            self._pill(signed(reward), edge, GAIN if reward > 0 else LOSS, right=True)

    def end(self, outcome: str, terminated: bool) -> None:
        """A frame around the picture, and why the episode ended; grey where it was cut."""
        width, edge = max(2, self._size // 100), max(1, self._size // 60)
        colour = CHOSEN if terminated else CUT
        box = (0, 0, self._image.width - 1, self._image.height - 1)
        self._draw.rectangle(box, outline=colour, width=width)
        told = outcome.replace("+", ", ").replace("_", " ") or "cut"
        self._pill(told, edge, colour, right=True, line=1)

    def _pill(
        self, text: str, edge: int, colour: tuple[int, ...], right: bool = False, line: int = 0
    ) -> None:
        font = _font(max(9, self._size // 24))
        _, _, wide, high = (int(n) for n in self._draw.textbbox((0, 0), text, font))
        wide, high = wide + 10, high + 6
        x = self._image.width - edge - wide if right else edge
        y = edge + line * (high + edge)
        box = (x, y, x + wide, y + high)
        self._draw.rounded_rectangle(box, high // 3, fill=colour, outline=WHITE)
        self._draw.text((x + 5, y + 2), text, fill=WHITE, font=font)


def _overlap(
    one: tuple[float, float, float, float], two: tuple[float, float, float, float]
) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def steers(actions: Sequence[str]) -> bool:
    """Whether some actions are directions by their names, as on a joystick.

    Example:
        >>> steers(["LEFT", "IDLE", "D"]), steers(["SLOWER", "IDLE", "FASTER"])
        (True, False)
    """
    return any(way(name) not in (None, (0, 0)) for name in actions)


def way(name: str) -> tuple[int, int] | None:
    """Direction of an action by its name, x to the right and y down; None where it has none.

    Example:
        >>> way("LEFT_UP"), way("IDLE"), way("FASTER")
        ((-1, -1), (0, 0), None)
    """
    if name == "IDLE":
        return 0, 0
    parts = [_WAYS.get(part) for part in name.split("_")]
    if not all(parts):
        return None
    return sum(p[0] for p in parts if p), sum(p[1] for p in parts if p)


@lru_cache(maxsize=64)
def _pad(towards: tuple[int, int], side: int) -> Any:
    """A round pad with an arrow, drawn large and made small so that its edges are smooth."""
    from PIL import Image, ImageDraw

    big = side * 4
    image = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse((2, 2, big - 3, big - 3), fill=(*WHITE, 225), outline=(*INK, 255), width=big // 24)
    middle = np.array([big / 2, big / 2])
    if towards == (0, 0):
        r = big / 10
        draw.ellipse((*(middle - r), *(middle + r)), fill=(*INK, 255))
    else:
        unit = np.array(towards) / np.hypot(*towards)
        side_way = np.array([-unit[1], unit[0]])
        tip, neck, tail = (middle + unit * big * f for f in (0.38, 0.08, -0.34))
        shaft = [tail + side_way * big * 0.06, neck + side_way * big * 0.06,
                 neck - side_way * big * 0.06, tail - side_way * big * 0.06]  # fmt: skip
        head = [tip, neck + side_way * big * 0.2, neck - side_way * big * 0.2]
        for shape in (shaft, head):
            draw.polygon([tuple(p) for p in shape], fill=(*CHOSEN, 255))
    return image.resize((side, side), Image.Resampling.LANCZOS)


def band(trace: Trace, step: int, shown: range, width: int, height: int) -> np.ndarray:
    """A strip with the name and number of a target and its course, the present step marked.

    Args:
        trace: the numbers of the whole episode.
        step: the present one.
        shown: the steps of the clip, over which the course is drawn.
        width: pixels.
        height: pixels.

    Returns:
        (height, width, 3) uint8.
    """
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, height), BACKGROUND)
    draw, font = ImageDraw.Draw(image), _font(max(8, min(height // 3, width // 24)))
    left, edge = width * 3 // 10, max(2, height // 8)
    value = trace.values[step]
    draw.text((edge, edge), _fitting(draw, trace.name, font, left - 2 * edge), fill=INK, font=font)
    told = "none" if np.isnan(value) else rounded(value)
    draw.text((edge, height // 2), told, fill=CHOSEN, font=font)
    course = trace.values[shown.start : shown.stop]
    known = course[np.isfinite(course)]
    if not len(known):
        return np.asarray(image, dtype=np.uint8).copy()
    low, high = float(known.min()), float(known.max())
    x = left + (np.arange(len(course)) + 0.5) * (width - left - edge) / len(course)
    span = high - low or 1.0
    y = height - edge - (course - low) / span * (height - 2 * edge)
    if high == low:
        y = np.where(np.isnan(course), np.nan, height / 2)
    if low < 0 < high:
        zero = height - edge + low / span * (height - 2 * edge)
        draw.line((left, zero, width - edge, zero), fill=FAINT)
    now = step - shown.start
    for t in range(1, len(course)):
        if np.isfinite(y[t - 1 : t + 1]).all():
            colour = INK if t <= now else (170, 170, 170)
            draw.line((x[t - 1], y[t - 1], x[t], y[t]), fill=colour, width=max(1, height // 40))
    if np.isfinite(y[now]):
        r = max(2, height // 16)
        draw.ellipse((x[now] - r, y[now] - r, x[now] + r, y[now] + r), fill=CHOSEN)
    return np.asarray(image, dtype=np.uint8).copy()


def _fitting(draw: Any, text: str, font: Any, width: float) -> str:
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "...", font) > width:
        text = text[:-1]
    return text + "..."


@lru_cache(maxsize=32)
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size=size)

"""Pictures of a report as HTML: scenes with outlines in the colours of shares, maps, and clips."""

import base64
import html
from collections.abc import Mapping

import numpy as np

from policyscope.core.numbers import rounded, trifling
from policyscope.figures.attribution_maps import COLOURS
from policyscope.figures.png import png_url
from policyscope.reports.parts import Picture


def video(data: bytes, width: int, label: str) -> str:
    """A clip that repeats, its data in the page.

    Args:
        data: bytes of an mp4.
        width: pixels.
        label: what it shows.
    """
    return (
        f'<video controls autoplay loop muted playsinline width="{width}" '
        f'aria-label="{html.escape(label)}" '
        f'src="data:video/mp4;base64,{base64.b64encode(data).decode()}"></video>'
    )


def drawn(
    scene: Picture,
    shares: Mapping[int, float] | None = None,
    flat: np.ndarray | None = None,
    mode: str = "light",
    marked: int | None = None,
) -> str:
    """A scene as an inline picture with its entities outlined.

    Args:
        scene: what is drawn.
        shares: of entities by identity, which colour their outlines.
        flat: (h, w) map that is laid over it.
        mode: light or dark.
        marked: identity of the only entity that is outlined; None for all.

    Raises:
        MissingPart: Pillow is not installed.
    """
    pixels = scene.pixels if flat is None else _grey(scene.pixels)
    high, wide = pixels.shape[:2]
    over = "" if flat is None else _image(_overlay(flat, high, wide, mode), wide, high)
    reach = max((abs(v) for v in (shares or {}).values()), default=0.0) or 1.0
    marks = []
    for one in scene.outlines:
        share = None if shares is None else shares.get(one.identity)
        if (share is None and shares is not None) or marked not in (None, one.identity):
            continue
        colour = "#ff3fb4" if share is None else f"var(--{_side(share, reach)})"
        strength = 0.0 if share is None or flat is not None else 0.75 * abs(share) / reach
        named = ' class="marked"' if marked is not None else ""
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in one.corners)
        told = one.name if share is None else f"{one.name}: {rounded(share)}"
        marks.append(
            f'<polygon{named} points="{points}" style="stroke:{colour};fill:{colour};'
            f'fill-opacity:{strength:.2f}"><title>{html.escape(told)}</title></polygon>'
        )
        if shares is not None and one.kind not in ("lava",):
            left, top, right, _ = one.box
            marks.append(
                f'<text x="{(left + right) / 2:.1f}" y="{top - 3:.1f}">{_short(one.name)}</text>'
            )
    return (
        f'<svg class="scene" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
        f'role="img">{_image(pixels, wide, high)}{over}{"".join(marks)}</svg>'
    )


def _side(share: float, most: float) -> str:
    """Name of the colour of a share; what is nothing beside the largest has none."""
    return "zero" if trifling(share, most) else "for" if share > 0 else "against"


def _short(name: str) -> str:
    """The number of an entity where it has one, else its kind: names side by side would overlap."""
    return html.escape(name.rsplit(" ", 1)[-1])


def legend() -> str:
    """What the two colours mean."""
    return (
        '<figcaption><i class="for"></i>speaks for it <i class="against"></i>against it; the '
        "deeper, the more</figcaption>"
    )


def _image(pixels: np.ndarray, wide: int, high: int) -> str:
    return (
        f'<image width="{wide}" height="{high}" preserveAspectRatio="none" '
        f'href="{png_url(pixels)}"/>'
    )


def _grey(pixels: np.ndarray) -> np.ndarray:
    """A faint grey picture, on which colours can be told."""
    grey = 0.5 * pixels.mean(2, keepdims=True) + 0.5 * 255
    return np.broadcast_to(grey, pixels.shape).astype(np.uint8)


def _overlay(flat: np.ndarray, high: int, wide: int, mode: str) -> np.ndarray:
    """A signed map as colours with transparency, (high, wide, 4) uint8."""
    reach = float(np.quantile(np.abs(flat), 0.995)) or float(np.abs(flat).max()) or 1.0
    down, across = (
        np.arange(side) * cells // side
        for side, cells in zip((high, wide), flat.shape, strict=True)
    )
    large = flat[down][:, across]
    good, bad = ([int(name[i : i + 2], 16) for i in (1, 3, 5)] for name in COLOURS[mode])
    out = np.empty((high, wide, 4), np.uint8)
    out[..., :3] = np.where(large[..., None] > 0, good, bad)
    out[..., 3] = (255 * np.clip(np.abs(large) / reach, 0, 1)).astype(np.uint8)
    return out

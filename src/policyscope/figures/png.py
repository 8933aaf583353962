"""Pictures that a page holds in itself."""

import base64
import io

import numpy as np

from policyscope.core.errors import MissingPart


def png_url(pixels: np.ndarray) -> str:
    """A picture as the address of an image.

    Args:
        pixels: (H, W, 3) or (H, W, 4) uint8.

    Raises:
        MissingPart: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise MissingPart("pillow", "video") from None
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()

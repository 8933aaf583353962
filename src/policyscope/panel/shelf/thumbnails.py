"""Small pictures of episodes: the ego's path over the scene, or the last frame."""

import base64
import struct
import zlib

import numpy as np

from policyscope.panel.contract.recording import Thumbnail
from policyscope.panel.shelf.describe import shows_frames
from policyscope.panel.shelf.entity_columns import Entities, entities
from policyscope.panel.shelf.shelf import Shelf
from policyscope.recordings.read import Recording

POINTS = 48
SIDE = 128
Bounds = tuple[float, float, float, float]


def thumbnail(shelf: Shelf, rec: str, k: int) -> Thumbnail:
    """A small picture of an episode; empty where there is nothing to draw.

    Args:
        shelf: what is served.
        rec: id of the recording.
        k: number of the episode.

    Raises:
        UnknownName: no such recording or episode.
        BadFile: the recording or the episode's shard is torn.
    """
    recording = shelf.recording(rec)
    if shows_frames(recording):
        return Thumbnail(image=last_frame(recording, k))
    path = ego_path(entities(shelf, recording, k))
    return Thumbnail(path=path, bounds=scene_bounds(recording)) if path else Thumbnail()


def ego_path(scene: Entities, points: int = POINTS) -> list[tuple[float, float]] | None:
    """Places of the ego in metres, evenly in time, the first and the last among them.

    Args:
        scene: entities of an episode.
        points: how many at most.

    Returns:
        x and y; None where nothing is called ego.
    """
    if "ego" not in scene.kinds:
        return None
    mine = np.flatnonzero(scene.columns["kind"] == scene.kinds.index("ego"))
    if not len(mine):
        return None
    chosen = mine[np.unique(np.linspace(0, len(mine) - 1, points).round().astype(int))]
    places = zip(scene.columns["x"][chosen], scene.columns["y"][chosen], strict=True)
    return [(round(float(x), 2), round(float(y), 2)) for x, y in places]


def scene_bounds(recording: Recording) -> Bounds | None:
    """Bounds of the recorded scene in metres (see ``Thumbnail``), where it tells them."""
    given = recording.scene.get("bounds")
    if not isinstance(given, list) or len(given) != 4:
        return None
    x_low, y_low, x_high, y_high = map(float, given)
    return x_low, y_low, x_high, y_high


def last_frame(recording: Recording, k: int) -> str:
    """Last observation of an episode as a PNG data address, 128 pixels wide and high at most.

    Args:
        recording: of an agent that sees images.
        k: number of the episode.

    Cost: reads one chunk of the observations.
    """
    shard, rows = recording.place(k)
    frame = shard.array("obs", slice(rows.stop - 1, rows.stop))[0]
    return "data:image/png;base64," + base64.b64encode(png(smaller(frame))).decode()


def smaller(frame: np.ndarray, side: int = SIDE) -> np.ndarray:
    """A picture made smaller by a whole factor, each pixel the mean of those it stands for.

    Args:
        frame: (height, width, 3) uint8.
        side: most pixels in width and height.
    """
    factor = max(1, -(-max(frame.shape[:2]) // side))
    height, width = (max(1, size // factor) for size in frame.shape[:2])
    blocks = frame[: height * factor, : width * factor]
    if factor == 1 or min(frame.shape[:2]) < factor:
        return blocks
    shape = (height, factor, width, factor, frame.shape[2])
    return blocks.reshape(shape).mean((1, 3)).round().astype(np.uint8)


def png(frame: np.ndarray) -> bytes:
    """A picture as a PNG file, without a library for pictures.

    Args:
        frame: (height, width, 3) uint8.
    """
    height, width, _ = frame.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = frame.reshape(height, 3 * width)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, red green blue
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )

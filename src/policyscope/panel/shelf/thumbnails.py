"""Small pictures of episodes: the ego's path over the scene, or the last frame."""

import base64
import io

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


def last_frame(recording: Recording, k: int) -> str | None:
    """Last observation of an episode as a PNG data address; None without Pillow.

    Args:
        recording: of an agent that sees images.
        k: number of the episode.

    Cost: reads one chunk of the observations.
    """
    try:
        from PIL import Image
    except ImportError:  # an extra; the page shows a numbered tile then
        return None
    shard, rows = recording.place(k)
    frame = shard.array("obs", slice(rows.stop - 1, rows.stop))[0]
    image = Image.fromarray(frame)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()

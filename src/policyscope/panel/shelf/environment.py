"""What a page has to know of an environment beside what a recording of it tells."""

from policyscope.panel.contract.recording import PictureView
from policyscope.recordings.read import Recording

LARGE = 512
"""Side of the pictures that Procgen draws beside the 64 pixels that its agents see."""

_HIGHWAY = {
    "move": ["x", "y", "heading"],
    "remove": [],
    "add": ["x", "y", "heading", "speed"],
    "speed": ["speed"],
}
_GAME = {"move": ["x", "y"], "remove": []}
_CELLS = ["coin", "cheese", "wall", "lava"]
_MARGIN = 0.02
_TALL = 1.7415


def edits(recording: Recording) -> dict[str, list[str]]:
    """Kinds of scene edit that the environment can do, and the values that each takes."""
    if recording.env.id.startswith("highway/"):
        return _HIGHWAY
    return _GAME if picture_view(recording) else {}


def large(recording: Recording) -> int | None:
    """Side in pixels of the pictures that the engine can draw; None where it draws none."""
    shape = recording.space.obs_shape
    return LARGE if _is_game(recording) and tuple(shape) == (64, 64, 3) else None


def picture_view(recording: Recording) -> PictureView | None:
    """How the scene of CoinRun and Maze lies in the picture; None for other environments."""
    scene = recording.scene
    visible = scene.get("visible")
    if not _is_game(recording) or not isinstance(visible, int | float) or not visible > 0:
        return None
    center = scene.get("center")
    return PictureView(
        visible=float(visible),
        center=(float(center[0]), float(center[1])) if isinstance(center, list) else None,
        tall=_TALL if scene.get("game") == "coinrun" else 1.0,
        cells=_CELLS,
        margin=_MARGIN,
        background=["wall", "lava"],
    )


def _is_game(recording: Recording) -> bool:
    return recording.env.id.startswith("procgen/")

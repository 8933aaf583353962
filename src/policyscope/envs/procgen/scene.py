"""What stays the same in the picture of an episode."""

from typing import Any

from policyscope.envs.procgen.objects import view
from policyscope.envs.procgen.state import State


def scene_of(state: State) -> dict[str, Any]:
    """The world and its view, fixed in an episode, as JSON values.

    Returns:
        ``game``; ``width`` and ``height`` of the world in tiles; ``visible``, the side of the
        picture in tiles; ``follows_player``, whether the picture is centred on the player, and
        ``center``, where it is centred if not. A point (x, y) of the entity table is drawn at
        ``(x - center_x + visible / 2) * size / visible``, and likewise y.
    """
    height, width = state.grid.shape
    x, y, visible = view(state)
    follows = bool(state.options["center_agent"])
    return {
        "game": state.game,
        "width": width,
        "height": height,
        "visible": visible,
        "follows_player": follows,
        "center": None if follows else [x, y],
    }

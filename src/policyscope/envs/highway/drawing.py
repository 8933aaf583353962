"""The intersection as geometry for vector graphics, and as pixels."""

import os
import tempfile
from typing import Any

import numpy as np
from highway_env.envs.common.graphics import EnvViewer
from highway_env.road.lane import StraightLane

from policyscope.core.errors import PolicyscopeError

_EDGE_KINDS = ("none", "striped", "continuous", "continuous")
_ARC_STEP = 0.5
_MARGIN = 2.0


def scene(env: Any, destination: str) -> dict[str, Any]:
    """Describe the roads of an intersection in JSON values.

    Args:
        env: an intersection.
        destination: node the ego drives to.

    Returns:
        ``lanes`` (road from and to, centre polyline [m], width [m], priority), ``edges``
        (polyline [m], kind none, striped or continuous), ``bounds`` (x low, y low, x high,
        y high [m]) and ``destination`` (node and position [m]). Y grows to the south.
    """
    lanes, edges, goal = [], [], [0.0, 0.0]
    for (begin, end, _), lane in env.road.network.lanes_dict().items():
        along = _stations(lane)
        width = float(lane.width_at(0.0))
        centre = _polyline(lane, along, 0.0)
        priority = int(lane.priority)
        lanes.append(
            {"from": begin, "to": end, "points": centre, "width": width, "priority": priority}
        )
        for side, line_type in zip((-0.5, 0.5), lane.line_types, strict=True):
            points = _polyline(lane, along, side * width)
            edges.append({"points": points, "kind": _EDGE_KINDS[line_type]})
        if end == destination:
            goal = centre[-1]
    corners = np.array([p for edge in edges for p in edge["points"]])
    low, high = corners.min(axis=0) - _MARGIN, corners.max(axis=0) + _MARGIN
    return {
        "kind": "road",
        "lanes": lanes,
        "edges": edges,
        "bounds": [*low.tolist(), *high.tolist()],
        "destination": {"node": destination, "x": goal[0], "y": goal[1]},
    }


class Renderer:
    """Draws intersections off screen, and leaves no viewer in the environment.

    Highway-env redraws every intermediate frame once a viewer hangs on an environment, and
    switches its viewer off (black frames) where SDL_VIDEODRIVER is ``dummy``, though surfaces
    need no display. So the viewer is kept here and switched on.
    """

    def __init__(self) -> None:
        self._viewer: EnvViewer | None = None
        self._size = 0

    def frame(self, env: Any, size: int) -> np.ndarray:
        """Draw the present scene, (size, size, 3) uint8.

        Raises:
            PolicyscopeError: a size below 16 pixels.
        """
        if size < 16:
            raise PolicyscopeError(f"a frame must be at least 16 pixels wide, not {size}")
        if self._viewer is None or self._viewer.env is not env or self._size != size:
            scaling = env.config["scaling"] * size / env.config["screen_width"]
            # SDL complains on stderr where no session has set it, though no window is opened.
            os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
            changes = {"screen_width": size, "screen_height": size, "scaling": scaling}
            self._viewer = EnvViewer(env, {**env.config, **changes, "offscreen_rendering": True})
            self._viewer.enabled = True
            self._size = size
        self._viewer.display()
        return np.ascontiguousarray(self._viewer.get_image(), dtype=np.uint8)


def _stations(lane: Any) -> np.ndarray:
    pieces = 1 if isinstance(lane, StraightLane) else max(2, round(lane.length / _ARC_STEP))
    return np.linspace(0.0, lane.length, pieces + 1)


def _polyline(lane: Any, along: np.ndarray, lateral: float) -> list[list[float]]:
    return [[float(c) for c in lane.position(s, lateral)] for s in along]

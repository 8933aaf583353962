"""Lane geometry of a whole road network at once, equal bit for bit to the lanes' own methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from highway_env.road.lane import AbstractLane, CircularLane, StraightLane
from highway_env.road.road import LaneIndex, RoadNetwork

TWO_PI = 2 * np.pi


def wrap_to_pi(angle: np.ndarray) -> np.ndarray:
    """Bring angles [rad] into [-pi, pi), in highway-env's order of operations."""
    return ((angle + np.pi) % TWO_PI) - np.pi


@dataclass(frozen=True)
class Coordinates:
    """Where V points lie relative to L lanes.

    Args:
        longitudinal: distance along each lane [m], shape (V, L).
        lateral: offset from each centre line [m], shape (V, L).
        closest: column of the closest lane of each point, given its heading.
    """

    longitudinal: np.ndarray
    lateral: np.ndarray
    closest: list[int]


class LaneTable:
    """Constants of the straight and circular lanes of a network, one column per lane.

    Straight lanes come first. Nothing in the table can change, and it holds no lane, so deep
    copies of an environment share it.

    Args:
        network: a road network of straight and circular lanes, one lane per road.

    Raises:
        TypeError: a lane is of another kind, or a road has several lanes.
    """

    def __init__(self, network: RoadNetwork) -> None:
        lanes: dict[LaneIndex, AbstractLane] = network.lanes_dict()
        straight = {i: x for i, x in lanes.items() if type(x) is StraightLane}
        circular = {i: x for i, x in lanes.items() if type(x) is CircularLane}
        if len(straight) + len(circular) != len(lanes) or any(i[2] for i in lanes):
            raise TypeError("the fast road takes straight and circular lanes, one lane per road")
        self.indexes: tuple[LaneIndex, ...] = (*straight, *circular)
        self.column = MappingProxyType({index: k for k, index in enumerate(self.indexes)})
        ordered = [lanes[index] for index in self.indexes]
        self.length = tuple(float(lane.length) for lane in ordered)
        self.after_end = tuple(x.length - x.VEHICLE_LENGTH / 2 for x in ordered)
        # The first of equally close lanes wins, so the search keeps the network's own order.
        self._search = _frozen([self.column[index] for index in lanes])
        self._lengths = _frozen(self.length)
        self._reach = _frozen([x.length + x.VEHICLE_LENGTH for x in ordered])
        self._back = _frozen([-x.VEHICLE_LENGTH for x in ordered])
        self._half_width = _frozen([lane.width / 2 + 1 for lane in ordered])
        lines, arcs = straight.values(), circular.values()
        self._split = len(lines)
        self._origin = _frozen([*(x.start for x in lines), *(x.center for x in arcs)])
        self._axes = _frozen([[x.direction for x in lines], [x.direction_lateral for x in lines]])
        self._line_heading = _frozen([x.heading for x in lines])
        self._radius = _frozen([float(x.radius) for x in arcs])
        self._sense = _frozen([float(x.direction) for x in arcs])
        # A factor of +-1 is exact, so it may be joined to the radius without other rounding.
        self._turn = _frozen([float(x.direction * x.radius) for x in arcs])
        self._phase = _frozen([x.start_phase for x in arcs])
        self._quarter = _frozen([np.pi / 2 * x.direction for x in arcs])

    def __deepcopy__(self, memo: dict) -> LaneTable:
        return self

    def locate(self, positions: np.ndarray, headings: np.ndarray) -> Coordinates:
        """Project points on every lane and find the closest lane of each.

        Args:
            positions: world positions [m], shape (V, 2).
            headings: headings [rad], shape (V,).

        Cost: about thirty NumPy calls on (V, L) arrays, for any V.
        """
        split = self._split
        shape = (len(positions), len(self.indexes))
        both, heading = np.empty((2, *shape)), np.empty(shape)
        lon, lat = both
        delta = positions[:, None, :] - self._origin
        # vecdot runs the same BLAS kernel as np.dot on two vectors: the same rounding.
        np.vecdot(delta[:, :split], self._axes[:, None], out=both[:, :, :split])
        delta = delta[:, split:]
        phi = np.arctan2(delta[..., 1], delta[..., 0]) - self._phase
        arc = np.multiply(
            (self._phase + wrap_to_pi(phi)) - self._phase, self._turn, out=lon[:, split:]
        )
        radius = np.sqrt(np.vecdot(delta, delta))
        np.multiply(self._sense, self._radius - radius, out=lat[:, split:])
        heading[:, :split] = self._line_heading
        np.add(arc / self._turn + self._phase, self._quarter, out=heading[:, split:])
        angle = np.abs(wrap_to_pi(headings[:, None] - heading))
        outside = np.maximum(np.maximum(lon - self._lengths, -lon), 0)
        distance = np.abs(lat) + outside + angle
        closest = self._search[distance.take(self._search, axis=1).argmin(axis=1)]
        return Coordinates(lon, lat, closest.tolist())

    def near(self, where: Coordinates) -> np.ndarray:
        """Say which points lie on which lanes with a margin of one metre, shape (V, L)."""
        lon = where.longitudinal
        beside = np.abs(where.lateral) <= self._half_width
        return beside & (self._back <= lon) & (lon < self._reach)

    def heading_at(self, column: np.ndarray, longitudinal: np.ndarray) -> np.ndarray:
        """Give the heading [rad] of lanes (columns, shape (P,)) at longitudinal positions [m]."""
        line = column < self._split
        if line.all():
            return self._line_heading[column]
        heading = np.empty(len(column))
        heading[line] = self._line_heading[column[line]]
        arc, bend = column[~line] - self._split, ~line
        phi = longitudinal[bend] / self._turn[arc] + self._phase[arc]
        heading[bend] = phi + self._quarter[arc]
        return heading

    def centre_at(self, column: np.ndarray, longitudinal: np.ndarray) -> np.ndarray:
        """Give world positions [m], shape (P, 2), on the centre lines of lanes (columns)."""
        centre = self._origin[column]
        line = column < self._split
        bend = ~line
        centre[line] += longitudinal[line][:, None] * self._axes[0, column[line]]
        arc = column[bend] - self._split
        phi = longitudinal[bend] / self._turn[arc] + self._phase[arc]
        unit = np.stack([np.cos(phi), np.sin(phi)], axis=1)
        centre[bend] += self._radius[arc][:, None] * unit
        return centre


class FastRoadNetwork(RoadNetwork):
    """A road network that searches the closest lane among all lanes at once.

    Args:
        graph: the lanes of a stock network, by origin and destination node.
    """

    def __init__(self, graph: dict[str, dict[str, list[AbstractLane]]]) -> None:
        super().__init__()
        self.graph = graph
        self.table = LaneTable(self)
        self.lanes = [self.get_lane(index) for index in self.table.indexes]

    def get_closest_lane_index(
        self, position: np.ndarray, heading: float | None = None
    ) -> LaneIndex:
        """Get the index of the lane closest to a world position [m] and heading [rad]."""
        if heading is None:
            return super().get_closest_lane_index(position, heading)
        where = self.table.locate(position[None], np.array([heading]))
        return self.table.indexes[where.closest[0]]


def _frozen(values: Sequence) -> np.ndarray:
    array = np.array(values)
    array.setflags(write=False)
    return array

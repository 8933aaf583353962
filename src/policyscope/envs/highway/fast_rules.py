"""Who meets whom: conflicts ahead, each vehicle predicted once, and rectangles of cars.

The rectangle tests give an answer only where no rounding could change it; else highway-env decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from highway_env.road.regulation import RegulatedRoad
from highway_env.utils import rotated_rectangles_intersect
from highway_env.vehicle.controller import ControlledVehicle
from highway_env.vehicle.kinematics import Vehicle

from policyscope.envs.highway.fast_lanes import LaneTable

SLACK = 1e-6  # [m], far above any rounding error at these distances
TIMES = np.arange(0.25, 3, 0.25).tolist()
PREDICT = ControlledVehicle.predict_trajectory_constant_speed
Pose = tuple[np.ndarray, float]
Box = tuple[np.ndarray, float, float, float]


def conflicts(
    road: RegulatedRoad, table: LaneTable, longitudinal: list[list[float]]
) -> Iterator[tuple[int, int]]:
    """Find the pairs of vehicles that would meet within three seconds at constant speed.

    Args:
        road: the road whose vehicles are predicted along their routes.
        table: its lanes.
        longitudinal: lane coordinates [m] of each vehicle (V) on each lane (L).

    Yields:
        Positions (i, j), i < j, in `road.vehicles`, in the order of highway-env's two loops.
    """
    vehicles = road.vehicles
    if any(type(v).predict_trajectory_constant_speed is not PREDICT for v in vehicles):
        for i, v in enumerate(vehicles):
            for j in range(i + 1, len(vehicles)):
                if road.is_conflict_possible(v, vehicles[j]):
                    yield i, j
        return
    if len(vehicles) < 2:
        return
    columns, along = [], []
    for v, row in zip(vehicles, longitudinal, strict=True):
        route = [table.column[(i[0], i[1], i[2] or 0)] for i in v.route or [v.lane_index]]
        start = row[table.column[v.lane_index]]
        for t in TIMES:
            column, s = _follow(route, table.length, start + v.speed * t)
            columns.append(column)
            along.append(s)
    column_array, s_array = np.array(columns), np.array(along)
    centres = table.centre_at(column_array, s_array).reshape(len(vehicles), len(TIMES), 2)
    headings = table.heading_at(column_array, s_array).reshape(len(vehicles), len(TIMES))
    gap = centres[:, None] - centres[None]
    reach = np.array([v.LENGTH for v in vehicles])[:, None, None] + SLACK
    close = gap[..., 0] ** 2 + gap[..., 1] ** 2 <= reach**2
    for i, j in np.argwhere(np.triu(close.any(axis=2), 1)).tolist():
        for t in np.flatnonzero(close[i, j]).tolist():
            first = (centres[i, t], headings[i, t])
            second = (centres[j, t], headings[j, t])
            if _meet(vehicles[i], first, vehicles[j], second):
                yield i, j
                break


def _follow(route: list[int], length: tuple[float, ...], s: float) -> tuple[int, float]:
    step = 0
    while step < len(route) - 1 and s > length[route[step]]:
        s -= length[route[step]]
        step += 1
    return route[step], s


def _meet(v1: ControlledVehicle, pose1: Pose, v2: ControlledVehicle, pose2: Pose) -> bool:
    if np.linalg.norm(pose2[0] - pose1[0]) > v1.LENGTH:
        return False
    box1 = (pose1[0], 1.5 * v1.LENGTH, 0.9 * v1.WIDTH, pose1[1])
    box2 = (pose2[0], 1.5 * v2.LENGTH, 0.9 * v2.WIDTH, pose2[1])
    inside = max(corner_depth(box1, box2), corner_depth(box2, box1))
    if abs(inside) > SLACK:
        return inside > 0
    return bool(rotated_rectangles_intersect(box1, box2))


def surely_apart(ego: Vehicle, other: Vehicle, dt: float) -> bool:
    """Say whether two cars surely neither overlap nor will after dt [s] at their speeds.

    True when one of the four edge normals separates the rectangles with room for the whole
    relative displacement; highway-env's search then finds no collision either.

    Reference: separating axis theorem; highway-env, utils.are_polygons_intersecting.
    """
    (x, y), (x_other, y_other) = ego.position.tolist(), other.position.tolist()
    gap_x, gap_y = x_other - x, y_other - y
    cos, sin = math.cos(ego.heading), math.sin(ego.heading)
    cos_other, sin_other = math.cos(other.heading), math.sin(other.heading)
    move_x = (ego.speed * cos - other.speed * cos_other) * dt
    move_y = (ego.speed * sin - other.speed * sin_other) * dt
    length, width = ego.LENGTH / 2, ego.WIDTH / 2
    length_other, width_other = other.LENGTH / 2, other.WIDTH / 2
    # The two headings differ by an angle with this cosine and sine.
    c, s = abs(cos * cos_other + sin * sin_other), abs(cos * sin_other - sin * cos_other)
    for u, w, extent in (
        (cos, sin, length + length_other * c + width_other * s),
        (-sin, cos, width + length_other * s + width_other * c),
        (cos_other, sin_other, length_other + length * c + width * s),
        (-sin_other, cos_other, width_other + length * s + width * c),
    ):
        room = abs(u * gap_x + w * gap_y) - extent
        if room > SLACK and room - abs(u * move_x + w * move_y) > SLACK:
            return True
    return False


def corner_depth(box: Box, other: Box) -> float:
    """Compute how deep [m] a corner, edge midpoint or centre of one box lies in the other.

    Args:
        box: centre [m], length [m], width [m], heading [rad].
        other: the box to lie in.

    Reference: highway-env, utils.has_corner_inside.
    """
    (x, y), length, width, angle = box
    (x_other, y_other), length_other, width_other, angle_other = other
    dx, dy = x - x_other, y - y_other
    cos, sin = math.cos(angle_other), math.sin(angle_other)
    u0, w0 = cos * dx - sin * dy, sin * dx + cos * dy
    # highway-env turns the point by +angle_other here, not by -angle_other; so must this.
    cos, sin = math.cos(angle + angle_other), math.sin(angle + angle_other)
    a, b = length / 2, width / 2
    half_length, half_width = length_other / 2, width_other / 2
    best = -math.inf
    for along in (-a, 0.0, a):
        u_along, w_along = u0 + cos * along, w0 + sin * along
        for across in (-b, 0.0, b):
            inside_u = half_length - abs(u_along - sin * across)
            inside_w = half_width - abs(w_along + cos * across)
            best = max(best, min(inside_u, inside_w))
    return best

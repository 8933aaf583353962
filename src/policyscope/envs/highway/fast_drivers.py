"""Steering and acceleration of all drivers at once, equal bit for bit to the vehicles' own."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from highway_env.road.road import RoadNetwork
from highway_env.vehicle.behavior import IDMVehicle
from highway_env.vehicle.controller import ControlledVehicle, MDPVehicle
from highway_env.vehicle.kinematics import Vehicle

from policyscope.envs.highway.fast_lanes import LaneTable, wrap_to_pi

QUARTER_PI = np.pi / 4
Driver = tuple[int, ControlledVehicle]
Leader = tuple[int, IDMVehicle, int, int, int]


class Scene:
    """Kinematics and lane coordinates of V vehicles; valid until one of them moves.

    Args:
        table: the lanes (L columns).
        positions: world positions [m], shape (V, 2).
        headings: headings [rad], shape (V,).
        speeds: speeds [m/s], shape (V,).
    """

    def __init__(
        self, table: LaneTable, positions: np.ndarray, headings: np.ndarray, speeds: np.ndarray
    ) -> None:
        self.table, self.positions, self.headings, self.speeds = table, positions, headings, speeds
        self.where = table.locate(positions, headings)
        self.longitudinal = self.where.longitudinal.tolist()
        self._members: dict[int, list[tuple[float, int]]] = {}

    @classmethod
    def of(cls, vehicles: list[Vehicle], table: LaneTable) -> Scene:
        """Read the scene off the vehicles."""
        positions = np.array([v.position for v in vehicles]).reshape(-1, 2)
        headings = np.array([v.heading for v in vehicles], dtype=float)
        return cls(table, positions, headings, np.array([v.speed for v in vehicles], dtype=float))

    @cached_property
    def directions(self) -> np.ndarray:
        """Unit vectors of the headings, shape (V, 2)."""
        return np.stack([np.cos(self.headings), np.sin(self.headings)], axis=1)

    @cached_property
    def velocities(self) -> np.ndarray:
        """World velocities [m/s], shape (V, 2)."""
        return self.speeds[:, None] * self.directions

    @cached_property
    def _near(self) -> list[list[bool]]:
        return self.table.near(self.where).T.tolist()

    def front(self, ego: int, column: int) -> int:
        """Find the vehicle ahead of one on a lane, -1 for none; of equals the last."""
        members = self._members.get(column)
        if members is None:
            on_lane = self._near[column]
            members = [(s[column], k) for k, s in enumerate(self.longitudinal) if on_lane[k]]
            self._members[column] = members
        s_ego = self.longitudinal[ego][column]
        nearest, ahead = np.inf, -1
        for s, k in members:
            if s_ego <= s <= nearest and k != ego:
                nearest, ahead = s, k
        return ahead


def steer(scene: Scene, drivers: list[Driver], network: RoadNetwork) -> list[float]:
    """Follow the road and compute the steering angles [rad].

    Args:
        scene: the vehicles before the move.
        drivers: stock IDM or MDP vehicles, each with its row in the scene.
        network: chooses the next lane of a vehicle at the end of one.

    Reference: highway-env, ControlledVehicle.follow_road and steering_control.
    """
    table = scene.table
    rows, columns, half_lengths = [], [], []
    for i, v in drivers:
        column = table.column[v.target_lane_index]
        if scene.longitudinal[i][column] > table.after_end[column]:
            v.target_lane_index = network.next_lane(
                v.target_lane_index, route=v.route, position=v.position
            )
            column = table.column[v.target_lane_index]
        # Each road has one lane, so of the lane-change policy only its timer is left.
        if (
            isinstance(v, IDMVehicle)
            and v.enable_lane_change
            and v.timer > v.LANE_CHANGE_DELAY
            and v.lane_index == v.target_lane_index
        ):
            v.timer = 0
        rows.append(i)
        columns.append(column)
        half_lengths.append(v.LENGTH / 2)
    row, column_array = np.array(rows), np.array(columns)
    speed = scene.speeds[row]
    divisor = _all_not_zero(speed)
    ahead = scene.where.longitudinal[row, column_array] + speed * ControlledVehicle.TAU_PURSUIT
    lateral_speed = -ControlledVehicle.KP_LATERAL * scene.where.lateral[row, column_array]
    command = np.arcsin(_clip(lateral_speed / divisor, 1.0))
    reference = table.heading_at(column_array, ahead) + _clip(command, QUARTER_PI)
    rate = ControlledVehicle.KP_HEADING * wrap_to_pi(reference - scene.headings[row])
    slip = np.arcsin(_clip(np.array(half_lengths) / divisor * rate, 1.0))
    return _clip(np.arctan(2 * np.tan(slip)), ControlledVehicle.MAX_STEERING_ANGLE).tolist()


def accelerate(scene: Scene, drivers: list[Driver]) -> list[float]:
    """Compute the accelerations [m/s2]: the IDM for traffic, speed control for agents.

    Reference: highway-env, IDMVehicle.act and MDPVehicle.speed_control.
    """
    column_of = scene.table.column
    commands = [0.0] * len(drivers)
    traffic, ratios, exponents, leaders = [], [], [], []
    for k, (i, v) in enumerate(drivers):
        if isinstance(v, MDPVehicle):
            commands[k] = float(v.KP_A * (v.target_speed - v.speed))
            continue
        target, limit = v.target_speed, v.lane.speed_limit
        if limit is not None:
            target = min(max(target, 0), limit)
        ratios.append(max(v.speed, 0) / abs(_not_zero(target)))
        exponents.append(v.DELTA)
        traffic.append((k, v))
        own = column_of[v.lane_index]
        front = scene.front(i, own)
        if front >= 0:
            leaders.append((k, v, i, front, own))
        if v.target_lane_index != v.lane_index:
            front = scene.front(i, column_of[v.target_lane_index])
            if front >= 0:
                leaders.append((k, v, i, front, own))
    if not traffic:
        return commands
    powers = np.power(ratios, exponents).tolist()
    for (k, v), power in zip(traffic, powers, strict=True):
        commands[k] = v.COMFORT_ACC_MAX * (1 - power)
    if leaders:
        # Braking is never negative, so less of it on one of two lanes never wins.
        free = list(commands)
        for (k, *_), braking in zip(leaders, _braking(scene, leaders), strict=True):
            commands[k] = min(commands[k], free[k] - braking)
    for k, v in traffic:
        commands[k] = min(max(commands[k], -v.ACC_MAX), v.ACC_MAX)
    return commands


def _braking(scene: Scene, leaders: list[Leader]) -> list[float]:
    ego, front = np.array([leader[2:4] for leader in leaders]).T
    relative = scene.velocities[ego] - scene.velocities[front]
    closing = np.vecdot(relative, scene.directions[ego]).tolist()
    ratios = []
    for (_, v, i, j, column), approach in zip(leaders, closing, strict=True):
        softness = 2 * math.sqrt(-v.COMFORT_ACC_MAX * v.COMFORT_ACC_MIN)
        gap = v.DISTANCE_WANTED + v.speed * v.TIME_WANTED + v.speed * approach / softness
        distance = scene.longitudinal[j][column] - scene.longitudinal[i][column]
        ratios.append(gap / _not_zero(distance))
    squares = np.power(ratios, 2).tolist()
    return [x[1].COMFORT_ACC_MAX * square for x, square in zip(leaders, squares, strict=True)]


def _not_zero(x: float, eps: float = 1e-2) -> float:
    if abs(x) > eps:
        return x
    return eps if x >= 0 else -eps


def _all_not_zero(x: np.ndarray, eps: float = 1e-2) -> np.ndarray:
    return np.where(np.abs(x) > eps, x, np.where(x >= 0, eps, -eps))


def _clip(x: np.ndarray, bound: float) -> np.ndarray:
    return np.minimum(np.maximum(x, -bound), bound)

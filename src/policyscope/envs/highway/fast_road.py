"""A regulated road that moves all its vehicles at once, equal bit for bit to highway-env's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from highway_env.road.regulation import RegulatedRoad
from highway_env.vehicle.behavior import IDMVehicle
from highway_env.vehicle.controller import ControlledVehicle, MDPVehicle

from policyscope.envs.highway.fast_drivers import Scene, accelerate, steer
from policyscope.envs.highway.fast_lanes import FastRoadNetwork
from policyscope.envs.highway.fast_rules import SLACK, conflicts, surely_apart

BATCHED = (IDMVehicle, MDPVehicle)


class FastRegulatedRoad(RegulatedRoad):
    """The intersection's road with its stock vehicles, moved together.

    Vehicles of exactly the stock IDM and MDP classes are batched; any other class keeps its
    own methods. Vehicles hold the whole state: nothing is remembered between two calls,
    except inside `continuous`.
    """

    network: FastRoadNetwork
    _scene: Scene | None = None
    _carry = False

    @contextmanager
    def continuous(self) -> Iterator[None]:
        """Promise that only this road's `act` and `step` move vehicles inside the block."""
        self._scene, self._carry = None, True
        try:
            yield
        finally:
            self._scene, self._carry = None, False

    def act(self) -> None:
        """Decide the actions of each vehicle on the road."""
        if self.objects or self.neighbour_vehicles_connected_lanes:
            super().act()
            return
        drivers = []
        for i, vehicle in enumerate(self.vehicles):
            kind = type(vehicle)
            if kind not in BATCHED:
                vehicle.act()
            elif kind is MDPVehicle or not vehicle.crashed:
                drivers.append((i, vehicle))
        if not drivers:
            return
        scene = self._look()
        angles = steer(scene, drivers, self.network)
        for (_, v), angle, command in zip(drivers, angles, accelerate(scene, drivers), strict=True):
            v.action = {"steering": angle, "acceleration": command}

    def step(self, dt: float) -> None:
        """Enforce the right of way when due, then move each vehicle by dt [s]."""
        self.steps += 1
        if self.steps % int(1 / dt / self.REGULATION_FREQUENCY) == 0:
            self.enforce_road_rules()
        if all(type(v) in BATCHED for v in self.vehicles):
            self._move(dt)
        else:
            self._scene = None
            for v in self.vehicles:
                v.step(dt)
        self._collide(dt)

    def enforce_road_rules(self) -> None:
        """Free the vehicles that yielded, find conflicts and stop those that must yield."""
        vehicles = self.vehicles
        for v in vehicles:
            if getattr(v, "is_yielding", False):
                if v.yield_timer >= self.YIELD_DURATION * self.REGULATION_FREQUENCY:
                    v.target_speed = v.lane.speed_limit
                    delattr(v, "color")
                    v.is_yielding = False
                else:
                    v.yield_timer += 1
        for i, j in conflicts(self, self.network.table, self._look().longitudinal):
            loser = self.respect_priorities(vehicles[i], vehicles[j])
            if isinstance(loser, ControlledVehicle) and not isinstance(loser, MDPVehicle):
                loser.color = self.YIELDING_COLOR
                loser.target_speed = 0
                loser.is_yielding = True
                loser.yield_timer = 0

    def _look(self) -> Scene:
        if self._scene is not None:
            return self._scene
        scene = Scene.of(self.vehicles, self.network.table)
        self._scene = scene if self._carry else None
        return scene

    def _move(self, dt: float) -> None:
        vehicles = self.vehicles
        if not vehicles:
            return
        controls = []
        for v in vehicles:
            if isinstance(v, IDMVehicle):
                v.timer += dt
            if v.crashed or not v.MIN_SPEED <= v.speed <= v.MAX_SPEED:
                v.clip_actions()
            controls.append((v.action["steering"], v.action["acceleration"], v.LENGTH / 2))
        steering, acceleration, half_length = np.array(controls, dtype=float).T.copy()
        before = self._look()
        heading, speed = before.headings, before.speeds
        beta = np.arctan(1 / 2 * np.tan(steering))
        course = heading + beta
        unit = np.stack([np.cos(course), np.sin(course)], axis=1)
        positions = before.positions + speed[:, None] * unit * dt
        headings = heading + speed * np.sin(beta) / half_length * dt
        speeds = speed + acceleration * dt
        for v, position in zip(vehicles, positions, strict=True):
            if v.impact is not None:
                position += v.impact
                v.crashed = True
                v.impact = None
        scene = Scene(self.network.table, positions, headings, speeds)
        self._scene = scene if self._carry else None
        self._settle(scene)

    def _settle(self, scene: Scene) -> None:
        indexes, lanes = self.network.table.indexes, self.network.lanes
        moved = zip(
            self.vehicles,
            scene.positions.copy(),
            scene.headings.tolist(),
            scene.speeds.tolist(),
            scene.where.closest,
            strict=True,
        )
        for v, position, heading, speed, column in moved:
            v.position, v.heading, v.speed = position, heading, speed
            v.lane_index, v.lane = indexes[column], lanes[column]
            if self.record_history:
                v.history.appendleft(v.create_from(v))

    def _collide(self, dt: float) -> None:
        vehicles = self.vehicles
        spots = [v.position.tolist() for v in vehicles]
        largest = max((v.diagonal for v in vehicles), default=0.0)
        for i, ego in enumerate(vehicles):
            reach = largest + abs(ego.speed) * dt + SLACK
            x, y = spots[i]
            for j in range(i + 1, len(spots)):
                x_other, y_other = spots[j]
                if abs(x_other - x) > reach or abs(y_other - y) > reach:
                    continue
                if not surely_apart(ego, vehicles[j], dt):
                    ego.handle_collisions(vehicles[j], dt)
            for other in self.objects:
                ego.handle_collisions(other, dt)

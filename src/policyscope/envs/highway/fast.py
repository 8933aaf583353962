"""highway-env's intersection, several times faster and equal to it bit for bit.

Only the road, its network and the kinematic observation are replaced. Vehicles, lanes,
rewards and every random draw are highway-env's own, so states may be read and changed as usual.
"""

from __future__ import annotations

import numpy as np
from highway_env.envs.common.observation import KinematicObservation, ObservationType
from highway_env.envs.intersection_env import IntersectionEnv
from highway_env.vehicle.objects import RoadObject

from policyscope.envs.highway.fast_lanes import FastRoadNetwork
from policyscope.envs.highway.fast_road import FastRegulatedRoad

QUICK_FEATURES = frozenset({"presence", "x", "y", "vx", "vy", "heading", "cos_h", "sin_h"})


class FastKinematicObservation(KinematicObservation):
    """The kinematic observation without data frames, for features of the vehicles alone."""

    def observe(self) -> np.ndarray:
        """Observe the ego and the nearby vehicles, shape (vehicles_count, features)."""
        road = self.env.road
        quick = QUICK_FEATURES.issuperset(self.features) and self.vehicles_count > 1
        if not road or not quick or road.objects or (self.normalize and not self.features_range):
            return super().observe()
        ego = self.observer_vehicle
        others = road.close_objects_to(
            ego,
            self.env.PERCEPTION_DISTANCE,
            count=self.vehicles_count - 1,
            see_behind=self.see_behind,
            sort=self.order == "sorted",
            vehicles_only=not self.include_obstacles,
        )
        table = _kinematics([ego, *others])
        if not self.absolute:
            for name in ("x", "y", "vx", "vy"):
                table[name][1:] -= table[name][0]
        if self.normalize:
            for name, (low, high) in self.features_range.items():
                if name in self.features:
                    scaled = -1 + (table[name] - low) * 2 / (high - low)
                    table[name] = np.clip(scaled, -1, 1) if self.clip else scaled
        obs = np.zeros((self.vehicles_count, len(self.features)))
        obs[: 1 + len(others)] = np.stack([table[name] for name in self.features], axis=1)
        if self.order == "shuffled":
            self.env.np_random.shuffle(obs[1:])
        return obs.astype(np.float32)


class FastIntersectionEnv(IntersectionEnv):
    """`IntersectionEnv` on a fast road; same arguments, same results.

    Args:
        config: changes to the default configuration.
        render_mode: "rgb_array", "human" or None.

    Example:
        >>> env = FastIntersectionEnv({"destination": "o1"})
        >>> obs, info = env.reset(seed=0)
        >>> obs.shape
        (15, 7)
    """

    road: FastRegulatedRoad
    observation_type: ObservationType

    def define_spaces(self) -> None:
        """Set the types and spaces of observations and actions from the configuration."""
        super().define_spaces()
        if type(self.observation_type) is KinematicObservation:
            self.observation_type = FastKinematicObservation(self, **self.config["observation"])

    def _make_road(self) -> None:
        super()._make_road()
        stock = self.road
        self.road = FastRegulatedRoad(
            network=FastRoadNetwork(stock.network.graph),
            np_random=stock.np_random,
            record_history=stock.record_history,
            neighbour_vehicles_connected_lanes=stock.neighbour_vehicles_connected_lanes,
        )

    def _make_vehicles(self, n_vehicles: int = 10) -> None:
        with self.road.continuous():
            super()._make_vehicles(n_vehicles)

    def _simulate(self, action: int | None = None) -> None:
        with self.road.continuous():
            super()._simulate(action)


def make_fast_intersection(
    config: dict | None, render_mode: str | None = None
) -> FastIntersectionEnv:
    """Make the fast intersection, unwrapped.

    Args:
        config: changes to highway-env's default configuration of `intersection-v0`.
        render_mode: "rgb_array", "human" or None.
    """
    return FastIntersectionEnv(config=config, render_mode=render_mode)


def _kinematics(vehicles: list[RoadObject]) -> dict[str, np.ndarray]:
    positions = np.array([v.position for v in vehicles])
    headings = np.array([v.heading for v in vehicles])
    speeds = np.array([v.speed for v in vehicles])
    cos, sin = np.cos(headings), np.sin(headings)
    return {
        "presence": np.ones(len(vehicles)),
        "x": positions[:, 0],
        "y": positions[:, 1],
        "vx": speeds * cos,
        "vy": speeds * sin,
        "heading": headings,
        "cos_h": cos,
        "sin_h": sin,
    }

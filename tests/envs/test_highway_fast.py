"""The fast intersection equals highway-env's bit for bit: states, observations, rewards, draws."""

from __future__ import annotations

import copy
import types
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pytest
from highway_env.envs.intersection_env import IntersectionEnv
from highway_env.road.road import Road, RoadNetwork
from highway_env.utils import has_corner_inside
from highway_env.vehicle.kinematics import Vehicle

from policyscope.envs.highway import fast_road
from policyscope.envs.highway.fast import FastIntersectionEnv, make_fast_intersection
from policyscope.envs.highway.fast_lanes import LaneTable
from policyscope.envs.highway.fast_road import FastRegulatedRoad
from policyscope.envs.highway.fast_rules import corner_depth, surely_apart

SLOWER, FASTER = 0, 2
CONFIG = {
    "observation": {
        "type": "Kinematics",
        "vehicles_count": 15,
        "features": ["presence", "x", "y", "vx", "vy", "cos_h", "sin_h"],
        "features_range": {"x": [-100, 100], "y": [-100, 100], "vx": [-20, 20], "vy": [-20, 20]},
        "absolute": True,
        "order": "shuffled",
        "observe_intentions": True,
    },
    "destination": "o1",
}
SMALL = {"type": "Kinematics", "vehicles_count": 5}
VARIANTS = {
    "crowded": {"initial_vehicle_count": 15},
    "sparse": {"spawn_probability": 0.2},
    "alone": {"initial_vehicle_count": 1, "spawn_probability": 0.0},
    "coarse": {"simulation_frequency": 5},
    "straight": {"destination": "o2"},
    "random destination, long": {"destination": None, "duration": 20},
    "quick decisions": {"policy_frequency": 5, "spawn_probability": 1.0},
    "relative, sorted": {"observation": {**SMALL, "order": "sorted", "see_behind": True}},
    "stock features": {"observation": {**SMALL, "features": ["presence", "x", "cos_d"]}},
    "history": {"show_trajectories": True},
    "connected lanes": {"neighbour_vehicles_connected_lanes": True},
    "aggressive": {"other_vehicles_type": "highway_env.vehicle.behavior.AggressiveVehicle"},
    "two agents": {"controlled_vehicles": 2},
}
IMMUTABLE = (tuple, frozenset, types.MappingProxyType, LaneTable, np.dtype)
Edit = Callable[[IntersectionEnv, int], None]


def vehicle_state(vehicle) -> dict:
    state = {k: v for k, v in vars(vehicle).items() if k not in ("road", "lane", "history", "log")}
    state["class"] = type(vehicle)
    state["history"] = [(h.position.tolist(), h.heading, h.speed) for h in vehicle.history]
    state["lane"] = vehicle.road.network.lanes_list().index(vehicle.lane)
    return plain(state)


def plain(value):
    """Turn arrays into lists, so that == compares every element."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(v) for v in value)
    return value


def scene_state(env: IntersectionEnv) -> dict:
    vehicles = env.road.vehicles
    return {
        "vehicles": [vehicle_state(v) for v in vehicles],
        "controlled": [vehicles.index(v) for v in env.controlled_vehicles],
        "clock": (env.time, env.steps, env.road.steps),
        "draws": env.np_random.bit_generator.state,
        "shared draws": env.road.np_random is env.np_random,
    }


def first_difference(
    stock: IntersectionEnv,
    other: IntersectionEnv,
    seeds: Iterable[int],
    action: int | None = None,
    edit: Edit | None = None,
) -> str | None:
    """Play both; say where they first differ in any bit, or None."""
    for seed in seeds:
        draws = np.random.default_rng(seed)
        results = [env.reset(seed=seed)[:1] for env in (stock, other)]
        step, done = 0, False
        while True:
            where = f"seed {seed} step {step}"
            (obs, *rest), (other_obs, *other_rest) = results
            if obs.dtype != other_obs.dtype or obs.tolist() != other_obs.tolist():
                return f"{where}: observation"
            if rest != other_rest:
                return f"{where}: {rest} against {other_rest}"
            mine, theirs = scene_state(stock), scene_state(other)
            for key in mine:
                if mine[key] != theirs[key]:
                    return f"{where}: {key}"
            if done:
                break
            for env in (stock, other):
                if edit is not None:
                    edit(env, step)
            choice = int(draws.integers(3)) if action is None else action
            results = [env.step(choice) for env in (stock, other)]
            done, step = results[0][2] or results[0][3], step + 1
    return None


def pair(changes: dict | None = None, fast: type = FastIntersectionEnv):
    config = {**CONFIG, **(changes or {})}
    return IntersectionEnv(config=config), fast(config=config)


@pytest.mark.parametrize("action", [None, FASTER, SLOWER])
def test_equal_to_stock(action):
    assert first_difference(*pair(), seeds=range(2), action=action) is None


@pytest.mark.parametrize("name", VARIANTS)
def test_equal_to_stock_in_other_configurations(name):
    assert first_difference(*pair(VARIANTS[name]), seeds=[0]) is None


@pytest.mark.slow  # 45 to 90 s each, 70 to 130 s on a busy machine
@pytest.mark.timeout(600)
@pytest.mark.parametrize("action", [None, FASTER, SLOWER])
def test_equal_to_stock_on_200_seeds(action):
    assert first_difference(*pair(), seeds=range(200), action=action) is None


@pytest.mark.slow  # 2 to 18 s each, 3 to 26 s on a busy machine
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", VARIANTS)
def test_equal_to_stock_in_other_configurations_on_20_seeds(name):
    assert first_difference(*pair(VARIANTS[name]), seeds=range(1000, 1020)) is None


def test_changes_made_from_outside_take_effect():
    def push(env: IntersectionEnv, step: int) -> None:
        others = [v for v in env.road.vehicles if v is not env.vehicle]
        if step == 1:
            others[0].position[0] += 3.25
        elif step == 2:
            others[1].position = env.vehicle.position + np.array([2.0, 7.0])
        elif step == 3:
            env.road.vehicles.remove(others[0])
        elif step == 4:
            others[1].speed, others[1].heading = 3.5, 0.3
            env.road.act()
            env.road.step(0.1)

    assert first_difference(*pair(), seeds=range(3), action=SLOWER, edit=push) is None


def test_locate_equals_the_lanes_themselves():
    network = make_fast_intersection(CONFIG).road.network
    draws = np.random.default_rng(0)
    points, headings = draws.uniform(-90, 90, (200, 2)), draws.uniform(-7, 7, 200)
    where = network.table.locate(points, headings)
    for k, (point, heading) in enumerate(zip(points, headings, strict=True)):
        lanes = [network.get_lane(index) for index in network.table.indexes]
        coordinates = [lane.local_coordinates(point) for lane in lanes]
        assert where.longitudinal[k].tolist() == [s for s, _ in coordinates]
        assert where.lateral[k].tolist() == [r for _, r in coordinates]
        closest = RoadNetwork.get_closest_lane_index(network, point, heading)
        assert network.table.indexes[where.closest[k]] == closest


def test_centre_and_heading_equal_the_lanes_themselves():
    table = (network := make_fast_intersection(CONFIG).road.network).table
    draws = np.random.default_rng(1)
    columns, along = draws.integers(20, size=400), draws.uniform(-20, 120, 400)
    lanes = [network.get_lane(table.indexes[column]) for column in columns]
    positions = [lane.position(s, 0).tolist() for lane, s in zip(lanes, along, strict=True)]
    assert table.centre_at(columns, along).tolist() == positions
    headings = [lane.heading_at(s) for lane, s in zip(lanes, along, strict=True)]
    assert table.heading_at(columns, along).tolist() == headings


def two_cars(draws: np.random.Generator) -> list[Vehicle]:
    poses = draws.uniform([-4, -4, -7, -10], [4, 4, 7, 10], (2, 4)).tolist()
    return [Vehicle(None, pose[:2], pose[2], pose[3]) for pose in poses]


def test_surely_apart_never_hides_a_collision():
    draws = np.random.default_rng(2)
    apart = hidden = 0
    for _ in range(1500):
        ego, other = two_cars(draws)
        touching, will_touch, _ = ego._is_colliding(other, 0.2)
        sure = surely_apart(ego, other, 0.2)
        apart += sure
        hidden += sure and (touching or will_touch)
    assert hidden == 0
    assert 200 < apart < 1300


@pytest.mark.parametrize(("sign", "equal"), [(1, True), (-1, False)])
def test_corner_depth_agrees_with_highway_env_on_its_turn(sign, equal):
    draws = np.random.default_rng(3)
    mismatches = 0
    for _ in range(1000):
        car, other = two_cars(draws)
        box = (car.position, 7.5, 1.8, car.heading)
        mine = corner_depth(box, (other.position, 7.5, 1.8, sign * other.heading)) > 0
        theirs = has_corner_inside(box, (other.position, 7.5, 1.8, other.heading))
        mismatches += mine != theirs
    assert bool(mismatches == 0) is equal


def test_make_takes_the_configuration():
    env = make_fast_intersection({"duration": 3}, render_mode="rgb_array")
    assert isinstance(env, IntersectionEnv)
    assert (env.config["duration"], env.render_mode) == (3, "rgb_array")
    assert isinstance(env.road, FastRegulatedRoad)


def test_stock_classes_stay_stock():
    make_fast_intersection(CONFIG)
    stock = IntersectionEnv(config=CONFIG)
    assert type(stock.road).__mro__[1] is Road
    assert type(stock.road.network) is RoadNetwork
    assert type(stock.observation_type).__name__ == "KinematicObservation"


def mutable_objects(root: object) -> dict[int, object]:
    """Collect every mutable object reachable from root, by identity."""
    found: dict[int, object] = {}
    queue, seen = [root], set()
    fixed = (type, types.FunctionType, types.ModuleType, str, bytes, int, float, np.generic)
    while queue:
        item = queue.pop()
        if item is None or isinstance(item, fixed) or id(item) in seen:
            continue
        seen.add(id(item))
        frozen_array = isinstance(item, np.ndarray) and not item.flags.writeable
        if not frozen_array and not isinstance(item, IMMUTABLE):
            found[id(item)] = item
        if isinstance(item, Mapping):
            queue.extend(item.values())
        elif isinstance(item, Iterable) and not isinstance(item, np.ndarray):
            queue.extend(item)
        queue.extend(vars(item).values() if hasattr(item, "__dict__") else ())
        if isinstance(item, np.random.Generator):
            queue.append(item.bit_generator)
    return found


def test_deep_copy_shares_nothing_and_goes_on_alike():
    env = make_fast_intersection(CONFIG)
    env.reset(seed=5)
    for _ in range(3):
        env.step(SLOWER)
    twin = copy.deepcopy(env)
    mine, theirs = mutable_objects(env), mutable_objects(twin)
    assert len(mine) > 100
    assert [mine[i] for i in mine.keys() & theirs.keys()] == []

    before = scene_state(env)
    ahead = [twin.step(a) for a in (FASTER, SLOWER, FASTER)]
    assert scene_state(env) == before
    assert scene_state(twin) != before

    behind = [env.step(a) for a in (FASTER, SLOWER, FASTER)]
    assert scene_state(env) == scene_state(twin)
    assert [o.tolist() for o, *_ in ahead] == [o.tolist() for o, *_ in behind]
    assert [rest[:3] for _, *rest in ahead] == [rest[:3] for _, *rest in behind]


class TiltedLane(FastIntersectionEnv):
    """One lane's heading is off by 1e-12 rad."""

    def _make_road(self) -> None:
        super()._make_road()
        table = self.road.network.table
        table._line_heading = table._line_heading + 1e-12 * (np.arange(12) == 0)


class EagerDraw(FastIntersectionEnv):
    """The spawned vehicle's speed is drawn before its place."""

    def _spawn_vehicle(self, *args, **kwargs) -> None:
        state = self.np_random.bit_generator.state
        first, second = self.np_random.uniform(size=2)
        self.np_random.bit_generator.state = state
        if first < second:
            self.np_random.normal()
        super()._spawn_vehicle(*args, **kwargs)


class StaleScene(FastIntersectionEnv):
    """Lane coordinates are carried from one decision to the next."""

    def _simulate(self, action=None) -> None:
        scene = self.road._scene
        if scene is not None and len(scene.longitudinal) != len(self.road.vehicles):
            self.road._scene = None
        self.road._carry = True
        IntersectionEnv._simulate(self, action)


class FusedSpeed(FastIntersectionEnv):
    """Positions move by speed * dt times the direction: the same, but rounded elsewhere."""

    def _make_road(self) -> None:
        super()._make_road()
        self.road.__class__ = FusedSpeedRoad


class FusedSpeedRoad(FastRegulatedRoad):
    def _move(self, dt: float) -> None:
        before = [v.position.copy() for v in self.vehicles]
        course = [
            v.heading + np.arctan(1 / 2 * np.tan(float(v.action["steering"]) * (not v.crashed)))
            for v in self.vehicles
        ]
        speeds = [v.speed for v in self.vehicles]
        super()._move(dt)
        for v, start, angle, speed in zip(self.vehicles, before, course, speeds, strict=True):
            v.position = start + speed * dt * np.array([np.cos(angle), np.sin(angle)])


@pytest.mark.parametrize("mutant", [TiltedLane, EagerDraw, StaleScene, FusedSpeed])
def test_comparison_catches_a_wrong_variant(mutant):
    def nudge(env: IntersectionEnv, step: int) -> None:
        env.road.vehicles[0].position[0] += 0.5

    difference = first_difference(*pair(fast=mutant), seeds=range(3), edit=nudge)
    assert difference is not None


def test_comparison_catches_a_missed_yield(monkeypatch):
    monkeypatch.setattr(fast_road, "conflicts", lambda *_: iter(()))
    difference = first_difference(*pair(), seeds=range(3))
    assert difference is not None
    assert "vehicles" in difference or "observation" in difference

"""Scene edits of the intersection: move, remove, add, speed and reseed."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from highway_env import utils

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.scene import SceneEdit

_ARMS = 4


def apply(env: Any, edit: SceneEdit) -> None:
    """Change the vehicles of an intersection; draws nothing.

    ``move`` takes x and y [m] and may take heading [rad], ``speed`` takes speed [m/s],
    ``remove`` takes nothing, and ``add`` takes x, y and speed and may take heading and
    destination (arm 0 south, 1 west, 2 north, 3 east). ``reseed`` takes a seed: what is shown stays
    as it is, every later draw (vehicles to come, the order of rows) is that seed's.

    Raises:
        UnknownName: a kind or value that does not exist.
        PolicyscopeError: no such vehicle, the ego is to be removed, or a value is missing.
    """
    if edit.kind not in _KINDS:
        raise UnknownName("kind of scene edit", edit.kind, _KINDS)
    change, needed, optional = _KINDS[edit.kind]
    for name, value in edit.values.items():
        if name not in needed + optional:
            raise UnknownName(f"value of scene edit '{edit.kind}'", name, needed + optional)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise PolicyscopeError(f"scene edit '{edit.kind}': {name} must be a finite number")
    missing = [name for name in needed if name not in edit.values]
    if missing:
        raise PolicyscopeError(
            f"scene edit '{edit.kind}' needs {', '.join(needed)}; missing: {', '.join(missing)}"
        )
    change(env, edit)


def _move(env: Any, edit: SceneEdit) -> None:
    vehicle = _find(env, edit)
    goal = vehicle.route[-1][1] if vehicle.route else vehicle.lane_index[1]
    vehicle.position = np.array([edit.values["x"], edit.values["y"]], dtype=float)
    vehicle.heading = float(edit.values.get("heading", vehicle.heading))
    vehicle.on_state_update()
    vehicle.target_lane_index = vehicle.lane_index
    vehicle.plan_route_to(goal)


def _set_speed(env: Any, edit: SceneEdit) -> None:
    _find(env, edit).speed = float(edit.values["speed"])


def _remove(env: Any, edit: SceneEdit) -> None:
    vehicle = _find(env, edit)
    if vehicle in env.controlled_vehicles:
        raise PolicyscopeError("the ego (identity 0) cannot be removed")
    env.road.vehicles.remove(vehicle)


def _add(env: Any, edit: SceneEdit) -> None:
    if edit.identity is not None:
        raise PolicyscopeError("scene edit 'add' takes no identity; the new vehicle gets the next")
    position = np.array([edit.values["x"], edit.values["y"]], dtype=float)
    network = env.road.network
    lane_index = network.get_closest_lane_index(position, edit.values.get("heading"))
    lane = network.get_lane(lane_index)
    along = lane.local_coordinates(position)[0]
    heading = float(edit.values.get("heading", lane.heading_at(along)))
    kind = utils.class_from_path(env.config["other_vehicles_type"])
    vehicle = kind(env.road, position, heading, float(edit.values["speed"]))
    vehicle.plan_route_to(_goal(edit, vehicle.lane_index))
    env.road.vehicles.append(vehicle)


def _reseed(env: Any, edit: SceneEdit) -> None:
    if edit.identity is not None:
        raise PolicyscopeError("scene edit 'reseed' takes no identity")
    seed = edit.values["seed"]
    if seed != int(seed) or seed < 0:
        raise PolicyscopeError(f"scene edit 'reseed': seed must be a whole number >= 0, not {seed}")
    # In place: the road and its vehicles draw from the same generator.
    env.np_random.bit_generator.state = np.random.PCG64(int(seed)).state


def _goal(edit: SceneEdit, lane_index: tuple[str, str, int]) -> str:
    if "destination" in edit.values:
        arm = edit.values["destination"]
        if arm not in range(_ARMS):
            raise PolicyscopeError(f"scene edit 'add': destination must be 0, 1, 2 or 3, not {arm}")
        return f"o{int(arm)}"
    begin, end, _ = lane_index
    straight_on = (int(begin[-1]) + 2) % _ARMS
    return f"o{straight_on if begin.startswith('o') else end[-1]}"


def _find(env: Any, edit: SceneEdit) -> Any:
    on_road = {v.identity: v for v in env.road.vehicles}
    if edit.identity not in on_road:
        raise PolicyscopeError(
            f"scene edit '{edit.kind}': no vehicle {edit.identity} is on the road;"
            f" valid: {', '.join(str(i) for i in sorted(on_road))}"
        )
    return on_road[edit.identity]


_Kind = tuple[Callable[[Any, SceneEdit], None], tuple[str, ...], tuple[str, ...]]
_KINDS: dict[str, _Kind] = {
    "move": (_move, ("x", "y"), ("heading",)),
    "remove": (_remove, (), ()),
    "add": (_add, ("x", "y", "speed"), ("heading", "destination")),
    "speed": (_set_speed, ("speed",), ()),
    "reseed": (_reseed, ("seed",), ()),
}

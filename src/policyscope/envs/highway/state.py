"""The full state of an intersection: copied, put back, fingerprinted."""

import hashlib
import json
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

_PLAIN = (
    "identity", "heading", "speed", "crashed", "hit", "timer", "target_speed", "speed_index",
    "target_lane_index", "lane_index", "route", "DELTA", "is_yielding", "yield_timer", "action",
)  # fmt: skip
_ARRAYS = ("position", "impact", "ACCELERATION_PARAMETERS", "STEERING_PARAMETERS")

_WATCHED = ("before", "seen", "candidates")


@dataclass(frozen=True)
class Moment:
    """A deep copy of everything that moves; the road's lanes never change and are shared."""

    parts: dict[str, Any]


def capture(env: Any) -> Moment:
    """Copy the state of a watched intersection; draws nothing."""
    watched = env.observation_type
    parts = {
        "road": env.road,
        "controlled_vehicles": env.controlled_vehicles,
        "_np_random": env.np_random,
        "time": env.time,
        "steps": env.steps,
        "done": env.done,
        **{name: getattr(watched, name) for name in _WATCHED},
    }
    return Moment(_copy(parts))


def restore(env: Any, moment: Moment) -> None:
    """Put a copied state into an intersection of the same settings."""
    parts = _copy(moment.parts)
    watched = {name: parts.pop(name) for name in _WATCHED}
    for name, value in parts.items():
        setattr(env, name, value)
    env.define_spaces()
    for name, value in watched.items():
        setattr(env.observation_type, name, value)


def digest(env: Any) -> str:
    """Fingerprint of the vehicles, the clocks and the random generator, as hex."""
    state = {
        "vehicles": [_vehicle(v) for v in env.road.vehicles],
        "clock": [float(env.time).hex(), int(env.steps), int(env.road.steps)],
        "generator": env.np_random.bit_generator.state,
    }
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _vehicle(vehicle: Any) -> list[Any]:
    plain = [_exact(getattr(vehicle, name, None)) for name in _PLAIN]
    arrays = [_exact(getattr(vehicle, name, None)) for name in _ARRAYS]
    return [type(vehicle).__name__, plain, arrays]


def _exact(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, dict):
        return {str(k): _exact(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(v) for v in value]
    return value


def _copy(parts: dict[str, Any]) -> dict[str, Any]:
    network = parts["road"].network
    fixed = {id(lane): lane for lane in network.lanes_list()}
    return deepcopy(parts, {**fixed, id(network): network})

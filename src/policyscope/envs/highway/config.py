"""Settings of highway-env's intersection: what the study changes and what a user may change."""

from copy import deepcopy
from typing import Any

from highway_env.envs.intersection_env import IntersectionEnv

from policyscope.core.errors import PolicyscopeError, UnknownName

ACTIONS = ("SLOWER", "IDLE", "FASTER")
FEATURES = ("presence", "x", "y", "vx", "vy", "cos_h", "sin_h")

DIFFERENCES: dict[str, Any] = {
    "observation.order": "shuffled",
    "observation.observe_intentions": True,
}

_UNSTATED: dict[str, Any] = {
    "observation.order": "sorted",
    "observation.normalize": True,
    "observation.clip": True,
    "observation.see_behind": False,
    "observation.include_obstacles": True,
    "engine": "fast",
}
_FIXED = frozenset(
    {
        "action.type",
        "action.lateral",
        "action.longitudinal",
        "controlled_vehicles",
        "manual_control",
        "observation.flatten",
        "observation.type",
        "offscreen_rendering",
        "real_time_rendering",
        "render_agent",
        "screen_height",
        "screen_width",
        "show_trajectories",
    }
)
_VEHICLES = "highway_env.vehicle.behavior."
_CHOICES: dict[str, tuple[str, ...]] = {
    "engine": ("fast", "stock"),
    "observation.order": ("shuffled", "sorted"),
    "destination": ("o1", "o2", "o3"),
    "other_vehicles_type": tuple(
        _VEHICLES + name
        for name in ("IDMVehicle", "LinearVehicle", "AggressiveVehicle", "DefensiveVehicle")
    ),
}
_OBSERVABLE = (*FEATURES, "heading", "cos_d", "sin_d", "long_off", "lat_off", "ang_off")
_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
}
_AT_LEAST: dict[str, float] = {
    "observation.vehicles_count": 2,
    "initial_vehicle_count": 1,
    "policy_frequency": 1,
    "simulation_frequency": 1,
    "duration": 0,
    "spawn_probability": 0,
}


def settings() -> dict[str, Any]:
    """Every setting a user may change, as dotted key and default.

    Example:
        >>> settings()["observation.vehicles_count"]
        15
    """
    stock = _flatten(IntersectionEnv.default_config())
    defaults = {**stock, **_UNSTATED, **DIFFERENCES}
    return {key: defaults[key] for key in sorted(defaults) if key not in _FIXED}


def configuration(options: dict[str, Any]) -> dict[str, Any]:
    """Complete the settings of an environment.

    Args:
        options: what differs from ``settings()``; dotted keys or nested mappings.

    Returns:
        The nested configuration highway-env takes, and beside it the key ``engine``.

    Raises:
        UnknownName: no such setting, or no such choice of it.
        PolicyscopeError: a value of the wrong type or size.

    Example:
        >>> configuration({"observation.vehicles_count": 10})["observation"]["vehicles_count"]
        10
    """
    valid = settings()
    chosen = _flatten(options)
    for key, value in chosen.items():
        if key not in valid:
            raise UnknownName("setting of highway/intersection", key, valid)
        _check(key, value, valid[key])
    config = deepcopy(IntersectionEnv.default_config())
    for key, value in {**_UNSTATED, **DIFFERENCES, **chosen}.items():
        branch = config
        *path, leaf = key.split(".")
        for name in path:
            branch = branch[name]
        branch[leaf] = deepcopy(value)
    return config


def _check(key: str, value: Any, default: Any) -> None:
    if key in _CHOICES and value not in _CHOICES[key]:
        raise UnknownName(f"choice of '{key}'", str(value), _CHOICES[key])
    if not _same_type(value, default):
        wanted = _KINDS[type(default)]
        raise PolicyscopeError(f"setting '{key}' takes {wanted} like {default!r}, not {value!r}")
    if key in _AT_LEAST and value < _AT_LEAST[key]:
        raise PolicyscopeError(f"setting '{key}' must be at least {_AT_LEAST[key]}, not {value!r}")
    if key == "observation.features":
        for name in value:
            if name not in _OBSERVABLE:
                raise UnknownName("feature of a vehicle", str(name), _OBSERVABLE)
        if value[:1] != ["presence"]:
            raise PolicyscopeError("setting 'observation.features' must begin with 'presence'")


def _same_type(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, int | float):
        return isinstance(value, int if isinstance(default, int) else int | float)
    if isinstance(default, list):
        matches = isinstance(value, list) and len(value) > 0
        return matches and all(_same_type(v, default[0]) or _numbers(v, default[0]) for v in value)
    return isinstance(value, type(default))


def _numbers(value: Any, default: Any) -> bool:
    numeric = isinstance(value, int | float) and isinstance(default, int | float)
    return numeric and not isinstance(value, bool)


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat

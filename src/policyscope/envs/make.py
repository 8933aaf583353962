"""Making environments by name."""

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.registry import find, names
from policyscope.envs.procgen.options import require_mode
from policyscope.envs.procgen.options import settings as procgen_settings
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Lane, Stepper
from policyscope.envs.steppers import LocalStepper
from policyscope.envs.workers import ProcessStepper

_PACKAGES = {
    "highway/": ("highway-env", "gymnasium"),
    "gym:": ("gymnasium",),
    "procgen/": ("procgen-mirror",),
}


def make(spec: EnvSpec, lanes: int = 1, workers: int = 0) -> Stepper:
    """Make an environment of several lanes.

    Args:
        spec: which environment, and its options.
        lanes: how many worlds run in lockstep.
        workers: how many processes hold them; 0 keeps them in this one.

    Raises:
        UnknownName: no such environment or option.

    Example:
        >>> stepper = make(EnvSpec("highway/intersection"), lanes=2)
        >>> stepper.space.obs_shape
        (15, 7)
    """
    if not spec.id.startswith("gym:"):
        _require_known(spec.id)
    spec = versioned(spec)
    if workers:
        return ProcessStepper(spec, lanes, workers)
    if lanes < 1:
        raise PolicyscopeError("a stepper needs at least one lane")
    return make_local(spec, lanes)


def make_local(spec: EnvSpec, lanes: int) -> Stepper:
    """Make an environment of several lanes in this process, on its batched engine if it has one.

    Raises:
        UnknownName: no such environment or option.
    """
    if spec.id in names("batched environment"):
        stepper: Stepper = find("batched environment", spec.id)(spec, lanes)
        return stepper
    return LocalStepper([make_lane(spec) for _ in range(lanes)])


def make_lane(spec: EnvSpec) -> Lane:
    """Make one world.

    Raises:
        UnknownName: no such environment or option.
    """
    if spec.id.startswith("gym:"):
        from policyscope.envs.gym_lane import make_lane as make_gym_lane

        return make_gym_lane(spec)
    return find("environment", spec.id)(spec)


def versioned(spec: EnvSpec) -> EnvSpec:
    """Fill in the versions of the packages that decide how an environment behaves."""
    if spec.versions:
        return spec
    packages = next((p for start, p in _PACKAGES.items() if spec.id.startswith(start)), ())
    try:
        return replace(spec, versions={name: version(name) for name in packages})
    except PackageNotFoundError:
        return spec  # making the environment says what to install


def parse_env(text: str, settings: Sequence[str] = ()) -> EnvSpec:
    """Read an environment from the flags of a command line.

    Args:
        text: registered name, or ``gym:ID``.
        settings: ``key=value`` each; a value is JSON where it can be read so, else a string.

    Raises:
        UnknownName: no such environment.
        PolicyscopeError: a setting without ``=``, or one that a Procgen game does not have.

    Example:
        >>> parse_env("highway/intersection", ["duration=20", "destination=o3"]).options
        {'duration': 20, 'destination': 'o3'}
    """
    if not text.startswith("gym:"):
        _require_known(text)
    options: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise PolicyscopeError(f"environment setting '{setting}' must be written key=value")
        try:
            options[key] = json.loads(value)
        except json.JSONDecodeError:
            options[key] = value
    if text.startswith("procgen/"):
        chosen = procgen_settings(options)
        require_mode(text.removeprefix("procgen/"), chosen["mode"])
    return versioned(EnvSpec(text, options))


def _require_known(name: str) -> None:
    valid = names("environment")
    if name not in valid:
        raise UnknownName("environment", name, [*valid, "gym:ID"])

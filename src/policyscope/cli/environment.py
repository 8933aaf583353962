"""Choice of the environment a command runs in."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from policyscope.agents.agent import Agent
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.make import parse_env, versioned
from policyscope.envs.procgen.options import level_of, require_mode
from policyscope.envs.procgen.options import settings as procgen_settings
from policyscope.envs.spec import EnvSpec

_PROCGEN = "procgen/"


def choose_env(
    agent: Agent, text: str | None, settings: Sequence[str], mode: str | None = None
) -> EnvSpec:
    """The environment of the flags, else the agent's own, with the versions installed here.

    Args:
        agent: whose environment to take where the flags name none.
        text: registered name or ``gym:ID``; None for the agent's own.
        settings: ``key=value`` each, on top of the agent's own where that is taken.
        mode: short for the setting ``mode=...``, where the environment has modes.

    Raises:
        UnknownName: no such environment or mode.
        PolicyscopeError: neither the flags nor the agent name one, a bad setting, or a mode that is
            given twice or to an environment without modes.
    """
    if text is None and agent.env is None:
        raise PolicyscopeError("the agent names no environment; give one with --env")
    spec = parse_env(text or (agent.env.id if agent.env else ""), settings)
    spec = with_mode(spec, mode)
    if text is not None or agent.env is None:
        return spec
    options = {**agent.env.options, **spec.options}
    return versioned(replace(agent.env, options=options, versions={}))


def with_mode(spec: EnvSpec, mode: str | None) -> EnvSpec:
    """An environment in the mode of a flag; None leaves it as it is.

    Raises:
        UnknownName: the game has no such mode.
        PolicyscopeError: the environment has no modes, or the mode is given twice.
    """
    if mode is None:
        return spec
    if not spec.id.startswith(_PROCGEN):
        raise PolicyscopeError(f"{spec.id} has no modes; leave out --mode")
    if "mode" in spec.options:
        raise PolicyscopeError("the mode is given twice; leave out --mode or --env-set mode=...")
    require_mode(spec.id.removeprefix(_PROCGEN), mode)
    return replace(spec, options={**spec.options, "mode": mode})


def env_text(env: Mapping[str, Any]) -> str:
    """An environment with its settings, in words.

    Args:
        env: as ``EnvSpec.to_json`` gives it.

    Example:
        >>> env_text({"id": "procgen/maze", "options": {"center_agent": False}})
        'procgen/maze (mode=hard, center_agent=false)'
        >>> env_text({"id": "highway/intersection", "options": {}})
        'highway/intersection (default settings)'
    """
    options = dict(env["options"])
    if env["id"].startswith(_PROCGEN):
        options = {"mode": procgen_settings(options)["mode"], **options}
    told = ", ".join(f"{name}={_plain(value)}" for name, value in options.items())
    return f"{env['id']} ({told or 'default settings'})"


def seeds_text(env: Mapping[str, Any], low: int, high: int) -> str:
    """A stretch of seeds, and the levels that they stand for where there are some.

    Args:
        env: as ``EnvSpec.to_json`` gives it.
        low: the first seed.
        high: the last.

    Example:
        >>> seeds_text({"id": "procgen/maze", "options": {}}, 0, 99)
        'seeds 0..99 (levels 200000..200099)'
        >>> seeds_text({"id": "procgen/maze", "options": {"num_levels": 30}}, 0, 99)
        'seeds 0..99 (on 30 levels)'
    """
    told, options = f"seeds {low}..{high}", env["options"]
    if not env["id"].startswith(_PROCGEN):
        return told
    count = procgen_settings(options)["num_levels"]
    if 0 < count <= high - low:
        return f"{told} (on {count} levels)"
    return f"{told} (levels {level_of(low, options)}..{level_of(high, options)})"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)

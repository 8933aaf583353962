"""Choice of the environment a command runs in."""

from collections.abc import Sequence
from dataclasses import replace

from policyscope.agents.agent import Agent
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.make import parse_env, versioned
from policyscope.envs.spec import EnvSpec


def choose_env(agent: Agent, text: str | None, settings: Sequence[str]) -> EnvSpec:
    """The environment of the flags, else the agent's own, with the versions installed here.

    Args:
        agent: whose environment to take where the flags name none.
        text: registered name or ``gym:ID``; None for the agent's own.
        settings: ``key=value`` each, on top of the agent's own where that is taken.

    Raises:
        UnknownName: no such environment.
        PolicyscopeError: neither the flags nor the agent name one, or a bad setting.
    """
    if text is not None:
        return parse_env(text, settings)
    if agent.env is None:
        raise PolicyscopeError("the agent names no environment; give one with --env")
    changes = parse_env(agent.env.id, settings).options
    return versioned(replace(agent.env, options={**agent.env.options, **changes}, versions={}))

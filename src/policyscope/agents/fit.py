"""Whether an agent belongs to an environment, and whether two agents are the same."""

import hashlib
import json

from torch import nn

from policyscope.agents.agent import Agent
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.stepper import Space


def check_fit(agent: Agent, space: Space) -> None:
    """Refuse an environment whose observations or actions mean something else to the agent.

    Args:
        agent: who is to act.
        space: what the environment gives and takes; names that either side lacks are not compared.

    Raises:
        PolicyscopeError: another shape, other features or other actions.
    """
    for what in ("obs_shape", "features", "actions"):
        mine, theirs = tuple(getattr(agent.space, what)), tuple(getattr(space, what))
        if mine and theirs and mine != theirs:
            raise PolicyscopeError(
                f"the agent was made for {what.replace('_', ' ')} {mine}, the environment has "
                f"{theirs}; give it the environment it was made for (--env, --env-set)"
            )


def fingerprint(agent: Agent, weights: bool = True) -> str:
    """SHA-256 of what decides an agent's actions: network, head, preprocessing and weights.

    Args:
        agent: whose.
        weights: whether its weights count; without them it stands for the architecture.
    """
    made = [agent.network, agent.head, str(agent.preprocess), type(agent.net).__qualname__]
    total = hashlib.sha256(json.dumps(made, sort_keys=True).encode())
    parts: dict[str, nn.Module] = {"net": agent.net, "preprocess": agent.preprocess}
    for part, module in parts.items() if weights else ():
        for name, value in sorted(module.state_dict().items()):
            total.update(f"{part}.{name} {value.dtype} {tuple(value.shape)}".encode())
            total.update(value.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()

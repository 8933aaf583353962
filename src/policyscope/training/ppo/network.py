"""The network that PPO trains on an environment."""

import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.fit import fingerprint
from policyscope.agents.preprocess import Flat, Pixels
from policyscope.agents.store import load_agent
from policyscope.core.errors import PolicyscopeError
from policyscope.core.registry import find
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space
from policyscope.training.ppo.config import PPOConfig
from policyscope.training.run import steps_of

IMAGE_NETWORKS = ("impala", "impala_gru", "clear_cnn")
FLAT_NETWORKS = ("actor_critic", "actor_critic_lstm")


def choose_network(space: Space, config: PPOConfig) -> tuple[str, dict[str, Any]]:
    """Name and arguments of the network that the configuration asks for.

    Raises:
        PolicyscopeError: it does not take such observations, or a width that it does not have.
    """
    images = len(space.obs_shape) == 3
    valid = IMAGE_NETWORKS if images else FLAT_NETWORKS
    if config.network not in valid:
        raise PolicyscopeError(
            f"network {config.network} does not take observations of shape {space.obs_shape} or "
            f"has no policy and value; give --set network={' or '.join(valid)}"
        )
    arguments: dict[str, Any] = {"actions": len(space.actions) or len(space.action_low)}
    if images:
        high, wide, channels = space.obs_shape
        arguments |= {"shape": [channels, high, wide]}
        arguments |= {"widths": list(config.widths)} if config.widths else {}
        arguments |= {"learned_start": True} if config.learned_start else {}
        sizes = {"embedding": config.embedding, "memory": config.memory}
        return config.network, arguments | {k: v for k, v in sizes.items() if v}
    features = 1
    for extent in space.obs_shape:
        features *= extent
    arguments |= {"memory": config.memory} if config.memory else {}
    widths = {"policy": list(config.widths), "value": list(config.widths)} if config.widths else {}
    gaussian = {} if space.actions else {"gaussian": True}
    return config.network, {"features": features, **arguments, **widths, **gaussian}


def fresh_agent(
    space: Space, env: EnvSpec, config: PPOConfig, seed: int, device: str = "cpu"
) -> Agent:
    """An agent with first weights drawn from a seed, which it keeps as its initial ones.

    Raises:
        PolicyscopeError: as ``choose_network``.
    """
    network = choose_network(space, config)
    remembers = bool(getattr(find("network", network[0]), "recurrent", False))
    if remembers and config.lanes % config.minibatches:
        raise PolicyscopeError(
            f"a network with memory learns from whole lanes: minibatches ({config.minibatches}) "
            f"must divide lanes ({config.lanes})"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = build_network(*network).to(device)
    agent = Agent(
        net,
        network,
        "categorical" if space.actions else "gaussian",
        space,
        acting="sample",
        preprocess=Pixels() if len(space.obs_shape) == 3 else Flat(),
        env=env,
    )
    agent.initial = {k: v.detach().clone() for k, v in net.state_dict().items()}
    return agent


def started(fresh: Agent, name: str | Path, weights: str | None = None) -> Agent:
    """An agent that goes on from the weights of another, whose card it carries as ``start``.

    Args:
        fresh: the agent as the configuration asks for it.
        name: folder or name of the agent to go on from.
        weights: other weights of that folder, e.g. ``checkpoints/step_0050000``.

    Returns:
        The agent; its initial weights are those of the other where they are known, so that they
        are untrained ones still.

    Raises:
        PolicyscopeError: the other is not made alike.
    """
    other = load_agent(name, weights)
    ours, found = _made(fresh), _made(other)
    for part, mine in ours.items():
        if mine != found.get(part):
            told = f"{found.get(part, 'none')} against {mine}"
            fixed = part == "preprocess"
            mends = ["which no setting changes" if fixed else "make them alike (--preset, --set)"]
            if other.head == fresh.head == "categorical":
                mends.append("take it as --teacher, which may be made otherwise")
            raise PolicyscopeError(
                f"'{name}' has another {part} than this training: {told}; {', or '.join(mends)}"
            )
    fresh.net.load_state_dict(other.net.state_dict())
    first = other.initial or {k: v.detach().clone() for k, v in other.net.state_dict().items()}
    kept = {k: v for k, v in other.card.items() if k != "evaluation"}
    if "steps" in kept and (steps := steps_of(weights, kept.pop("steps"))) is not None:
        kept["steps"] = steps
    start = {"weights": fingerprint(other)[:16], "file": weights or "weights", "card": kept}
    return replace(fresh, initial=first, card={"start": start})


def _made(agent: Agent) -> dict[str, str]:
    """What two agents must share for the weights of one to fit the other, defaults written out."""
    name, arguments = agent.network
    bound = inspect.signature(find("network", name)).bind(**arguments)
    bound.apply_defaults()
    spelled = {k: json.dumps(v, default=list) for k, v in sorted(bound.arguments.items())}
    return {"network": name, "head": agent.head, "preprocess": str(agent.preprocess), **spelled}

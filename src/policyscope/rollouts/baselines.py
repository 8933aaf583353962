"""Policies to compare an agent with: random, untrained, without memory, one action for ever."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.heads import ACTING, Outputs
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.stepper import Space
from policyscope.rollouts.loop import Episode

BASELINES = ("random", "untrained", "memoryless", "constant:ACTION")


class Unconditional(nn.Module):
    """A network that answers the same numbers whatever it sees.

    Args:
        values: the answer for one observation.

    Example:
        >>> Unconditional([0.0, 1.0])(torch.zeros(3, 4)).shape
        torch.Size([3, 2])
    """

    recurrent = False

    def __init__(self, values: Sequence[float]):
        super().__init__()
        self.values = nn.Parameter(torch.tensor(values, dtype=torch.float32), requires_grad=False)

    def forward(self, x: Shaped[Tensor, " N *obs"]) -> Float[Tensor, "N A"]:
        """The same row for every observation."""
        return self.values.expand(len(x), -1)


class Anywhere(nn.Module):
    """A network that answers the bounds of continuous actions whatever it sees.

    Args:
        low: least of every number of an action.
        high: most.

    Example:
        >>> Anywhere([-1.0, 0.0], [1.0, 2.0])(torch.zeros(3, 4))["high"].shape
        torch.Size([3, 2])
    """

    recurrent = False

    def __init__(self, low: Sequence[float], high: Sequence[float]):
        super().__init__()
        bounds = torch.tensor([list(low), list(high)], dtype=torch.float32)
        self.bounds = nn.Parameter(bounds, requires_grad=False)

    def forward(self, x: Shaped[Tensor, " N *obs"]) -> Outputs:
        """``low`` and ``high``, (N, D) each."""
        low, high = self.bounds.expand(len(x), -1, -1).unbind(1)
        return {"low": low, "high": high}


class Memoryless(nn.Module):
    """A network with memory that begins anew at every step.

    Args:
        net: the network.
    """

    recurrent = False

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Shaped[Tensor, " N *obs"]) -> Outputs:
        """What the network puts out at the first step of an episode."""
        net: Any = self.net
        return net(x, net.initial_state(len(x)))[0]


@dataclass(frozen=True)
class Policy:
    """Who acts in an evaluation.

    Args:
        name: what tables call it.
        agent: the agent that acts.
        act: greedy or sample.
        fresh: every episode gets freshly initialised weights of its own, seeded by its number, so
            that episodes are independent draws from the initialisation.
    """

    name: str
    agent: Agent
    act: str
    fresh: bool = False

    def parts(self, episodes: Sequence[Episode]) -> Iterator[tuple[Agent, list[Episode]]]:
        """Agents and the episodes each of them runs."""
        if not self.fresh:
            yield self.agent, list(episodes)
            return
        for episode in episodes:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(episode.index)
                net = build_network(*self.agent.network).eval()
            yield replace(self.agent, net=net), [episode]


def agent_policy(agent: Agent, act: str | None = None) -> Policy:
    """The agent itself, in its own acting mode unless another is asked for.

    Raises:
        UnknownName: no such acting mode.
    """
    if act is not None and act not in ACTING:
        raise UnknownName("acting mode", act, ACTING)
    return Policy("agent", agent, act or agent.acting)


def baseline(name: str, agent: Agent, act: str | None = None) -> Policy:
    """A baseline for an agent, by name.

    ``random`` draws every action with equal probability, continuous ones between their bounds;
    ``untrained`` has the agent's own initial weights or, where they are unknown, fresh ones for
    every episode; ``memoryless`` is the agent with its memory reset at every step;
    ``constant:ACTION`` always takes one action.

    Args:
        name: which baseline.
        agent: whose observations, actions and network it shares.
        act: acting mode of ``untrained`` and ``memoryless``; the others have their own.

    Raises:
        UnknownName: no such baseline or action.
        PolicyscopeError: ``memoryless`` of an agent without memory; an action of an agent whose
            actions are not discrete; ``random`` of continuous actions without bounds.
    """
    kind, _, action = name.partition(":")
    actions = agent.space.actions
    if name == "untrained":
        mode = agent_policy(agent, act).act
        if agent.initial is None:
            return Policy(name, agent, mode, fresh=True)
        return Policy(name, agent.with_weights(agent.initial), mode)
    if name == "memoryless":
        if not agent.recurrent:
            raise PolicyscopeError("the baseline 'memoryless' needs an agent with memory")
        without = replace(agent, net=Memoryless(agent.net), initial=None)
        return Policy(name, without, agent_policy(agent, act).act)
    if name != "random" and kind != "constant":
        options = [*BASELINES[:3], *(f"constant:{a}" for a in actions)]
        raise UnknownName("baseline", name, options)
    if name == "random":
        return Policy(name, _random(agent.space), "sample")
    if not actions:
        raise PolicyscopeError(f"the baseline '{name}' needs an agent with discrete actions")
    if action not in actions:
        raise UnknownName("action", action, actions)
    net = Unconditional([float(a == action) for a in actions])
    return Policy(name, _unconditional(net, agent.space, "q"), "greedy")


def _random(space: Space) -> Agent:
    if space.actions:
        return _unconditional(Unconditional([0.0] * len(space.actions)), space, "categorical")
    low, high = space.action_low, space.action_high
    if not low or not torch.tensor([*low, *high]).isfinite().all():
        raise PolicyscopeError(
            "the baseline 'random' needs actions with bounds; give --baselines untrained"
        )
    network = ("anywhere", {"low": list(low), "high": list(high)})
    return Agent(Anywhere(low, high), network, "uniform", space)


def _unconditional(net: Unconditional, space: Space, head: str) -> Agent:
    return Agent(net, ("unconditional", {"values": net.values.tolist()}), head, space)

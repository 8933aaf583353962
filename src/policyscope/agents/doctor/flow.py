"""Whether gradients of the outputs reach the observation and every site."""

from dataclasses import dataclass

import torch
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.agents.contract import used_memory
from policyscope.core.errors import PolicyscopeError
from policyscope.core.hooks import capture, gradients


@dataclass(frozen=True)
class Flow:
    """What the gradient of all outputs together finds.

    Args:
        reached: sites whose activation changes an output, in order.
        silent: sites by which the gradient is zero on all observations.
        cut: sites that no output depends on, by autograd.
        undifferentiable: sites that hold no floating-point numbers.
        rows: how many observations it was measured on.
    """

    reached: tuple[str, ...]
    silent: tuple[str, ...]
    cut: tuple[str, ...]
    undifferentiable: tuple[str, ...]
    rows: int

    @property
    def holds(self) -> bool:
        """Whether the observation's gradient is not zero and no site is cut off."""
        return bool(self.reached) and not self.cut and "preprocess" not in self.silent


def gradient_flow(agent: Agent, obs: Tensor) -> Flow:
    """Differentiate a random weighting of all outputs by every site.

    Args:
        agent: whose sites.
        obs: (T, B, ...) observations; the first row is decided on, with the memory that the others
            leave, since a gate has no effect on memory that is empty.

    Cost: three forward passes and a backward pass, and one more of each for every site where an
    output is cut off from one.

    Example:
        >>> from policyscope.agents.store import load_agent
        >>> flow = gradient_flow(load_agent("highway-ego-attention"), torch.rand(2, 3, 15, 7))
        >>> flow.holds, flow.cut
        (True, ())
    """
    sites, modules, state = agent.sites(), agent.modules(), used_memory(agent, obs[1:])
    first = obs[0]
    with torch.no_grad(), capture(modules, sites) as seen:
        outputs, _ = agent.forward(first, state)
    plain = [name for name in sites if seen[name].is_floating_point()]
    draw = torch.Generator().manual_seed(0)
    weights = {k: torch.randn(v.shape, generator=draw).to(v) for k, v in outputs.items()}

    def target() -> Tensor:
        found, _ = agent.forward(first, state)
        parts = [(found[k] * w).reshape(len(first), -1).sum(1) for k, w in weights.items()]
        return torch.stack(parts).sum(0)

    by_site: dict[str, Tensor | None] = {}
    try:
        by_site |= gradients(modules, plain, target)
    except PolicyscopeError:
        for name in plain:
            try:
                by_site |= gradients(modules, [name], target)
            except PolicyscopeError:
                by_site[name] = None
    moved = {name: value for name, value in by_site.items() if value is not None}
    silent = [
        name for name, value in moved.items() if not value.isfinite().all() or not value.any()
    ]
    return Flow(
        tuple(name for name in moved if name not in silent),
        tuple(silent),
        tuple(name for name in plain if name not in moved),
        tuple(name for name in sites if name not in plain),
        len(first),
    )

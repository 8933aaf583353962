"""A target as a function of what an agent with memory saw before it, and of its memory then.

A *window* is W observations that end with the decision to be explained, and the memory before the
first of them. Observations and memory are one flat activation, so that every method applies:
``split`` takes apart what it gives.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from policyscope.agents.agent import Agent
from policyscope.agents.memory import begin_anew, flat_rows, tree_map
from policyscope.attribution.asking.groups import Groups
from policyscope.core.errors import PolicyscopeError
from policyscope.core.hooks import capture
from policyscope.core.target_parser import Target
from policyscope.core.targets import evaluate, needed_sites


@dataclass(frozen=True, eq=False)
class Windows:
    """N windows of W observations.

    Args:
        obs: (N, W, ...) observations as the environment gave them; what stands before the first
            row of an episode does not matter.
        state: memory before each window, (N, ...) leaves; None stands for the initial one.
        first: (N, W) where an episode begins.
        taken: (N,) or (N, D) actions executed at the last rows.
    """

    obs: Tensor
    state: Any
    first: Bool[Tensor, "N W"]
    taken: Tensor | None = None


@dataclass(frozen=True, eq=False)
class WindowScore:
    """The target at the last rows as a function of the windows; see ``windowed_score``."""

    agent: Agent
    target: Target
    windows: Windows
    shape: torch.Size
    form: Any
    activation: Tensor
    site: str = "window"

    def __call__(
        self, activation: Float[Tensor, "M F"], rows: Int[Tensor, " M"]
    ) -> Float[Tensor, " M"]:
        """The target where other things were seen and remembered.

        Args:
            activation: (M, F) observations and memory, flat.
            rows: (M,) which of the N windows each stands in for.
        """
        obs, state = self.split(activation)[0], self.memory(activation)
        first = self.windows.first[rows].T
        steps = obs.transpose(0, 1)
        if len(steps) > 1:
            _, states = self.agent.unroll(steps[:-1], state, first[:-1])
            state = tree_map(lambda leaf: leaf[-1], states)
        state = begin_anew(state, self.agent.initial_state(len(rows)), first[-1])
        with capture(self.agent.modules(), needed_sites(self.target)) as seen:
            outputs, _ = self.agent.forward(steps[-1], state)
        taken = None if self.windows.taken is None else self.windows.taken[rows]
        return evaluate(self.target, outputs, seen, self.agent.space.actions, taken)

    def split(
        self, values: Float[Tensor, "M F"]
    ) -> tuple[Float[Tensor, "M W ..."], Float[Tensor, "M S"]]:
        """What belongs to each observation, and to the memory before the window."""
        size = self.shape.numel()
        return values[:, :size].unflatten(1, self.shape), values[:, size:]

    def memory(self, activation: Float[Tensor, "M F"]) -> Any:
        """The memory before each window, in the agent's form."""
        return _unflatten(self.split(activation)[1], self.form)


def windowed_score(agent: Agent, target: Target, windows: Windows) -> WindowScore:
    """The target at the end of each window as a function of the window's observations and memory.

    Args:
        agent: an agent with memory.
        target: a scalar of the last row, without offsets.
        windows: N windows.

    Returns:
        A function of one flat activation: the preprocessed observations, then the memory.

    Raises:
        PolicyscopeError: the agent has no memory.

    Cost: a pass runs the whole network over all W observations.

    Reference: captum's baseline batches silently reset a stateful model's memory; here memory is
        an input with a baseline of its own.
    """
    if not agent.recurrent:
        raise PolicyscopeError("the agent has no memory: what it sees at a step is all it knows")
    count, length = windows.first.shape
    with torch.no_grad():
        seen = agent.preprocess(windows.obs.flatten(0, 1)).unflatten(0, (count, length))
    form = agent.initial_state(count) if windows.state is None else windows.state
    form = tree_map(torch.Tensor.detach, form)
    activation = torch.cat([seen.flatten(1), flat_rows(form)], 1)
    taking = replace(agent, preprocess=nn.Identity())
    return WindowScore(taking, target, windows, seen.shape[1:], form, activation)


def over_time(score: WindowScore, values: Float[Tensor, "N F"]) -> Mapping[str, Tensor]:
    """Sums of an attribution over each observation and over the memory.

    Args:
        score: what was explained.
        values: (N, F) what each number accounts for.

    Returns:
        ``observation`` (N, W), the last one the decision's own, and ``memory`` (N,).
    """
    seen, remembered = score.split(values)
    return {"observation": seen.flatten(2).sum(2), "memory": remembered.sum(1)}


def parts_of(score: WindowScore) -> Groups:
    """The numbers of each observation, the oldest first, and those of the memory before them.

    Args:
        score: a target as a function of windows.
    """
    length, each = score.shape[0], score.shape[1:].numel()
    of = torch.arange(length).repeat_interleave(each)
    memory = torch.full((score.activation.shape[1] - len(of),), length)
    names = [f"{length - 1 - k} steps ago" for k in range(length)]
    return Groups((*names, "memory"), torch.cat([of, memory]))


def _unflatten(values: Tensor, form: Any) -> Any:
    """Memory from flat rows, gradients kept."""
    taken = 0

    def take(leaf: Tensor) -> Tensor:
        nonlocal taken
        size = leaf[0].numel()
        taken += size
        return values[:, taken - size : taken].reshape(len(values), *leaf.shape[1:])

    return tree_map(take, form)

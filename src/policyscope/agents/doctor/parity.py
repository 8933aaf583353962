"""Parity: how far an agent's outputs lie from those of its original."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from policyscope.agents.agent import Agent
from policyscope.agents.contract import gap
from policyscope.agents.heads import Outputs
from policyscope.agents.memory import stack_states, tree_map
from policyscope.core.checks import Check
from policyscope.core.errors import PolicyscopeError

#: Largest difference of an output, relative to the larger of 1 and that output's values.
BOUND = 1e-5

#: From observations (N, ...), and for an agent with memory from the memory before, None at first,
#: to outputs by name, (N, ...) tensors or arrays, and with memory to (outputs, memory after).
Original = Callable[..., Any]


@dataclass(frozen=True)
class Parity:
    """Differences between an agent and its original.

    Args:
        gaps: by output, the largest difference relative to the larger of 1 and the largest value
            of the original; both computed in ``precision``.
        rounding: the same where the agent computes in float32, as it does when it acts.
        precision: float64 or float32.
        rows: how many observations it was measured on.
        left_out: outputs of the agent that the original does not give.
    """

    gaps: dict[str, float]
    rounding: dict[str, float]
    precision: str
    rows: int
    left_out: tuple[str, ...] = ()

    @property
    def check(self) -> Check:
        """The largest difference of any output against the bound."""
        return Check.at_most("parity gap", max(self.gaps.values()), BOUND, self.rows)

    def __str__(self) -> str:
        by_output = ", ".join(f"{name} {value:.1e}" for name, value in self.gaps.items())
        told = f"{by_output} in {self.precision}"
        if self.precision == "float64":
            told += f"; rounding of float32 {max(self.rounding.values()):.1e}"
        if self.left_out:
            told += f"; not compared: {', '.join(self.left_out)}"
        return told


def parity(agent: Agent, original: Original, obs: Tensor) -> Parity:
    """Compare an agent with its original on the same observations.

    Where the original answers in float64 the agent is computed in float64 too, so that the figure
    shows what is computed and not how it is rounded; the rounding is measured beside it. An agent
    with memory reads each column in order of time, and neither side begins anew in it.

    Args:
        agent: the agent.
        original: what it must equal; see ``Original``.
        obs: (T, B, ...) observations.

    Raises:
        PolicyscopeError: the original fails, gives no output that the agent has, or one of another
            shape.

    Cost: a forward pass of the original and one or two of the agent for every observation.

    Example:
        >>> from policyscope.agents.store import load_agent
        >>> agent = load_agent("highway-ego-attention")
        >>> parity(agent, lambda x: {"q": agent.net(x)}, torch.rand(4, 8, 15, 7)).check.passed
        True
    """
    single = _outputs(lambda x, state: agent.forward(x, state), agent, obs, None)
    theirs = _asked(original, agent, obs)
    named = [name for name in theirs if name in single]
    if not named or len(named) < len(theirs):
        mine, other = ", ".join(single), ", ".join(theirs) or "nothing"
        raise PolicyscopeError(f"the original answers {other}, the agent {mine}")
    _require_shapes(single, theirs)
    precision, exact = "float32", single
    if all(theirs[name].dtype == torch.float64 for name in named):
        try:
            exact = in_float64(agent, obs)
            precision = "float64"
        except RuntimeError:  # a network that makes float32 tensors of its own
            exact = single
    return Parity(
        {name: gap(exact[name], theirs[name]) for name in named},
        {name: gap(single[name], theirs[name]) for name in named},
        precision,
        obs.shape[0] * obs.shape[1],
        tuple(name for name in single if name not in theirs),
    )


class Widened(nn.Module):
    """Preprocessing whose floating-point result is float64.

    Args:
        inner: the preprocessing.
    """

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        """What the network reads, in float64 where it is floating-point."""
        return _double(self.inner(x))


def in_float64(agent: Agent, obs: Tensor) -> Outputs:
    """Outputs (T, B, ...) of an agent whose weights and memory are float64.

    Raises:
        RuntimeError: its network makes float32 tensors of its own, which do not go together.
    """
    net = copy.deepcopy(agent.net).double()
    wide = replace(agent, net=net, preprocess=Widened(agent.preprocess))
    state = tree_map(_double, wide.initial_state(obs.shape[1]))
    return _outputs(lambda x, memory: wide.forward(x, memory), wide, obs, state)


def _require_shapes(mine: Outputs, theirs: Outputs) -> None:
    wrong = [
        f"{name} as {_shape(value)}, the agent as {_shape(mine[name])}"
        for name, value in theirs.items()
        if value.shape != mine[name].shape
    ]
    if wrong:
        rows = next(iter(mine.values())).shape[1]
        raise PolicyscopeError(f"for {rows} observations the original gives {'; '.join(wrong)}")


def _shape(value: Tensor) -> str:
    """Shape of what one call gave, e.g. (8, 3)."""
    return str(tuple(value.shape[1:]))


def _double(value: Tensor) -> Tensor:
    return value.double() if value.is_floating_point() else value


def _asked(original: Original, agent: Agent, obs: Tensor) -> Outputs:
    def ask(x: Tensor, state: Any) -> tuple[Outputs, Any]:
        answer, after = original(x, state) if agent.recurrent else (original(x), None)
        return {name: torch.as_tensor(value) for name, value in answer.items()}, after

    try:
        return _outputs(ask, agent, obs, None)
    except PolicyscopeError:
        raise
    except Exception as error:
        told = " ".join(str(error).split())[:200]
        raise PolicyscopeError(f"the original fails: {type(error).__name__}: {told}") from error


@torch.no_grad()
def _outputs(
    ask: Callable[[Tensor, Any], tuple[Outputs, Any]], agent: Agent, obs: Tensor, state: Any
) -> Outputs:
    """Outputs (T, B, ...) row of time by row of time; memory goes on where there is one."""
    found = []
    for row in obs:
        outputs, after = ask(row, state)
        state = after if agent.recurrent else None
        found.append(dict(outputs))
    return stack_states(found)

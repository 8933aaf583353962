"""What every agent must hold, as checks that an agent's author can run.

Each check takes an agent and a stretch of observations (T, B, ...) and raises where the agent
breaks the contract.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from policyscope.agents.agent import Agent, Decision
from policyscope.agents.heads import RowNoise
from policyscope.agents.memory import begin_anew, stack_states, tree_map
from policyscope.agents.store import load_agent, save_agent
from policyscope.core.errors import PolicyscopeError
from policyscope.core.hooks import FiredTwice, capture

#: Largest difference that may come from the order of float32 sums, relative to the larger of 1
#: and the values. Gradients add up over time and rows, and one row alone takes other kernels than
#: a batch does, which a trained network amplifies: 5e-6 was seen, 1e-14 in float64.
NEAR, LOOSE = 1e-6, 1e-4


class ContractBroken(PolicyscopeError):
    """An agent that does not behave as one must."""


def repeats(agent: Agent, obs: Tensor) -> None:
    """The same arguments give the same decision, whatever was asked between, and stay as given."""
    memory = used_memory(agent, obs)
    given, kept = (obs[0], memory), tree_map(Tensor.clone, (obs[0], memory))
    weights = tree_map(Tensor.clone, dict(agent.net.state_dict()))
    first = tree_map(Tensor.clone, values(decide(agent, *given)))
    for t in range(len(obs)):
        decide(agent, obs[t], memory if t % 2 else None)
    _require(gap(given, kept) == 0, "acting changes its arguments")
    _require(gap(dict(agent.net.state_dict()), weights) == 0, "acting changes the weights")
    again = values(decide(agent, *given))
    _require(gap(again, first) == 0, "the same arguments give another decision")


def starts_fresh(agent: Agent, obs: Tensor) -> None:
    """Memory before an episode is always the same, and no memory stands for it."""
    fresh = agent.initial_state(obs.shape[1])
    outright = values(decide(agent, obs[0], None))
    decide(agent, obs[1], used_memory(agent, obs))
    _require(gap(agent.initial_state(obs.shape[1]), fresh) == 0, "initial memory changes")
    named = values(decide(agent, obs[0], fresh))
    _require(gap(named, outright) == 0, "no memory does not stand for the initial one")


def unrolls(agent: Agent, obs: Tensor) -> None:
    """Unrolling equals the loop of decisions to 1e-6, memory beginning anew at first rows."""
    for state in (None, used_memory(agent, obs)):
        for first in stretches(obs):
            outputs, states = agent.unroll(obs, state, first)
            mine, after = looped(agent, obs, state, first)
            _require(set(outputs) == set(mine), "unrolling gives other outputs than the loop")
            _require(gap(outputs, mine) <= NEAR, "unrolling differs from the loop of decisions")
            same = (states is None) == (after is None)
            _require(same and gap(states, after) <= NEAR, "unrolled memory differs from the loop's")


def resets(agent: Agent, obs: Tensor) -> None:
    """What came before a first row has no effect on it or on what follows."""
    first = torch.zeros(obs.shape[:2], dtype=torch.bool, device=obs.device)
    half = len(obs) // 2
    first[half] = True
    whole, _ = agent.unroll(obs, used_memory(agent, obs), first)
    alone, _ = agent.unroll(obs[half:], None, first[half:])
    later = {k: v[half:] for k, v in whole.items()}
    _require(gap(later, alone) <= NEAR, "an episode's memory reaches into the next one")


def differentiates(agent: Agent, obs: Tensor) -> None:
    """The gradient of unrolled outputs by the weights is that of the loop of decisions."""
    weights = [p for p in agent.net.parameters() if p.requires_grad]
    first = stretches(obs)[-1]
    found = []
    for outputs, _ in (agent.unroll(obs, None, first), looped(agent, obs, None, first)):
        total = torch.stack([v.sum() for v in outputs.values()]).sum()
        if not total.requires_grad:
            found.append([torch.zeros_like(p) for p in weights])
            continue
        by = torch.autograd.grad(total, weights, allow_unused=True)
        pairs = zip(weights, by, strict=True)
        found.append([torch.zeros_like(p) if g is None else g for p, g in pairs])
    _require(gap(*found) <= LOOSE, "the gradient of unrolling is not that of the loop")


def stands_alone(agent: Agent, obs: Tensor) -> None:
    """A row of the batch is decided as it would be alone."""
    memory = used_memory(agent, obs)
    together = values(decide(agent, obs[0], memory))
    for i in range(obs.shape[1]):
        row = slice(i, i + 1)
        alone = values(decide(agent, obs[0][row], tree_map(lambda leaf, r=row: leaf[r], memory), i))
        mine = tree_map(lambda leaf, r=row: leaf[r], together)
        _require(gap(alone, mine) <= LOOSE, "a decision depends on the rows beside it")


def comes_back(agent: Agent, obs: Tensor) -> None:
    """Saved and loaded, it gives equal outputs and bears the same names."""
    with TemporaryDirectory() as folder:
        save_agent(agent, Path(folder) / "agent")
        again = load_agent(Path(folder) / "agent")
    again.net.to(agent.device)
    for name in ("network", "head", "space", "acting", "env", "card"):
        _require(getattr(again, name) == getattr(agent, name), f"{name} changes on disk")
    memory = used_memory(agent, obs)
    mine, theirs = (values(decide(who, obs[0], memory)) for who in (agent, again))
    _require(gap(theirs, mine) == 0, "a loaded agent decides otherwise than the saved one")
    _require(list(again.sites()) == list(agent.sites()), "a loaded agent has other sites")


def fires_once(agent: Agent, obs: Tensor) -> None:
    """Every listed site fires once in a decision, with the listed shape."""
    sites = agent.sites()
    _require(bool(sites), "no sites are listed")
    memory = used_memory(agent, obs)
    try:
        with capture(agent.modules(), sites) as seen:
            decide(agent, obs[0], memory)
    except FiredTwice as error:
        raise ContractBroken(f"site '{error.site}' fires twice in a decision") from None
    for name, site in sites.items():
        _require(name in seen, f"site '{name}' is listed and does not fire")
        expected = (obs.shape[1], *site.shape)
        _require(
            tuple(seen[name].shape) == expected, f"site '{name}' has another shape than listed"
        )


CHECKS: dict[str, Callable[[Agent, Tensor], None]] = {
    check.__name__: check
    for check in (
        repeats, starts_fresh, unrolls, resets, differentiates, stands_alone, comes_back, fires_once
    )
}  # fmt: skip


def check_contract(agent: Agent, obs: Tensor) -> None:
    """Run every check.

    Args:
        agent: in evaluation mode, its network registered.
        obs: (T, B, ...) observations that differ, T at least 4 and B at least 2.

    Raises:
        ContractBroken: the first thing the agent does otherwise.
        PolicyscopeError: too few observations to tell.

    Example:
        >>> from policyscope.agents.store import load_agent
        >>> check_contract(load_agent("highway-ego-attention"), torch.rand(6, 3, 15, 7))
    """
    if len(obs) < 4 or obs.shape[1] < 2:
        raise PolicyscopeError(f"the contract needs at least 4 x 2 rows, got {tuple(obs.shape)}")
    for check in CHECKS.values():
        check(agent, obs)


def decide(agent: Agent, obs: Tensor, state: Any, row: int = 0) -> Decision:
    """Act in the agent's own mode with noise fixed by the rows, the first of which is ``row``."""
    rows = np.arange(row, row + len(obs))
    return agent.act(obs, state, generator=RowNoise(0, rows, np.zeros_like(rows)))


def values(decision: Decision) -> dict[str, Any]:
    """All that was decided, as a tree of tensors."""
    return {
        "action": decision.action,
        "logp": decision.logp,
        "outputs": dict(decision.outputs),
        "state": decision.state,
    }


def used_memory(agent: Agent, obs: Tensor) -> Any:
    """Memory after the observations in reverse order; None without memory."""
    state = None
    with torch.no_grad():
        for t in reversed(range(len(obs))):
            state = decide(agent, obs[t], state).state
    return state


def stretches(obs: Tensor) -> list[Tensor]:
    """Where episodes begin: nowhere, and at rows that differ from column to column."""
    none = torch.zeros(obs.shape[:2], dtype=torch.bool, device=obs.device)
    mixed = none.clone()
    for i in range(obs.shape[1]):
        mixed[1 + i % (len(obs) - 1), i] = True
    return [none, mixed]


def looped(agent: Agent, obs: Tensor, state: Any, first: Tensor) -> tuple[dict[str, Tensor], Any]:
    """Outputs (T, B, ...) and memories of a loop of decisions."""
    state = agent.initial_state(obs.shape[1]) if state is None else state
    outputs, states = [], []
    for t in range(len(obs)):
        state = begin_anew(state, agent.initial_state(obs.shape[1]), first[t])
        decision = decide(agent, obs[t], state)
        state = decision.state
        outputs.append(dict(decision.outputs))
        states.append(state)
    return stack_states(outputs), stack_states(states)


def gap(one: Any, other: Any) -> float:
    """Largest difference of two trees, relative to the larger of 1 and each tensor's values.

    Infinite where their forms differ or a difference is no number.
    """
    mine, theirs = list(leaves(one)), list(leaves(other))
    if [(path, v.shape) for path, v in mine] != [(path, v.shape) for path, v in theirs]:
        return float("inf")
    worst = 0.0
    for (_, a), (_, b) in zip(mine, theirs, strict=True):
        a, b = a.detach().double(), b.detach().double()
        scale = b.abs()[b.isfinite()].max().clamp(min=1) if b.isfinite().any() else 1.0
        off = ((a - b).abs() / scale).masked_fill(a == b, 0.0)
        worst = max(worst, *off.nan_to_num(nan=float("inf")).flatten().tolist(), 0.0)
    return worst


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Tensors of a tree with their places; missing parts have none."""
    if isinstance(tree, Tensor):
        yield path, tree
    elif isinstance(tree, dict):
        for key, part in tree.items():
            yield from leaves(part, f"{path}.{key}")
    elif tree is not None:
        for i, part in enumerate(tree):
            yield from leaves(part, f"{path}.{i}")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ContractBroken(otherwise)

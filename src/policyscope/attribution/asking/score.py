"""A target of recorded decisions as a function of one activation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.agents.memory import tree_map
from policyscope.core.directions import Direction
from policyscope.core.hooks import capture
from policyscope.core.tails import Tail, tail
from policyscope.core.target_parser import Target
from policyscope.core.targets import compares, evaluate, needed_sites

#: The site that stands for the observation: what the network itself takes in.
INPUT = "preprocess"


@runtime_checkable
class Score(Protocol):
    """A target of N decisions as a function of one activation, each row by itself."""

    @property
    def site(self) -> str:
        """What the activation is called."""

    @property
    def activation(self) -> Float[Tensor, "N ..."]:
        """The activation as it was, (N, ...)."""

    def __call__(
        self, activation: Float[Tensor, "M ..."], rows: Int[Tensor, " M"]
    ) -> Float[Tensor, " M"]:
        """The target with another activation in the place of that of the rows named."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """N decisions of an agent, to be explained.

    Args:
        obs: (N, ...) observations as the environment gave them.
        state: memory before each, (N, ...) leaves; None without memory.
        taken: (N,) or (N, D) executed actions, for targets that speak of them.
    """

    obs: Tensor
    state: Any = None
    taken: Tensor | None = None

    def __len__(self) -> int:
        return len(self.obs)

    def rows(self, rows: Int[Tensor, " M"]) -> "Decisions":
        """Some of them, in the order named, each as often as it is named."""
        taken = None if self.taken is None else self.taken[rows]
        return Decisions(self.obs[rows], tree_map(lambda leaf: leaf[rows], self.state), taken)


def score(
    agent: Agent,
    target: Target,
    decisions: Decisions,
    site: str = INPUT,
    hold: Sequence[str] | None = None,
    directions: Mapping[str, Direction] | None = None,
) -> Tail:
    """The target as a function of what a site puts out; what lies before the site runs once.

    Args:
        agent: whose decisions they are.
        target: a scalar for each decision, without offsets.
        decisions: N of them.
        site: which activation varies; default is the preprocessed observation.
        hold: modules that keep their outputs, see ``core.tails.tail``.
        directions: directions by name, for targets that read one.

    Returns:
        A function ``(activation (M, ...), rows (M,)) -> (M,)``.

    Raises:
        UnknownName: no such site, action or output.
        PolicyscopeError: the target looks ahead or does not depend on the site.

    Cost: one forward pass over the decisions, and one over a single one.

    Example:
        >>> from policyscope.core.target_parser import parse_target
        >>> target = parse_target("q[FASTER]-q[SLOWER]")
        >>> rest = score(agent, target, Decisions(obs))  # doctest: +SKIP
    """
    modules, sites = agent.modules(), needed_sites(target, directions)
    before = recorded_outputs(agent, target, decisions)

    def run(rows: Int[Tensor, " M"]) -> Float[Tensor, " M"]:
        chosen = decisions.rows(rows)
        with capture(modules, sites) as seen:
            outputs, _ = agent.forward(chosen.obs, chosen.state)
        own = None if before is None else {name: out[rows] for name, out in before.items()}
        return evaluate(target, outputs, seen, agent.space.actions, chosen.taken, directions, own)

    return tail(modules, site, run, len(decisions), hold)


def recorded_outputs(
    agent: Agent, target: Target, decisions: Decisions
) -> Mapping[str, Tensor] | None:
    """Outputs of decisions as they were, where a target compares with them; else None.

    Args:
        agent: whose decisions they are.
        target: what is asked.
        decisions: N of them.
    """
    if not compares(target):
        return None
    rows = torch.arange(len(decisions)).split(1024)
    with torch.no_grad():
        parts = [agent.forward(own.obs, own.state)[0] for own in map(decisions.rows, rows)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def whole_baseline(
    baseline: Float[Tensor, "N ..."] | float, activation: Float[Tensor, "N ..."]
) -> Float[Tensor, "N ..."]:
    """A baseline of every row, of the activation's shape and type.

    Args:
        baseline: (N, ...), (1, ...) for all rows, or one number.
        activation: (N, ...) what is compared with it.
    """
    return torch.as_tensor(baseline).to(activation).expand_as(activation)


def part(rest: Tail, rows: Int[Tensor, " M"]) -> Tail:
    """A score of some of its rows alone, numbered anew.

    Args:
        rest: the target as a function of the activation of N rows.
        rows: (M,) which of them.
    """
    kept = {name: value[rows] for name, value in rest.kept.items()}
    return replace(
        rest, activation=rest.activation[rows], kept=kept, run=lambda some: rest.run(rows[some])
    )

"""Shapley values of the steps of a window and of the memory before it.

What was seen up to a step and remembered after it is the same in many coalitions: each such past
is gone through once. Of all coalitions of W steps that is two steps each, not W.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from policyscope.agents.heads import Outputs
from policyscope.agents.memory import begin_anew, tree_map
from policyscope.attribution.asking.groups import units
from policyscope.attribution.asking.windows import WindowScore, parts_of
from policyscope.attribution.methods.shapley import Shapley, shapley_values
from policyscope.core.hooks import capture
from policyscope.core.targets import evaluate, needed_sites


def steps_shapley(
    rest: WindowScore,
    start: Float[Tensor, "N F"],
    permutations: int = 32,
    seed: int = 0,
    most: int = 17,
) -> Shapley:
    """Share the change of a target out over the steps of a window and the memory before it.

    An observation or memory that is left out of a coalition is as in the baseline. What stands
    before the first row of an episode is no player, nor is what is as in the baseline.

    Args:
        rest: the target as a function of N windows.
        start: what observations and memory are compared with.
        permutations: orders of a window with more players, see ``sampled_shapley``.
        seed: of the orders.
        most: players up to which all coalitions are looked at.

    Returns:
        Values (N, W + 1): of each observation, the oldest first, then of the memory.

    Raises:
        PolicyscopeError: of a window that is sampled, an odd number of orders or less than 4.

    Cost: for each window W observations and W of the baseline; with k players of which all
        coalitions are looked at some 2^(k+1) steps of the memory, otherwise at most
        ``permutations * (k - 1) * W``.

    Reference: Shapley 1953; Castro et al. 2009.

    Example:
        >>> rest = windowed_score(agent, target, windows)  # doctest: +SKIP
        >>> steps_shapley(rest, torch.zeros_like(rest.activation)).values.sum(1)  # doctest: +SKIP
    """
    parts = parts_of(rest)
    differing = parts.differing(rest.activation, start) & _exist(rest)
    values = torch.zeros(differing.shape, dtype=torch.float64)
    error, found = torch.zeros_like(values), []
    for row in range(len(start)):
        # The memory's bit is the highest and the latest step's the lowest: successive coalitions
        # share their past.
        players = differing[row].nonzero()[:, 0].tolist()
        players = sorted(players, key=lambda part: -part if part < len(parts) - 1 else 1)
        game = _game(rest, start[row], row, players)
        told = shapley_values(game, units((len(players),)), 0.0, permutations, seed, most)
        values[row, players], error[row, players] = told.values[0], told.error[0]
        found.append(told)
    change, gap, passes = (
        torch.cat([getattr(one, name) for one in found]) for name in ("change", "gap", "passes")
    )
    return Shapley(values, error, change, gap, passes)


def _exist(rest: WindowScore) -> Bool[Tensor, "N P"]:
    """Steps that are not before their episode began, and memory that is not reset in the window."""
    first = rest.windows.first.cpu()
    begun = first.flip(1).cumsum(1).flip(1)  # how many episodes begin at a step or after it
    before = begun - first.long() > 0
    return torch.cat([~before, ~first.any(1, keepdim=True)], 1)


@dataclass(frozen=True, eq=False)
class _Game:
    """A window's target as a function of what is in it: numbers 1 for the players that are.

    Args:
        rest: the target as a function of windows.
        row: which window.
        players: numbers of parts, the latest step first, memory last.
        memory: that of the baseline, and that before the window.
        last: (2, ...) the last observation, of the baseline and as seen.
        step: what the agent does with what it takes in and its memory.
        taken_in: (W, 2, ...) what it takes in at each step, of the baseline and as seen.
    """

    rest: WindowScore
    row: int
    players: list[int]
    memory: Any
    last: Float[Tensor, "2 ..."]
    step: Callable[[Tensor, Any], tuple[Outputs, Any]]
    taken_in: Float[Tensor, "W 2 ..."]
    site: str = "window"

    @property
    def activation(self) -> Float[Tensor, "1 P"]:
        return torch.ones(1, len(self.players))

    def __call__(
        self, activation: Float[Tensor, "M P"], rows: Int[Tensor, " M"]
    ) -> Float[Tensor, " M"]:
        held = torch.ones(len(activation), len(self.taken_in) + 1, dtype=torch.long)
        held[:, self.players] = (activation > 0).long()
        first = self.rest.windows.first[self.row]
        begin = int(first.nonzero().max()) if bool(first.any()) else 0
        pasts, of = held[:, -1].unique(return_inverse=True)  # that are told apart so far
        state = tree_map(lambda leaf: leaf[pasts], self.memory)
        for t in range(begin, len(self.taken_in)):
            pasts, of = (of * 2 + held[:, t]).unique(return_inverse=True)
            came, seen = pasts // 2, pasts % 2
            state = tree_map(lambda leaf, came=came: leaf[came], state)
            fresh = self.rest.agent.initial_state(len(pasts))
            state = begin_anew(state, fresh, first[t].expand(len(pasts)))
            if t < len(self.taken_in) - 1:
                _, state = self.step(self.taken_in[t, seen], state)
        return self._target(state, seen).cpu()[of]

    def _target(self, state: Any, seen: Int[Tensor, " M"]) -> Float[Tensor, " M"]:
        agent, target, taken = self.rest.agent, self.rest.target, self.rest.windows.taken
        sites = needed_sites(target)
        with capture(agent.modules(), sites) as captured:
            if sites:  # they may lie where observations are taken in
                outputs, _ = agent.forward(self.last[seen], state)
            else:
                outputs, _ = self.step(self.taken_in[-1, seen], state)
        if taken is not None:
            taken = taken[self.row].expand(len(seen), *taken.shape[1:])
        return evaluate(target, outputs, captured, agent.space.actions, taken)


def _game(rest: WindowScore, start: Float[Tensor, " F"], row: int, players: list[int]) -> _Game:
    both = torch.stack([start, rest.activation[row]])
    obs, _ = rest.split(both)
    with torch.no_grad():
        step, taken_in = rest.agent.stepwise(obs.transpose(0, 1))
    return _Game(rest, row, players, rest.memory(both), obs[:, -1], step, taken_in)

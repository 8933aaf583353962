"""Policy and value behind LSTM memories, every gate a module; names as in sb3-contrib."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from policyscope.agents.heads import Outputs
from policyscope.agents.networks.actor_critic import ActorCriticNetwork
from policyscope.core.errors import UnknownName

CRITICS = ("lstm", "linear", "shared")

Rows = Float[Tensor, "N M"]
State = dict[str, tuple[Tensor, Tensor]]


class Cell(nn.Module):
    """The new cell: what is kept of the old one and what is written to it."""

    def forward(self, forget: Rows, cell: Rows, write: Rows, candidate: Rows) -> Rows:
        """``forget * cell + write * candidate``."""
        return forget * cell + write * candidate


class Shown(nn.Module):
    """What a cell shows of itself."""

    def forward(self, output: Rows, squashed: Rows) -> Rows:
        """``output * squashed``."""
        return output * squashed


class OpenLSTM(nn.Module):
    """``torch.nn.LSTM`` of one layer, one step at a time, with its gates as modules.

    Sites: the gates ``write``, ``forget`` and ``output`` (0..1), ``candidate`` (-1..1), ``cell``,
    ``squash`` (its tanh) and ``hidden``, which is handed on.

    Args:
        width: numbers that come in.
        memory: numbers that are remembered, twice: hidden and cell.
    """

    def __init__(self, width: int, memory: int):
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.empty(4 * memory, width))
        self.weight_hh_l0 = nn.Parameter(torch.empty(4 * memory, memory))
        self.bias_ih_l0 = nn.Parameter(torch.empty(4 * memory))
        self.bias_hh_l0 = nn.Parameter(torch.empty(4 * memory))
        for weights in self.parameters():
            nn.init.uniform_(weights, -(memory**-0.5), memory**-0.5)
        self.write, self.forget, self.output = nn.Sigmoid(), nn.Sigmoid(), nn.Sigmoid()
        self.candidate, self.squash = nn.Tanh(), nn.Tanh()
        self.cell, self.hidden = Cell(), Shown()

    def forward(self, x: Float[Tensor, "N W"], state: tuple[Rows, Rows]) -> tuple[Rows, Rows]:
        """Hidden and cell after one step.

        Args:
            x: what comes in.
            state: hidden and cell before.
        """
        hidden, cell = state
        sums = linear(x, self.weight_ih_l0, self.bias_ih_l0)
        sums = sums + linear(hidden, self.weight_hh_l0, self.bias_hh_l0)
        write, forget, candidate, output = sums.chunk(4, -1)
        cell = self.cell(self.forget(forget), cell, self.write(write), self.candidate(candidate))
        return self.hidden(self.output(output), self.squash(cell)), cell


class ActorCriticLSTM(ActorCriticNetwork):
    """An LSTM before the policy's perceptron and one, or something else, before the value's.

    Args:
        features: numbers in an observation.
        memory: numbers in each LSTM's hidden state.
        critic: what is before the value: lstm (its own), linear (a layer without memory) or shared
            (the policy's LSTM).
        policy: widths of the hidden layers towards the policy.
        value: widths of the hidden layers towards the value.
        actions: number of actions, or numbers in a continuous action.
        activation: of the hidden layers.
        gaussian: continuous actions.

    Reference: sb3-contrib ``RecurrentActorCriticPolicy``.

    Example:
        >>> net = ActorCriticLSTM(3, 8)
        >>> outputs, state = net(torch.ones(5, 3), net.initial_state(5))
        >>> sorted(state), state["actor"][0].shape
        (['actor', 'critic'], torch.Size([5, 8]))
    """

    recurrent = True

    def __init__(
        self,
        features: int,
        memory: int = 256,
        critic: str = "lstm",
        policy: Sequence[int] = (64, 64),
        value: Sequence[int] = (64, 64),
        actions: int = 2,
        activation: str = "tanh",
        gaussian: bool = False,
    ):
        super().__init__(memory, policy, value, actions, activation, gaussian)
        if critic not in CRITICS:
            raise UnknownName("critic", critic, CRITICS)
        self.width = memory
        self.lstm_actor = OpenLSTM(features, memory)
        self.lstm_critic = OpenLSTM(features, memory) if critic == "lstm" else None
        self.critic = nn.Linear(features, memory) if critic == "linear" else None

    def initial_state(self, n: int) -> State:
        """Zeros: hidden and cell of each LSTM, (N, M)."""
        parts = ("actor",) if self.lstm_critic is None else ("actor", "critic")
        empty = self.value_net.weight.new_zeros(n, self.width)
        return {part: (empty, empty) for part in parts}

    def forward(self, x: Float[Tensor, "N F"], state: Any) -> tuple[Outputs, State]:  # type: ignore[override]
        """Outputs, and memory after."""
        after = {"actor": self.lstm_actor(x, state["actor"])}
        before_value = after["actor"][0]
        if self.lstm_critic is not None:
            after["critic"] = self.lstm_critic(x, state["critic"])
            before_value = after["critic"][0]
        elif self.critic is not None:
            before_value = self.critic(x)
        return self.answer(after["actor"][0], before_value), after

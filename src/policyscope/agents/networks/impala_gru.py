"""IMPALA encoder, gated recurrent unit, policy and value heads, every gate a module.

Parameter names are those of train-procgen-pytorch's recurrent policy.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from policyscope.agents.heads import Outputs
from policyscope.agents.networks.convolution import Head, draw_heads
from policyscope.agents.networks.impala import Embedder

State = Float[Tensor, "N M"]


class Blend(nn.Module):
    """The new memory: the candidate where the update gate is shut, the old memory where open."""

    def forward(self, update: State, candidate: State, memory: State) -> State:
        """``(1 - update) * candidate + update * memory``."""
        return candidate + update * (memory - candidate)


class OpenGRU(nn.Module):
    """``torch.nn.GRU`` of one layer, one step at a time, with its gates as modules.

    Sites: ``reset`` and ``update`` (gates in 0..1), ``candidate`` (-1..1) and ``memory`` (what is
    handed on).

    Args:
        width: numbers that come in.
        memory: numbers that are remembered.
    """

    def __init__(self, width: int, memory: int):
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.empty(3 * memory, width))
        self.weight_hh_l0 = nn.Parameter(torch.empty(3 * memory, memory))
        self.bias_ih_l0 = nn.Parameter(torch.empty(3 * memory))
        self.bias_hh_l0 = nn.Parameter(torch.empty(3 * memory))
        for weights in self.parameters():
            nn.init.uniform_(weights, -(memory**-0.5), memory**-0.5)
        self.reset = nn.Sigmoid()
        self.update = nn.Sigmoid()
        self.candidate = nn.Tanh()
        self.memory = Blend()

    def forward(self, x: Float[Tensor, "N W"], state: State) -> State:
        """Memory after one step.

        Args:
            x: what comes in.
            state: memory before.
        """
        return self.step(self.read(x), state)

    def read(self, x: Float[Tensor, "N W"]) -> Float[Tensor, "N G"]:
        """What comes in as the gates take it; never in a lower precision than the weights'."""
        with torch.autocast(x.device.type, enabled=False):
            return linear(x.to(self.weight_ih_l0.dtype), self.weight_ih_l0, self.bias_ih_l0)

    def step(self, read: Float[Tensor, "N G"], state: State) -> State:
        """Memory after one step, from what was read and the memory before."""
        seen = read.chunk(3, -1)
        known = linear(state, self.weight_hh_l0, self.bias_hh_l0).chunk(3, -1)
        reset = self.reset(seen[0] + known[0])
        update = self.update(seen[1] + known[1])
        candidate = self.candidate(seen[2] + reset * known[2])
        return self.memory(update, candidate, state)


class Memory(nn.Module):
    """Holds the unit under the lineage's name, ``gru.gru``."""

    def __init__(self, width: int, memory: int):
        super().__init__()
        self.gru = OpenGRU(width, memory)


class ImpalaGRUNetwork(nn.Module):
    """Logits and value of an image and of what is remembered of those before it.

    Args:
        widths: channels of the three blocks.
        embedding: width of the dense layer between encoder and memory.
        memory: numbers that are remembered.
        actions: number of actions.
        shape: channels, height and width of an image.
        learned_start: memory at the first row of an episode is the parameter ``init_hx``, else 0.

    Reference: train-procgen-pytorch ``CategoricalPolicy(recurrent=True)``.

    Example:
        >>> net = ImpalaGRUNetwork()
        >>> outputs, state = net(torch.ones(2, 3, 64, 64), net.initial_state(2))
        >>> outputs["value"].shape, state.shape
        (torch.Size([2]), torch.Size([2, 64]))
    """

    recurrent = True

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 32),
        embedding: int = 64,
        memory: int = 64,
        actions: int = 15,
        shape: Sequence[int] = (3, 64, 64),
        learned_start: bool = False,
    ):
        super().__init__()
        self.embedder = Embedder(widths, embedding, shape)
        self.gru = Memory(embedding, memory)
        self.fc_policy = Head(memory, actions)
        self.fc_value = Head(memory, 1)
        self.init_hx = nn.Parameter(0.1 * torch.randn(memory)) if learned_start else None
        draw_heads(self.fc_policy, self.fc_value)

    def initial_state(self, n: int) -> State:
        """Memory of n rows before an episode; a learned one passes gradients on."""
        if self.init_hx is not None:
            return self.init_hx.expand(n, -1)
        return self.fc_value.weight.new_zeros(n, self.fc_value.in_features)

    def forward(self, x: Float[Tensor, "N C H W"], state: State) -> tuple[Outputs, State]:
        """``logits`` (N, A) and ``value`` (N,), and the memory after."""
        return self.recall(self.encode(x), state)

    def encode(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N G"]:
        """What the gates take from an image, whatever came before it."""
        return self.gru.gru.read(self.embedder(x))

    def recall(self, read: Float[Tensor, "N G"], state: State) -> tuple[Outputs, State]:
        """Outputs and the memory after, from what the gates take and the memory before."""
        state = self.gru.gru.step(read, state)
        return {"logits": self.fc_policy(state), "value": self.fc_value(state)[:, 0]}, state

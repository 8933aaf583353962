"""Small agents whose networks are planted with one mistake each."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from policyscope.agents.agent import Agent
from policyscope.core import registry
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space

SPACE = Space((4,), "float32", actions=("0", "1"))


class Plain(nn.Module):
    """Nothing hidden, nothing wrong."""

    recurrent = False

    def __init__(self):
        super().__init__()
        self.hidden, self.relu, self.out = nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)
        self.middle, self.tanh = nn.Linear(8, 8), nn.Tanh()

    def forward(self, x):
        return self.out(self.tanh(self.middle(self.relu(self.hidden(x)))))


class Functional(Plain):
    """A ReLU in a functional call."""

    def forward(self, x):
        return self.out(functional.relu(self.middle(functional.relu(self.hidden(x)))))


class Residual(Plain):
    """A residual sum in the middle of forward."""

    def forward(self, x):
        x = self.relu(self.hidden(x))
        return self.out(x + self.tanh(self.middle(x)))


class Shared(Plain):
    """One ReLU for two places."""

    def forward(self, x):
        return self.out(self.relu(self.middle(self.relu(self.hidden(x)))))


class Gated(Plain):
    """A gate, a softmax and a division, and much that hides nothing."""

    def forward(self, x):
        x = torch.cat([x[:, :2], x[:, 2:]], 1).view(len(x), -1).clone() * 2 - 1
        y = self.relu(self.hidden(x / 3))
        y = functional.dropout(y, 0.5, self.training)
        gate = self.middle(y).softmax(-1)
        return self.out((gate * y) / (1 + gate).mean(-1, keepdim=True))


class Dropout(Plain):
    """The mistake: dropout left on."""

    def forward(self, x):
        return super().forward(functional.dropout(x, 0.3))


class Centred(Plain):
    """The mistake: subtracts the mean of the batch."""

    def forward(self, x):
        return super().forward(x - x.mean(0))


class Detached(Plain):
    """The mistake: no gradient reaches the first layers."""

    def forward(self, x):
        return self.out(self.tanh(self.middle(self.relu(self.hidden(x)).detach())))


class Deaf(Plain):
    """The mistake: answers the same whatever it sees."""

    def forward(self, x):
        return super().forward(x * 0)


class Breaks(Plain):
    """The mistake: takes one observation at a time only."""

    def forward(self, x):
        return super().forward(x.reshape(1, 4))


class Unsaved(Plain):
    """The mistake: a scale of its own that is no part of the weights."""

    def __init__(self):
        super().__init__()
        self.scale = torch.rand(()) + 1

    def forward(self, x):
        return super().forward(x * self.scale)


class Remembers(nn.Module):
    """A recurrent network without mistakes."""

    recurrent = True

    def __init__(self):
        super().__init__()
        self.cell, self.out = nn.GRUCell(4, 6), nn.Linear(6, 2)

    def initial_state(self, n):
        return torch.zeros(n, 6)

    def forward(self, x, state):
        state = self.cell(x, state)
        return {"logits": self.out(state)}, state


class KeepsMemory(Remembers):
    """The mistake: an episode begins with what the last one left."""

    last = None

    def initial_state(self, n):
        return torch.zeros(n, 6) if self.last is None else self.last.expand(n, 6)

    def forward(self, x, state):
        outputs, state = super().forward(x, state)
        self.last = state[:1].detach()
        return outputs, state


class NeverForgets(Agent):
    """The mistake: memory runs on where an episode begins."""

    def unroll(self, obs, state, first):
        return super().unroll(obs, state, torch.zeros_like(first))


class Truncates(Agent):
    """The mistake: unrolls without a graph."""

    def unroll(self, obs, state, first):
        with torch.no_grad():
            return super().unroll(obs, state, first)


NETWORKS = (Plain, Functional, Residual, Shared, Gated, Dropout, Centred, Detached, Deaf, Breaks)
NETWORKS += (Unsaved, Remembers, KeepsMemory)
KINDS = {"NeverForgets": NeverForgets, "Truncates": Truncates}


@pytest.fixture(autouse=True)
def _networks_are_registered(monkeypatch):
    for network in NETWORKS:
        place = f"{__name__}:{network.__name__}"
        monkeypatch.setitem(registry._ENTRIES["network"], network.__name__, place)


@pytest.fixture
def planted():
    """Make an agent of a network of this file; ``Kind.Network`` for a wrong agent too."""

    def make(name, env="gym:CartPole-v1"):
        kind, _, network = name.rpartition(".")
        net = next(made for made in NETWORKS if made.__name__ == network)()
        head = "categorical" if net.recurrent else "q"
        spec = EnvSpec(env) if env else None
        acting = "sample" if net.recurrent else "greedy"
        return KINDS.get(kind, Agent)(net.eval(), (network, {}), head, SPACE, acting, env=spec)

    return make

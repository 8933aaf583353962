"""The contract of agents, held by ours and broken by wrong variants."""

import pytest
import torch
from torch import nn

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.contract import CHECKS, ContractBroken, check_contract, gap
from policyscope.agents.networks.mlp import MLPNetwork
from policyscope.agents.store import load_agent
from policyscope.core import registry
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.stepper import Space

ROADS = Space((15, 7), "float32", actions=("SLOWER", "IDLE", "FASTER"))
FLAT = Space((5,), "float32", actions=("LEFT", "RIGHT", "STAY"))
STEPS, BATCH = 9, 4


class GRU(nn.Module):
    """Memory in one tensor."""

    recurrent = True

    def __init__(self):
        super().__init__()
        self.cell, self.relu, self.predict = nn.GRUCell(5, 6), nn.ReLU(), nn.Linear(6, 3)

    def initial_state(self, n):
        return torch.zeros(n, 6)

    def forward(self, x, state):
        state = self.cell(x, state)
        return self.predict(self.relu(state)), state


class LSTM(nn.Module):
    """Memory in a tuple."""

    recurrent = True

    def __init__(self):
        super().__init__()
        self.cell, self.predict, self.critic = nn.LSTMCell(5, 6), nn.Linear(6, 3), nn.Linear(6, 1)

    def initial_state(self, n):
        return torch.zeros(n, 6), torch.zeros(n, 6)

    def forward(self, x, state):
        hidden, cell = self.cell(x, state)
        return {"logits": self.predict(hidden), "value": self.critic(hidden)}, (hidden, cell)


class Nested(LSTM):
    """Memory in a dict of a tuple and a counter."""

    def initial_state(self, n):
        return {"lstm": super().initial_state(n), "age": torch.zeros(n, dtype=torch.long)}

    def forward(self, x, state):
        outputs, lstm = super().forward(x, state["lstm"])
        return outputs, {"lstm": lstm, "age": state["age"] + 1}


class Hidden(MLPNetwork):
    """The mistake: carries a running mean that is not among the arguments."""

    seen = 0.0

    def forward(self, x):
        self.seen = 0.9 * self.seen + x.mean().item()
        return super().forward(x + self.seen)


class Overwrites(MLPNetwork):
    """The mistake: scales the observation where it lies."""

    def forward(self, x):
        return super().forward(x.mul_(0.5))


class Counts(MLPNetwork):
    """The mistake: a buffer that grows with every pass."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        self.passes += 1
        return super().forward(x)


class Centred(MLPNetwork):
    """The mistake: subtracts the mean of the batch."""

    def forward(self, x):
        return super().forward(x - x.mean(0))


class RowByRow(MLPNetwork):
    """The mistake: one pass a row, so that every site fires as often as there are rows."""

    def forward(self, x):
        return torch.cat([super(RowByRow, self).forward(row[None]) for row in x])


class Squeezed(MLPNetwork):
    """The mistake: a layer that is left out when there are several rows."""

    def forward(self, x):
        hidden = self.layers[0](x)
        return self.predict(self.relus[0](hidden) if len(x) == 1 else hidden.relu())


class RandomStart(GRU):
    """The mistake: begins from noise."""

    def initial_state(self, n):
        return torch.randn(n, 6)


class StartsElsewhere(GRU):
    """The mistake: what it remembers last is where the next episode begins."""

    last = None

    def initial_state(self, n):
        return torch.zeros(n, 6) if self.last is None else self.last.expand(n, 6)

    def forward(self, x, state):
        outputs, state = super().forward(x, state)
        self.last = state[:1].detach()
        return outputs, state


class Unsaved(MLPNetwork):
    """The mistake: a scale of its own that is no part of the weights."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.scale = torch.rand(()) + 1

    def forward(self, x):
        return super().forward(x * self.scale)


NETWORKS = (GRU, LSTM, Nested, Hidden, Overwrites, Counts, Centred, RowByRow, Squeezed)
NETWORKS += (RandomStart, StartsElsewhere, Unsaved)


class ForgetsReset(Agent):
    """The mistake: memory runs on where an episode begins."""

    def unroll(self, obs, state, first):
        return super().unroll(obs, state, torch.zeros_like(first))


class ResetsLate(Agent):
    """The mistake: memory begins anew one row after the first."""

    def unroll(self, obs, state, first):
        return super().unroll(obs, state, first.roll(1, 0))


class Shuffles(Agent):
    """The mistake: time and batch change places on the way."""

    def unroll(self, obs, state, first):
        steps, batch = obs.shape[:2]
        outputs, _ = self.forward(obs.flatten(0, 1), None)
        return {k: v.unflatten(0, (batch, steps)).transpose(0, 1) for k, v in outputs.items()}, None


class CutsGradients(Agent):
    """The mistake: unrolls without a graph."""

    def unroll(self, obs, state, first):
        with torch.no_grad():
            return super().unroll(obs, state, first)


class Truncates(Agent):
    """The mistake: unrolls row by row and lets no gradient pass from one to the next."""

    def forward(self, obs, state):
        outputs, state = super().forward(obs, state)
        return outputs, state.detach() if self.cut else state

    cut = False

    def unroll(self, obs, state, first):
        self.cut = True
        try:
            return super().unroll(obs, state, first)
        finally:
            self.cut = False


class LastStateOnly(Agent):
    """The mistake: gives the memory after the stretch, not after each row."""

    def unroll(self, obs, state, first):
        outputs, states = super().unroll(obs, state, first)
        return outputs, states[-1]


class Twice(Agent):
    """The mistake: asks the network again for what it shows."""

    def act(self, obs, state=None, **choices):
        self.forward(obs, state)
        return super().act(obs, state, **choices)


@pytest.fixture(autouse=True)
def _networks_are_registered(monkeypatch):
    for network in NETWORKS:
        place = f"{__name__}:{network.__name__}"
        monkeypatch.setitem(registry._ENTRIES["network"], network.__name__, place)


def flat(name="mlp", head="q", kind=Agent):
    plain = issubclass(registry.find("network", name), MLPNetwork)
    made = (name, {"features": 5, "widths": [8], "actions": 3} if plain else {})
    acting = "greedy" if head == "q" else "sample"
    return kind(build_network(*made).eval(), made, head, FLAT, acting)


def attention(heads, kind=Agent):
    made = ("ego_attention", {"heads": heads})
    return kind(build_network(*made).eval(), made, "q", ROADS)


def observations(agent):
    obs = torch.rand(STEPS, BATCH, *agent.space.obs_shape) * 2 - 1
    if agent.space == ROADS:
        obs[..., 0] = (torch.rand(STEPS, BATCH, 15) < 0.4).float()
        obs[..., 0, 0] = 1
    return obs


AGENTS = {
    "1 head": lambda: attention(1),
    "2 heads": lambda: attention(2),
    "4 heads": lambda: attention(4),
    "shipped": lambda: load_agent("highway-ego-attention"),
    "mlp": flat,
    "sampling mlp": lambda: flat(head="categorical"),
    "gru": lambda: flat("GRU", "categorical"),
    "lstm": lambda: flat("LSTM", "categorical"),
    "nested": lambda: flat("Nested", "categorical"),
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", AGENTS)
def test_agent_holds_the_contract(name, check):
    agent = AGENTS[name]()
    CHECKS[check](agent, observations(agent))


MUTANTS = [
    ("repeats", lambda: flat("Hidden"), "the same arguments give another decision"),
    ("repeats", lambda: flat("Overwrites"), "acting changes its arguments"),
    ("repeats", lambda: flat("Counts"), "acting changes the weights"),
    ("starts_fresh", lambda: flat("RandomStart", "categorical"), "initial memory changes"),
    ("starts_fresh", lambda: flat("StartsElsewhere", "categorical"), "initial memory changes"),
    ("unrolls", lambda: flat("GRU", "categorical", ForgetsReset), "unrolling differs"),
    ("unrolls", lambda: flat("LSTM", "categorical", ForgetsReset), "unrolling differs"),
    ("unrolls", lambda: flat("GRU", "categorical", ResetsLate), "unrolling differs"),
    ("unrolls", lambda: flat("GRU", "categorical", LastStateOnly), "unrolled memory differs"),
    ("unrolls", lambda: attention(2, Shuffles), "unrolling differs"),
    ("resets", lambda: flat("GRU", "categorical", ForgetsReset), "reaches into the next"),
    ("resets", lambda: flat("Nested", "categorical", ForgetsReset), "reaches into the next"),
    ("differentiates", lambda: attention(2, CutsGradients), "gradient of unrolling"),
    ("differentiates", lambda: flat("GRU", "categorical", Truncates), "gradient of unrolling"),
    ("stands_alone", lambda: flat("Centred"), "depends on the rows beside it"),
    ("comes_back", lambda: flat("Unsaved"), "a loaded agent decides otherwise"),
    ("fires_once", lambda: flat("RowByRow"), "fires twice in a decision"),
    ("fires_once", lambda: flat(kind=Twice), "fires twice in a decision"),
    ("fires_once", lambda: flat("Squeezed"), "'relus.0' is listed and does not fire"),
]


@pytest.mark.parametrize(("check", "make", "said"), MUTANTS)
def test_wrong_variant_breaks_the_contract(check, make, said):
    agent = make()
    with pytest.raises(ContractBroken, match=said):
        CHECKS[check](agent, observations(agent))


def test_every_check_has_a_wrong_variant():
    assert {check for check, _, _ in MUTANTS} == set(CHECKS)


def test_the_whole_contract_runs_every_check():
    agent = attention(2)
    check_contract(agent, observations(agent))
    with pytest.raises(ContractBroken):
        check_contract(flat("RowByRow"), torch.randn(STEPS, BATCH, 5))
    with pytest.raises(PolicyscopeError, match="at least 4 x 2 rows"):
        check_contract(agent, observations(agent)[:3])


def test_gap_sees_missing_parts_and_what_is_no_number():
    tree = {"a": torch.ones(2), "b": (torch.zeros(1), None)}
    assert gap(tree, tree) == 0
    assert gap(tree, {"a": torch.ones(2)}) == float("inf")
    assert gap({"a": torch.full((2,), torch.nan)}, {"a": torch.ones(2)}) == float("inf")
    assert gap(torch.tensor([11.0]), torch.tensor([10.0])) == pytest.approx(0.1)

"""Attribution through time against loops written out by hand and planted memories."""

import pytest
import torch
from torch import nn

from policyscope.agents.agent import Agent
from policyscope.attribution.asking.windows import Windows, over_time, windowed_score
from policyscope.attribution.methods.paths import integrated_gradients, nodes
from policyscope.core.errors import PolicyscopeError
from policyscope.core.target_parser import parse_target
from policyscope.envs.stepper import Space

from .conftest import image_agent, images, road_agent

STEPS, ROWS, SEEN, KEPT = 5, 3, 4, 6


class SmallGRU(nn.Module):
    """A cell and a value."""

    recurrent = True

    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(SEEN, KEPT)
        self.read = nn.Linear(KEPT, 2)

    def initial_state(self, n):
        return torch.zeros(n, KEPT)

    def forward(self, x, state):
        state = self.cell(x, state)
        read = self.read(state)
        return {"logits": read, "value": read[:, 0]}, state


@pytest.fixture
def small():
    space = Space((SEEN,), "float32", actions=("A", "B"))
    return Agent(SmallGRU(), ("small", {}), "categorical", space)


def windows(begin=None):
    first = torch.zeros(ROWS, STEPS, dtype=torch.bool)
    if begin is not None:
        first[1, begin] = True
    return Windows(torch.randn(ROWS, STEPS, SEEN), torch.randn(ROWS, KEPT), first)


def by_hand(net, obs, memory, first):
    for t in range(STEPS):
        memory = torch.where(first[:, t, None], torch.zeros(ROWS, KEPT), memory)
        memory = net.cell(obs[:, t], memory)
    return net.read(memory)[:, 0]


@pytest.mark.parametrize("begin", [None, 0, 2, 4])
def test_it_is_the_loop_written_out(small, begin):
    given = windows(begin)
    score = windowed_score(small, parse_target("value"), given)
    expected = by_hand(small.net, given.obs, given.state, given.first)
    torch.testing.assert_close(score(score.activation, torch.arange(ROWS)), expected)


def test_integrated_gradients_are_those_of_the_loop(small):
    given = windows(2)
    score = windowed_score(small, parse_target("value"), given)
    found = integrated_gradients(score, rule="gauss", steps=6)
    obs_total, memory_total = torch.zeros_like(given.obs), torch.zeros_like(given.state)
    for at, weight in zip(*nodes("gauss", 6), strict=True):
        obs = (float(at) * given.obs).requires_grad_()
        memory = (float(at) * given.state).requires_grad_()
        value = by_hand(small.net, obs, memory, given.first).sum()
        slopes = torch.autograd.grad(value, (obs, memory))
        obs_total += float(weight) * slopes[0]
        memory_total += float(weight) * slopes[1]
    seen, remembered = score.split(found.values)
    torch.testing.assert_close(seen, obs_total * given.obs, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(remembered, memory_total * given.state, rtol=1e-4, atol=1e-6)


def test_the_window_is_complete_only_with_its_memory(small):
    score = windowed_score(small, parse_target("value"), windows())
    found = integrated_gradients(score, tolerance=0.001)
    parts = over_time(score, found.values)
    whole = parts["observation"].sum(1) + parts["memory"]
    torch.testing.assert_close(whole.double(), found.change, rtol=0.01, atol=1e-4)
    without = (parts["observation"].sum(1) - found.change).abs()
    assert (without > 0.01).any()


def test_nothing_from_before_an_episode_counts(small):
    score = windowed_score(small, parse_target("value"), windows(2))
    parts = over_time(score, integrated_gradients(score).values)
    assert (parts["observation"][1, :2] == 0).all()
    assert parts["memory"][1] == 0
    assert (parts["observation"][[0, 2]] != 0).all()


class Holds(nn.Module):
    """Remembers the sum of what it saw; the value is 3 times that."""

    recurrent = True

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(3.0))

    def initial_state(self, n):
        return torch.zeros(n, 1)

    def forward(self, x, state):
        state = state + x[:, :1]
        return {"logits": state, "value": self.scale * state[:, 0]}, state


def test_a_planted_memory_gives_each_step_its_share():
    agent = Agent(Holds(), ("holds", {}), "categorical", Space((2,), "float32", actions=("A",)))
    obs = torch.randn(2, 4, 2)
    given = Windows(obs, torch.tensor([[0.5], [-1.0]]), torch.zeros(2, 4, dtype=torch.bool))
    score = windowed_score(agent, parse_target("value"), given)
    parts = over_time(score, integrated_gradients(score).values)
    torch.testing.assert_close(parts["observation"], 3 * obs[:, :, 0])
    torch.testing.assert_close(parts["memory"], torch.tensor([1.5, -3.0]))


def test_the_agent_that_sees_and_remembers():
    agent = image_agent("impala_gru")
    obs = images(6).unflatten(0, (2, 3))
    given = Windows(obs, torch.randn(2, 6) / 2, torch.zeros(2, 3, dtype=torch.bool))
    score = windowed_score(agent, parse_target("logit[FASTER]-logit[IDLE]"), given)
    outputs, _ = agent.unroll(obs.transpose(0, 1), given.state, given.first.T)
    expected = outputs["logits"][-1, :, 2] - outputs["logits"][-1, :, 1]
    torch.testing.assert_close(score(score.activation, torch.arange(2)), expected)
    found = integrated_gradients(score, tolerance=0.01)
    assert float(found.gap.abs().mean()) <= 0.02 * float(found.change.abs().mean())
    assert found.values.shape == (2, 3 * 3 * 32 * 32 + 6)


def test_a_target_may_be_a_gate_at_the_last_step():
    agent = image_agent("impala_gru")
    obs = images(4).unflatten(0, (2, 2))
    given = Windows(obs, None, torch.zeros(2, 2, dtype=torch.bool))
    score = windowed_score(agent, parse_target("site[gru.gru.reset][1]"), given)
    value = score(score.activation, torch.arange(2))
    assert ((value > 0) & (value < 1)).all()


def test_an_agent_without_memory_is_refused():
    given = Windows(torch.ones(1, 2, 6, 7), None, torch.zeros(1, 2, dtype=torch.bool))
    with pytest.raises(PolicyscopeError, match="has no memory"):
        windowed_score(road_agent(), parse_target("q[IDLE]"), given)

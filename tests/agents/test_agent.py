import numpy as np
import pytest
import torch
from torch import nn

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.store import load_agent
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.stepper import Space

SPACE = Space((15, 7), "float32", actions=("SLOWER", "IDLE", "FASTER"))


class Memory(nn.Module):
    """A GRU with a head; the smallest network with memory."""

    recurrent = True

    def __init__(self, features=5, hidden=6, actions=3):
        super().__init__()
        self.cell = nn.GRUCell(features, hidden)
        self.head = nn.Linear(hidden, actions)

    def initial_state(self, n):
        return torch.zeros(n, self.cell.hidden_size)

    def forward(self, x, state):
        state = self.cell(x, state)
        return self.head(state), state


@pytest.fixture
def agent():
    net = build_network("ego_attention", {"heads": 2})
    return Agent(net, ("ego_attention", {"heads": 2}), "q", SPACE)


@pytest.fixture
def recurrent():
    return Agent(
        Memory(), ("memory", {}), "categorical", Space((5,), "float32", actions=tuple("abc"))
    )


def test_act_decides_for_a_batch_and_takes_numpy(agent):
    obs = np.random.default_rng(0).normal(size=(6, 15, 7)).astype("float32")
    decision = agent.act(obs)
    assert torch.equal(decision.action, decision.outputs["q"].argmax(-1))
    assert torch.equal(decision.logp, torch.zeros(6))
    assert decision.state is None
    assert torch.equal(agent.act(torch.from_numpy(obs)).action, decision.action)


def test_act_depends_on_its_arguments_alone(recurrent):
    obs, state = torch.randn(4, 5), torch.randn(4, 6)
    first = recurrent.act(obs, state)
    recurrent.act(torch.randn(4, 5), first.state)
    again = recurrent.act(obs, state)
    assert torch.equal(first.outputs["logits"], again.outputs["logits"])
    assert torch.equal(first.state, again.state)


def test_wrong_shape_is_named(agent):
    with pytest.raises(PolicyscopeError, match=r"expects .* shape \(15, 7\), got \(9, 7\)"):
        agent.act(torch.zeros(2, 9, 7))


def test_sampling_a_q_agent_is_refused(agent):
    with pytest.raises(PolicyscopeError, match="use --act greedy"):
        agent.act(agent.example(), sample=True)


def test_sites_have_names_shapes_and_the_order_of_firing(agent):
    sites = agent.sites()
    assert list(sites)[0] == "preprocess"
    assert list(sites)[-1] == "output_layer.predict"
    assert sites["attention_layer.pattern"].shape == (2, 1, 15)
    assert sites["ego_embedding.relus.1"].shape == (1, 64)
    assert sites["attention_layer.head_outputs"].shape == (2, 32)
    order = list(sites)
    assert order.index("attention_layer.scores") < order.index("attention_layer.pattern")


def test_row_order_of_the_others_does_not_matter(agent):
    x = torch.randn(8, 15, 7, dtype=torch.float64)
    x[..., 0] = (torch.rand(8, 15) < 0.5).double()
    x[:, 0, 0] = 1
    agent.net.double()
    shuffled = torch.cat([x[:, :1], x[:, 1:][:, torch.randperm(14)]], 1)
    gap = (agent.net(x) - agent.net(shuffled)).abs().max()
    assert gap < 1e-12


def test_absent_rows_do_not_matter_and_present_ones_do(agent):
    x = torch.randn(8, 15, 7)
    x[..., 0] = 1
    x[:, 5, 0] = 0
    absent, present = x.clone(), x.clone()
    absent[:, 5, 1:] += 1
    present[:, 6, 1:] += 1
    assert torch.equal(agent.net(x), agent.net(absent))
    assert (agent.net(x) - agent.net(present)).abs().min(1).values.min() > 0


def _loop(agent, obs, first, reset=True):
    state, outputs, states = None, [], []
    for t in range(len(obs)):
        if state is not None and reset:
            state = torch.where(first[t][:, None], agent.initial_state(obs.shape[1]), state)
        decision = agent.act(obs[t], state)
        state = decision.state
        outputs.append(decision.outputs["logits"])
        states.append(state)
    return torch.stack(outputs), torch.stack(states)


def test_unroll_equals_the_loop_of_act_and_resets_memory(recurrent):
    obs, first = torch.randn(9, 4, 5), torch.rand(9, 4) < 0.3
    outputs, states = recurrent.unroll(obs, None, first)
    looped, loop_states = _loop(recurrent, obs, first)
    assert (outputs["logits"] - looped).abs().max() < 1e-6
    assert (states - loop_states).abs().max() < 1e-6
    never_reset, _ = _loop(recurrent, obs, first, reset=False)
    assert (outputs["logits"] - never_reset).abs().max() > 1e-3


def test_unroll_is_differentiable_through_time_but_not_past_a_reset(recurrent):
    obs = torch.randn(6, 2, 5, requires_grad=True)
    first = torch.zeros(6, 2, dtype=torch.bool)
    first[3, 1] = True
    outputs, _ = recurrent.unroll(obs, None, first)
    outputs["logits"][5].sum().backward()
    assert (obs.grad[:3, 0].abs().sum(-1) > 0).all()
    assert (obs.grad[:3, 1] == 0).all()
    assert (obs.grad[3:, 1].abs().sum(-1) > 0).all()


def test_unroll_without_memory_equals_act(agent):
    obs = torch.randn(3, 4, 15, 7)
    outputs, states = agent.unroll(obs, None, torch.zeros(3, 4, dtype=torch.bool))
    assert states is None
    for t in range(3):
        assert (outputs["q"][t] - agent.act(obs[t]).outputs["q"]).abs().max() < 1e-6


def test_with_weights_leaves_the_agent_as_it_was(agent):
    before = {k: v.clone() for k, v in agent.net.state_dict().items()}
    other = agent.with_weights({k: v * 0 for k, v in before.items()})
    assert torch.equal(other.act(agent.example()).outputs["q"], torch.zeros(1, 3))
    assert all(torch.equal(v, before[k]) for k, v in agent.net.state_dict().items())
    assert other.space == agent.space
    assert not other.net.training


def test_build_network_names_bad_names_and_arguments():
    with pytest.raises(UnknownName, match="Did you mean ego_attention"):
        build_network("ego_atention", {})
    for arguments in ({"colour": 1}, {"heads": 0}, {"heads": "4"}, {"embedding": []}):
        with pytest.raises(PolicyscopeError, match="cannot be built"):
            build_network("ego_attention", arguments)


def test_an_agent_is_told_in_one_line():
    told = repr(load_agent("coinrun-gru"))
    assert told == "<Agent impala_gru: 116,208 parameters, categorical, sample, procgen/coinrun>"

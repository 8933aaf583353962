"""What no site shows is named with its place; networks of ours hide what is written here."""

import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.doctor.hidden import hidden_calls
from policyscope.agents.store import load_agent
from policyscope.envs.stepper import Space

FOUND = {
    "Plain": [],
    "Functional": [("", "relu", "nonlinearity", 2)],
    "Residual": [("", "add", "sum of activations", 1)],
    "Shared": [("relu", "relu", "nonlinearity", 2)],
    "Gated": [
        ("", "softmax", "nonlinearity", 1),
        ("", "mul", "product of activations", 1),
        ("", "div", "product of activations", 1),
    ],
}


@pytest.mark.parametrize("name", FOUND)
def test_planted_calls_are_named_with_their_place(planted, name):
    calls = hidden_calls(planted(name), torch.randn(3, 4))
    assert [(c.module, c.call, c.kind, c.calls) for c in calls] == FOUND[name]
    assert all(c.place.startswith(("conftest.py:", "activation.py:")) for c in calls)


def test_a_dropout_that_is_left_on_is_named(planted):
    (call,) = hidden_calls(planted("Dropout"), torch.randn(3, 4))
    assert (call.call, call.kind) == ("dropout", "nonlinearity")


def test_memory_counts_as_an_activation():
    made = ("impala_gru", {"widths": [2, 2, 2], "embedding": 8, "memory": 4})
    net = build_network(*made).eval()
    space = Space((3, 64, 64), "float32", actions=tuple("abcdefghijklmno"))
    agent = Agent(net, made, "categorical", space, "sample")
    calls = hidden_calls(agent, torch.rand(2, 3, 64, 64))
    assert {c.module for c in calls} == {"gru.gru"}
    kinds = [c.kind for c in calls for _ in range(c.calls)]
    assert kinds.count("linear map") == 2
    assert kinds.count("sum of activations") == 3
    assert kinds.count("product of activations") == 1
    assert len(kinds) == 6


CLEAN = {
    "mlp": {"features": 5, "actions": 3},
    "actor_critic": {"features": 5, "actions": 3, "gaussian": True},
    "clear_cnn": {},
    "impala": {},
    "nature_q": {"shape": [3, 64, 64]},
    "nature_actor_critic": {"shape": [3, 64, 64]},
}


@pytest.mark.parametrize("name", CLEAN)
def test_our_networks_without_memory_hide_nothing(name):
    flat = "features" in CLEAN[name]
    space = Space((5,) if flat else (3, 64, 64), "float32", actions=("a", "b", "c"))
    head = "gaussian" if CLEAN[name].get("gaussian") else "categorical"
    head = "q" if name in ("mlp", "nature_q") else head
    agent = Agent(build_network(name, CLEAN[name]).eval(), (name, CLEAN[name]), head, space)
    assert hidden_calls(agent, torch.rand(2, *space.obs_shape)) == []


def test_the_attention_network_hides_nothing():
    assert hidden_calls(load_agent("highway-ego-attention"), torch.rand(2, 15, 7)) == []


def test_watching_changes_nothing(planted):
    agent, obs = planted("Functional"), torch.randn(3, 4)
    with torch.no_grad():
        before = agent.act(obs).outputs["q"]
        hidden_calls(agent, obs)
        assert torch.equal(agent.act(obs).outputs["q"], before)

"""The ego-attention network against an independent functional forward of its lineage."""

import math

import pytest
import torch
from torch.nn import functional as F

from policyscope.agents.agent import Agent
from policyscope.agents.networks.ego_attention import EgoAttentionNetwork
from policyscope.core.errors import PolicyscopeError
from policyscope.core.hooks import capture
from policyscope.core.sites import leaf_modules
from policyscope.envs.stepper import Space

SHAPES = {
    "ego_embedding.layers.0.weight": (64, 7), "ego_embedding.layers.0.bias": (64,),
    "ego_embedding.layers.1.weight": (64, 64), "ego_embedding.layers.1.bias": (64,),
    "others_embedding.layers.0.weight": (64, 7), "others_embedding.layers.0.bias": (64,),
    "others_embedding.layers.1.weight": (64, 64), "others_embedding.layers.1.bias": (64,),
    "attention_layer.value_all.weight": (64, 64), "attention_layer.key_all.weight": (64, 64),
    "attention_layer.query_ego.weight": (64, 64),
    "attention_layer.attention_combine.weight": (64, 64),
    "output_layer.layers.0.weight": (64, 64), "output_layer.layers.0.bias": (64,),
    "output_layer.layers.1.weight": (64, 64), "output_layer.layers.1.bias": (64,),
    "output_layer.predict.weight": (3, 64), "output_layer.predict.bias": (3,),
}  # fmt: skip
#: Gap of two float64 computations of values of order one.
EXACT = 1e-12


def rl_agents_forward(w, x, heads):
    """What the lineage computes, written from its description: tensors of every step by site."""
    s = {}

    def linear(name, value):
        out = F.linear(value, w[f"{name}.weight"], w.get(f"{name}.bias"))
        s[name] = out
        return out

    def mlp(name, value, relu):
        for i in (0, 1):
            value = linear(f"{name}.layers.{i}", value).clamp(min=0)
            s[f"{relu}.{i}"] = value
        return value

    ego = mlp("ego_embedding", x[:, 0:1], "ego_embedding.relus")
    others = mlp("others_embedding", x[:, 1:], "others_embedding.relus")
    rows = torch.cat((ego, others), dim=1)
    a = "attention_layer"
    n, v, width = rows.shape
    d = width // heads
    key = linear(f"{a}.key_all", rows).view(n, v, heads, d).permute(0, 2, 1, 3)
    value = linear(f"{a}.value_all", rows).view(n, v, heads, d).permute(0, 2, 1, 3)
    query = linear(f"{a}.query_ego", ego).view(n, 1, heads, d).permute(0, 2, 1, 3)
    scores = torch.matmul(query, key.permute(0, 1, 3, 2)) / math.sqrt(d)
    s[f"{a}.scores"] = scores
    s["absent"] = x[:, :, 0] < 0.5
    mask = s["absent"].view(n, 1, 1, v).repeat(1, heads, 1, 1)
    s[f"{a}.masked"] = scores.masked_fill(mask, -1e9)
    p = F.softmax(s[f"{a}.masked"], dim=-1)
    s[f"{a}.pattern"] = p
    z = torch.matmul(p, value)
    s[f"{a}.head_outputs"] = z.squeeze(2)
    out = (linear(f"{a}.attention_combine", z.reshape(n, width)) + ego.squeeze(1)) / 2
    s[f"{a}.residual"] = out
    s["output_layer.predict"] = linear(
        "output_layer.predict", mlp("output_layer", out, "output_layer.relus")
    )
    return s


def network(heads=4):
    net = EgoAttentionNetwork(heads=heads).double().eval()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn_like(p) * 0.3)
    return net


def observations(n=16, others=14):
    x = torch.randn(n, 1 + others, 7, dtype=torch.float64)
    present = torch.rand(n, others) < 0.5
    x[:, 0, 0] = 1.0
    x[:, 1:, 0] = present.double()
    x[:, 1:][~present] = 0.0
    return x


def captured(net, x):
    modules = leaf_modules(net)
    with torch.no_grad(), capture(modules, modules) as seen:
        net(x)
    return seen


def test_parameters_are_those_of_the_lineage():
    state = EgoAttentionNetwork().state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == SHAPES
    assert sum(v.numel() for v in state.values()) == 34_243


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_equals_an_independent_forward_of_the_lineage(heads):
    net, x = network(heads), observations()
    expected = rl_agents_forward(net.state_dict(), x, heads)["output_layer.predict"]
    assert torch.allclose(net(x), expected, rtol=0, atol=EXACT)
    single = net.float()(x.float())
    assert torch.allclose(single.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("wrong", [1, 2, 8])
def test_the_number_of_heads_matters_though_shapes_do_not_show_it(wrong):
    net, x = network(4), observations()
    other = rl_agents_forward(net.state_dict(), x, wrong)["output_layer.predict"]
    assert (net(x) - other).abs().max() > 1e-3


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_every_functional_operation_is_a_site(heads):
    """Sites are complete: each step of the functional forward is one, and there are no others."""
    net, x = network(heads), observations()
    expected = rl_agents_forward(net.state_dict(), x, heads)
    seen = captured(net, x)
    assert set(seen) == set(expected)
    for site, value in seen.items():
        assert value.shape == expected[site].shape, site
        assert torch.allclose(value, expected[site], rtol=0, atol=EXACT), site


def test_agents_list_the_sites_with_their_shapes():
    space = Space((15, 7), "float32", actions=("SLOWER", "IDLE", "FASTER"))
    sites = Agent(EgoAttentionNetwork(), ("ego_attention", {}), "q", space).sites()
    assert sites["attention_layer.pattern"].shape == (4, 1, 15)
    assert sites["attention_layer.head_outputs"].shape == (4, 16)
    assert sites["others_embedding.relus.1"].shape == (14, 64)
    assert sites["attention_layer.residual"].shape == (64,)


def test_order_of_the_other_vehicles_does_not_matter():
    net, x = network(), observations()
    order = torch.randperm(14)
    shuffled = torch.cat([x[:, :1], x[:, 1:][:, order]], dim=1)
    assert torch.allclose(net(x), net(shuffled), rtol=0, atol=EXACT)
    moved = captured(net, shuffled)["attention_layer.pattern"][..., 1:]
    assert torch.allclose(captured(net, x)["attention_layer.pattern"][..., 1:][..., order], moved)


def test_swapping_the_ego_with_another_vehicle_does_matter():
    net, x = network(), observations()
    swapped = x[:, [1, 0, *range(2, 15)]]
    assert (net(x) - net(swapped)).abs().max() > 1e-3


def test_masked_rows_get_no_attention_and_change_nothing():
    net, x = network(), observations()
    absent = x[..., 0] < 0.5
    pattern = captured(net, x)["attention_layer.pattern"].squeeze(2)
    assert pattern.masked_select(absent[:, None].expand_as(pattern)).abs().max() == 0
    assert torch.allclose(pattern.sum(-1), torch.ones(()).double())
    noisy = x.clone()
    noisy[..., 1:][absent] = torch.randn(int(absent.sum()), 6).double()
    assert torch.allclose(net(x), net(noisy), rtol=0, atol=EXACT)


def test_an_ego_alone_looks_at_itself():
    x = observations()
    x[:, 1:] = 0
    pattern = captured(network(), x)["attention_layer.pattern"]
    assert torch.equal(pattern[..., 0], torch.ones_like(pattern[..., 0]))


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_per_head_identity(heads):
    """Scores and output follow from rows of Wq, Wk, Wv and columns of W_O of each head."""
    net, x = network(heads), observations()
    s, d = captured(net, x), 64 // heads
    w = {k.removeprefix("attention_layer."): v for k, v in net.state_dict().items()}
    ego = s["ego_embedding.relus.1"][:, 0]
    rows = torch.cat([s["ego_embedding.relus.1"], s["others_embedding.relus.1"]], dim=1)
    total = torch.zeros_like(ego)
    for h in range(heads):
        cut = slice(h * d, (h + 1) * d)
        bilinear = w["query_ego.weight"][cut].T @ w["key_all.weight"][cut]
        score = torch.einsum("nw,wu,nvu->nv", ego, bilinear, rows) / math.sqrt(d)
        assert torch.allclose(score, s["attention_layer.scores"][:, h, 0], rtol=0, atol=1e-6)
        write = w["attention_combine.weight"][:, cut] @ w["value_all.weight"][cut]
        pattern = s["attention_layer.pattern"][:, h, 0]
        total += torch.einsum("nv,wu,nvu->nw", pattern, write, rows)
    assert torch.allclose((total + ego) / 2, s["attention_layer.residual"], rtol=0, atol=1e-6)


def test_width_that_heads_do_not_divide_is_an_error():
    with pytest.raises(PolicyscopeError, match="cannot be split into 5 heads"):
        EgoAttentionNetwork(heads=5)


def test_embedding_of_another_width_is_an_error():
    with pytest.raises(PolicyscopeError, match="ends at 32, the width is 64"):
        EgoAttentionNetwork(embedding=(64, 32))

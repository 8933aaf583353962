import numpy as np
import pytest
import torch

from policyscope.agents.build import build_network
from policyscope.agents.contract import CHECKS
from policyscope.agents.networks.convolution import L2Pool
from policyscope.core.errors import PolicyscopeError

SHAPES = {
    "1a.relu": (16, 64, 64), "1a.pool": (16, 32, 32), "2a.relu": (32, 32, 32),
    "2b.relu": (32, 32, 32), "2b.pool": (32, 16, 16), "3a.relu": (32, 16, 16),
    "3a.pool": (32, 8, 8), "4a.relu": (32, 8, 8), "4a.pool": (32, 4, 4),
    "dense_relu": (256,), "dense_1_relu": (512,), "pi": (15,), "vf": (1,),
}  # fmt: skip


def test_layers_and_shapes_are_those_of_the_article(lineages):
    agent = lineages.agent("clear_cnn")
    sites = agent.sites()
    assert {name: sites[name].shape for name in SHAPES} == SHAPES
    assert "2a.pool" not in sites
    assert [site.kind for site in sites.values()].count("ReLU") == 7
    assert sum(p.numel() for p in agent.net.parameters()) == 363_216


def test_network_computes_the_functional_forward_in_the_lineages_layout(lineages):
    agent = lineages.agent("clear_cnn")
    obs = lineages.frames(3)
    params = {}
    for name, value in agent.net.state_dict().items():
        layer, part = name.rsplit(".", 1)
        kind = {"weight": "kernel", "bias": "bias"}[part]
        array = value.numpy()
        if array.ndim == 4:
            array = array.transpose(2, 3, 1, 0)
        elif layer == "dense" and part == "weight":
            array = array.reshape(256, 32, 4, 4).transpose(2, 3, 1, 0).reshape(512, 256)
        elif part == "weight":
            array = array.T
        head = f"{layer}/{part[0]}:0" if layer in ("pi", "vf") else None
        params[head or f"pi/{layer.replace('.', '/')}/{kind}:0"] = array
    theirs = lineages.clear(params, obs.numpy())
    with torch.no_grad():
        ours = agent.act(obs).outputs
    for name, value in theirs.items():
        assert np.abs(value - ours[name].numpy()).max() <= 1e-5
        assert value.std() > 1e-4


def test_pool_is_the_root_mean_square_with_the_known_gradient():
    x = torch.rand(2, 3, 4, 6, dtype=torch.float64, requires_grad=True)
    out = L2Pool()(x)
    cells = x.detach().reshape(2, 3, 2, 2, 3, 2)
    assert torch.allclose(out, ((cells**2).mean((3, 5)) + 1e-8).sqrt(), atol=1e-15)
    out.sum().backward()
    spread = out.detach().repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.allclose(x.grad, x.detach() / (4 * spread))


def test_pool_of_zeros_has_a_finite_gradient():
    x = torch.zeros(1, 1, 2, 2, requires_grad=True)
    L2Pool()(x).sum().backward()
    assert torch.equal(x.grad, torch.zeros_like(x))
    assert L2Pool()(x).item() == pytest.approx(1e-4)


@pytest.mark.parametrize("check", CHECKS)
def test_clear_network_holds_the_contract(lineages, check):
    agent = lineages.agent("clear_cnn", size=32, widths=[4, 4, 6, 6, 8], dense=[16, 12])
    CHECKS[check](agent, lineages.frames(6, 3, size=32))


@pytest.mark.parametrize("wrong", [{"widths": [16, 32]}, {"dense": [256]}])
def test_other_numbers_of_layers_are_refused(wrong):
    with pytest.raises(PolicyscopeError, match="5 convolutions and 2 dense"):
        build_network("clear_cnn", wrong)

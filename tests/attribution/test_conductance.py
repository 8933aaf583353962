"""Conductance against captum, a naive loop and a net whose flow is known."""

import captum.attr
import pytest
import torch
from torch import nn

from policyscope.attribution.methods import conductance
from policyscope.attribution.methods.conductance import layer_conductance, neuron_conductance
from policyscope.attribution.methods.paths import integrated_gradients, nodes
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.hooks import capture
from policyscope.core.tails import tail

from .conftest import rest_of, roads
from .test_gradients import Whole

INNER = "output_layer.layers.0"


def there(rows=4):
    """A baseline in which everyone who is there stays there."""
    start = torch.zeros(rows, 6, 7)
    start[..., 0] = roads(rows)[..., 0]
    return start


def submodule(road, site):
    return road[0].net.get_submodule(site)


@pytest.mark.parametrize("site", [INNER, "output_layer.relus.0", "ego_embedding.relus.1"])
def test_a_layers_conductance_is_captums(road, site):
    theirs = captum.attr.LayerConductance(Whole(road[0]), submodule(road, site)).attribute(
        road[1].obs, baselines=there(), target=2, n_steps=20, method="riemann_trapezoid"
    )
    ours = layer_conductance(rest_of(road, "q[FASTER]"), site, there(), "left", 20)
    torch.testing.assert_close(ours.values, theirs.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("site", [INNER, "output_layer.relus.0"])
def test_a_neurons_conductance_is_captums(road, site):
    method = captum.attr.NeuronConductance(Whole(road[0]), submodule(road, site))
    ours = neuron_conductance(rest_of(road, "q[FASTER]"), site, there(), steps=20)
    for unit in range(16):
        theirs = method.attribute(
            road[1].obs, unit, baselines=there(), target=2, n_steps=20, method="gausslegendre"
        )
        torch.testing.assert_close(ours[:, unit], theirs.float(), rtol=1e-5, atol=1e-5)
    assert ours.abs().max() > 0.1


def test_a_neurons_conductance_is_the_naive_loops(clear):
    rest = rest_of(clear, "value")
    ours = neuron_conductance(rest, "dense_relu", rule="midpoint", steps=3)
    expected = torch.zeros_like(ours)
    for at, weight in zip(*nodes("midpoint", 3), strict=True):
        point = (float(at) * rest.activation).requires_grad_()
        with capture(rest.modules, ["dense_relu"]) as seen:
            value = rest(point, torch.arange(4))
        unit = seen["dense_relu"]
        (slope,) = torch.autograd.grad(value.sum(), unit, retain_graph=True)
        for j in range(unit.shape[1]):
            (down,) = torch.autograd.grad(unit[:, j].sum(), point, retain_graph=True)
            expected[:, j] += float(weight) * slope[:, j, None, None, None] * down
    torch.testing.assert_close(ours, expected * rest.activation[:, None], rtol=1e-4, atol=1e-6)


def test_units_sum_to_the_inputs_share_where_nothing_goes_round(road):
    rest = rest_of(road, "q[FASTER]")
    units = neuron_conductance(rest, INNER, there(), steps=40)
    whole = integrated_gradients(rest, there(), "gauss", 40)
    torch.testing.assert_close(units.sum(1), whole.values, rtol=1e-4, atol=1e-5)


def test_the_trapezoid_misses_less_than_the_left_sum(road):
    rest = rest_of(road, "q[FASTER]")
    gaps = {
        rule: layer_conductance(rest, INNER, there(), rule, 40).gap.abs().mean()
        for rule in ("left", "trapezoid")
    }
    assert gaps["trapezoid"] < 0.8 * gaps["left"]


class Two(nn.Module):
    """3 x0 goes through unit 0, 5 x1 through unit 1; unit 2 is dead."""

    def __init__(self):
        super().__init__()
        self.take = nn.Identity()
        self.units = nn.ReLU()

    def forward(self, x):
        x = self.take(x)
        dead = -x[:, :1].abs() - 1
        return self.units(torch.cat([3 * x, dead], 1)) @ torch.tensor([1.0, 5 / 3, 7.0])


def test_a_planted_flow_is_found():
    net, x = Two(), torch.tensor([[2.0, 1.0], [1.0, -4.0]])
    rest = tail(dict(net.named_children()), "take", lambda rows: net(x[rows]), 2)
    found = neuron_conductance(rest, "units", steps=4)
    expected = torch.zeros(2, 3, 2)
    expected[0, 0, 0], expected[0, 1, 1], expected[1, 0, 0] = 6.0, 5.0, 3.0
    torch.testing.assert_close(found, expected)


def test_points_are_grouped_without_changing_anything(road, monkeypatch):
    rest = rest_of(road, "q[FASTER]")
    grouped = neuron_conductance(rest, INNER, there(), steps=7)
    monkeypatch.setattr(conductance, "TOGETHER", 1)
    torch.testing.assert_close(neuron_conductance(rest, INNER, there(), steps=7), grouped)


def test_sites_that_cannot_be_flowed_through_are_refused(road):
    rest = rest_of(road, "q[FASTER]", "attention_layer.residual")
    for function in (layer_conductance, neuron_conductance):
        with pytest.raises(UnknownName, match="output_layer"):
            function(rest, "output_layer.relu.0")
        with pytest.raises(PolicyscopeError, match="does not lie behind"):
            function(rest, "ego_embedding.relus.0")
    with pytest.raises(PolicyscopeError, match="trapezoid or left"):
        layer_conductance(rest, INNER, rule="gauss")

"""Integrated gradients: captum, planted functions, completeness and the lineage's mistakes."""

import os
from pathlib import Path

import captum.attr
import numpy as np
import pytest
import torch
from torch import nn

from policyscope.attribution.methods import paths
from policyscope.attribution.methods.gradients import value_and_gradient
from policyscope.attribution.methods.paths import RULES, integrated_gradients, nodes
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.tails import tail

from .conftest import rest_of
from .test_gradients import Whole

CAPTUM = {"right": "riemann_right", "left": "riemann_left", "midpoint": "riemann_middle",
          "trapezoid": "riemann_trapezoid", "gauss": "gausslegendre"}  # fmt: skip


def planted(function, x):
    """A function of a vector as something to be explained."""
    net = nn.Identity()
    return tail({"x": net}, "x", lambda rows: function(net(x[rows])), len(x))


@pytest.mark.parametrize("rule", sorted(CAPTUM))
def test_rules_are_captums_at_the_input(clear, rule):
    agent, decisions = clear
    x = agent.preprocess(decisions.obs)
    theirs = captum.attr.IntegratedGradients(Whole(agent)).attribute(
        x, baselines=x.mean((2, 3), keepdim=True).expand_as(x), target=2, n_steps=12,
        method=CAPTUM[rule],
    )  # fmt: skip
    rest = rest_of(clear, "logit[FASTER]")
    ours = integrated_gradients(
        rest, rest.activation.mean((2, 3), keepdim=True).expand_as(x), rule, 12
    )
    # captum halves its trapezoids' outer weights but gives the others 1/12, not 1/11.
    theirs = theirs * 12 / 11 if rule == "trapezoid" else theirs
    torch.testing.assert_close(ours.values, theirs.float(), rtol=1e-5, atol=1e-6)
    assert theirs.abs().max() > 1e-3


@pytest.mark.parametrize("layer", ["2b.relu", "dense_relu"])
def test_rules_are_captums_at_a_layer(clear, layer):
    agent, decisions = clear
    x = agent.preprocess(decisions.obs)
    method = captum.attr.LayerIntegratedGradients(Whole(agent), agent.net.get_submodule(layer))
    theirs = method.attribute(x, baselines=0 * x, target=2, n_steps=12, method="riemann_right")
    rest = rest_of(clear, "logit[FASTER]", layer)
    start = rest_of((agent, type(decisions)(0 * decisions.obs)), "logit[FASTER]", layer).activation
    ours = integrated_gradients(rest, start, "right", 12)
    torch.testing.assert_close(ours.values, theirs.float(), rtol=1e-5, atol=1e-6)


def test_the_adaptive_path_closes_the_gap(seeing):
    for site in ("preprocess", "embedder.block2.conv", "2b.relu"):
        if site not in seeing[0].modules():
            continue
        found = integrated_gradients(rest_of(seeing, "value", site), tolerance=0.005)
        ups = found.change.abs().clamp(min=0.05 * float(found.change.abs().max()))
        done = found.steps < 256
        assert (found.gap.abs() <= 0.0051 * ups.maximum(found.missed * 100))[done].all()
        assert done.any()
        total = found.values.double().flatten(1).sum(1)
        torch.testing.assert_close(total + found.gap, found.change)


def bumpy(x):
    """A target whose slope lives in a short stretch of the path."""
    return torch.sigmoid(200 * (x[:, 0] - 0.83)) * 3 + x[:, 1].relu()


def test_it_halves_where_the_target_moves():
    rest = planted(bumpy, torch.tensor([[1.0, 2.0]]))
    adaptive = integrated_gradients(rest, tolerance=0.01)
    even = integrated_gradients(rest, rule="trapezoid", steps=int(adaptive.steps[0]))
    torch.testing.assert_close(adaptive.values, torch.tensor([[3.0, 2.0]]), rtol=0.02, atol=0)
    assert float(even.gap.abs()) > 5 * float(adaptive.gap.abs())
    assert int(adaptive.steps[0]) < 60


def test_a_linear_function_takes_its_first_points_only():
    weights = torch.tensor([1.0, -2.0, 0.5])
    rest = planted(lambda x: x @ weights, torch.randn(3, 3))
    found = integrated_gradients(rest)
    torch.testing.assert_close(found.values, rest.activation * weights)
    assert found.steps.tolist() == [9, 9, 9]


def test_rows_do_not_depend_on_each_other(clear):
    agent, decisions = clear
    together = integrated_gradients(rest_of(clear, "value", "2b.relu"))
    for row in (0, 3):
        alone = (agent, decisions.rows(torch.tensor([row])))
        one = integrated_gradients(rest_of(alone, "value", "2b.relu"))
        torch.testing.assert_close(one.values[0], together.values[row], rtol=1e-3, atol=1e-5)


def test_it_stops_at_the_most_points():
    rest = planted(lambda x: (40 * x[:, 0]).sin().sign() * x[:, 0], torch.tensor([[1.0]]))
    found = integrated_gradients(rest, tolerance=1e-9, most=20)
    assert int(found.steps[0]) <= 20
    assert float(found.missed[0]) >= abs(float(found.gap[0]))


def test_memory_does_not_grow_with_the_points(clear, monkeypatch):
    """The most rows that go through the network at once are the same for 8 points and for 200."""
    seen = {}
    for steps in (8, 200):
        rest = rest_of(clear, "value", "2b.relu")
        sizes = []

        def watched(rest, activation, rows, sizes=sizes):
            sizes.append(activation.numel())
            return value_and_gradient(rest, activation, rows)

        monkeypatch.setattr(paths, "value_and_gradient", watched)
        monkeypatch.setattr("policyscope.attribution.methods.gradients.MOST_AT_ONCE", 2**15)
        integrated_gradients(rest, rule="midpoint", steps=steps)
        seen[steps] = max(sizes)
    assert seen[8] == seen[200] <= 2**15


def test_adaptive_paths_keep_few_gradients_at_once(clear, monkeypatch):
    """Gradients that are kept do not grow with the points; rows wait for room, none is changed."""
    rest = rest_of(clear, "value", "2b.relu")
    whole = integrated_gradients(rest, tolerance=1e-9, most=60)
    assert (whole.steps == 60).all()
    places, held = [], []
    keep, put = paths._Kept.__init__, paths._Kept.put

    def watched(self, like, count):
        keep(self, like, count)
        places.append(self.slopes.numel())

    def counted(self, slopes):
        where = put(self, slopes)
        held.append(len(self.slopes) - len(self.free))
        return where

    monkeypatch.setattr(paths._Kept, "__init__", watched)
    monkeypatch.setattr(paths._Kept, "put", counted)
    size = rest.activation[:1].numel()
    monkeypatch.setattr(paths, "MOST_KEPT", 100 * size)
    few = integrated_gradients(rest, tolerance=1e-9, most=60)
    assert max(held) <= 100 < 4 * 60
    assert max(places) == 100 * size
    monkeypatch.setattr(paths, "MOST_KEPT", 1)
    one = integrated_gradients(rest, tolerance=1e-9, most=60)
    assert places[-1] == 60 * size  # a single path always fits
    for found in (few, one):
        assert found.steps.tolist() == whole.steps.tolist()
        torch.testing.assert_close(found.values, whole.values, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_memory_that_is_held_does_not_grow_with_the_points(monkeypatch):
    """Four rows of 256 kB at 160 points: their gradients would be 164 MB."""
    x = torch.randn(4, 2**16, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(paths, "MOST_KEPT", 40 * x[0].numel(), raising=False)
    rest, held = planted(lambda x: (x.mean(1) * 4000).sin() + (x**2).mean(1), x), []

    def watched(rest, activation, rows):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        held.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
        return value_and_gradient(rest, activation, rows)

    monkeypatch.setattr(paths, "value_and_gradient", watched)
    assert (integrated_gradients(rest, tolerance=1e-12, most=160).steps == 160).all()
    assert max(held) - held[0] < 80  # the most that one path may keep is 40


def test_nodes_integrate_polynomials():
    for rule in RULES[1:]:
        at, weights = nodes(rule, 40)
        assert np.isclose(weights.sum(), 1)
        assert np.isclose((weights * at).sum(), 0.5, atol=0.02)
    at, weights = nodes("gauss", 3)
    assert np.isclose((weights * at**5).sum(), 1 / 6)


def test_what_is_no_rule_is_refused():
    rest = planted(lambda x: x[:, 0], torch.ones(1, 2))
    with pytest.raises(UnknownName, match="Did you mean midpoint"):
        integrated_gradients(rest, rule="midpiont")
    with pytest.raises(PolicyscopeError, match="at least 1 step"):
        integrated_gradients(rest, rule="right", steps=0)


def one_gradient_for_all_steps(rest, steps=10):
    """The mistake of a later port: a gradient at the unscaled activation, divided by each a."""
    rows = torch.arange(len(rest.activation))
    slope = value_and_gradient(rest, rest.activation, rows)[1]
    return rest.activation * slope * (1 / np.arange(1, steps + 1)).sum() / steps


def test_gradients_are_taken_at_the_scaled_activations():
    """vision.md 7.4, 1: a square has IG x^2; one gradient for all steps would give .586 x^2."""
    x = torch.tensor([[1.0, 3.0]])
    rest = planted(lambda x: (x**2).sum(1), x)
    ours = integrated_gradients(rest, rule="midpoint", steps=10).values
    torch.testing.assert_close(ours, x**2)
    wrong = one_gradient_for_all_steps(rest)
    assert torch.allclose(wrong, 0.5858 * x**2, rtol=1e-3)
    assert not torch.allclose(wrong, x**2, rtol=0.1)


def test_the_zero_baseline_jumps_over_the_presence_mask(road):
    """highway.md 5.7: presence 0.5 is where everyone disappears; a held mask closes the gap."""
    held = integrated_gradients(rest_of(road, "q[FASTER]"))
    jumps = integrated_gradients(rest_of(road, "q[FASTER]", hold=()))
    assert (held.gap.abs() <= 0.02 * held.change.abs().clamp(min=0.02)).all()
    rest = rest_of(road, "q[FASTER]", hold=())
    rows = torch.arange(4)
    below, above = (rest(a * rest.activation, rows) for a in (0.5 - 1e-4, 0.5 + 1e-4))
    jump = (above - below).detach().double()
    assert (jump.abs() > 0.01).any()
    torch.testing.assert_close(jumps.gap, jump, rtol=0.1, atol=0.02 * float(jump.abs().max()))


def test_pixels_are_attributed_as_the_network_takes_them(clear):
    """Differences of uint8 wrap: 10 - 20 is 246. The site is the preprocessed frame."""
    agent, decisions = clear
    rest = rest_of(clear)
    assert rest.activation.dtype == torch.float32
    brighter = (agent, type(decisions)(255 - decisions.obs))
    found = integrated_gradients(rest, rest_of(brighter).activation, "gauss", 8)
    span = (decisions.obs.float() - (255 - decisions.obs).float()).permute(0, 3, 1, 2) / 255
    assert (found.values[span == 0] == 0).all()
    slope = found.values / span.where(span != 0, torch.tensor(1.0))
    assert slope.abs().max() < 100


def test_a_batch_does_not_scale_what_a_row_gets(clear):
    """generative.md 4.4: a target averaged over a batch makes every gradient 1/batch too small."""
    agent, decisions = clear
    four = integrated_gradients(rest_of(clear, "value", "dense_relu"), rule="right", steps=5)
    one = (agent, decisions.rows(torch.tensor([1])))
    alone = integrated_gradients(rest_of(one, "value", "dense_relu"), rule="right", steps=5)
    torch.testing.assert_close(alone.values[0], four.values[1], rtol=1e-4, atol=1e-6)
    assert not torch.allclose(alone.values[0] / 4, four.values[1], rtol=1e-2)

"""Curved paths: loops written out, linear targets, splits, factors and the gap."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from torch import nn

from policyscope.attribution.methods.curved import (
    CURVED_RULES,
    curved_gradients,
    non_negative,
    splits,
)
from policyscope.core.errors import PolicyscopeError
from policyscope.core.tails import tail

from .conftest import rest_of

FACTORS = np.random.default_rng(1).gamma(1.0, 1.0, (4, 5))


def planted(function, activation):
    net = nn.Identity()
    return tail({"x": net}, "x", lambda rows: function(net(activation[rows])), len(activation))


def maps(rows=3):
    torch.manual_seed(0)
    return torch.randn(rows, 5, 2, 3, dtype=torch.float64).relu()


def toy(x):
    """Something that bends everywhere."""
    weights = torch.linspace(-1, 1, x[0].numel(), dtype=x.dtype)
    flat = x.flatten(1)
    return (flat @ weights).tanh() * 2 + (flat**2) @ weights.flip(0) + flat[:, 3] * flat[:, 8]


def lineage(function, activation, factors, late, steps, rule):
    """vision.md 2.1, written out for one row and one path."""
    places = activation.movedim(0, -1)
    z = torch.zeros(*places.shape[:-1], len(factors), dtype=torch.float64)
    for place in np.ndindex(*places.shape[:-1]):
        z[place] = torch.from_numpy(nnls(factors.T, places[place].numpy())[0])
    h = torch.from_numpy(factors)
    residual = places - z @ h

    def point(t):
        c = torch.tensor([t**2 if k else 1 - (1 - t) ** 2 for k in late], dtype=torch.float64)
        return ((z * c) @ h + residual * t).movedim(-1, 0)

    def slope(x):
        x = x.detach().clone().requires_grad_()
        return torch.autograd.grad(function(x[None]).sum(), x)[0]

    total = torch.zeros_like(activation)
    for i in range(1, steps + 1):
        now, before = point(i / steps), point((i - 1) / steps)
        mean = slope(now) if rule == "right" else (slope(now) + slope(before)) / 2
        total += (now - before) * mean
    return total


@pytest.mark.parametrize("rule", CURVED_RULES)
def test_it_is_the_loop_written_out(rule):
    activation = maps()
    found = curved_gradients(planted(toy, activation), FACTORS, rule, steps=4, most=None)
    assert found.late.shape == (6, 4)
    for row in range(3):
        paths = torch.stack(
            [lineage(toy, activation[row], FACTORS, late, 4, rule) for late in found.late]
        )
        torch.testing.assert_close(found.values[row], paths.mean(0), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(found.spread[row], paths.std(0), rtol=1e-6, atol=1e-7)
        assert paths.std(0).max() > 0.1
    change = toy(activation) - toy(0 * activation)
    torch.testing.assert_close(found.change, change)
    torch.testing.assert_close(found.gap, change - found.values.flatten(1).sum(1))


def test_rules_differ_and_the_gap_closes_with_the_steps():
    rest = planted(toy, maps())
    gaps = {
        (rule, steps): curved_gradients(rest, FACTORS, rule, steps).gap.abs().max()
        for rule in CURVED_RULES for steps in (5, 40)
    }  # fmt: skip
    assert gaps["right", 40] < gaps["right", 5] / 4
    assert gaps["trapezoid", 40] < gaps["trapezoid", 5] / 16
    assert gaps["trapezoid", 40] < gaps["right", 40] / 10


def test_for_a_linear_target_every_path_gives_the_same():
    weights = torch.linspace(-1, 2, 30, dtype=torch.float64)
    rest = planted(lambda x: x.flatten(1) @ weights, maps())
    for rule in CURVED_RULES:
        found = curved_gradients(rest, FACTORS, rule, steps=2, most=None)
        torch.testing.assert_close(found.values, rest.activation * weights.view(5, 2, 3))
        assert found.spread.max() < 1e-7
        assert found.gap.abs().max() < 1e-12


def test_a_target_of_one_factor_alone_has_an_exact_answer():
    """With orthogonal factors and F = (first coordinate)^2, every path gives a^2: it is a primitive
    function of that coordinate. With F = product of two, halves that part them give more to the
    late one: its paths rise when the other is there."""
    axes = np.eye(2)
    activation = torch.tensor([[2.0, 3.0]], dtype=torch.float64)
    square = curved_gradients(planted(lambda x: x[:, 0] ** 2, activation), axes, steps=200)
    torch.testing.assert_close(
        square.values, torch.tensor([[4.0, 0.0]]).double(), atol=1e-3, rtol=0
    )
    product = planted(lambda x: x[:, 0] * x[:, 1], activation)
    both = curved_gradients(product, axes, steps=400)
    # integral of (1 - (1 - t)^2) 2 t dt = 5/6 for the late one, 1/6 for the early one
    torch.testing.assert_close(both.values, torch.tensor([[3.0, 3.0]]).double())
    spread = 6 * (5 / 6 - 1 / 6) / 2 * 2**0.5
    torch.testing.assert_close(both.spread, torch.full((1, 2), spread).double(), rtol=1e-3, atol=0)


@pytest.mark.parametrize(("factors", "paths"), [(1, 2), (2, 2), (3, 6), (4, 6), (5, 20), (8, 70)])
def test_all_splits_are_there_once_with_their_complements(factors, paths):
    late = splits(factors)
    assert late.shape == (paths, factors)
    assert (late[::2] == ~late[1::2]).all()
    assert len({tuple(one) for one in late}) == paths
    assert set(late[::2].sum(1)) == {factors // 2}
    if factors % 2 == 0:
        assert late[::2, 0].all()
    else:
        found = {tuple(np.flatnonzero(one)) for one in late[::2]}
        assert found == set(combinations(range(factors), factors // 2))


def test_a_subset_is_drawn_by_its_seed_without_repeats():
    some = splits(8, 25, seed=3)
    assert some.shape == (26, 8)  # odd numbers are rounded up
    assert len({tuple(one) for one in some}) == 26
    assert (some[::2, 0]).all()
    assert (some.sum(1) == 4).all()
    assert (some == splits(8, 25, seed=3)).all()
    assert (some != splits(8, 25, seed=4)).any()
    assert splits(8, 500).shape == splits(8, 100).shape == (70, 8)
    assert splits(5, 3).sum(1).tolist() == [2, 3, 2, 3]
    many = splits(40, 50)  # 68 billion splits are not listed
    assert many.shape == (50, 40)
    counts = np.array([splits(6, 2, seed)[0] for seed in range(400)])[:, 1:].mean(0)
    assert np.abs(counts - 0.4).max() < 0.1


def test_factors_are_exact_and_do_not_depend_on_the_batch():
    activation = maps(6)
    activation[0, :, 0, 0] = -1.0
    found = non_negative(activation, FACTORS)
    assert found.shape == (6, 4, 2, 3)
    assert (found >= 0).all()
    assert (found[0, :, 0, 0] == 0).all()
    assert torch.equal(non_negative(activation[3:4], FACTORS)[0], found[3])
    for row, i, j in ((1, 0, 2), (5, 1, 1)):
        expected = nnls(FACTORS.T, activation[row, :, i, j].numpy())[0]
        np.testing.assert_array_equal(found[row, :, i, j], expected)
    # Karush-Kuhn-Tucker: the error falls along no factor that could still grow.
    left = activation - torch.einsum("nkhw,kc->nchw", found, torch.from_numpy(FACTORS))
    along = torch.einsum("nchw,kc->nkhw", left, torch.from_numpy(FACTORS))
    assert (along <= 1e-9).all()
    assert (along * found).abs().max() < 1e-9


def test_what_is_made_of_factors_is_found_again():
    z = torch.tensor([[2.0, 0.0, 1.0, 0.5], [0.0, 0.0, 0.0, 3.0]]).double()
    torch.testing.assert_close(non_negative(z @ torch.from_numpy(FACTORS), FACTORS), z)


def test_a_network_is_explained_with_a_small_gap(clear):
    rest = rest_of(clear, "value", "2b.relu")
    factors = np.abs(np.random.default_rng(0).normal(size=(3, 6)))
    found = curved_gradients(rest, factors, steps=60)
    assert found.values.shape == rest.activation.shape
    assert found.values.dtype == torch.float32
    largest = found.change.abs().max()
    assert (found.gap.abs() <= 0.02 * largest).all()
    assert curved_gradients(rest, factors, steps=4).gap.abs().max() > 0.04 * largest
    agent, decisions = clear
    alone = rest_of((agent, decisions.rows(torch.tensor([2]))), "value", "2b.relu")
    one = curved_gradients(alone, factors, steps=60)
    torch.testing.assert_close(one.values[0], found.values[2], rtol=1e-3, atol=1e-6)


def test_what_cannot_be_factored_is_refused(road, clear):
    rest = planted(toy, maps())
    for factors, why in (
        (FACTORS[:, :4], r"shape \(K, 5\) are needed, got \(4, 4\)"),
        (FACTORS[0], r"shape \(K, 5\) are needed, got \(5,\)"),
        (FACTORS - 1, "negative or not finite"),
        (FACTORS * np.nan, "negative or not finite"),
    ):
        with pytest.raises(PolicyscopeError, match=why):
            curved_gradients(rest, factors)
    with pytest.raises(PolicyscopeError, match=r"the site has shape \(6, 7\)"):
        curved_gradients(rest_of(road, "q[FASTER]"), FACTORS)
    with pytest.raises(PolicyscopeError, match="the rule trapezoid or right"):
        curved_gradients(rest, FACTORS, "left")
    for wrong in ({"steps": 0}, {"most": 0}):
        with pytest.raises(PolicyscopeError, match="at least 1 step and 1 path"):
            curved_gradients(rest, FACTORS, **wrong)

"""Deletion and insertion: brute force, planted functions, and attributions that are wrong."""

from itertools import permutations

import pytest
import torch
from torch import nn

from policyscope.attribution.asking.groups import Groups, blocks, vehicles
from policyscope.attribution.methods import gradients
from policyscope.attribution.methods.gradients import gradient
from policyscope.attribution.methods.paths import integrated_gradients
from policyscope.attribution.trust.faithfulness import deletion, infidelity, insertion
from policyscope.attribution.trust.stability import agreement, sensitivity
from policyscope.core.errors import PolicyscopeError
from policyscope.core.stats import bootstrap_mean
from policyscope.core.tails import tail

from .conftest import rest_of

WEIGHTS = torch.tensor([3.0, -1.0, 0.5, 2.0, -2.5])
X = torch.tensor([[1.0, 2.0, -1.0, 1.0, 1.0], [0.5, 1.0, 4.0, 2.0, -1.0], [2.0, 2, 2, 2, 2]])
CURVES = pytest.mark.parametrize("curves", [deletion, insertion])


def planted(function, x=X):
    net = nn.Identity()
    return tail({"x": net}, "x", lambda rows: function(net(x[rows])), len(x))


def linear(x):
    return x @ WEIGHTS


def by_hand(function, x, baseline, order, inserted):
    """Curve of a row: units move one by one from what they were to the baseline, or back."""
    now, then = (baseline, x) if inserted else (x, baseline)
    now, found = now.clone(), []
    found.append(float(function(now[None])))
    for unit in order:
        now[unit] = then[unit]
        found.append(float(function(now[None])))
    return torch.tensor(found, dtype=torch.float64)


@CURVES
@pytest.mark.parametrize("signed", [True, False])
def test_a_curve_is_the_loop_written_out(curves, signed):
    rest = planted(lambda x: linear(x).tanh() + x[:, 0] * x[:, 1])
    values, baseline = X * WEIGHTS + 0.1 * X.flip(1), torch.full_like(X, 0.3)
    found = curves(rest, values, baseline, signed=signed)
    for row in range(3):
        worth = values[row] if signed else values[row].abs()
        order = worth.argsort(descending=True).tolist()
        expected = by_hand(
            lambda x: linear(x).tanh() + x[:, 0] * x[:, 1],
            X[row], baseline[row], order, curves is insertion,
        )  # fmt: skip
        torch.testing.assert_close(found.curve[row], expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.share, torch.linspace(0, 1, 6).double())
    torch.testing.assert_close(found.random[:, [0, -1]], found.curve[:, [0, -1]])


@CURVES
def test_the_true_attribution_beats_all_other_orders(curves):
    """Of a sum every order is known: the true one is the best of 120, its reverse the worst."""
    rest, true = planted(linear), X * WEIGHTS
    best = curves(rest, true).score
    worst = curves(rest, -true).score
    scores = torch.stack(
        [curves(rest, torch.tensor(one).expand(3, 5).float()).score
         for one in permutations(range(5))]
    )  # fmt: skip
    torch.testing.assert_close(best, scores.max(0).values)
    torch.testing.assert_close(worst, scores.min(0).values)
    assert (best > 0.15).all()
    assert (worst < -0.15).all()


def test_a_score_is_an_area_in_units_of_the_random_orders_range():
    """A sum of 1, 0, 0, 0: its units in the right order lose 1 at once, in random ones midway."""
    rest = planted(lambda x: x[:, 0], torch.ones(1, 4))
    values = torch.tensor([[1.0, 0, 0, 0]])
    away = deletion(rest, values)
    assert away.curve.tolist() == [[1.0, 0, 0, 0, 0]]
    # Trapezoids below the curves: 1/8, and 1/2 in the mean of an order and its reverse.
    torch.testing.assert_close(away.area, torch.tensor([0.375]).double())
    torch.testing.assert_close(away.score, away.area)
    assert away.error.tolist() == [0.0]
    back = insertion(rest, values)
    assert back.curve.tolist() == [[0.0, 1, 1, 1, 1]]
    torch.testing.assert_close(back.score, away.score)
    scaled = deletion(planted(lambda x: -7 * x[:, 0], torch.ones(1, 4)), -values)
    torch.testing.assert_close(scaled.score, away.score)
    torch.testing.assert_close(scaled.area, 7 * away.area)


@CURVES
def test_the_range_is_the_same_for_all_attributions_of_a_row(curves):
    """Else one that drives the target farther would be marked down for it."""
    x = torch.tensor([1.0, -1.0]).repeat(1, 20)
    rest = planted(lambda x: x.sum(1), x)
    found = [curves(rest, values, steps=40) for values in (x, -x, x.cumsum(1) - torch.arange(40.0))]
    ranges = torch.cat([one.area / one.score for one in found])
    torch.testing.assert_close(ranges, ranges[:1].expand(3))
    own = found[0].curve.amax(1) - found[0].curve.amin(1)
    assert (own > 1.05 * ranges[0]).all()


@CURVES
def test_a_random_order_scores_0(curves):
    """A constant attribution has nothing but ties, and its order is a random one."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 6, generator=generator)
    weights = torch.tensor([4.0, 3, -1, 0.5, -2, 1])
    rest = planted(lambda x: (x @ weights).sigmoid() * 3 + x[:, 0] * x[:, 1], x)
    for values in (torch.ones_like(x), torch.randn(x.shape, generator=generator)):
        found = curves(rest, values)
        interval = bootstrap_mean(found.score.numpy(), seed=0)
        assert interval.low < 0 < interval.high
        assert interval.high - interval.low < 0.12


def test_ties_do_not_follow_the_place():
    """Units before others would win if ties went by place: the first unit is all there is."""
    rest = planted(lambda x: x[:, 0], torch.ones(200, 8))
    found = deletion(rest, torch.zeros(200, 8))
    assert abs(float(found.score.mean())) < 0.08
    assert found.score.std() > 0.1


def test_the_error_is_that_of_other_random_orders():
    rest = planted(lambda x: linear(x).tanh() + x[:, 0] * x[:, 1] * x[:, 4])
    draws = [deletion(rest, X * WEIGHTS, seed=seed) for seed in range(60)]
    spread = torch.stack([one.area for one in draws]).std(0)
    span = (draws[0].area / draws[0].score).abs()
    told = torch.stack([one.error for one in draws]).mean(0) * span
    assert (spread > 1e-3).all()
    assert ((told / spread > 0.6) & (told / spread < 1.5)).all()
    many = deletion(rest, X * WEIGHTS, orders=200)
    assert (many.error < 0.4 * draws[0].error.maximum(many.error * 2.6)).all()


def test_unsigned_values_move_the_target_either_way():
    """A saliency without a sign: a unit that holds the target down matters as much."""
    rest = planted(lambda x: -5 * x[:, 0] + x[:, 1], torch.ones(1, 3))
    sizes = torch.tensor([[5.0, 1.0, 0.0]])
    for curves in (deletion, insertion):
        assert float(curves(rest, sizes, signed=False).score) > 0.1
        assert float(curves(rest, sizes.flip(1), signed=False).score) < -0.1
        same = curves(rest, torch.tensor([[-5.0, 1.0, 0.0]]), signed=False)
        torch.testing.assert_close(same.curve, curves(rest, sizes, signed=False).curve)


def test_groups_move_together(road):
    rest = rest_of(road, "q[FASTER]", hold=())
    groups = vehicles((6, 7))
    values = integrated_gradients(rest, tolerance=0.05).values
    found = deletion(rest, values, groups=groups)
    assert found.curve.shape == (4, 6)
    worth = values.sum(2)[:, 1:]
    for row in range(4):
        now, expected = rest.activation[row].clone(), []
        for vehicle in [None, *(1 + worth[row].argsort(descending=True)).tolist()]:
            if vehicle is not None:
                now[vehicle] = 0
            expected.append(float(rest(now[None], torch.tensor([row])).detach()))
        torch.testing.assert_close(
            found.curve[row], torch.tensor(expected).double(), rtol=1e-4, atol=1e-5
        )
    torch.testing.assert_close(deletion(rest, worth, groups=groups).curve, found.curve)


def test_steps_are_even_shares_of_the_units():
    rest = planted(lambda x: x.sum(1), torch.ones(2, 10))
    found = deletion(rest, torch.arange(20.0).view(2, 10), steps=4)
    assert found.share.tolist() == [0.0, 0.2, 0.5, 0.8, 1.0]
    assert found.curve.tolist() == [[10.0, 8, 5, 2, 0]] * 2


def test_frames_in_blocks_prefer_the_true_attribution(clear):
    rest = rest_of(clear, "logit[FASTER]")
    groups = blocks((3, 32, 32), 8)
    values = integrated_gradients(rest, rule="gauss", steps=16).values
    good, bad = (deletion(rest, sign * values, groups=groups).score for sign in (1, -1))
    assert (good > bad).all()
    assert good.mean() > 0.05 > -0.05 > bad.mean()


@CURVES
def test_rows_have_orders_of_their_own_whatever_follows(curves):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 6, generator=generator).expand(5, 6).clone()
    rest = planted(lambda x: x[:, 0] * x[:, 1] + x[:, 2] ** 2, x)
    found = curves(rest, x)
    assert len({tuple(one.tolist()) for one in found.random}) == 5
    fewer = curves(planted(lambda x: x[:, 0] * x[:, 1] + x[:, 2] ** 2, x[:2]), x[:2])
    torch.testing.assert_close(fewer.random, found.random[:2])


def test_a_target_that_does_not_move_has_no_score():
    rest = planted(lambda x: x[:, 0] * 0 + 2.0)
    found = deletion(rest, X)
    assert found.score.isnan().all()
    assert found.area.tolist() == [0.0] * 3


def test_memory_is_bounded(clear, monkeypatch):
    rest = rest_of(clear, "value")
    monkeypatch.setattr(gradients, "MOST_AT_ONCE", 5 * 3072)
    sizes = []

    class Watched:
        site, activation = rest.site, rest.activation

        def __call__(self, activation, rows):
            sizes.append(len(activation))
            return rest(activation, rows)

    values = torch.randn_like(rest.activation)
    groups = blocks((3, 32, 32), 8)
    bounded = deletion(Watched(), values, groups=groups), infidelity(Watched(), values, samples=20)
    assert max(sizes) == 5
    monkeypatch.undo()
    whole = deletion(rest, values, groups=groups), infidelity(rest, values, samples=20)
    torch.testing.assert_close(bounded[0].score, whole[0].score, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(bounded[1].raw, whole[1].raw, rtol=1e-3, atol=1e-4)


def test_what_cannot_be_judged_is_refused():
    rest = planted(linear)
    with pytest.raises(PolicyscopeError, match=r"shape \(3, 4\), the activation \(3, 5\)"):
        deletion(rest, X[:, :4])
    with pytest.raises(PolicyscopeError, match="not finite"):
        insertion(rest, X / 0)
    with pytest.raises(PolicyscopeError, match="not finite"):
        infidelity(rest, X * torch.nan)
    for wrong in ({"steps": 0}, {"orders": 2}, {"orders": 7}):
        with pytest.raises(PolicyscopeError, match="at least 1 step, and an even number of orders"):
            deletion(rest, X, **wrong)
    with pytest.raises(PolicyscopeError, match=r"groups are of shape \(2,\)"):
        deletion(rest, X, groups=Groups(("a", "b"), torch.tensor([0, 1])))
    with pytest.raises(PolicyscopeError, match="at least 2 samples"):
        infidelity(rest, X, samples=1)
    with pytest.raises(PolicyscopeError, match="share above 0"):
        sensitivity(rest, gradient, share=0.0)
    with pytest.raises(PolicyscopeError, match=r"shapes \(3, 5\) and \(3, 4\)"):
        agreement(X, X[:, :4])
    with pytest.raises(PolicyscopeError, match="not finite"):
        agreement(X, X / 0)

"""Infidelity, sensitivity and agreement: captum, scipy, planted functions, wrong values."""

import captum.metrics
import numpy as np
import pytest
import scipy.stats
import torch

from policyscope.attribution.asking.groups import Groups
from policyscope.attribution.methods.gradients import gradient, input_times_gradient
from policyscope.attribution.methods.paths import integrated_gradients
from policyscope.attribution.trust.faithfulness import infidelity
from policyscope.attribution.trust.stability import agreement, sensitivity

from .conftest import rest_of
from .test_faithfulness import WEIGHTS, X, linear, planted


class Recorded:
    """A score that keeps what it was asked."""

    def __init__(self, rest):
        self.rest, self.site, self.activation, self.asked = rest, rest.site, rest.activation, []

    def __call__(self, activation, rows):
        self.asked.append(activation.clone())
        return self.rest(activation, rows)


@pytest.mark.parametrize("normalize", [False, True])
def test_infidelity_is_captums(road, normalize):
    rest = Recorded(rest_of(road, "q[FASTER]"))
    baseline = torch.roll(rest.activation, 1, 0)
    values = input_times_gradient(rest, baseline)
    rest.asked.clear()
    ours = infidelity(rest, values, baseline, samples=40)
    moved = torch.stack([row for row in torch.cat(rest.asked).view(4, 41, 6, 7)])[:, 1:]
    differs = moved != rest.activation[:, None]
    assert 0.2 < differs[:, :, 0].float().mean() < 0.8

    def perturb(_inputs):
        return differs.flatten(0, 1).float(), moved.flatten(0, 1)

    theirs = captum.metrics.infidelity(
        lambda x: rest.rest(x, torch.arange(4).repeat_interleave(len(x) // 4)),
        perturb, rest.activation, values, n_perturb_samples=40, normalize=normalize,
    )  # fmt: skip
    found = ours.scaled if normalize else ours.raw
    known = ours.scale > 0 if normalize else torch.ones(4, dtype=torch.bool)  # theirs may turn it
    torch.testing.assert_close(found[known], theirs.double()[known], rtol=1e-3, atol=1e-6)
    assert known.sum() >= 2
    assert (found > 0).all()


def test_infidelity_of_the_truth_is_0_and_of_a_multiple_is_mended_by_the_scale():
    rest = planted(linear)
    true = infidelity(rest, X * WEIGHTS)
    assert true.raw.max() < 1e-9
    torch.testing.assert_close(true.scale, torch.ones(3).double())
    third = infidelity(rest, X * WEIGHTS / 3)
    torch.testing.assert_close(third.scale, torch.full((3,), 3.0).double())
    assert third.scaled.max() < 1e-9
    torch.testing.assert_close(third.raw, third.changes * 4 / 9)
    none = infidelity(rest, 0 * X)
    torch.testing.assert_close(none.raw, none.changes)
    torch.testing.assert_close(none.scaled, none.changes)
    assert none.scale.tolist() == [0.0] * 3
    wrong = infidelity(rest, -X * WEIGHTS)
    torch.testing.assert_close(wrong.raw, 4 * wrong.changes)
    assert (infidelity(rest, (X * WEIGHTS).roll(1, 1)).scaled > 0.05).all()


def test_infidelity_orders_attributions_of_a_bent_target():
    rest = planted(lambda x: (x @ WEIGHTS).tanh() * 3 + (x**2).sum(1))
    good = infidelity(rest, integrated_gradients(rest).values)
    rough = infidelity(rest, input_times_gradient(rest))
    assert (good.raw < rough.raw).all()
    assert (good.scaled <= good.raw + 1e-12).all()


def test_infidelity_has_groups_and_a_baseline():
    """Units of no group stay; a sum over a group is what the group is said to account for."""
    groups = Groups(("a", "b"), torch.tensor([0, 0, 1, -1, 1]))
    rest, baseline = planted(linear), torch.full_like(X, 0.5)
    true = (X - baseline) * WEIGHTS
    assert infidelity(rest, true, baseline, groups=groups).raw.max() < 1e-9
    told = torch.stack([true[:, :2].sum(1), true[:, 2] + true[:, 4]], 1)
    assert infidelity(rest, told, baseline, groups=groups).raw.max() < 1e-9
    assert infidelity(rest, X * WEIGHTS, baseline, groups=groups).raw.max() > 0.1


def test_infidelitys_errors_cover_the_truth():
    rest = planted(lambda x: (x @ WEIGHTS).tanh() * 3 + x[:, 0] * x[:, 3])
    values = input_times_gradient(rest) + 0.3
    truth = infidelity(rest, values, samples=60_000, seed=99)
    draws = [infidelity(rest, values, samples=200, seed=seed) for seed in range(60)]
    for mean, error in (("raw", "error"), ("scaled", "scaled_error")):
        found = torch.stack([getattr(one, mean) for one in draws])
        told = torch.stack([getattr(one, error) for one in draws]).mean(0)
        assert ((told / found.std(0) > 0.75) & (told / found.std(0) < 1.35)).all()
        assert ((found.mean(0) - getattr(truth, mean)).abs() < 4 * told / 60**0.5).all()


def test_sensitivity_is_captums(clear):
    rest = rest_of(clear, "logit[FASTER]", "dense_relu")
    noisy = []

    def watched(at):
        noisy.append(at.activation.clone())
        return gradient(at)

    ours = sensitivity(rest, watched, share=0.3, samples=6)
    copies = torch.stack(noisy[1:], 1)
    noise = (copies - rest.activation[:, None]) / (rest.activation.amax(1) * 0.3)[:, None, None]
    assert noise.shape == (4, 6, 12)
    assert -1 <= float(noise.min()) < -0.9 < 0.9 < float(noise.max()) <= 1  # its least unit is 0
    assert len(noise.flatten().unique()) == 4 * 6 * 12

    def explained(inputs):
        if isinstance(inputs, tuple):
            return (explained(inputs[0]),)
        rows = torch.arange(4).repeat_interleave(len(inputs) // 4)
        at = inputs.detach().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(rest(at, rows).sum(), at)[0]

    theirs = captum.metrics.sensitivity_max(
        explained, rest.activation, lambda _inputs: copies.flatten(0, 1), n_perturb_samples=6
    )
    torch.testing.assert_close(ours.relative, theirs.double())
    assert ours.relative.max() > 1e-2


def test_sensitivity_is_the_largest_of_the_changes():
    """The gradient of a square moves by twice the noise, whose bound is a share of the range."""
    rest = planted(lambda x: (x**2).sum(1))
    found = sensitivity(rest, gradient, share=0.1, samples=100)
    span = X.amax(1) - X.amin(1)
    assert (found.change <= 2 * 0.1 * span * 5**0.5).all()
    assert (found.change[:2] > 0.6 * 2 * 0.1 * span[:2] * 5**0.5).all()
    assert found.change[2] == 0  # a row without a range has no noise
    torch.testing.assert_close(found.relative, found.change / (2 * X).double().norm(dim=1))
    fewer = sensitivity(rest, gradient, share=0.1, samples=3)
    assert (fewer.change[:2] < found.change[:2]).all()
    alone = sensitivity(planted(lambda x: (x**2).sum(1), X[:1]), gradient, share=0.1, samples=3)
    torch.testing.assert_close(alone.change, fewer.change[:1])
    flat = sensitivity(planted(linear), gradient)
    assert flat.change.tolist() == [0.0] * 3
    assert sensitivity(planted(lambda x: 0 * x.sum(1)), gradient).relative.isnan().all()


def test_agreement_is_scipys_of_sizes():
    rng = np.random.default_rng(0)
    a = torch.from_numpy(rng.integers(-4, 5, (6, 3, 4)).astype(np.float32))
    b = a + torch.from_numpy(rng.normal(size=(6, 3, 4)).astype(np.float32))
    expected = [
        scipy.stats.spearmanr(one.abs().flatten(), other.abs().flatten()).statistic
        for one, other in zip(a, b, strict=True)
    ]
    torch.testing.assert_close(agreement(a, b), torch.tensor(expected).double())
    torch.testing.assert_close(agreement(a, -(a**3)), torch.ones(6).double())
    torch.testing.assert_close(agreement(a, 1 / (1 + a.abs())), -torch.ones(6).double())
    a[2] = 1.5
    assert agreement(a, b).isnan().tolist() == [False, False, True, False, False, False]


def test_agreement_leaves_out_what_is_not_asked_for():
    """Units that are absent make all attributions alike: 8 of 10 are 0 in both."""
    rng = np.random.default_rng(0)
    there = torch.arange(20).expand(40, 20) % 10 < 2
    a, b = (torch.from_numpy(rng.normal(size=(40, 20))) * there for _ in range(2))
    assert agreement(a, b).mean() > 0.9
    found = agreement(a, b, there)
    expected = [
        scipy.stats.spearmanr(one[here].abs(), other[here].abs()).statistic
        for one, other, here in zip(a, b, there, strict=True)
    ]
    torch.testing.assert_close(found, torch.tensor(expected).double())
    assert abs(found.mean()) < 0.25
    torch.testing.assert_close(agreement(a, b, there | True), agreement(a, b))

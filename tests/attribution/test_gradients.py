"""Gradients against finite differences and captum."""

import captum.attr
import pytest
import torch
from torch import nn

from policyscope.attribution.methods.gradients import (
    grad_cam,
    gradient,
    input_times_gradient,
    smooth_gradient,
)
from policyscope.core.errors import PolicyscopeError
from policyscope.core.tails import tail

from .conftest import rest_of


class Whole(nn.Module):
    """An agent's action value from the preprocessed observation, as captum wants it."""

    def __init__(self, agent):
        super().__init__()
        self.agent, self.net = agent, agent.net

    def forward(self, x):
        outputs = self.net(x)
        return outputs if isinstance(outputs, torch.Tensor) else outputs["logits"]


def test_it_is_the_slope_that_finite_differences_see(road):
    agent, decisions = road
    agent.net.double()
    decisions = type(decisions)(decisions.obs.double())
    rest = rest_of((agent, decisions), "q[FASTER]")
    found, rows = gradient(rest), torch.arange(4)
    step = 1e-6
    for vehicle, feature in ((0, 1), (0, 5), (2, 3), (4, 2)):
        moved = torch.zeros_like(rest.activation)
        moved[:, vehicle, feature] = step
        slope = (rest(rest.activation + moved, rows) - rest(rest.activation - moved, rows)) / 2
        torch.testing.assert_close(found[:, vehicle, feature], slope / step, rtol=1e-4, atol=1e-6)
    assert (found.flatten(1).abs().sum(1) > 0).all()


def test_it_is_captums_saliency_with_its_sign(clear):
    agent, decisions = clear
    x = agent.preprocess(decisions.obs).requires_grad_()
    theirs = captum.attr.Saliency(Whole(agent)).attribute(x, target=2, abs=False)
    torch.testing.assert_close(gradient(rest_of(clear, "logit[FASTER]")), theirs)


def test_times_the_input_is_captums(clear):
    agent, decisions = clear
    x = agent.preprocess(decisions.obs).requires_grad_()
    theirs = captum.attr.InputXGradient(Whole(agent)).attribute(x, target=2)
    rest = rest_of(clear, "logit[FASTER]")
    torch.testing.assert_close(input_times_gradient(rest), theirs)
    torch.testing.assert_close(input_times_gradient(rest, rest.activation), 0 * theirs)


def test_grad_cam_is_captums(clear):
    agent, decisions = clear
    x = agent.preprocess(decisions.obs)
    layer = agent.net.get_submodule("3a.relu")
    theirs = captum.attr.LayerGradCam(Whole(agent), layer).attribute(
        x, target=2, relu_attributions=True
    )
    ours = grad_cam(rest_of(clear, "logit[FASTER]", "3a.relu"))
    torch.testing.assert_close(ours, theirs[:, 0])
    assert ours.max() > 0
    with pytest.raises(PolicyscopeError, match=r"site 'dense' has shape \(12,\)"):
        grad_cam(rest_of(clear, "logit[FASTER]", "dense"))


def squares():
    """A planted function whose gradient is 2 x, and 3 rows of it."""
    net = nn.Sequential(nn.Identity(), nn.Identity())
    x = torch.tensor([[1.0, -2.0], [0.0, 4.0], [5.0, 5.0]])
    return tail({"0": net[0], "1": net[1]}, "0", lambda rows: (net(x[rows]) ** 2).sum(1), 3), x


def test_smoothing_a_square_gives_its_gradient_within_the_error():
    rest, x = squares()
    smooth = smooth_gradient(rest, share=0.2, samples=400)
    assert ((smooth.values - 2 * x).abs() <= 4 * smooth.error + 1e-6).all()
    spread = (0.2 * (x.amax(1) - x.amin(1)) * 2)[:, None]  # of one copy's gradient
    torch.testing.assert_close(smooth.error * 20, spread.expand(3, 2), rtol=0.2, atol=1e-6)


def test_smoothing_without_noise_is_the_gradient(road):
    rest = rest_of(road, "q[FASTER]")
    smooth = smooth_gradient(rest, share=0.0, samples=2)
    torch.testing.assert_close(smooth.values, gradient(rest))
    assert float(smooth.error.max()) <= 1e-3 * float(smooth.values.abs().max())


def test_a_row_is_smoothed_alike_whatever_stands_beside_it(road):
    agent, decisions = road
    together = smooth_gradient(rest_of(road, "q[FASTER]"), seed=3).values
    alone = (agent, decisions.rows(torch.tensor([2])))
    torch.testing.assert_close(
        smooth_gradient(rest_of(alone, "q[FASTER]"), seed=3).values[0], together[2]
    )
    other = smooth_gradient(rest_of(road, "q[FASTER]"), seed=4).values
    assert not torch.allclose(other, together)


def test_smoothing_refuses_what_makes_no_sense():
    rest, _ = squares()
    for wrong in ({"samples": 1}, {"share": -0.1}, {"share": float("nan")}):
        with pytest.raises(PolicyscopeError, match="at least"):
            smooth_gradient(rest, **wrong)

"""Mistakes of earlier attributions, each with its wrong variant: see docs/known-mistakes.md."""

import numpy as np
import pytest
import torch
from torch import nn

from policyscope.attribution.asking.groups import blocks
from policyscope.attribution.asking.score import Decisions
from policyscope.attribution.methods.curved import curved_gradients
from policyscope.attribution.methods.factors import factors_of, non_negative_factors
from policyscope.attribution.methods.gradients import (
    grad_cam,
    gradient,
    input_times_gradient,
    smooth_gradient,
)
from policyscope.attribution.methods.paths import integrated_gradients
from policyscope.attribution.methods.perturbation import blur_perturbation, occlusion
from policyscope.attribution.methods.shapley import sampled_shapley
from policyscope.core.tails import tail

from .conftest import image_agent, images, rest_of, roads

#: The channel, row and column that a planted target reads, of maps that are not square.
PLACE = (2, 1, 5)
MAP = (3, 4, 8)
#: What each method says of places, (N, H, W).
MAPS = {
    "integrated_gradients": lambda rest: integrated_gradients(rest).values.sum(1),
    "grad_cam": grad_cam,
    "occlusion": lambda rest: spread(occlusion(rest, 1, 1)),
    "blur": lambda rest: spread(blur_perturbation(rest, 1, 1.0, 1.0)),
    "shapley": lambda rest: sampled_shapley(rest, blocks(MAP, 1), 0.0, 4).values.view(-1, 4, 8),
    "curved": lambda rest: curved_gradients(rest, np.eye(3)).values.sum(1),
}


def spread(found):
    return found.places.spread(found.change)


def planted(function, x):
    """A function of an activation as something to be explained."""
    net = nn.Identity()
    return tail({"x": net}, "x", lambda rows: function(net(x[rows])), len(x))


def maps(rows=3):
    found = torch.rand(rows, *MAP, generator=torch.Generator().manual_seed(0)) + 0.5
    found[:, *PLACE] += 1  # brighter than what is around it, for the blur
    return found


def one_place(x):
    return x[:, *PLACE] ** 2


def peaks(values):
    """Row and column of the largest value of each map."""
    top = values.flatten(1).argmax(1)
    return list(
        zip((top // values.shape[2]).tolist(), (top % values.shape[2]).tolist(), strict=True)
    )


@pytest.mark.parametrize("method", sorted(MAPS))
def test_values_lie_on_the_place_that_was_read(method):
    """vision.md 8.4, 4: rows, columns and channels in another order give a map of the same size."""
    found = MAPS[method](planted(one_place, maps())).detach()
    assert found.shape == (3, 4, 8)
    assert peaks(found) == [PLACE[1:]] * 3
    channels_last = found.reshape(3, 8, 4).transpose(1, 2)
    assert PLACE[1:] not in peaks(channels_last)


def cut_without_moving(seen):
    """The mistake: channels first, cut into rows of C numbers as if channels came last."""
    return seen.reshape(-1, seen.shape[1])


def test_factors_are_directions_of_channels_not_of_pixels():
    """vision.md 7.4, 2 and 8.4, 1: an unmoved axis mixes neighbours of one channel."""
    colours = np.array([[2, 0, 4], [0, 3, 0]])
    amounts = np.random.default_rng(1).integers(0, 60, (4, 32, 32, 2))
    frames = torch.from_numpy((amounts @ colours).astype(np.uint8))
    agent = image_agent("clear_cnn")
    found = factors_of(agent, Decisions(frames), "preprocess", 2)
    truth = colours / np.linalg.norm(colours, axis=1, keepdims=True)
    assert (found @ truth.T).max(1).min() > 0.999
    wrong = non_negative_factors(cut_without_moving(agent.preprocess(frames)).numpy(), 2)
    assert (wrong @ truth.T).max(1).min() < 0.99


def subtracted_as_bytes(seen, other, weight):
    """The mistake: the difference of two frames in their own type."""
    return (seen - other).float() / 255 * weight


def test_darker_pixels_are_negative_and_do_not_wrap():
    """generative.md 7.1, 4: differences of uint8 wrap, 10 - 20 is 246."""
    agent = image_agent("clear_cnn")
    seen, brighter = images(2) // 2, images(2) // 2 + 10
    weight = torch.linspace(0.5, 1.5, 32)
    before, after = agent.preprocess(brighter), agent.preprocess(seen)
    found = input_times_gradient(planted(lambda x: (x * weight).sum((1, 2, 3)), after), before)
    truth = (-10 / 255 * weight).expand_as(found)
    torch.testing.assert_close(found, truth)
    wrong = subtracted_as_bytes(seen, brighter, weight[:, None]).permute(0, 3, 1, 2)
    assert (wrong > 0).all()


ROWS = {
    "gradient": lambda rest: gradient(rest),
    "smooth_gradient": lambda rest: smooth_gradient(rest, samples=4).values,
    "integrated_gradients": lambda rest: integrated_gradients(rest).values,
    "occlusion": lambda rest: occlusion(rest, 4, 4, baseline_of(rest)).change,
    "blur": lambda rest: blur_perturbation(rest, 4).change,
    "shapley": lambda rest: sampled_shapley(rest, blocks(MAP, 2), baseline_of(rest), 4).values,
}


def baseline_of(rest):
    """A baseline of each row's own: half of it."""
    return rest.activation / 2


def mean_target(x):
    """The mistake: a target averaged over the batch."""
    return one_place(x).mean().expand(len(x)) / len(x)


@pytest.mark.parametrize("method", sorted(ROWS))
def test_a_row_says_the_same_alone_and_in_a_batch(method):
    """generative.md 7.1, 3: gradients came out 1/batch; vision.md 8.4, 13: one row for all."""
    rows, seen = ROWS[method], maps(4)
    together = rows(planted(one_place, seen))
    for row in range(4):
        alone = rows(planted(one_place, seen[row : row + 1]))
        torch.testing.assert_close(together[row], alone[0], rtol=1e-4, atol=1e-6)
    assert (together[0] - together[1]).abs().max() > 1e-3
    scaled = rows(planted(mean_target, seen))
    assert not torch.allclose(scaled, together, rtol=1e-2, atol=1e-4)


class LeftOn:
    """The mistake: hooks that stay on, so that what fires in between is taken for a step."""

    def __init__(self, module):
        self.seen = []
        module.register_forward_hook(lambda _module, _given, out: self.seen.append(out.detach()))


def test_passes_in_between_are_not_taken_for_decisions(clear):
    """highway.md 5.9: rendering asks the agent dozens of times a step."""
    agent, decisions = clear
    site = "2b.relu"
    rest = rest_of(clear, "value", site)
    expected = integrated_gradients(rest, rule="gauss", steps=4).values
    watched = LeftOn(agent.modules()[site])
    with torch.no_grad():
        for row in range(4):
            for _ in range(3):  # two frames are drawn, then the step is decided
                agent.forward(255 - decisions.obs[row : row + 1], None)
            agent.forward(decisions.obs[row : row + 1], None)
    assert len(watched.seen) == 16
    again = integrated_gradients(rest_of(clear, "value", site), rule="gauss", steps=4).values
    torch.testing.assert_close(again, expected, rtol=1e-4, atol=1e-7)
    misread = torch.cat(watched.seen[:4])
    assert not torch.allclose(misread, rest.activation, atol=1e-3)


def left_behind(agent):
    """Hooks, gradients and modes of a network."""
    net = agent.net
    hooks = sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks)
        for m in net.modules()
    )
    grads = sum(parameter.grad is not None for parameter in net.parameters())
    return hooks, grads, net.training, [p.requires_grad for p in net.parameters()]


@pytest.mark.parametrize("method", ["integrated_gradients", "grad_cam", "occlusion"])
def test_nothing_is_left_on_the_network(clear, method):
    """vision.md 7.4, 5 and 8.4, 14 and 15: no hook, no gradient of weights, no other mode."""
    agent, _ = clear
    before = left_behind(agent)
    MAPS[method](rest_of(clear, "value", "2b.relu"))
    assert left_behind(agent) == before
    assert before[:2] == (0, 0)
    rest_of(clear, "value", "2b.relu").activation.sum()
    agent.forward(images(), None)[0]["value"].sum().backward()
    assert left_behind(agent) != before  # what a backward pass without care leaves


def test_nothing_is_left_after_an_error(clear):
    """vision.md 8.4, 14: a target that fails in the middle of a path."""
    agent, _ = clear
    rest = rest_of(clear, "value", "2b.relu")
    failing = agent.modules()["3a.relu"].register_forward_hook(
        lambda *_: (_ for _ in ()).throw(RuntimeError("out of order"))
    )
    with pytest.raises(RuntimeError, match="out of order"):
        integrated_gradients(rest)
    assert left_behind(agent)[0] == 1  # the failing one itself
    failing.remove()
    assert left_behind(agent)[:2] == (0, 0)


def normalised_in_place(directions):
    """The mistake: a view of the directions is scaled, and with it the directions."""
    for row in directions:
        row /= np.linalg.norm(row)
    return directions


def test_what_is_given_stays_as_it_was():
    """vision.md 8.4, 6: directions normalised in place are other directions afterwards."""
    seen, directions = maps(), np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0]])
    kept_seen, kept = seen.clone(), directions.copy()
    rest = planted(one_place, seen)
    curved_gradients(rest, directions)
    for method in MAPS.values():
        method(rest)
    assert torch.equal(seen, kept_seen)
    assert (directions == kept).all()
    assert not (normalised_in_place(directions) == kept).all()


DRAWN = {
    "smooth_gradient": lambda rest, seed: smooth_gradient(rest, samples=4, seed=seed).values,
    "shapley": lambda rest, seed: sampled_shapley(rest, blocks(MAP, 2), 0.0, 4, seed).values,
    "curved": lambda rest, seed: curved_gradients(rest, np.eye(3), most=2, seed=seed).values,
}


@pytest.mark.parametrize("method", sorted(DRAWN))
def test_draws_have_a_seed_of_their_own(method):
    """vision.md 8.4, 16: unseeded draws of numpy and torch gave another map each time."""
    rest = planted(lambda x: x.flatten(1).prod(1) + one_place(x) ** 2, maps())
    torch.manual_seed(7)
    np.random.seed(7)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(7)
    np.random.seed(7)
    first, again = (DRAWN[method](rest, 3) for _ in range(2))
    assert (torch.rand(1), np.random.rand()) == expected
    assert torch.equal(first, again)
    assert not torch.equal(first, DRAWN[method](rest, 4))


def test_who_is_absent_has_no_share(road):
    """highway.md 5.7 and 5.15: rows of nobody are zero, whatever was in them."""
    there = roads()[..., 0] > 0
    found = integrated_gradients(rest_of(road, "q[FASTER]")).values
    assert (found[~there] == 0).all()
    assert found[there].abs().max() > 1e-3
    assert (~there).sum() >= 4

"""Perturbations against loops with explicit slices, planted targets, captum and scipy."""

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from scipy.ndimage import gaussian_filter
from scipy.special import softmax
from scipy.stats import entropy
from torch import nn

from policyscope.agents.agent import Agent
from policyscope.attribution.asking.groups import blocks, units, vehicles
from policyscope.attribution.asking.score import Decisions
from policyscope.attribution.methods import perturbation
from policyscope.attribution.methods.perturbation import (
    blur_perturbation,
    blurs,
    occlusion,
    removal,
    removals,
    windows,
)
from policyscope.attribution.methods.sarfa import action_scores, sarfa
from policyscope.core.errors import PolicyscopeError
from policyscope.core.tails import tail
from policyscope.envs.stepper import Space

from .conftest import rest_of, road_agent, roads

SHAPES = [(8, 4), (8, 8), (5, 3), (7, 1), (40, 4)]


def planted(function, x):
    """A function of x (N, ...) as the rest of a network."""
    site = nn.Identity()
    return tail({"x": site}, "x", lambda rows: function(site(x[rows])), len(x))


def one_place(place):
    """A target that looks at one place of a map."""
    return lambda x: x[(slice(None), slice(None), *place)].sum(1)


@pytest.fixture
def seen_map():
    """A small convolutional target of maps of 11 x 14."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 9 * 12, 1))
    net.double()
    x = torch.randn(3, 3, 11, 14, dtype=torch.float64)
    return planted(lambda z: net(z)[:, 0], x), net, x


@pytest.mark.parametrize(("window", "stride"), SHAPES)
def test_occlusion_is_a_loop_over_windows(seen_map, window, stride):
    rest, net, x = seen_map
    baseline = torch.randn_like(x)
    found = occlusion(rest, window, stride, baseline)
    corners = [
        [at for at in range(0, extent, stride) if at == 0 or at - stride + window < extent]
        for extent in (11, 14)
    ]
    expected = torch.zeros(3, len(corners[0]), len(corners[1]), dtype=torch.float64)
    total, covered = torch.zeros(3, 11, 14).double(), torch.zeros(11, 14)
    with torch.no_grad():
        for i, top in enumerate(corners[0]):
            for j, left in enumerate(corners[1]):
                inside = slice(top, top + window), slice(left, left + window)
                hidden = x.clone()
                hidden[(..., *inside)] = baseline[(..., *inside)]
                expected[:, i, j] = (net(x) - net(hidden))[:, 0]
                total[(..., *inside)] += expected[:, i, j, None, None]
                covered[inside] += 1
    torch.testing.assert_close(found.change, expected, atol=1e-12, rtol=0)
    spread = found.places.spread(found.change)
    torch.testing.assert_close(spread, total / covered, atol=1e-12, rtol=0)
    assert found.passes == expected[0].numel() + 1


@pytest.mark.parametrize(("window", "stride"), SHAPES[:3])
@pytest.mark.parametrize("baseline", [0.0, 0.5])
def test_occlusion_equals_captum(clear, window, stride, baseline):
    rest = rest_of(clear, "value")
    theirs = Occlusion(lambda x: rest(x, torch.arange(len(x)))).attribute(
        rest.activation, (3, window, window), (3, stride, stride), baselines=baseline
    )
    found = occlusion(rest, window, stride, baseline)
    ours = found.places.spread(found.change)
    assert float(ours.abs().max()) > 1e-3
    for channel in theirs.unbind(1):
        torch.testing.assert_close(ours, channel.double(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("place", [(0, 0), (5, 9), (10, 13)])
def test_only_windows_over_the_place_that_matters_count(place):
    x = torch.rand(2, 3, 11, 14) + 1
    found = occlusion(planted(one_place(place), x), 4, 2)
    for i, top in enumerate(range(0, 2 * found.change.shape[1], 2)):
        for j, left in enumerate(range(0, 2 * found.change.shape[2], 2)):
            over = top <= place[0] < top + 4 and left <= place[1] < left + 4
            expected = x[:, :, place[0], place[1]].sum(1) if over else torch.zeros(2)
            torch.testing.assert_close(found.change[:, i, j], expected.double())
    spread = found.places.spread(found.change)
    assert bool((spread.flatten(1).amax(1) == spread[:, place[0], place[1]]).all())


@pytest.mark.parametrize(("stride", "blur", "spot"), [(5, 3.0, 5.0), (1, 0.7, 2.0), (4, 6.0, 1.0)])
def test_blurring_is_the_published_equation(seen_map, stride, blur, spot):
    rest, net, x = seen_map
    found = blur_perturbation(rest, stride, blur, spot)
    blurred = torch.from_numpy(
        np.stack([[gaussian_filter(c, blur) for c in one] for one in x.numpy()])
    )
    centres = [(i, j) for i in range(0, 11, stride) for j in range(0, 14, stride)]
    rows, columns = torch.meshgrid(torch.arange(11), torch.arange(14), indexing="ij")
    expected = []
    with torch.no_grad():
        for i, j in centres:
            mask = torch.exp(-((rows - i) ** 2 + (columns - j) ** 2) / (2 * spot**2)).double()
            expected.append((net(x) - net(x * (1 - mask) + blurred * mask))[:, 0])
    torch.testing.assert_close(found.change.flatten(1), torch.stack(expected, 1), atol=1e-6, rtol=0)
    assert float(found.change.abs().max()) > 1e-3
    assert found.passes == len(centres) + 1


def test_blurs_are_spread_in_straight_lines_between_their_centres(seen_map):
    _, _, x = seen_map
    places = blurs(x, stride=5)
    values = torch.randn(3, 3, 3, dtype=torch.float64)
    spread = places.spread(values)
    torch.testing.assert_close(spread[:, ::5, ::5], values)
    torch.testing.assert_close(spread[:, 2, 5], 0.6 * values[:, 0, 1] + 0.4 * values[:, 1, 1])
    torch.testing.assert_close(spread[:, 10, 13], values[:, 2, 2])


def test_an_even_map_loses_nothing_by_blurring():
    x = torch.full((1, 2, 9, 9), 0.7, dtype=torch.float64)
    found = blur_perturbation(planted(lambda z: (z**3).sum((1, 2, 3)), x))
    assert float(found.change.abs().max()) < 1e-12


def test_removal_is_a_loop_over_groups(road):
    rest = rest_of(road, "q[FASTER]", hold=())
    found = removal(rest, vehicles((6, 7)))
    obs = road[1].obs
    agent = road[0]
    for vehicle in range(1, 6):
        kept = [row for row in range(6) if row != vehicle]
        with torch.no_grad():
            change = agent.forward(obs, None)[0]["q"] - agent.forward(obs[:, kept], None)[0]["q"]
        torch.testing.assert_close(
            found.change[:, vehicle - 1], change[:, 2].double(), atol=1e-6, rtol=0
        )
    assert found.passes == 6
    assert bool((found.change[obs[:, 1:, 0] == 0] == 0).all())
    assert float(found.change.abs().max()) > 1e-3


def test_a_removed_group_takes_its_baseline_and_only_it():
    x = torch.tensor([[2.0, 3.0, 5.0], [1.0, 1.0, 1.0]])
    baseline = torch.tensor([[1.0, 0.0, 4.0], [2.0, 2.0, 2.0]])
    found = removal(planted(lambda z: z.prod(1), x), units((3,)), baseline)
    assert found.change.tolist() == [[15.0, 30.0, 6.0], [-1.0, -1.0, -1.0]]


@pytest.mark.parametrize("together", [1, 5, 1000])
def test_how_many_go_through_at_once_is_bounded_and_changes_nothing(
    seen_map, monkeypatch, together
):
    rest, _, x = seen_map
    whole = occlusion(rest, 5, 3)
    most = []

    def counting(z):
        most.append(len(z))
        return (z**2).sum((1, 2, 3))

    monkeypatch.setattr(perturbation, "at_once", lambda rest: together)
    torch.testing.assert_close(occlusion(rest, 5, 3).change, whole.change, atol=1e-12, rtol=0)
    counted = planted(counting, x)
    most.clear()
    found = occlusion(counted, 5, 3)
    assert max(most) <= together
    assert sum(most) == 3 * found.passes


def by_the_paper(before, after, action):
    """SARFA of one perturbation, written out."""
    drop = softmax(before)[action] - softmax(after)[action]
    others = [softmax(np.delete(scores, action)) for scores in (before, after)]
    relevance = 1 / (1 + entropy(others[0], others[1]))
    return (2 * drop * relevance / (drop + relevance) if drop > 0 else 0.0), drop, relevance


@pytest.mark.parametrize("chosen", [None, [0, 1, 2, 0]])
def test_sarfa_is_the_harmonic_mean_for_every_place(chosen):
    agent, obs = road_agent(), roads()
    agent.net.double()
    agent.net.output_layer.predict.weight.data /= 8
    scores = action_scores(agent, Decisions(obs.double()), hold=())
    places = removals(scores.rest.activation, vehicles((6, 7), ego=True))
    action = None if chosen is None else torch.tensor(chosen)
    found = sarfa(scores, places, action)
    with torch.no_grad():
        before = agent.forward(obs.double(), None)[0]["q"].numpy()
        for place in range(6):
            removed = obs.double()
            removed[:, place] = 0
            after = agent.forward(removed, None)[0]["q"].numpy()
            for row in range(4):
                best = before[row].argmax() if chosen is None else chosen[row]
                assert int(found.action[row]) == best
                expected = by_the_paper(before[row], after[row], best)
                for ours, theirs in zip(
                    (found.saliency, found.drop, found.relevance), expected, strict=True
                ):
                    assert float(ours[row, place]) == pytest.approx(theirs, abs=1e-9)
    assert float(found.saliency.max()) > 0.01
    assert bool((found.drop < 0).any())
    assert found.passes == 7


class Moved(nn.Module):
    """Place 0 moves the first of three scores, place 1 the other two apart, place 2 none."""

    def forward(self, x):
        return torch.stack([2 * x[:, 0], 4 * x[:, 1], -4 * x[:, 1]], 1)


def test_sarfa_discounts_what_moves_other_actions():
    agent = Agent(Moved(), ("none", {}), "q", Space((3,), "float32", actions=("A", "B", "C")))
    scores = action_scores(agent, Decisions(torch.ones(1, 3)))
    places = removals(scores.rest.activation, units((3,)))
    found = sarfa(scores, places, torch.tensor([0]))
    assert found.relevance[0, [0, 2]].tolist() == pytest.approx([1.0, 1.0])
    assert float(found.relevance[0, 1]) < 0.7
    assert found.drop[0, 2] == found.saliency[0, 2] == 0
    drop = softmax([2, 4, -4])[0] - softmax([0, 4, -4])[0]
    assert float(found.saliency[0, 0]) == pytest.approx(2 * drop / (drop + 1))
    assert float(found.drop[0, 1]) < 0
    assert float(found.saliency[0, 1]) == 0


def test_sarfa_of_a_map_is_spread_like_its_windows(clear):
    agent, decisions = clear
    scores = action_scores(agent, decisions)
    places = windows(scores.rest.activation, 8, 8)
    found = sarfa(scores, places)
    assert found.saliency.shape == (4, 4, 4)
    shown = places.spread(found.saliency)
    assert shown.shape == (4, 32, 32)
    assert bool((shown[:, 8:16, 24:] == found.saliency[:, 1:2, 3:].expand(4, 8, 8)).all())
    with torch.no_grad():
        taken = agent.forward(decisions.obs, None)[0]["logits"].argmax(1)
    assert found.action.tolist() == taken.tolist()


def test_scores_from_a_site_on_are_those_of_the_agent(seeing):
    agent, decisions = seeing
    scores = action_scores(agent, decisions)
    rows = torch.tensor([2, 0, 0, 3])
    with torch.no_grad():
        found = scores(scores.rest.activation[rows], rows)
        chosen = decisions.rows(rows)
        whole = agent.forward(chosen.obs, chosen.state)[0]["logits"]
    assert found.shape == (4, 3)
    torch.testing.assert_close(found, whole)


def test_continuous_actions_have_no_scores():
    agent = Agent(nn.Linear(3, 2), ("none", {}), "gaussian", Space((3,), "float32"))
    with pytest.raises(PolicyscopeError, match="continuous actions"):
        action_scores(agent, Decisions(torch.ones(1, 3)))


def test_what_cannot_be_is_told_in_one_line(road, clear):
    table, image = rest_of(road), rest_of(clear)
    for make, told in [
        (lambda: occlusion(table), r"\(6, 7\) \(use removal with groups\)"),
        (lambda: blur_perturbation(table), r"\(6, 7\) \(use removal with groups\)"),
        (lambda: occlusion(image, 4, 5), "stride of 5 leaves gaps: take 1 to .* 4"),
        (lambda: occlusion(image, 4, 0), "stride of 0"),
        (lambda: blur_perturbation(image, 0), "a stride of at least 1"),
        (lambda: blur_perturbation(image, blur=0.0), "a blur and a spot above 0"),
        (lambda: blur_perturbation(image, spot=-1.0), "a blur and a spot above 0"),
        (lambda: removal(image, blocks((3, 8, 8), 4)), "the activation is of shape"),
        (lambda: removal(table, vehicles((6, 7))).places.spread(torch.ones(1, 1, 1)), "by name"),
    ]:
        with pytest.raises(PolicyscopeError, match=told) as caught:
            make()
        assert "\n" not in str(caught.value)


class Masked(nn.Module):
    """Three scores, the last of an action that cannot be taken."""

    def forward(self, x):
        return torch.stack([x[:, 0], x[:, 1], torch.full_like(x[:, 0], -torch.inf)], 1)


def test_an_action_that_cannot_be_taken_does_not_count():
    agent = Agent(Masked(), ("none", {}), "categorical", Space((2,), "float32"))
    scores = action_scores(agent, Decisions(torch.tensor([[2.0, 1.0]])))
    found = sarfa(scores, removals(scores.rest.activation, units((2,))))
    drop = softmax([2, 1])[0] - softmax([0, 1])[0]
    assert found.relevance.tolist() == [[1.0, 1.0]]
    assert float(found.saliency[0, 0]) == pytest.approx(2 * drop / (drop + 1))

"""Shapley values against their definition, their axioms and the shap library."""

import importlib
import warnings
from functools import cache
from itertools import permutations
from math import factorial

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from policyscope.attribution.asking.groups import Groups, blocks, channels, units, vehicles
from policyscope.attribution.asking.score import Decisions, score
from policyscope.attribution.methods import shapley
from policyscope.attribution.methods.shapley import exact_shapley, sampled_shapley
from policyscope.core.errors import PolicyscopeError
from policyscope.core.tails import tail
from policyscope.core.target_parser import parse_target

from .conftest import rest_of, road_agent, roads


def planted(function, x):
    """A function of x (N, ...) as the rest of a network."""
    site = nn.Identity()
    return tail({"x": site}, "x", lambda rows: function(site(x[rows])), len(x))


def counted(function):
    """A function and how many rows it was given, call by call."""
    seen = []

    def counting(x):
        seen.append(len(x))
        return function(x)

    return counting, seen


def by_orders(game, players):
    """Shapley values by definition: the mean over all orders of what each player brings."""
    game, values = cache(game), np.zeros(players)
    for order in permutations(range(players)):
        come = set()
        for player in order:
            before = game(frozenset(come))
            come.add(player)
            values[player] += game(frozenset(come)) - before
    return values / factorial(players)


def random_game(players, seed):
    """A target of 0/1 vectors that has a worth of its own for each coalition."""
    worth = torch.from_numpy(np.random.default_rng(seed).normal(size=2**players))
    powers = 2 ** torch.arange(players)

    def function(x):
        return worth[(x.round().long() * powers).sum(1)] + 0 * x.sum(1)

    return function, lambda come: float(worth[sum(2**i for i in come)])


def ones(players, rows=1):
    return torch.ones(rows, players, dtype=torch.float64)


@pytest.mark.parametrize("players", [1, 2, 5])
def test_exact_values_are_the_mean_over_all_orders(players):
    function, game = random_game(players, seed=players)
    found = exact_shapley(planted(function, ones(players)), units((players,)))
    np.testing.assert_allclose(found.values[0], by_orders(game, players), atol=1e-12)
    assert found.passes.tolist() == [2**players]
    assert found.error.tolist() == [[0.0] * players]


def test_every_row_is_explained_by_itself_and_against_its_own_baseline():
    x = torch.randn(6, 4, dtype=torch.float64)
    x[2, 1] = x[4, 0] = x[4, 3] = 0.5
    x[5] = 0.5
    start = torch.full_like(x, 0.5)
    start[0] = torch.randn(4, dtype=torch.float64)

    def function(z):
        return (z[:, 0] * z[:, 1]).tanh() + z[:, 2] * z[:, 3].sin() * z[:, 0]

    found = exact_shapley(planted(function, x), units((4,)), start)
    for row in range(6):

        def game(come, row=row):
            mixed = start[row].clone()
            mixed[list(come)] = x[row, list(come)]
            return float(function(mixed[None]))

        np.testing.assert_allclose(found.values[row], by_orders(game, 4), atol=1e-12)
    expected = function(x) - function(start)
    torch.testing.assert_close(found.change, expected, atol=1e-12, rtol=0)
    assert found.passes.tolist() == [16, 16, 8, 16, 4, 0]


def test_a_player_as_in_the_baseline_has_exactly_nothing_and_costs_no_pass():
    x = torch.randn(2, 5)
    x[0, 1] = x[0, 3] = 0.0
    function, seen = counted(lambda z: (z.cumsum(1).sin() * 3).prod(1))
    rest = planted(function, x)
    seen.clear()
    found = exact_shapley(rest, units((5,)))
    assert sum(seen) == 2**3 + 2**5
    assert found.passes.tolist() == [2**3, 2**5]
    assert found.values[0, [1, 3]].tolist() == [0.0, 0.0]
    assert bool((found.values[0, [0, 2, 4]] != 0).all())
    seen.clear()
    sampled = sampled_shapley(rest, units((5,)), permutations=10)
    assert sum(seen) == 10 * 2 + 2 + 10 * 4 + 2
    assert sampled.passes.tolist() == [10 * 2 + 2, 10 * 4 + 2]
    assert sampled.values[0, [1, 3]].tolist() == [0.0, 0.0]
    assert sampled.error[0, [1, 3]].tolist() == [0.0, 0.0]


def test_twenty_players_of_whom_few_are_there_are_few():
    x = torch.zeros(1, 20)
    x[0, [2, 11, 19]] = torch.tensor([1.0, 2.0, 3.0])
    found = exact_shapley(planted(lambda z: z.sum(1) ** 2, x), units((20,)))
    assert found.values[0, [2, 11, 19]].tolist() == pytest.approx([6.0, 12.0, 18.0])
    assert found.passes.tolist() == [8]


def test_too_many_players_are_told_what_to_use():
    x = torch.zeros(3, 20)
    x[1, :17] = 1
    with pytest.raises(PolicyscopeError, match=r"row 1 has 17 groups .* \(use shapley_values"):
        exact_shapley(planted(lambda z: z.sum(1), x), units((20,)))


def test_sixteen_players_are_taken_in_bounded_batches(monkeypatch):
    monkeypatch.setattr(shapley, "TOGETHER", 1000)
    weights = torch.arange(1.0, 17.0)
    function, seen = counted(lambda z: z @ weights + z[:, 0] * z[:, 15])
    rest = planted(function, torch.ones(1, 16))
    seen.clear()
    found = exact_shapley(rest, units((16,)))
    expected = weights.double() + torch.tensor([0.5] + [0.0] * 14 + [0.5])
    torch.testing.assert_close(found.values[0], expected, atol=1e-9, rtol=0)
    assert max(seen) == 1000
    assert sum(seen) == 2**16


@pytest.mark.parametrize("at_once", [3, 7, 64])
def test_how_many_go_through_at_once_changes_nothing(monkeypatch, at_once):
    x = torch.randn(5, 4, dtype=torch.float64)
    x[1, 2] = 0
    rest = planted(lambda z: (z.cumsum(1).sin() * 3).prod(1), x)
    whole = exact_shapley(rest, units((4,))), sampled_shapley(rest, units((4,)), permutations=6)
    monkeypatch.setattr(shapley, "at_once", lambda rest: at_once)
    parts = exact_shapley(rest, units((4,))), sampled_shapley(rest, units((4,)), permutations=6)
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one.values, other.values, atol=1e-12, rtol=0)
        assert one.passes.tolist() == other.passes.tolist()


GAMES = st.integers(0, 2**32 - 1)


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 5), GAMES, GAMES, st.data())
def test_the_axioms(players, seed, other_seed, data):
    one, _ = random_game(players, seed)
    two, _ = random_game(players, other_seed)
    i, j = data.draw(st.permutations(range(players)))[:2]
    swapped = torch.arange(players)
    swapped[i], swapped[j] = j, i

    def without(z):
        return torch.cat([z[:, :i], 0 * z[:, i : i + 1], z[:, i + 1 :]], 1)

    def values(function):
        return exact_shapley(planted(function, ones(players)), units((players,)))

    first = values(one)
    # Efficiency: all is shared out.
    whole = one(ones(players)) - one(0 * ones(players))
    torch.testing.assert_close(first.values.sum(1), whole, atol=1e-9, rtol=0)
    # Additivity: two targets together are worth what they are apart.
    both = values(lambda z: one(z) + 2 * two(z)).values
    torch.testing.assert_close(both, first.values + 2 * values(two).values, atol=1e-9, rtol=0)
    # Symmetry: players that can stand in for each other have the same.
    alike = values(lambda z: one(z) + one(z[:, swapped])).values[0]
    assert float(alike[i]) == pytest.approx(float(alike[j]), abs=1e-9)
    # Dummy: a player that never makes a difference has nothing.
    assert float(values(lambda z: one(without(z))).values[0, i]) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("target", ["q[FASTER]-q[SLOWER]", "value"])
def test_values_sum_to_the_change_and_the_gap_says_by_how_much_not(road, target):
    rest = rest_of(road, target, hold=())
    groups, every = vehicles((6, 7), ego=True), torch.arange(4)
    expected = rest(rest.activation, every) - rest(0 * rest.activation, every)
    for found in (exact_shapley(rest, groups), sampled_shapley(rest, groups, permutations=4)):
        torch.testing.assert_close(found.change, expected.double(), atol=1e-6, rtol=0)
        assert float(found.change.abs().min()) > 1e-4
        assert float(found.gap.abs().max()) < 1e-6
        sums = found.change - found.values.sum(1)
        torch.testing.assert_close(found.gap, sums, atol=1e-12, rtol=0)


def test_a_gap_shows_wrong_weights(road, monkeypatch):
    right = shapley._shares
    monkeypatch.setattr(shapley, "_shares", lambda players: right(players) * 1.01)
    found = exact_shapley(rest_of(road, hold=()), vehicles((6, 7)))
    torch.testing.assert_close(found.gap, -0.01 * found.change, atol=1e-9, rtol=0)


def scene_without_rows(agent, obs):
    """How much better FASTER is than SLOWER where vehicles are truly taken out: fewer rows."""

    def game(come):
        rows = [0, *(1 + i for i in sorted(come))]
        with torch.no_grad():
            outputs, _ = agent.forward(obs[None, rows], None)
        return float((outputs["q"][:, 2] - outputs["q"][:, 0])[0])

    return game


def test_spec_5_7_a_removed_vehicle_is_absent_as_if_its_row_were_not_there():
    agent, target = road_agent(), parse_target("q[FASTER]-q[SLOWER]")
    agent.net.double()
    obs = roads(3).double()
    groups = vehicles((6, 7))
    expected = np.stack([by_orders(scene_without_rows(agent, one), 5) for one in obs])
    assert np.abs(expected).max() > 1e-3

    absent = exact_shapley(score(agent, target, Decisions(obs), hold=()), groups)
    np.testing.assert_allclose(absent.values, expected, atol=1e-10)
    assert bool((absent.values[obs[:, 1:, 0] == 0] == 0).all())

    # With the mask held, the zero row of a removed vehicle is still attended to.
    held = exact_shapley(score(agent, target, Decisions(obs)), groups)
    assert float((held.values - absent.values).abs().max()) > 0.1 * np.abs(expected).max()
    # So it is where a baseline keeps its presence.
    there = torch.zeros_like(obs)
    there[..., 0] = obs[..., 0]
    kept = exact_shapley(score(agent, target, Decisions(obs), hold=()), groups, there)
    torch.testing.assert_close(
        kept.values,
        exact_shapley(score(agent, target, Decisions(obs)), groups, there).values,
        atol=1e-10, rtol=0,
    )  # fmt: skip
    assert float((kept.values - absent.values).abs().max()) > 0.1 * np.abs(expected).max()


def test_sampled_values_are_those_of_a_scene_without_the_row_too():
    agent, target = road_agent(), parse_target("q[FASTER]-q[SLOWER]")
    agent.net.double()
    obs = roads(1).double()
    expected = by_orders(scene_without_rows(agent, obs[0]), 5)
    rest = score(agent, target, Decisions(obs), hold=())
    found = sampled_shapley(rest, vehicles((6, 7)), permutations=400)
    away = np.abs(found.values[0].numpy() - expected)
    assert (away <= 4 * found.error[0].numpy() + 1e-12).all()
    assert away.max() < 0.1 * np.abs(expected).max()


def as_players(rest, groups):
    """The target of one row as shap wants it: 0/1 vectors of players to numbers."""
    every = rest.activation[:1]

    def function(z):
        held = torch.from_numpy(np.asarray(z) > 0.5)
        many = every.expand(len(held), *every.shape[1:])
        with torch.no_grad():
            mixed = groups.mix(many, torch.zeros_like(many), held)
            return rest(mixed, torch.zeros(len(held), dtype=torch.long)).double().numpy()

    return function


@pytest.fixture(scope="module")
def shap():
    """The library, without the half minute that compiling its loops would take."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(numba.config, "DISABLE_JIT", True)
        return importlib.import_module("shap")


@pytest.fixture
def crowded():
    """A road on which all are present, in double precision."""
    agent = road_agent()
    agent.net.double()
    obs = torch.randn(1, 6, 7, dtype=torch.float64) / 4
    obs[0, :, 0] = 1
    rest = score(agent, parse_target("q[FASTER]"), Decisions(obs), hold=())
    return rest, vehicles((6, 7))


def test_equal_to_the_exact_explainer_of_shap(shap, crowded):
    rest, groups = crowded
    masker = shap.maskers.Independent(np.zeros((1, 5)), max_samples=1)
    theirs = shap.explainers.Exact(as_players(rest, groups), masker)(np.ones((1, 5)))
    ours = exact_shapley(rest, groups)
    assert float(ours.values.abs().min()) > 1e-5
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-10)


@pytest.mark.filterwarnings("ignore")
def test_the_kernel_explainer_of_shap_finds_the_same(shap, crowded):
    rest, groups = crowded
    kernel = shap.KernelExplainer(as_players(rest, groups), np.zeros((1, 5)))
    theirs = kernel.shap_values(np.ones((1, 5)), nsamples=2**5, l1_reg=False, silent=True)
    ours = exact_shapley(rest, groups).values
    np.testing.assert_allclose(ours, np.asarray(theirs).reshape(1, 5), atol=1e-6)


def test_sampled_values_come_near_and_their_errors_are_honest():
    function, game = random_game(5, seed=3)
    exact = by_orders(game, 5)
    rest = planted(function, ones(5))
    within, errors = [], []
    for seed in range(60):
        found = sampled_shapley(rest, units((5,)), permutations=40, seed=seed)
        within.append((found.values[0] - torch.from_numpy(exact)).abs() < 2 * found.error[0])
        errors.append(found.values[0] - torch.from_numpy(exact))
    assert 0.88 < float(torch.stack(within).double().mean()) < 0.99
    spread = torch.stack(errors).square().mean().sqrt()
    told = sampled_shapley(rest, units((5,)), permutations=40).error.square().mean().sqrt()
    assert float(told / spread) == pytest.approx(1, abs=0.35)
    better = sampled_shapley(rest, units((5,)), permutations=4000)
    np.testing.assert_allclose(better.values[0], exact, atol=0.06)
    assert float(better.error.max()) == pytest.approx(float(told) / 10, rel=0.6)


def test_orders_and_their_backs_cancel_what_pairs_do_together():
    """For a target of single players and pairs, each order and its back give the exact value."""
    x = torch.rand(2, 6, dtype=torch.float64) + 0.5
    pairs = torch.randn(6, 6, dtype=torch.float64)
    rest = planted(lambda z: torch.einsum("ni,ij,nj->n", z, pairs, z) + 3 * z.sum(1), x)
    found = sampled_shapley(rest, units((6,)), permutations=4)
    torch.testing.assert_close(
        found.values, exact_shapley(rest, units((6,))).values, atol=1e-10, rtol=0
    )
    assert float(found.error.max()) < 1e-10


def test_the_same_seed_gives_the_same_for_a_row_whatever_is_beside_it():
    x = torch.randn(3, 7)
    x[0, 4] = 0

    def function(z):
        return (z.cumsum(1).sin() * 2).prod(1)

    whole = sampled_shapley(planted(function, x), units((7,)), permutations=8, seed=5)
    alone = sampled_shapley(planted(function, x[2:]), units((7,)), permutations=8, seed=5)
    torch.testing.assert_close(whole.values[2:], alone.values, atol=1e-6, rtol=0)
    other = sampled_shapley(planted(function, x), units((7,)), permutations=8, seed=6)
    assert float((other.values - whole.values).abs().max()) > 1e-3


def test_many_players_of_a_map(clear):
    rest = rest_of(clear, "value")
    groups = blocks((3, 32, 32), 4)
    found = sampled_shapley(rest, groups, permutations=4)
    assert found.values.shape == (4, 64)
    assert float(found.gap.abs().max()) < 1e-6
    assert bool((found.error > 0).any())
    hidden = rest_of(clear, "value", "2b.relu")
    six = exact_shapley(hidden, channels(tuple(hidden.activation.shape[1:])))
    expected = hidden(hidden.activation, torch.arange(4)) - hidden(
        0 * hidden.activation, torch.arange(4)
    )
    torch.testing.assert_close(six.values.sum(1), expected.double(), atol=1e-6, rtol=0)


def test_units_of_no_group_stay_as_they_are():
    x = torch.tensor([[2.0, 3.0, 5.0]])
    groups = Groups(("a", "b"), torch.tensor([0, -1, 1]))
    for found in (
        exact_shapley(planted(lambda z: z.prod(1), x), groups),
        sampled_shapley(planted(lambda z: z.prod(1), x), groups, permutations=4),
    ):
        assert found.values.tolist() == [[15.0, 15.0]]
        assert found.change.tolist() == [30.0]


@pytest.mark.parametrize("count", [0, 2, 5])
def test_orders_come_in_pairs(count):
    with pytest.raises(PolicyscopeError, match=r"even number .* --attribution.samples"):
        sampled_shapley(planted(lambda z: z.sum(1), ones(2)), units((2,)), permutations=count)


def test_groups_of_another_shape_are_told(road):
    for method in (exact_shapley, sampled_shapley):
        with pytest.raises(PolicyscopeError, match=r"shape \(5, 7\)"):
            method(rest_of(road), vehicles((5, 7)))

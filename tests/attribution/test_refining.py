"""Paths in finer steps: a decision's values are the same alone and among others."""

import numpy as np
import pytest
import torch

from policyscope.attribution.asking.baselines import Baseline
from policyscope.attribution.asking.score import INPUT
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.methods import by_gradients
from policyscope.attribution.methods.asked import ask, fitted
from policyscope.attribution.methods.refining import of_rows, row_by_row, too_much
from policyscope.attribution.methods.table import explained
from policyscope.attribution.methods.unit_actions import SUMS, unit_actions
from policyscope.core.target_parser import parse_target

from .conftest import rest_of
from .test_asked import chosen_of

CASES = {
    "conductance": ("road", "q[FASTER]-q[SLOWER]", "output_layer.relus.0", 0.004),
    "curved": ("clear", "value", "3a.relu", 0.1),
}


def answers(pair, target, site, config, factors):
    start = Baseline({INPUT: torch.zeros(()), site: torch.zeros(())})
    return explained(ask(pair[0], parse_target(target), pair[1], site, config, start, factors))


@pytest.mark.parametrize("method", sorted(CASES))
def test_a_decision_gets_the_same_alone_and_among_others(method, request, monkeypatch):
    monkeypatch.setattr(by_gradients, "FINEST", 64)
    name, target, site, tolerance = CASES[method]
    agent, decisions = request.getfixturevalue(name)
    config = AttributionConfig(
        method=method, site=site, steps=4, tolerance=tolerance, factors=3, samples=6
    )
    factors = fitted(agent, decisions, site, config)
    every = answers((agent, decisions), target, site, config, factors)
    assert len(set(every["steps"].tolist())) > 1  # else nobody could disturb anybody
    assert every["steps"].max() <= 64  # points of one path, not of all
    for row in range(len(decisions)):
        own = agent, decisions.rows(torch.tensor([row]))
        alone = answers(own, target, site, config, factors)
        assert alone["steps"].tolist() == [int(every["steps"][row])]
        largest = float(every["attribution"][row].abs().max())
        torch.testing.assert_close(
            alone["attribution"][0], every["attribution"][row], rtol=1e-5, atol=1e-5 * largest
        )


def test_rows_that_are_fine_enough_stop_and_others_go_on():
    needed, asked = torch.tensor([4, 9, 200, 5000]), []

    def at(rows, steps):
        asked.append((steps, rows.tolist()))
        return {"values": rows * 1000 + steps}, needed[rows] / steps

    found, steps = row_by_row(at, 4, 4, 1024)
    assert steps.tolist() == [4, 16, 256, 1024]
    assert found["values"].tolist() == [4, 1016, 2256, 3 * 1000 + 1024]
    assert asked == [(4, [0, 1, 2, 3]), (16, [1, 2, 3]), (64, [2, 3]), (256, [2, 3]), (1024, [3])]
    assert row_by_row(at, 4, 32, 32)[1].tolist() == [32] * 4


def test_what_hardly_changes_from_end_to_end_is_held_to_its_ups_and_downs():
    gap, change = torch.tensor([0.02, -0.02, 0.02]), torch.tensor([1.0, 0.001, 0.0])
    times = too_much(gap, change, torch.tensor([1.0, 10.0, 0.0]), 0.01)
    np.testing.assert_allclose(times[:2], [2, 2], rtol=1e-5)
    assert times[2] > 1e6


def test_some_rows_are_explained_as_they_were(road):
    rest = rest_of(road, "q[FASTER]")
    some = of_rows(rest, torch.tensor([3, 1]))
    every = rest(rest.activation, torch.arange(4))
    torch.testing.assert_close(some(some.activation, torch.arange(2)), every[[3, 1]])
    assert not torch.allclose(every[[3, 1]], every[[0, 1]])


def test_inputs_get_more_points_until_their_shares_sum_to_the_units(road):
    agent, decisions = road
    target, site = parse_target("q[FASTER]"), "output_layer.relus.0"
    start, missed = Baseline({INPUT: torch.zeros(())}), {}
    for rule in ("adaptive", "gauss"):
        config = AttributionConfig(method="neuron_conductance", site=site, rule=rule, steps=4)
        most = 256 if rule == "adaptive" else 4
        found = unit_actions(agent, target, chosen_of(decisions), site, config, start, most)
        fine = AttributionConfig(method="conductance", site=site, rule="trapezoid", steps=512)
        units = answers(road, "q[FASTER]", site, fine, None)["attribution"].mean(0).numpy()
        inputs = found["by_input"].values.reshape(len(units), -1).sum(1)
        missed[rule] = np.abs(units - inputs).mean() / np.abs(units).mean()
    assert missed["adaptive"] < SUMS < missed["gauss"], missed

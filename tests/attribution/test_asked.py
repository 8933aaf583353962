"""Methods by name are the functions they name, and are judged on the groups they speak of."""

import captum.attr
import numpy as np
import pytest
import torch

from policyscope.attribution.asking.baselines import Baseline, baseline
from policyscope.attribution.asking.chosen import Chosen
from policyscope.attribution.asking.groups import blocks, vehicles
from policyscope.attribution.asking.score import INPUT, Decisions, part, score
from policyscope.attribution.config import AttributionConfig, method_names, read_options
from policyscope.attribution.methods.asked import ask, fitted, path_site
from policyscope.attribution.methods.conductance import neuron_conductance
from policyscope.attribution.methods.curved import curved_gradients
from policyscope.attribution.methods.gradients import gradient
from policyscope.attribution.methods.perturbation import removals, windows
from policyscope.attribution.methods.sarfa import action_scores, sarfa
from policyscope.attribution.methods.table import explained
from policyscope.attribution.methods.unit_actions import contrasts, unit_actions
from policyscope.attribution.trust.checks import checks_of, unchecked_because
from policyscope.attribution.trust.levels import at_level, level_of, side_of
from policyscope.attribution.trust.line import _spread_figure, trust_line
from policyscope.attribution.trust.stability import ratio_of_sums, sensitivity
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.target_parser import parse_target

from .conftest import image_agent, images, rest_of, road_agent, roads

HIDDEN = "output_layer.relus.0"
Q = "q[FASTER]-q[SLOWER]"


def chosen_of(decisions):
    count = len(decisions)
    return Chosen(decisions, np.arange(count) // 2, np.arange(count), None)


@pytest.fixture
def seen():
    taken = torch.tensor([0, 2, 1, 2])
    return image_agent("clear_cnn"), Decisions(images(), None, taken)


def told(pair, target, site=INPUT, start=None, **options):
    """What a method says of a pair of agent and decisions."""
    agent, decisions = pair
    config = AttributionConfig(site=site, **options)
    sites = dict.fromkeys([path_site(config, site), site])
    start = start or Baseline(dict.fromkeys(sites, torch.zeros(())))
    asked = ask(
        agent, parse_target(target), decisions, site, config, start,
        fitted(agent, decisions, site, config),
    )  # fmt: skip
    return explained(asked), asked


def test_sarfa_is_about_the_action_that_the_target_asks_for(seen):
    agent, decisions = seen
    scores = action_scores(agent, decisions)
    places = windows(scores.rest.activation, 8, 4)

    def direct(action):
        return places.spread(sarfa(scores, places, action).saliency)

    found = told(seen, "logp[taken]", method="sarfa")[0]
    torch.testing.assert_close(found["attribution"], direct(decisions.taken))
    of_one = told(seen, "logit[0]-2*logit[2]", method="sarfa")[0]["attribution"]
    torch.testing.assert_close(of_one, direct(torch.zeros(4, dtype=torch.long)))
    assert not torch.allclose(direct(decisions.taken), of_one, atol=1e-6)
    logp = torch.log_softmax(agent.forward(decisions.obs, None)[0]["logits"], -1)
    expected = logp.gather(1, decisions.taken[:, None])[:, 0].detach()
    torch.testing.assert_close(found["target"].float(), expected)
    with pytest.raises(PolicyscopeError, match="SARFA is about an action"):
        told(seen, "value", method="sarfa")
    with pytest.raises(UnknownName, match="unknown action 'SIDEWAYS'"):
        told(seen, "logit[SIDEWAYS]", method="sarfa")
    with pytest.raises(PolicyscopeError, match="number 99 does not exist; valid: 0 to"):
        told(seen, "logit[99]", method="sarfa")


def test_sarfa_takes_vehicles_away_who_are_then_absent(road):
    agent, decisions = road
    scores = action_scores(agent, decisions, hold=())
    groups = vehicles((6, 7))
    away = removals(scores.rest.activation, groups)
    expected = sarfa(scores, away, decisions.taken).saliency
    found = told(road, "q[taken]", method="sarfa")[0]["attribution"]
    torch.testing.assert_close(found[..., 0], expected)
    masked = action_scores(agent, decisions)
    kept = sarfa(masked, removals(masked.rest.activation, groups), decisions.taken).saliency
    assert (kept - expected).abs().max() > 1e-3


def test_curved_paths_go_through_the_sites_own_factors_and_are_complete(seen):
    agent, decisions = seen
    config = AttributionConfig(method="curved", factors=3, samples=6, rule="trapezoid", steps=40)
    factors = fitted(agent, decisions, "3a.relu", config)
    assert factors.shape == (3, 8)
    found, asked = told(
        seen, "value", "3a.relu", method="curved", factors=3, samples=6, rule="trapezoid", steps=40
    )
    rest = rest_of(seen, "value", "3a.relu")
    expected = curved_gradients(rest, factors, "trapezoid", 40, 6, 0)
    torch.testing.assert_close(found["attribution"], expected.values)
    fine = told(seen, "value", "3a.relu", method="curved", factors=3, samples=6)[0]
    assert checks_of(asked.config, fine)[0].passed
    total = fine["attribution"].double().flatten(1).sum(1)
    torch.testing.assert_close(total + fine["gap"], fine["change"], atol=1e-5, rtol=1e-5)
    assert fine["gap"].abs().mean() <= 0.01 * fine["change"].abs().mean()


def test_conductance_starts_at_the_observation_and_is_checked_where_all_flows_through(road):
    found, asked = told(road, Q, HIDDEN, method="conductance")
    assert found["attribution"].shape == (4, 16)
    assert asked.whole
    agent, decisions = road
    q = [agent.forward(obs, None)[0]["q"] for obs in (decisions.obs, decisions.obs * 0)]
    rest = score(agent, parse_target(Q), decisions)
    held = rest(torch.zeros_like(rest.activation), torch.arange(4)).detach()
    change = q[0][:, 2] - q[0][:, 0] - held
    torch.testing.assert_close(found["change"].float(), change.detach(), atol=1e-4, rtol=1e-4)
    assert checks_of(asked.config, found, asked.whole)[0].passed
    around = told(road, Q, "ego_embedding.relus.1", method="conductance")[1]
    assert not around.whole
    assert checks_of(around.config, found, around.whole) == []
    assert "round the site" in unchecked_because(around.config, found)
    with pytest.raises(PolicyscopeError, match="that of a hidden site"):
        told(road, Q, method="conductance")


def test_conductance_by_unit_and_action_sums_over_inputs_and_to_nothing_over_actions(road):
    agent, decisions = road
    chosen = chosen_of(decisions)
    config = AttributionConfig(method="neuron_conductance", site=HIDDEN, rule="trapezoid")
    start = Baseline({INPUT: torch.zeros(())})
    data = unit_actions(agent, parse_target(Q), chosen, HIDDEN, config, start, 60)
    assert data["conductance"].shape == (16, 3)
    np.testing.assert_allclose(data["conductance"].values.sum(1), 0, atol=1e-4)
    rest = score(agent, contrasts(agent)["FASTER"], decisions)
    units = neuron_conductance(rest, HIDDEN, 0.0, "gauss", 120).flatten(2).sum(2).mean(0)
    own = data["conductance"].sel(action="FASTER").values
    np.testing.assert_allclose(own, units.numpy(), atol=0.03 * np.abs(own).max())
    direct = neuron_conductance(
        score(agent, parse_target(Q), decisions), HIDDEN, 0.0, "trapezoid", 60
    )
    np.testing.assert_allclose(data["by_input"].values, direct.mean(0).numpy(), atol=1e-5)
    low, high = (data[f"conductance_{end}"].values for end in ("low", "high"))
    assert (low <= data["conductance"].values + 1e-9).all()
    assert (high >= data["conductance"].values - 1e-9).all()
    assert (high > low).any()


def test_captums_methods_get_our_baseline_groups_and_options(seen):
    agent, decisions = seen
    start = baseline(None, agent, chosen_of(decisions), "mean", ["3a.relu"])
    found = told(seen, "value", "3a.relu", start, method="captum:IntegratedGradients",
                 options=("n_steps=64",))[0]  # fmt: skip
    rest = rest_of(seen, "value", "3a.relu")

    def forward(x, rows):
        return rest(x, rows)

    theirs = captum.attr.IntegratedGradients(forward).attribute(
        rest.activation, start.at("3a.relu", rest.activation).clone(), n_steps=64,
        additional_forward_args=(torch.arange(4),),
    )  # fmt: skip
    torch.testing.assert_close(found["attribution"], theirs.float(), atol=1e-5, rtol=1e-4)
    assert found["gap"].abs().mean() < 0.05 * found["change"].abs().mean()
    for name in ("ShapleyValueSampling", "FeatureAblation"):
        values = told(seen, "value", method=f"captum:{name}", window=16)[0]["attribution"]
        square = values[:, :, :11, :11].flatten(1)
        torch.testing.assert_close(square, square[:, :1].expand_as(square))  # a block has one value
    sampled = told(seen, "value", method="captum:ShapleyValueSampling")[0]
    torch.testing.assert_close(
        sampled["attribution"].double().flatten(1).sum(1), sampled["change"], atol=1e-4, rtol=1e-4
    )
    draws = told(seen, "value", method="captum:GradientShap")[0]["attribution"]
    alone = (agent, decisions.rows(torch.tensor([2])))
    torch.testing.assert_close(
        told(alone, "value", method="captum:GradientShap")[0]["attribution"][0], draws[2]
    )


def test_names_and_options_that_are_none_are_told(seen):
    with pytest.raises(UnknownName, match="captum:DeepLift"):
        AttributionConfig(method="captum:DeepLifted")
    assert len(method_names()) == len(set(method_names())) == 12 + 16
    assert read_options(("a=1", "b=x", "c=(1, 2)")) == {"a": 1, "b": "x", "c": (1, 2)}
    for wrong in (("a",), ("a=1", "a=2"), ("1=2",)):
        with pytest.raises(PolicyscopeError, match="NAME=VALUE"):
            AttributionConfig(method="captum:Lime", options=wrong)
    with pytest.raises(PolicyscopeError, match="belong to methods of captum"):
        told(seen, "value", method="gradient", options=("a=1",))
    with pytest.raises(UnknownName, match="option of captum's Lime"):
        told(seen, "value", method="captum:Lime", options=("n_sample=3",))
    with pytest.raises(PolicyscopeError, match="all orders of 16 groups"):
        told(seen, "value", method="captum:ShapleyValues")


def test_values_of_units_places_and_groups_meet_at_one_level():
    words, groups = level_of((3, 12, 12), "3a.relu", 8)
    assert (words, len(groups)) == ("blocks of 4 x 4 places", 9)
    assert (side_of((3, 64, 64), 8), side_of((3, 2, 2), 8)) == (8, 1)
    units = torch.rand(2, 3, 12, 12)
    expected = units.sum(1).unfold(1, 4, 4).unfold(2, 4, 4).sum((3, 4)).flatten(1)
    for values in (units, units.sum(1), expected, expected.view(2, 3, 3)):
        torch.testing.assert_close(at_level(values, groups), expected)
    words, groups = level_of((6, 7), INPUT, 8)
    assert words == "vehicles"
    rows = torch.rand(2, 6, 7)
    torch.testing.assert_close(at_level(rows, groups), rows[:, 1:].sum(2))
    assert level_of((6, 7), "attention", 8) == ("single units", None)
    assert level_of((64,), INPUT, 8) == ("single units", None)


def test_part_of_a_score_is_that_of_its_rows(road):
    rest = rest_of(road, Q, HIDDEN)
    rows = torch.tensor([3, 1])
    one = part(rest, rows)
    torch.testing.assert_close(
        one(one.activation, torch.arange(2)), rest(rest.activation[rows], rows)
    )


@pytest.mark.parametrize("method", ["grad_cam", "sarfa", "occlusion", "blur", "shapley"])
def test_methods_of_places_have_a_trust_line(seen, method):
    agent, decisions = seen
    config = AttributionConfig(method=method, window=12)
    start = Baseline({INPUT: torch.zeros(())})
    line = trust_line(agent, parse_target("logit[1]"), chosen_of(decisions), INPUT, config, start)
    assert [one.name for one in line] == [
        "deletion", "insertion", "infidelity", "untrained", "spread",
    ]  # fmt: skip
    assert all(np.isfinite(one.mean) for one in line)
    assert all(one.n == 4 for one in line[:3])


def test_shapley_over_vehicles_foretells_what_sets_of_them_change():
    """A linear target of vehicles that are present: exact shares are exact for every set."""
    agent, decisions = road_agent(), Decisions(roads(6), taken=torch.zeros(6, dtype=torch.long))
    start = Baseline({INPUT: torch.zeros(())})

    def figures(method):
        config = AttributionConfig(method=method)
        line = trust_line(
            agent, parse_target(Q), chosen_of(decisions), INPUT, config, start, common=True
        )
        return {one.name: one.mean for one in line}

    shapley, slope = figures("shapley"), figures("gradient")
    assert shapley["infidelity"] < 0.5 * slope["infidelity"]
    assert shapley["insertion"] > slope["insertion"]


def test_spread_is_over_seeds_of_what_is_drawn_and_over_noise_of_the_rest(seen):
    agent, decisions = seen
    start = Baseline({INPUT: torch.zeros(())})

    def spread(**options):
        config = AttributionConfig(**options)
        line = trust_line(agent, parse_target("value"), chosen_of(decisions), INPUT, config, start)
        return line[-1]

    few, many = (spread(method="smooth_gradient", samples=n) for n in (4, 64))
    assert few.mean == pytest.approx(4 * many.mean, rel=0.5)  # like 1 / sqrt(samples)
    assert "every seed" in few.reading
    drawn = [spread(method="captum:GradientShap", options=(f"n_samples={n}",)) for n in (3, 60)]
    assert drawn[0].mean > 2 * drawn[1].mean > 0
    still = spread(method="occlusion")
    assert "noise" in still.reading
    assert 0 < still.mean < spread(method="gradient").mean


def test_decisions_whose_values_nearly_vanish_hardly_count_for_the_spread():
    """Not even where they are an episode of their own: no mean of ratios is taken."""
    changes = torch.tensor([0.5, 0.4, 1e-3, 0.0])
    sizes = torch.tensor([1.0, 2.0, 1e-6, 0.0])
    found = _spread_figure(changes, sizes, np.array([3, 4, 5, 5]), 0, "")
    assert found.mean == pytest.approx(0.901 / 3.000001)
    assert found.n == 3
    assert 0.2 <= found.low < found.mean < found.high
    alone = _spread_figure(changes, sizes, np.array([3, 3, 3, 3]), 0, "")
    assert (alone.mean, alone.low, alone.high) == (found.mean, -np.inf, np.inf)
    none = _spread_figure(changes, 0 * sizes, np.array([3, 4, 5, 5]), 0, "")
    assert np.isnan(none.mean)
    assert none.n == 0


def test_the_interval_of_a_ratio_is_over_episodes_not_decisions():
    """Decisions of an episode are alike: a hundred times as many of them tell nothing new."""
    changes, sizes = np.array([1.0, 2.0, 4.0, 1.0]), np.array([2.0, 2.0, 3.0, 1.0])
    once = ratio_of_sums(changes, sizes, np.arange(4))
    often = ratio_of_sums(changes.repeat(100), sizes.repeat(100), np.arange(4).repeat(100))
    assert (often.mean, often.n) == (pytest.approx(1.0), 4)
    assert (often.low, often.high) == (pytest.approx(once.low), pytest.approx(once.high))
    assert once.low < 0.7 < 1.2 < once.high


def test_noise_is_smaller_than_what_matters_and_the_reading_says_how_large(seen):
    """2 % of the range would move a vehicle of the intersection by 4 m."""
    agent, decisions = seen
    start = Baseline({INPUT: torch.zeros(())})
    config = AttributionConfig(method="gradient")
    line = trust_line(agent, parse_target("value"), chosen_of(decisions), INPUT, config, start)
    rest = score(agent, parse_target("value"), decisions, INPUT)
    moved = []

    def watched(at):
        moved.append((at.activation - rest.activation).flatten(1).abs().amax(1))
        return gradient(at)

    sensitivity(rest, watched)
    span = rest.activation.flatten(1).amax(1) - rest.activation.flatten(1).amin(1)
    assert (torch.stack(moved).amax(0) <= 0.0021 * span).all()
    assert "noise of 0.2 % of the range" in line[-1].reading


def test_blocks_of_the_audit_are_those_of_shapley_values(seen):
    found = told(seen, "value", "4a.relu", method="shapley")[0]["attribution"]
    shape = tuple(rest_of(seen, "value", "4a.relu").activation.shape[1:])
    side = side_of(shape, 8)
    assert found[0].numel() == len(blocks(shape, side)) >= 4

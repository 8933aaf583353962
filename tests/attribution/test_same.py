"""Targets that compare with the decision as recorded: perturbation of the whole policy."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from policyscope.attribution.asking.baselines import Baseline
from policyscope.attribution.asking.chosen import choose
from policyscope.attribution.asking.score import INPUT, score
from policyscope.attribution.asking.targets import unit_of, unit_of_values
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.attribution.methods.asked import as_it_was, ask
from policyscope.attribution.methods.by_scene import entity_shapley
from policyscope.attribution.methods.perturbation import blur_perturbation, occlusion
from policyscope.attribution.methods.table import explained
from policyscope.attribution.trust.removals import removal_effects
from policyscope.core.errors import PolicyscopeError
from policyscope.core.target_parser import parse_target
from policyscope.core.targets import evaluate

from .conftest import image_agent, rest_of
from .test_ground_truth import Summing, recorded

NOTHING = Baseline({INPUT: torch.zeros(())})


def by_hand(clear, saliency):
    """Equation 1 of Greydanus et al. at the centres of a map of 32 x 32, then a saliency."""
    agent, decisions = clear
    x = agent.preprocess(decisions.obs)
    blurred = np.stack([[gaussian_filter(c, 3.0) for c in one] for one in x.double().numpy()])
    down, across = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    found = []
    with torch.no_grad():
        before = agent.net(x)
        for i in range(0, 32, 5):
            for j in range(0, 32, 5):
                mask = torch.exp(-((down - i) ** 2 + (across - j) ** 2) / (2 * 5.0**2))
                after = agent.net(x * (1 - mask) + torch.from_numpy(blurred).float() * mask)
                found.append(saliency(before, after))
    return torch.stack(found, 1)


def of_policy(before, after):
    """Their equation for the actor."""
    return 0.5 * (before["logits"] - after["logits"]).norm(dim=1) ** 2


def of_value(before, after):
    return 0.5 * (before["value"] - after["value"]).abs() ** 2


@pytest.mark.parametrize(
    ("target", "saliency"), [("same[policy]", of_policy), ("same[value]", of_value)]
)
def test_blurring_is_the_published_saliency(clear, target, saliency):
    rest = rest_of(clear, target)
    found = blur_perturbation(rest).change.flatten(1)
    expected = by_hand(clear, saliency).double()
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)
    assert float(expected.max()) > 1e-2
    wrong = [
        lambda before, after: 2 * saliency(before, after),  # without the half
        lambda before, after: 0.5 * (before["logits"] - after["logits"]).sum(1) ** 2,
        lambda before, after: 0.5 * (before["logits"] - after["logits"]).pow(2).mean(1),
    ]
    for other in wrong:
        away = (by_hand(clear, other) - found).abs().max()
        assert float(away) > 0.1 * float(found.max())


def test_the_method_gives_it_over_the_map(clear):
    agent, decisions = clear
    for method, made in [
        ("blur", lambda rest: blur_perturbation(rest)),
        ("occlusion", lambda rest: occlusion(rest, 8, 4)),
    ]:
        config = AttributionConfig(method=method)
        target = parse_target("same[policy]")
        told = explained(ask(agent, target, decisions, INPUT, config, NOTHING))
        found = made(rest_of(clear, "same[policy]"))
        torch.testing.assert_close(told["attribution"], found.places.spread(found.change))
        assert not told["target"].any()
        assert float(told["attribution"].min()) >= 0


def test_vehicles_of_a_q_agent(road):
    agent, decisions = road
    rest = rest_of(road, "same[policy]", hold=())
    removed = decisions.obs.clone()
    removed[:, 3] = 0
    with torch.no_grad():
        now, before = (agent.forward(obs, None)[0]["q"] for obs in (removed, decisions.obs))
    expected = -((now - before) ** 2).sum(1) / 2
    rows = torch.arange(4)
    torch.testing.assert_close(rest(removed, rows), expected)
    assert float(expected.min()) < -1e-3
    halves = parse_target("same[policy]-same[value]")
    both = score(agent, halves, decisions, hold=())(removed, rows)
    value = -((now.amax(1) - before.amax(1)) ** 2) / 2
    torch.testing.assert_close(both, expected - value)


def test_a_path_shares_the_whole_squared_change_out(road):
    agent, decisions = road
    config = AttributionConfig(tolerance=0.001)
    target = parse_target("same[policy]")
    told = explained(ask(agent, target, decisions, INPUT, config, NOTHING))
    rest = rest_of(road, "same[policy]")
    with torch.no_grad():
        whole = -rest(torch.zeros_like(rest.activation), torch.arange(4)).double()
    torch.testing.assert_close(told["change"], whole, rtol=1e-5, atol=1e-7)
    sums = told["attribution"].double().flatten(1).sum(1)
    torch.testing.assert_close(sums, whole, rtol=5e-3, atol=1e-5)


@pytest.mark.parametrize("method", ["gradient", "smooth_gradient", "input_x_gradient", "grad_cam"])
def test_slopes_at_the_decision_itself_are_refused(clear, method):
    agent, decisions = clear
    config = AttributionConfig(method=method)
    with pytest.raises(PolicyscopeError, match="slope there is 0: take --method occlusion") as why:
        ask(agent, parse_target("same[policy]"), decisions, INPUT, config, NOTHING)
    assert "\n" not in str(why.value)
    rest = rest_of(clear, "same[policy]")
    seen = rest.activation.clone().requires_grad_()
    (slope,) = torch.autograd.grad(rest(seen, torch.arange(4)).sum(), seen)
    assert float(slope.abs().max()) < 1e-4


def test_each_agent_is_compared_with_itself(clear):
    fresh, target = image_agent("clear_cnn"), parse_target("same[policy]")
    assert not torch.equal(*(next(iter(one.net.parameters())) for one in (fresh, clear[0])))
    assert not as_it_was(score(fresh, target, clear[1])).any()


@pytest.fixture(scope="module")
def summing(tmp_path_factory):
    return recorded(Summing, tmp_path_factory.mktemp("same"))


def test_entities_taken_out_of_the_scene(summing):
    """What removal changes, and what coalitions share out, are half its squares."""
    chosen = choose(summing, summing.agent, 1, 3)
    plain = removal_effects(summing, parse_target("q[FASTER]"), 1, 3)
    value = removal_effects(summing, parse_target("same[value]"), 1, 3)
    single = removal_effects(summing, parse_target("value"), 1, 3)
    assert len(plain.effect) >= 2
    np.testing.assert_allclose(value.effect, single.effect**2 / 2, atol=1e-5)
    assert value.target == 0
    config = AttributionConfig(method="shapley", players="entities")
    told, usual = (
        entity_shapley(summing, summing.agent, parse_target(what), chosen, config)
        for what in ("same[value]", "value")
    )
    torch.testing.assert_close(told["change"], usual["change"] ** 2 / 2, rtol=1e-4, atol=1e-6)


def test_an_attribution_has_its_trust_line_and_unit(summing):
    config = AttributionConfig(method="occlusion", target="same[policy]", initialisations=0, rows=8)
    result = attribute(summing, config, 1)
    line = {one["name"]: one for one in result.data.attrs["trust"]}
    assert {"deletion", "infidelity", "removal"} <= set(line)
    assert line["removal"]["mean"] > 0
    assert result.data.attrs["unit"] == "score²"
    assert unit_of("same[value]") == unit_of_values("blur", "same[value]") == "return²"


def test_masked_actions_and_missing_decisions():
    gone = torch.tensor([[1.0, -torch.inf, 2.0]])
    now = torch.tensor([[2.0, -torch.inf, 2.0]], requires_grad=True)
    target = parse_target("same[policy]")
    found = evaluate(target, {"logits": now}, {}, ("A", "B", "C"), recorded={"logits": gone})
    assert found.tolist() == [-0.5]
    (slope,) = torch.autograd.grad(found.sum(), now)
    assert slope.tolist() == [[-1.0, 0.0, 0.0]]
    means = {"mean": torch.tensor([[1.0, 3.0]])}
    here = {"mean": torch.tensor([[0.0, 1.0]])}
    assert evaluate(target, means, {}, (), recorded=here).tolist() == [-2.5]
    with pytest.raises(PolicyscopeError, match="none to compare with: take another target"):
        evaluate(target, means, {}, ())

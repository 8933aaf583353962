"""Model randomisation: what was learned goes with the weights, what is the input's stays."""

from dataclasses import replace

import pytest
import torch

from policyscope.agents.build import build_network
from policyscope.attribution.asking.score import Decisions
from policyscope.attribution.methods.gradients import gradient
from policyscope.attribution.trust.randomised import AWAY, randomised
from policyscope.attribution.trust.stability import agreement
from policyscope.core.errors import PolicyscopeError

from .conftest import image_agent, images, rest_of

DECISIONS = Decisions(images())


def slopes(agent):
    return gradient(rest_of((agent, DECISIONS), "logit[FASTER]"))


def edges(agent):
    """An edge detector: it shows the frame, whatever the weights."""
    return agent.preprocess(DECISIONS.obs).diff(dim=3)


@pytest.fixture
def agent():
    return image_agent("clear_cnn")


def initial(seed):
    torch.manual_seed(seed)
    return {k: v.clone() for k, v in image_agent("clear_cnn").net.state_dict().items()}


def test_gradients_go_with_the_weights_and_edges_stay(agent):
    learned = randomised(agent, slopes)
    assert learned.agreement.shape == (5, 4)
    assert not learned.own
    assert abs(learned.mean) < 0.4
    assert 0 < learned.spread < 0.3
    shown = randomised(agent, edges, fresh=2)
    torch.testing.assert_close(shown.agreement, torch.ones(2, 4).double())
    assert (shown.mean, shown.spread) == (pytest.approx(1), pytest.approx(0))


def test_the_runs_own_initial_weights_are_taken_where_they_are_known(agent):
    agent = replace(agent, initial=initial(3))
    found = randomised(agent, slopes)
    expected = agreement(slopes(agent), slopes(agent.with_weights(agent.initial)))
    torch.testing.assert_close(found.agreement, expected[None])
    assert found.own
    assert found.spread != found.spread  # nothing is known of it
    asked = randomised(agent, slopes, fresh=3)
    assert (asked.own, len(asked.agreement)) == (False, 3)
    assert not torch.isclose(asked.agreement, expected).all(1).any()


def test_an_agent_that_learned_nothing_agrees_with_its_beginning(agent):
    agent = replace(agent, initial={k: v.clone() for k, v in agent.net.state_dict().items()})
    torch.testing.assert_close(randomised(agent, slopes).agreement, torch.ones(1, 4).double())


def test_initialisations_differ_and_follow_the_seed(agent):
    before = torch.random.get_rng_state()
    found = randomised(agent, slopes, fresh=3, seed=5)
    assert torch.equal(before, torch.random.get_rng_state())
    for i in range(3):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(AWAY + 5 + i)  # far from what runs are seeded with
            net = build_network(*agent.network).eval()
        expected = agreement(slopes(agent), slopes(replace(agent, net=net)))
        torch.testing.assert_close(found.agreement[i], expected)
    assert found.agreement.std(0).min() > 0


def test_numbers_are_means_over_the_right_axis(agent):
    found = randomised(agent, slopes, fresh=3)
    torch.testing.assert_close(found.per_row, found.agreement.mean(0))
    torch.testing.assert_close(found.per_initialisation, found.agreement.mean(1))
    assert found.mean == pytest.approx(float(found.agreement.mean()))
    assert found.spread == pytest.approx(float(found.agreement.mean(1).std()))


def test_the_trained_agent_is_left_as_it_is(agent):
    before = {k: v.clone() for k, v in agent.net.state_dict().items()}
    randomised(replace(agent, initial=initial(3)), slopes)
    randomised(agent, slopes, fresh=1)
    assert all(torch.equal(v, before[k]) for k, v in agent.net.state_dict().items())


def test_absent_vehicles_do_not_count_as_agreement(road):
    """Their slopes are 0 under all weights: 3 of 5 vehicles are not there."""
    agent, decisions = road
    obs = decisions.obs.clone()
    obs[:, 3:] = 0

    def values(agent):
        return gradient(rest_of((agent, Decisions(obs)), "q[FASTER]"))

    there = (obs[..., :1] > 0.5).expand_as(obs)
    everyone = randomised(agent, values, fresh=4).per_row
    present = randomised(agent, values, fresh=4, among=there).per_row
    assert everyone.mean() > present.mean() + 0.2


def test_no_initialisation_is_refused(agent):
    with pytest.raises(PolicyscopeError, match="at least 1 initialisation"):
        randomised(agent, slopes, fresh=0)

"""Scores of every network of ours, from any of their sites on."""

import pytest
import torch

from policyscope.attribution.asking.score import Decisions
from policyscope.core.errors import PolicyscopeError
from policyscope.core.hooks import replace
from policyscope.core.target_parser import parse_target
from policyscope.core.targets import evaluate

from .conftest import rest_of

TARGETS = {"q": "q[FASTER]-q[SLOWER]", "categorical": "logit[FASTER]+0.5*value"}


def whole(pair, target, site, new):
    agent, decisions = pair
    with replace(agent.modules(), {site: lambda _: new}):
        outputs, _ = agent.forward(decisions.obs, decisions.state)
    return evaluate(parse_target(target), outputs, {}, agent.space.actions, decisions.taken)


#: Sites that the targets do not depend on, or that hold no numbers to vary.
APART = {"absent", "fc_policy", "pi"}


def check_every_site(pair):
    agent, decisions = pair
    target, rows = TARGETS[agent.head], torch.arange(len(decisions))
    checked = 0
    for name in sorted(set(agent.sites()) - APART):
        rest = rest_of(pair, target, name, hold=())
        new = rest.activation + torch.rand_like(rest.activation) / 8
        torch.testing.assert_close(rest(new, rows), whole(pair, target, name, new))
        checked += 1
    return checked


def test_every_site_of_the_attention_agent(road):
    assert check_every_site(road) >= 20


def test_every_site_of_the_agents_that_see(seeing):
    assert check_every_site(seeing) >= 16


def test_taken_is_read_row_by_row(road):
    rest = rest_of(road, "q[taken]", "attention_layer.residual")
    q = road[0].forward(road[1].obs, None)[0]["q"]
    chosen = torch.tensor([3, 1, 1])
    expected = q[chosen, road[1].taken[chosen]]
    torch.testing.assert_close(rest(rest.activation[chosen], chosen), expected)


def test_a_target_may_be_a_unit_behind_the_site(road):
    rest = rest_of(road, "site[output_layer.relus.1][3]", "attention_layer.pattern")
    assert rest(rest.activation, torch.arange(4)).shape == (4,)
    with pytest.raises(PolicyscopeError, match="does not depend on site 'output_layer.relus.1'"):
        rest_of(road, "site[attention_layer.pattern][0,0,1]", "output_layer.relus.1")


def test_a_target_that_looks_ahead_is_refused(road):
    with pytest.raises(PolicyscopeError, match="looks ahead"):
        rest_of(road, "value@t+2")


def test_rows_of_decisions_keep_their_memory():
    many = Decisions(torch.arange(6.0)[:, None], {"h": torch.arange(6.0)[:, None]}, None)
    some = many.rows(torch.tensor([4, 0]))
    assert some.obs[:, 0].tolist() == some.state["h"][:, 0].tolist() == [4.0, 0.0]

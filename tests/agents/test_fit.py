from dataclasses import replace

import pytest

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.fit import check_fit, fingerprint
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.stepper import Space

SPACE = Space((15, 7), "float32", (), tuple("abcdefg"), ("SLOWER", "IDLE", "FASTER"))


@pytest.fixture
def agent():
    return Agent(build_network("ego_attention", {}), ("ego_attention", {}), "q", SPACE)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"obs_shape": (9, 7)}, "obs shape"),
        ({"features": tuple("bacdefg")}, "features"),
        ({"actions": ("FASTER", "IDLE", "SLOWER")}, "actions"),
    ],
)
def test_another_meaning_is_refused(agent, change, said):
    with pytest.raises(PolicyscopeError, match=f"made for {said}.*--env"):
        check_fit(agent, replace(SPACE, **change))


def test_names_that_one_side_lacks_are_not_compared(agent):
    check_fit(agent, SPACE)
    check_fit(agent, replace(SPACE, features=(), actions=()))
    agent.space = replace(SPACE, features=())
    check_fit(agent, SPACE)


def test_fingerprint_changes_with_weights_network_and_head_alone(agent):
    first = fingerprint(agent)
    assert fingerprint(agent.with_weights(agent.net.state_dict())) == first
    assert fingerprint(replace(agent, card={"a": 1}, acting="sample")) == first
    other = agent.with_weights(build_network("ego_attention", {}).state_dict())
    assert fingerprint(other) != first
    assert fingerprint(other, weights=False) == fingerprint(agent, weights=False)
    assert fingerprint(replace(agent, network=("ego_attention", {"heads": 2}))) != first
    assert fingerprint(replace(agent, head="categorical")) != first

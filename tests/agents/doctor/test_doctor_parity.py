"""The figure of parity: what it compares, in which precision, and what it sees."""

import copy
import math

import pytest
import torch

from policyscope.agents.doctor.parity import BOUND, parity
from policyscope.core.errors import PolicyscopeError


def twin(agent):
    net = copy.deepcopy(agent.net).double()
    if agent.recurrent:
        return lambda x, state: net(
            x.double(), torch.zeros(len(x), 6).double() if state is None else state
        )
    return lambda x: {"q": net(x.double())}


@pytest.mark.parametrize("name", ["Plain", "Remembers"])
def test_a_twin_in_float64_is_equal_and_rounding_is_told(planted, name):
    agent = planted(name)
    found = parity(agent, twin(agent), torch.randn(6, 3, 4))
    assert (found.precision, found.rows) == ("float64", 18)
    assert max(found.gaps.values()) == 0
    assert 0 < max(found.rounding.values()) < 1e-6
    assert "rounding of float32" in str(found)


def test_an_original_in_float32_is_compared_in_float32(planted):
    agent = planted("Plain")
    found = parity(agent, lambda x: {"q": agent.net(x)}, torch.randn(6, 3, 4))
    assert (found.precision, found.gaps) == ("float32", {"q": 0.0})
    assert "rounding" not in str(found)


def test_the_bound_is_relative_to_large_outputs_and_absolute_for_small_ones(planted):
    agent, obs = planted("Plain"), torch.randn(6, 3, 4)
    off = {"small": 0.5 * BOUND, "large": 2 * BOUND}
    original = twin(agent)
    passed = {
        name: parity(agent, lambda x, d=d: {"q": original(x)["q"] + d}, obs).check.passed
        for name, d in off.items()
    }
    assert passed == {"small": True, "large": False}
    with torch.no_grad():
        agent.net.out.bias += 1000
    assert parity(agent, lambda x: {"q": original(x)["q"] + 1000 + 5e-3}, obs).check.passed


def test_memory_goes_on_in_both(planted):
    agent = planted("Remembers")
    original = twin(agent)
    forgetful = parity(agent, lambda x, state: original(x, None), torch.randn(6, 3, 4))
    assert not forgetful.check.passed
    assert parity(agent, lambda x, state: original(x, None), torch.randn(1, 3, 4)).check.passed


def test_what_is_no_number_fails(planted):
    def answer(x):
        return {"q": torch.full((len(x), 2), math.nan).double()}

    assert not parity(planted("Plain"), answer, torch.randn(4, 3, 4)).check.passed


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x: {"logits": torch.zeros(len(x), 2)}, "answers logits, the agent q"),
        (lambda x: {}, "answers nothing, the agent q"),
        (lambda x: 1 / 0, "the original fails: ZeroDivisionError"),
        (lambda x: x, "the original fails: AttributeError"),
        (
            lambda x: {"q": torch.zeros(len(x), 5)},
            r"for 3 observations the original gives q as \(3, 5\), the agent as \(3, 2\)$",
        ),
        (lambda x: {"q": torch.zeros(2)}, r"gives q as \(2,\), the agent as \(3, 2\)"),
        (lambda x: {"q": torch.zeros(len(x), 1, 2)}, r"gives q as \(3, 1, 2\), the agent"),
    ],
)
def test_an_original_that_cannot_be_compared_is_one_clear_line(planted, answer, said):
    with pytest.raises(PolicyscopeError, match=said) as caught:
        parity(planted("Plain"), answer, torch.randn(4, 3, 4))
    assert "\n" not in str(caught.value)


def test_outputs_the_original_lacks_are_told(planted):
    agent = planted("Remembers")
    net = agent.net
    inner = net.forward

    def more(x, state):
        outputs, state = inner(x, state)
        return {**outputs, "value": outputs["logits"][:, 0]}, state

    net.forward = more

    def original(x, state):
        return inner(x, torch.zeros(len(x), 6) if state is None else state)

    found = parity(agent, original, torch.randn(4, 3, 4))
    assert found.left_out == ("value",)
    assert "not compared: value" in str(found)

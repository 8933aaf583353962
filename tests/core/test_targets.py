import math

import pytest
import torch

from policyscope.core.directions import Direction
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.target_parser import parse_target
from policyscope.core.targets import (
    at_offsets,
    evaluate,
    evaluate_terms,
    horizon,
    needed_sites,
    sum_terms,
)

ACTIONS = ("SLOWER", "IDLE", "FASTER")
Q = torch.tensor([[1.0, 2.0, 4.0], [0.5, 0.25, -1.0]])
TAKEN = torch.tensor([2, 1])


def value_of(text, outputs=None, sites=None, **more):
    return evaluate(parse_target(text), outputs or {}, sites or {}, ACTIONS, **more)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("q[IDLE]", [2.0, 0.25]),
        ("q[0]", [1.0, 0.5]),
        ("q[taken]", [4.0, 0.25]),
        ("q[best]", [4.0, 0.5]),
        ("value", [4.0, 0.5]),
        ("q[FASTER]-q[SLOWER]", [3.0, -1.5]),
        ("0.5*q[FASTER] + 2*q[1] - value", [2.0, -0.5]),
    ],
)
def test_a_q_agent(text, expected):
    assert value_of(text, {"q": Q}, taken=TAKEN).tolist() == expected


def test_a_policy():
    outputs = {"logits": Q, "value": torch.tensor([7.0, 8.0])}
    p = Q.softmax(-1)
    found = value_of("logp[FASTER]", outputs)
    torch.testing.assert_close(found, p[:, 2].log())
    torch.testing.assert_close(
        value_of("logit[taken]", outputs, taken=TAKEN), torch.tensor([4, 0.25])
    )
    torch.testing.assert_close(value_of("entropy", outputs), -(p * p.log()).sum(-1))
    assert value_of("value", outputs).tolist() == [7.0, 8.0]
    assert value_of("value", {"value": torch.tensor([[7.0], [8.0]])}).tolist() == [7.0, 8.0]


def test_entropy_and_its_gradient_with_a_masked_action():
    logits = torch.tensor([[0.0, 0.0, -math.inf]], requires_grad=True)
    entropy = value_of("entropy", {"logits": logits})
    assert entropy.item() == pytest.approx(math.log(2))
    (gradient,) = torch.autograd.grad(entropy.sum(), logits)
    assert torch.isfinite(gradient).all()


def test_a_gaussian_policy():
    mean, log_std = torch.tensor([[1.0, -1.0]]), torch.tensor([[0.0, math.log(2.0)]])
    outputs = {"mean": mean, "log_std": log_std}
    taken = torch.tensor([[2.0, -1.0]])
    expected = -0.5 - math.log(2 * math.pi) - math.log(2.0)
    assert value_of("logp[taken]", outputs, taken=taken).item() == pytest.approx(expected)
    assert value_of("logp[best]", outputs).item() == pytest.approx(expected + 0.5)
    entropy = 1 + math.log(2 * math.pi) + math.log(2.0)
    assert value_of("entropy", outputs).item() == pytest.approx(entropy)
    assert value_of("mean[1]", outputs).item() == -1.0
    with pytest.raises(PolicyscopeError, match="continuous"):
        value_of("logp[0]", outputs)


def test_sites_and_directions():
    sites = {"a.pattern": torch.arange(12.0).reshape(2, 2, 3)}
    read = torch.tensor([1.0, 0, 0, 0, 0, -1.0]).numpy()
    directions = {"ica/3": Direction("a.pattern", read, read, "ica/3")}
    assert value_of("site[a.pattern][1,2]", sites=sites).tolist() == [5.0, 11.0]
    assert value_of("direction[ica/3]", sites=sites, directions=directions).tolist() == [-5, -5]
    target = parse_target("direction[ica/3] + site[b][0] - site[b][1]@t+4 + value")
    assert needed_sites(target, directions) == ("a.pattern", "b")
    assert horizon(target) == 4
    with pytest.raises(UnknownName, match="ica/3"):
        needed_sites(parse_target("direction[ica3]"), directions)


def test_gradients_flow_and_agree_with_the_formula():
    logits = Q.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value_of("logp[FASTER]", {"logits": logits}).sum(), logits)
    torch.testing.assert_close(gradient, torch.eye(3)[2] - Q.softmax(-1))


@pytest.mark.parametrize(
    ("text", "outputs", "error", "says"),
    [
        ("q[FASTR]", {"q": Q}, UnknownName, "Did you mean FASTER"),
        ("q[3]", {"q": Q}, PolicyscopeError, "valid are 0 to 2"),
        ("logit[0]", {"q": Q}, UnknownName, "unknown output 'logits'"),
        ("value", {"logits": Q}, UnknownName, "unknown output 'value'"),
        ("logp[taken]", {"q": Q}, PolicyscopeError, "Q agent acts greedily"),
        ("entropy", {"q": Q}, PolicyscopeError, "Q agent acts greedily"),
        ("q[taken]", {"q": Q}, PolicyscopeError, "needs the executed actions"),
        ("site[a.relu][0]", {}, UnknownName, r"Did you mean a\.relu0"),
        ("site[a.relu0][9]", {}, PolicyscopeError, r"has shape \(4,\)"),
        ("site[a.relu0][1,1]", {}, PolicyscopeError, "one index for each axis"),
        ("direction[pca/0]", {}, UnknownName, "unknown direction"),
        ("value@t+2", {"q": Q}, PolicyscopeError, "looks ahead"),
    ],
)
def test_errors_name_the_cause(text, outputs, error, says):
    with pytest.raises(error, match=says):
        value_of(text, outputs, {"a.relu0": torch.ones(2, 4)})


def test_executed_actions_of_another_batch_are_refused():
    with pytest.raises(PolicyscopeError, match=r"shape \(1,\), expected \(2,\)"):
        value_of("q[taken]", {"q": Q}, taken=torch.tensor([0]))


EPISODE = torch.tensor([7, 7, 7, 2, 2, 5])
VALUES = torch.tensor([10.0, 11.0, 12.0, 20.0, 21.0, 30.0])


def offset_values(text, shift=at_offsets):
    target = parse_target(text)
    terms = evaluate_terms(target, {"value": VALUES}, {}, ())
    return shift(target, terms, EPISODE)


def shift_across_episodes(target, values, _episode):
    """The mistake: rows are shifted whatever episode they belong to."""
    shifted = [
        torch.cat([v[t.offset :], torch.full((t.offset,), math.nan)])
        for t, v in zip(target.terms, values, strict=True)
    ]
    return sum_terms(shifted)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("value", [10, 11, 12, 20, 21, 30]),
        ("value@t+1", [11, 12, math.nan, 21, math.nan, math.nan]),
        ("value@t+2 - value", [2, math.nan, math.nan, math.nan, math.nan, math.nan]),
        ("value@t+9", [math.nan] * 6),
    ],
)
def test_no_value_crosses_the_end_of_an_episode(text, expected):
    torch.testing.assert_close(offset_values(text), torch.tensor(expected).float(), equal_nan=True)


def test_shifting_across_episodes_would_be_seen():
    wrong = offset_values("value@t+1", shift_across_episodes)
    assert not torch.equal(wrong.isnan(), offset_values("value@t+1").isnan())


def test_rows_of_an_episode_must_stand_together():
    target = parse_target("value@t+2")
    with pytest.raises(PolicyscopeError, match="stand together"):
        at_offsets(target, [torch.zeros(3)], torch.tensor([1, 2, 1]))


def test_gradient_reaches_the_row_the_offset_names():
    x = VALUES.clone().requires_grad_()
    target = parse_target("value@t+1")
    found = at_offsets(target, evaluate_terms(target, {"value": x}, {}, ()), EPISODE)
    (gradient,) = torch.autograd.grad(found[0], x)
    assert gradient.tolist() == [0, 1, 0, 0, 0, 0]

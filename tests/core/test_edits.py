import json

import pytest
import torch
from torch import nn

from policyscope.core.edits import KINDS, Edit, apply, edited
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.hooks import capture
from policyscope.core.sites import leaf_modules

DRAWS = torch.Generator().manual_seed(0)  # every worker of the test run must see the same cases
EDITS = [
    Edit("zero", "pattern", (0,)),
    Edit("zero", "pattern"),
    Edit("mean", "relu", [[3], [5]], [0.25, 0.1]),
    Edit("add", "relu", None, torch.randn(8, generator=DRAWS)),
    Edit("patch", "pattern", (None, 1), torch.randn(4, 2, generator=DRAWS)),
    Edit("patch", "pattern", (1, 2), 0.5, broadcast=True),
    Edit("clamp", "relu", (3,), 2.5),
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.kind)
def test_json_round_trip(edit):
    again = Edit.from_json(json.loads(json.dumps(edit.to_json())))
    assert again == edit
    assert hash(again) == hash(edit)


def test_every_kind_makes_the_round_trip():
    assert {edit.kind for edit in EDITS} == set(KINDS)


def test_float32_values_survive_exactly():
    values = torch.randn(100)
    again = Edit.from_json(json.loads(json.dumps(Edit("add", "s", None, values).to_json())))
    assert torch.equal(again.tensor.float(), values)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Edit("zeros", "s"), "Did you mean zero"),
        (lambda: Edit("zero", "s", None, 3.0), "takes nothing"),
        (lambda: Edit("clamp", "s"), "takes a number"),
        (lambda: Edit("clamp", "s", None, [1.0]), "takes a number"),
        (lambda: Edit("add", "s"), "takes an array"),
        (lambda: Edit("add", "s", None, [[1.0], [1.0, 2.0]]), "full array"),
        (lambda: Edit("add", "s", None, [float("nan")]), "finite"),
        (lambda: Edit("zero", "s", ((0,), (0,))), "different units"),
        (lambda: Edit("zero", "s", ((0,), (None, 1))), "same axes"),
        (lambda: Edit("zero", "s", (0, (1,))), "mixes"),
        (lambda: Edit("zero", "s", ("head",)), "no whole number"),
        (lambda: Edit("mean", "s", None, [1.0], broadcast=True), "only a patch"),
        (lambda: Edit.from_json({"version": 9}), "schema version 9, this code reads version 1"),
        (lambda: Edit.from_json({"version": 1, "kind": "zero"}), "'site' is missing"),
    ],
)
def test_bad_edits_are_refused(make, says):
    with pytest.raises(PolicyscopeError, match=says):
        make()


def site():
    return torch.randn(4, 2, 3, dtype=torch.float64)


def test_zero_of_a_head_of_an_entity_and_of_all():
    old = site()
    new = apply(Edit("zero", "s", (0,)), old)
    assert new[:, 0].abs().max() == 0
    assert torch.equal(new[:, 1], old[:, 1])
    new = apply(Edit("zero", "s", (None, 2)), old)
    assert new[..., 2].abs().max() == 0
    assert torch.equal(new[..., :2], old[..., :2])
    assert apply(Edit("zero", "s"), old).abs().max() == 0


def test_several_units_take_their_own_values():
    old = site()
    new = apply(Edit("mean", "s", ((0, 1), (1, 0)), [5.0, 6.0]), old)
    assert (new[:, 0, 1] == 5).all()
    assert (new[:, 1, 0] == 6).all()
    changed = new != old
    assert changed.sum() == 8


def test_add_clamp_and_patch_by_formula():
    old, vector = site(), torch.randn(2, 3, dtype=torch.float64)
    torch.testing.assert_close(apply(Edit("add", "s", None, vector), old), old + vector)
    torch.testing.assert_close(apply(Edit("add", "s", None, 0 * vector), old), old)
    assert (apply(Edit("clamp", "s", (1, 2), -1.5), old)[:, 1, 2] == -1.5).all()
    source = site()
    patched = apply(Edit("patch", "s", (1,), source[:, 1]), old)
    assert torch.equal(patched[:, 1], source[:, 1])
    assert torch.equal(patched[:, 0], old[:, 0])


def test_the_given_activation_stays_and_gradients_flow():
    old = site().requires_grad_()
    before = old.detach().clone()
    new = apply(Edit("zero", "s", (0,)), old)
    new.sum().backward()
    assert torch.equal(old.detach(), before)
    assert old.grad[:, 0].abs().max() == 0
    assert (old.grad[:, 1] == 1).all()


def broadcasting_patch(edit, old):
    """The mistake: whatever torch broadcasts is accepted."""
    return edit.tensor.to(old).expand_as(old)


def test_a_patch_never_spreads_one_sample_over_a_batch():
    old, one = site(), site()[:1]
    edit = Edit("patch", "s", None, one)
    with pytest.raises(PolicyscopeError, match="set broadcast to give every row the same"):
        apply(edit, old)
    assert broadcasting_patch(edit, old).shape == old.shape
    with pytest.raises(PolicyscopeError, match="expected .4, 2, 3."):
        apply(Edit("patch", "s", None, one[0]), old)
    wide = apply(Edit("patch", "s", None, one[0], broadcast=True), old)
    assert torch.equal(wide, one.expand(4, 2, 3))


@pytest.mark.parametrize("index", [(2,), (0, 3), (0, 0, 0), (-1,)])
def test_units_outside_the_site_are_refused(index):
    with pytest.raises(PolicyscopeError, match=r"does not exist in its shape \(2, 3\)"):
        apply(Edit("zero", "s", index), site())


def test_values_of_another_shape_are_refused():
    with pytest.raises(PolicyscopeError, match=r"values of shape \(3,\), expected \(2, 3\)"):
        apply(Edit("add", "s", None, [1.0, 2.0, 3.0]), site())


@pytest.fixture
def net():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()


def hook_count(net):
    return sum(len(m._forward_hooks) for m in net.modules())


def run_edited(net, edits, x):
    with edited(leaf_modules(net), edits):
        return net(x)


def test_edits_compose_in_order(net):
    x = torch.randn(5, 3, dtype=torch.float64)
    add, clamp = Edit("add", "1", (0,), 1.0), Edit("clamp", "1", (0,), 5.0)
    first = run_edited(net, [add, clamp], x)
    second = run_edited(net, [clamp, add], x)
    difference = net[2].weight[:, 0]
    torch.testing.assert_close(second - first, difference.expand(5, 2))


def test_edits_of_different_sites_act_together(net):
    x = torch.randn(5, 3, dtype=torch.float64)
    edits = [Edit("add", "2", None, [1.0, -1.0]), Edit("zero", "1")]
    expected = net[2].bias + torch.tensor([1.0, -1.0])
    torch.testing.assert_close(run_edited(net, edits, x), expected.expand(5, 2))


def test_capture_inside_sees_the_edited_value(net):
    modules = leaf_modules(net)
    with edited(modules, [Edit("clamp", "1", (2,), 9.0)]), capture(modules, ["1"]) as seen:
        net(torch.randn(5, 3, dtype=torch.float64))
    assert (seen["1"][:, 2] == 9).all()


@pytest.mark.parametrize(
    ("edits", "error"),
    [
        ([Edit("zero", "1"), Edit("zero", "no such site")], UnknownName),
        ([Edit("zero", "0"), Edit("zero", "1", (99,))], PolicyscopeError),
        ([Edit("zero", "0"), Edit("patch", "1", None, [[1.0] * 4])], PolicyscopeError),
    ],
)
def test_nothing_is_left_after_an_edit_that_fails_halfway(net, edits, error):
    x = torch.randn(5, 3, dtype=torch.float64)
    plain, weights = net(x), {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(error):
        run_edited(net, edits, x)
    assert hook_count(net) == 0
    assert torch.equal(net(x), plain)
    assert all(torch.equal(v, weights[k]) for k, v in net.state_dict().items())


def test_nothing_is_left_after_an_exception_in_the_block(net):
    def fail():
        assert hook_count(net) == 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), edited(leaf_modules(net), [Edit("zero", "1")]):
        fail()
    assert hook_count(net) == 0

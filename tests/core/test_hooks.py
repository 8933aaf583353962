import pytest
import torch
from torch import nn

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.hooks import FiredTwice, Overwritten, capture, gradients, replace
from policyscope.core.sites import leaf_modules


class Residual(nn.Module):
    """x -> tanh(x), handed on by an identity, plus x past the identity."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.bend = nn.Tanh()
        self.skip = nn.Identity()
        self.last = nn.ReLU()

    def forward(self, x):
        first = self.first(x)
        return self.last(self.bend(first) + self.skip(first) + first)


@pytest.fixture
def net():
    return Residual().double()


@pytest.fixture
def modules(net):
    return leaf_modules(net)


@pytest.fixture
def x():
    return torch.randn(5, 3, dtype=torch.float64)


def hooks_of(net):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(m, kind)) for m in net.modules() for kind in kinds)


def test_capture_keeps_what_the_module_returns(net, modules, x):
    with capture(modules, ["first", "bend"]) as seen:
        out = net(x)
    torch.testing.assert_close(seen["first"], net.first(x), rtol=0, atol=0)
    torch.testing.assert_close(seen["bend"], net.first(x).tanh(), rtol=0, atol=0)
    assert torch.equal(out, net(x))
    assert seen["bend"].requires_grad
    assert hooks_of(net) == 0


def test_capture_of_an_unknown_site_leaves_no_hook(net, modules):
    with pytest.raises(UnknownName, match="Did you mean bend"), capture(modules, ["first", "bnd"]):
        pass
    assert hooks_of(net) == 0


def test_hooks_are_gone_after_an_exception(net, modules, x):
    def fail():
        assert hooks_of(net) == len(modules)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), capture(modules, modules):
        fail()
    assert hooks_of(net) == 0

    def boom(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), replace(modules, {"bend": boom}):
        net(x)
    assert hooks_of(net) == 0


def test_a_second_pass_in_one_capture_is_refused(net, modules, x):
    with pytest.raises(FiredTwice, match="first"), capture(modules, ["first"]):
        net(net(x))
    with capture(modules, ["first"]) as seen:
        net(x)
        seen.clear()
        net(2 * x)
    torch.testing.assert_close(seen["first"], net.first(2 * x))


def test_a_value_overwritten_in_place_is_refused(x):
    first = nn.Linear(3, 3).double()
    chain = nn.Sequential(first, nn.ReLU(inplace=True))
    with pytest.raises(Overwritten, match="'first'"), capture({"first": first}, ["first"]):
        chain(x)
    apart = nn.Sequential(first, nn.ReLU())
    with capture({"first": first}, ["first"]) as seen:
        apart(x)
    torch.testing.assert_close(seen["first"], first(x))


def test_replace_reaches_what_comes_after_and_capture_sees_it(net, modules, x):
    plain = net(x)
    with replace(modules, {"bend": torch.zeros_like}), capture(modules, ["bend"]) as seen:
        changed = net(x)
    assert seen["bend"].abs().max() == 0
    torch.testing.assert_close(changed, (2 * net.first(x)).relu())
    assert not torch.equal(plain, changed)
    assert torch.equal(net(x), plain)


def test_replace_refuses_another_shape(net, modules, x):
    with (
        pytest.raises(PolicyscopeError, match=r"shape \(1, 3\), the activation \(5, 3\)"),
        replace(modules, {"bend": lambda v: v[:1]}),
    ):
        net(x)


def test_replace_of_a_site_with_several_tensors_is_refused(x):
    gru = nn.GRU(3, 4).double()
    with (
        pytest.raises(PolicyscopeError, match="puts out a tuple"),
        replace({"memory": gru}, {"memory": lambda v: v}),
    ):
        gru(x)


def test_gradients_agree_with_the_formula(net, modules, x):
    found = gradients(modules, ["first", "bend", "skip"], lambda: net(x).sum(-1))
    first = net.first(x)
    on = (first.tanh() + 2 * first > 0).double()
    torch.testing.assert_close(found["bend"], on)
    torch.testing.assert_close(found["first"], on * (1 - first.tanh() ** 2 + 2))
    # What bypasses the identity is no business of the site "skip".
    torch.testing.assert_close(found["skip"], on)


def marked_without_a_tensor_of_its_own(modules, site, target):
    """The mistake: differentiate by the very tensor that a module handed on."""
    leaves = {}

    def mark(output):
        leaves[site] = output
        return output

    with replace(modules, {site: mark}):
        total = target().sum()
    return torch.autograd.grad(total, leaves[site])[0]


def test_the_wrong_variant_counts_the_bypass(net, modules, x):
    right = gradients(modules, ["skip"], lambda: net(x).sum(-1))["skip"]
    wrong = marked_without_a_tensor_of_its_own(modules, "skip", lambda: net(x).sum(-1))
    assert not torch.allclose(right, wrong)


def test_gradients_leave_the_observation_as_it_was(net, x):
    modules = {"preprocess": nn.Identity()}
    gradients(modules, ["preprocess"], lambda: net(modules["preprocess"](x)).sum(-1))
    assert not x.requires_grad
    assert x.grad is None
    assert all(p.grad is None for p in net.parameters())


def test_gradients_with_an_in_place_module_after_the_site(x):
    chain = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True)).double()
    for parameter in chain.parameters():
        parameter.requires_grad_(False)
    found = gradients({"0": chain[0]}, ["0"], lambda: chain(x).sum(-1))["0"]
    torch.testing.assert_close(found, (chain[0](x) > 0).double())


def test_gradients_name_what_is_wrong(net, modules, x):
    with pytest.raises(PolicyscopeError, match="does not depend on site 'bend'"):
        gradients(modules, ["bend"], lambda: net(x).sum(-1).detach())
    with pytest.raises(PolicyscopeError, match="'bend' did not fire"):
        gradients(modules, ["bend"], lambda: net.first(x).sum(-1))
    with pytest.raises(FiredTwice, match="'first'"):
        gradients(modules, ["first"], lambda: net(x).sum(-1) + net(x).sum(-1))
    whole = {"preprocess": nn.Identity()}
    with pytest.raises(PolicyscopeError, match="no gradient by it"):
        gradients(whole, ["preprocess"], lambda: whole["preprocess"](torch.ones(2, 3).int()))
    assert hooks_of(net) == 0

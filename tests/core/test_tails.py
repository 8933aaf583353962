"""A pass from a site on equals a whole pass in which the site's output was replaced."""

import pytest
import torch
from torch import nn

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.hooks import FiredTwice, replace
from policyscope.core.sites import leaf_modules
from policyscope.core.tails import tail

ROWS = 5


class Counted(nn.Linear):
    """A linear layer that counts how often it computes."""

    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x)


class Mask(nn.Module):
    """Which numbers are above zero."""

    def forward(self, x):
        return x > 0


class Winding(nn.Module):
    """Side paths of every kind around the site ``bend``."""

    def __init__(self):
        super().__init__()
        self.first = Counted(3, 4)
        self.shared = nn.Tanh()
        self.side = nn.Linear(3, 4)
        self.bend = nn.ReLU()
        self.mask = Mask()
        self.last = Counted(4, 2)

    def forward(self, x):
        side = self.shared(self.side(self.shared(x)))  # fires twice
        first = self.first(x)
        written = torch.zeros_like(first)
        written[:, :2] = first[:, 2:]  # a use that only an assignment shows
        switch = 0.5 + (first.sum(1, keepdim=True) > 0)  # one without a gradient
        bend = self.bend(first)
        kept = torch.where(self.mask(bend - 0.3), bend, written)
        return self.last(kept * switch + side)[:, 0]


@pytest.fixture
def net():
    return Winding().double().eval()


@pytest.fixture
def x():
    return 4 * torch.randn(ROWS, 3, dtype=torch.float64)


def rest_of(net, x, site, hold=None):
    return tail(leaf_modules(net), site, lambda rows: net(x[rows]), len(x), hold)


@pytest.mark.parametrize("site", ["first", "side", "bend", "last"])
def test_it_equals_the_whole_pass_with_the_site_replaced(net, x, site):
    rest = rest_of(net, x, site, hold=())
    rows = torch.tensor([3, 0, 0, 4])
    new = torch.randn(4, *rest.activation.shape[1:], dtype=torch.float64)
    with replace(leaf_modules(net), {site: lambda _: new}):
        expected = net(x[rows])
    torch.testing.assert_close(rest(new, rows), expected, rtol=0, atol=0)
    torch.testing.assert_close(rest(rest.activation, torch.arange(ROWS)), net(x), rtol=0, atol=0)


def test_gradients_flow_and_are_those_of_the_whole_pass(net, x):
    rest = rest_of(net, x, "bend", hold=())
    new = torch.rand(ROWS, 4, dtype=torch.float64).requires_grad_()
    (ours,) = torch.autograd.grad(rest(new, torch.arange(ROWS)).sum(), new)
    with replace(leaf_modules(net), {"bend": lambda _: new}):
        (whole,) = torch.autograd.grad(net(x).sum(), new)
    torch.testing.assert_close(ours, whole, rtol=0, atol=0)
    assert whole.abs().sum() > 0


def test_what_lies_before_the_site_runs_once(net, x):
    rest = rest_of(net, x, "bend")
    before, after = net.first.calls, net.last.calls
    for _ in range(3):
        rest(rest.activation, torch.arange(ROWS))
    assert (net.first.calls, net.last.calls) == (before, after + 3)
    assert "first" in rest.kept
    assert "side" in rest.skipped or "side" in rest.kept


def test_a_mask_is_held_unless_asked_otherwise(net, x):
    new = torch.full((ROWS, 4), 0.2, dtype=torch.float64)
    rows = torch.arange(ROWS)
    held, free = rest_of(net, x, "bend"), rest_of(net, x, "bend", hold=())
    shown = net.bend(net.first(x)) > 0.3
    with replace(leaf_modules(net), {"bend": lambda _: new, "mask": lambda _: shown}):
        torch.testing.assert_close(held(new, rows), net(x), rtol=0, atol=0)
    assert not torch.equal(held(new, rows), free(new, rows))


def test_it_leaves_no_trace_after_an_error(net, x):
    rest = rest_of(net, x, "bend")
    with pytest.raises(RuntimeError):
        rest(torch.ones(ROWS, 17, dtype=torch.float64), torch.arange(ROWS))
    for module in net.modules():
        assert "forward" not in module.__dict__
        assert not module._forward_hooks


def test_a_forward_of_the_modules_own_comes_back(net, x):
    net.first.forward = lambda x: 2 * x @ torch.ones(3, 4, dtype=torch.float64)
    own = net.first.forward
    rest = rest_of(net, x, "bend")
    torch.testing.assert_close(rest(rest.activation, torch.arange(ROWS)), net(x))
    assert net.first.__dict__["forward"] is own


def test_what_cannot_be_varied_is_refused(net, x):
    with pytest.raises(UnknownName, match="Did you mean bend"):
        rest_of(net, x, "bnd")
    with pytest.raises(UnknownName, match="mask"):
        rest_of(net, x, "bend", hold=["musk"])
    with pytest.raises(FiredTwice):
        rest_of(net, x, "shared")
    with pytest.raises(PolicyscopeError, match="torch.bool: nothing to vary"):
        rest_of(net, x, "mask")
    with pytest.raises(PolicyscopeError, match="does not depend on site 'bend'"):
        tail(leaf_modules(net), "bend", lambda rows: net(x[rows]) * 0 + net.side(x[rows])[:, 0], 5,
             hold=["last"])  # fmt: skip


def test_a_pass_that_draws_random_numbers_is_refused(x):
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 1)).double()
    with pytest.raises(PolicyscopeError, match="training mode"):
        tail(leaf_modules(net), "1", lambda rows: net(x[rows])[:, 0], ROWS)

import pytest
import torch
from torch import nn

from policyscope.core.errors import UnknownName
from policyscope.core.sites import Site, leaf_modules, list_sites, select


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 4)
        self.relu = nn.ReLU()
        self.b = nn.Linear(4, 2)
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        return self.relu(self.b(self.relu(self.a(x))))


def test_sites_fire_in_order_with_their_shapes():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(8, 2))
    sites = list_sites(leaf_modules(net), lambda: net(torch.ones(1, 3, 3, 3)))
    assert list(sites) == ["0", "1", "2", "3"]
    assert sites["0"] == Site("0", "Conv2d", (8, 1, 1))
    assert sites["3"].shape == (2,)
    assert sites["0"].size == 8


def test_a_module_used_twice_or_never_is_no_site():
    net = Shared()
    assert list(list_sites(leaf_modules(net), lambda: net(torch.ones(1, 3)))) == ["a", "b"]


def test_select_by_pattern_and_unknown_pattern():
    sites = {n: Site(n, "ReLU", (4,)) for n in ("trunk.relu0", "trunk.relu1", "head.relu0")}
    assert select(sites, ["trunk.*", "*.relu0"]) == ["trunk.relu0", "trunk.relu1", "head.relu0"]
    with pytest.raises(UnknownName, match=r"trunk\.relu"):
        select(sites, ["trnk.relu0"])

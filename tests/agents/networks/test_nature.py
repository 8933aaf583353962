import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.contract import CHECKS
from policyscope.agents.preprocess import Pixels
from policyscope.envs.stepper import Space

SHAPE = [2, 36, 40]


def nature(network, head):
    made = (network, {"shape": SHAPE, "embedding": 10, "actions": 3})
    space = Space(tuple(SHAPE), "uint8", actions=("a", "b", "c"))
    net = build_network(*made).eval()
    acting = "greedy" if head == "q" else "sample"
    return Agent(net, made, head, space, acting, Pixels(255.0, False))


@pytest.mark.parametrize(("network", "head"), [("nature_q", "q"),
                                               ("nature_actor_critic", "categorical")])  # fmt: skip
@pytest.mark.parametrize("check", CHECKS)
def test_it_holds_the_contract(network, head, check):
    CHECKS[check](nature(network, head), torch.randint(0, 256, (6, 3, *SHAPE), dtype=torch.uint8))


def test_sizes_are_those_of_the_paper():
    sites = Agent(
        build_network("nature_q", {}), ("nature_q", {}), "q",
        Space((4, 84, 84), "uint8", actions=tuple("abcd")), preprocess=Pixels(255.0, False),
    ).sites()  # fmt: skip
    shapes = {name.removeprefix("features_extractor."): site.shape for name, site in sites.items()}
    assert [shapes[f"cnn.{i}"] for i in (1, 3, 5)] == [(32, 20, 20), (64, 9, 9), (64, 7, 7)]
    assert shapes["linear.1"] == (512,)
    assert sum(p.numel() for p in build_network("nature_q", {}).parameters()) == 1_686_180

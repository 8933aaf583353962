"""Agents with fresh weights and observations that they could have met."""

import numpy as np
import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.preprocess import Pixels
from policyscope.attribution.asking.score import Decisions, score
from policyscope.core.target_parser import parse_target
from policyscope.envs.stepper import Space

from .lingering import lingering_recording

ACTIONS = ("SLOWER", "IDLE", "FASTER")
#: The constructor arguments of small networks that see images.
SMALL = {
    "clear_cnn": {"widths": [4, 6, 6, 8, 8], "dense": [12, 16], "actions": 3, "shape": [3, 32, 32]},
    "impala": {"widths": [4, 6, 6], "embedding": 16, "actions": 3, "shape": [3, 32, 32]},
    "impala_gru": {
        "widths": [4, 6, 6], "embedding": 8, "memory": 6, "actions": 3, "shape": [3, 32, 32],
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def lingering(tmp_path_factory):
    return lingering_recording(tmp_path_factory.mktemp("time") / "rec")


def road_agent() -> Agent:
    """An ego-attention agent of 6 vehicles."""
    network = "ego_attention", {"embedding": [16, 16], "width": 16, "heads": 2, "decoder": [16, 16]}
    space = Space((6, 7), "float32", actions=ACTIONS)
    net = build_network(*network).eval()
    for parameter in net.parameters():  # fresh ones attend to everyone alike
        if parameter.dim() == 2:
            torch.nn.init.orthogonal_(parameter, 2)
    return Agent(net, network, "q", space)


def image_agent(name: str) -> Agent:
    """A small network that sees images of 32 x 32."""
    network = name, SMALL[name]
    space = Space((32, 32, 3), "uint8", actions=ACTIONS)
    net = build_network(*network).eval()
    for parameter in net.parameters():  # fresh heads are nearly silent
        if parameter.dim() == 1:
            torch.nn.init.uniform_(parameter, -0.1, 0.1)
    for head in net.modules():
        if isinstance(head, torch.nn.Linear):
            torch.nn.init.orthogonal_(head.weight, 10)
    return Agent(net, network, "categorical", space, preprocess=Pixels())


def roads(rows: int = 4) -> torch.Tensor:
    """Rows of vehicles of which some are absent; the ego is there."""
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(rows, 6, 7)).astype(np.float32)
    shown = rng.random((rows, 6)) < 0.6
    shown[:, 0] = True
    obs[..., 0] = 1
    return torch.from_numpy(obs * shown[..., None])


def images(rows: int = 4) -> torch.Tensor:
    """Frames with shapes in them."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (rows, 8, 8, 3), dtype=np.uint8)
    return torch.from_numpy(coarse.repeat(4, 1).repeat(4, 2))


@pytest.fixture
def road():
    return road_agent(), Decisions(roads(), taken=torch.tensor([0, 2, 1, 2]))


@pytest.fixture(params=sorted(SMALL))
def seeing(request):
    agent = image_agent(request.param)
    state = agent.initial_state(4)
    return agent, Decisions(images(), None if state is None else torch.randn_like(state) / 2)


@pytest.fixture
def clear():
    return image_agent("clear_cnn"), Decisions(images())


def rest_of(pair, target="value", site="preprocess", hold=None):
    """The score of a pair of agent and decisions."""
    return score(pair[0], parse_target(target), pair[1], site, hold)

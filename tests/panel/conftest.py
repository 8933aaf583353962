"""Recordings of small random agents that the page is made from."""

from pathlib import Path

import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.ego_attention import EgoAttentionNetwork
from policyscope.envs.make import make, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.read import Recording, open_recording
from policyscope.recordings.record import record

ARGUMENTS = {"embedding": [16], "width": 16, "heads": 2, "decoder": [16]}


@pytest.fixture(scope="session")
def agent() -> Agent:
    torch.manual_seed(0)
    spec = versioned(EnvSpec("highway/intersection", {"duration": 6}))
    net = EgoAttentionNetwork(**ARGUMENTS)
    with torch.no_grad():
        net.attention_layer.query_ego.weight *= 20  # rows get weights that differ from step to step
    return Agent(net, ("ego_attention", ARGUMENTS), "q", make(spec).space, env=spec)


@pytest.fixture(scope="session")
def recorded(agent, tmp_path_factory) -> Path:
    """Three episodes with the attention pattern; not to be changed."""
    folder = tmp_path_factory.mktemp("panel") / "rec"
    command = "policyscope record my-agent --out rec"
    record(agent, None, 3, 5, ["attention_layer.pattern"], folder, command=command)
    return folder


@pytest.fixture
def recording(recorded) -> Recording:
    return open_recording(recorded)


@pytest.fixture(scope="session")
def unattended(agent, tmp_path_factory) -> Path:
    """One episode without any site."""
    folder = tmp_path_factory.mktemp("unattended") / "rec"
    record(agent, None, 1, 5, [], folder)
    return folder

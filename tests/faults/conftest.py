"""A small agent of CartPole and one recording of it in many small shards."""

from pathlib import Path

import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.networks.mlp import MLPNetwork
from policyscope.agents.store import save_agent
from policyscope.envs.make import make, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.record import record

EPISODES, SHARD_EPISODES = 48, 1


@pytest.fixture(scope="session")
def agent() -> Agent:
    spec = versioned(EnvSpec("gym:CartPole-v1"))
    torch.manual_seed(0)
    arguments = {"features": 4, "widths": [8], "actions": 2}
    net = MLPNetwork(**arguments)
    return Agent(net, ("mlp", arguments), "categorical", make(spec).space, "sample", env=spec)


@pytest.fixture(scope="session")
def saved(agent, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "agent"
    save_agent(agent, folder)
    return folder


@pytest.fixture(scope="session")
def whole(agent, tmp_path_factory) -> Path:
    """48 shards, made without a break; not to be changed."""
    folder = tmp_path_factory.mktemp("whole") / "rec"
    record(agent, None, EPISODES, 0, None, folder, shard_episodes=SHARD_EPISODES)
    return folder

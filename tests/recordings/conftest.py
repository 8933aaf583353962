"""A small agent on the real intersection, and one recording of it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.networks.ego_attention import EgoAttentionNetwork
from policyscope.envs.make import make, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start
from policyscope.recordings.read import Recording
from policyscope.recordings.record import record

ARGUMENTS = {"embedding": [16, 16], "width": 16, "heads": 4, "decoder": [16]}


def make_agent(seed: int = 0) -> Agent:
    """A random network with its mean Q-values levelled, so that it takes every action."""
    torch.manual_seed(seed)
    spec = versioned(EnvSpec("highway/intersection", {"duration": 6}))
    stepper = make(spec, 4)
    net = EgoAttentionNetwork(**ARGUMENTS)
    seen = [stepper.start([Start(seed=100 + k) for k in range(4)])]
    seen += [stepper.step([k % 3] * 4).obs for k in range(4)]
    with torch.no_grad():
        net.output_layer.predict.bias -= net(torch.as_tensor(np.concatenate(seen))).mean(0)
    return Agent(net, ("ego_attention", ARGUMENTS), "q", stepper.space, env=spec)


@pytest.fixture(scope="session")
def agent() -> Agent:
    return make_agent()


@pytest.fixture(scope="session")
def recorded(agent, tmp_path_factory) -> Path:
    """Ten episodes in shards of four, made in this process; not to be changed."""
    folder = tmp_path_factory.mktemp("recorded") / "rec"
    record(agent, None, 10, 3, None, folder, shard_episodes=4)
    return folder


@pytest.fixture
def recording(recorded) -> Recording:
    return Recording(recorded)

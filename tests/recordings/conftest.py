"""A small agent on the real intersection, and one recording of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.networks.ego_attention import EgoAttentionNetwork
from policyscope.envs.make import make, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space, Start
from policyscope.recordings.importers.trajectory import Trajectory, columns
from policyscope.recordings.plan import NO_SEED, UNKNOWN, Plan, write_header
from policyscope.recordings.read import Recording
from policyscope.recordings.record import record
from policyscope.recordings.shards.store import rebuild_episodes, write_shard

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


@pytest.fixture
def plant(tmp_path) -> Callable[..., Recording]:
    """Writes a recording of an unknown world whose numbers are those that a test plants."""

    def planted(
        episodes: list[dict[str, Any]],
        *,
        space: Space,
        outputs: tuple[str, ...] = (),
        shard_episodes: int = 4,
        name: str = "planted",
    ) -> Recording:
        """Columns by name for each episode; ``outcome`` is text, the others have a row a step."""
        folder = tmp_path / name
        shapes = {n: np.shape(episodes[0][n])[1:] for n in outputs}
        plan = Plan(EnvSpec(UNKNOWN), space, UNKNOWN, NO_SEED, len(episodes), shard_episodes, 1,
                    {}, shapes, {}, "")  # fmt: skip
        for shard in range(plan.shards):
            first = shard * shard_episodes
            mine = episodes[first : first + shard_episodes]
            whole = [
                Trajectory(e["obs"], e["action"], e["reward"], e.get("outcome", "terminated"))
                for e in mine
            ]
            made = columns(whole, first, shard, plan.env)
            extra = {f"outputs/{n}": np.concatenate([e[n] for e in mine]) for n in outputs}
            write_shard(folder, shard, replace(made, arrays={**made.arrays, **extra}))
        rebuild_episodes(folder, list(range(plan.shards)))
        write_header(folder, plan, {})
        return Recording(folder)

    return planted

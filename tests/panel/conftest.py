"""Recordings of small random agents that the page is made from."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import xarray as xr
from fastapi.testclient import TestClient

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.networks.ego_attention import EgoAttentionNetwork
from policyscope.agents.preprocess import Pixels
from policyscope.core.checks import Check
from policyscope.core.files import write_json
from policyscope.core.provenance import provenance
from policyscope.core.result import Result
from policyscope.envs.make import make, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space
from policyscope.panel.application import application
from policyscope.panel.shelf.shelf import Shelf
from policyscope.recordings.plan import Plan, read_header
from policyscope.recordings.read import Recording, open_recording
from policyscope.recordings.record import record
from policyscope.recordings.shards.gather import ENTITY_COLUMNS, EPISODE_COLUMNS, Columns
from policyscope.recordings.shards.store import rebuild_episodes, write_shard

MEMORY = ("impala_gru", {"widths": [4, 4, 4], "embedding": 16, "memory": 24})
SMALL = ("impala", {"widths": [4, 4, 4], "embedding": 16})
#: Network, seed and episodes of each recorded game.
GAMES = {"coinrun": (MEMORY, 27, 2), "maze": (MEMORY, 1, 1), "bigfish": (SMALL, 0, 1)}
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


@pytest.fixture(scope="session")
def pictured(unattended, tmp_path_factory) -> Path:
    """Two episodes of 70 frames, 48 x 64 pixels, by the name ``frames``; not to be changed."""
    folder = tmp_path_factory.mktemp("pictured") / "frames"
    write_frames(folder, unattended, episodes=2, steps=70)
    return folder


def write_frames(folder: Path, like: Path, episodes: int, steps: int) -> None:
    """Write a recording of an agent that sees images.

    Args:
        folder: where to; must not exist.
        like: a recording whose environment and agent it claims to be of.
        episodes: how many.
        steps: of each.
    """
    header = read_header(like)
    space = {"obs_shape": (48, 64, 3), "obs_dtype": "uint8", "actions": ("LEFT", "RIGHT")}
    plan = replace(Plan.from_json(header), episodes=episodes, space=Space(**space), scene={})
    plan = replace(plan, outputs={"q": (2,)}, sites={})
    folder.mkdir()
    write_json(folder / "recording.json", {**plan.to_json(), "provenance": {}})
    shutil.copytree(like / "agent", folder / "agent")
    rng = np.random.default_rng(0)
    total = episodes * steps
    step = np.tile(np.arange(steps, dtype=np.int32), episodes)
    ends = np.arange(steps * episodes) % steps == steps - 1
    arrays = {
        "episode": np.repeat(np.arange(episodes, dtype=np.int32), steps),
        "step": step,
        "obs": rng.integers(0, 256, (total, 48, 64, 3)).astype(np.uint8),
        "action": rng.integers(0, 2, total),
        "policy_action": rng.integers(0, 2, total),
        "logp": np.zeros(total, np.float32),
        "reward": np.ones(total),
        "terminated": ends,
        "truncated": np.zeros(total, bool),
        "final_obs": np.zeros((episodes, 48, 64, 3), np.uint8),
        "has_final_obs": np.zeros(episodes, bool),
        "outputs/q": rng.normal(size=(total, 2)).astype(np.float32),
    }
    lines = [
        {"episode": k, "seed": k, "steps": steps, "return": float(steps), "outcome": "terminated",
         "terminated": True, "truncated": False, "shard": 0, "row": k * steps}
        for k in range(episodes)
    ]  # fmt: skip
    tables = [
        pa.Table.from_pylist(rows, schema=pa.schema(list(columns.items())))
        for rows, columns in (([], ENTITY_COLUMNS), (lines, EPISODE_COLUMNS))
    ]
    write_shard(folder, 0, Columns(arrays, *tables))
    rebuild_episodes(folder, [0])


def game_agent(game: str, network: tuple[str, dict]) -> Agent:
    """An untrained agent that mostly goes right, so that it meets something."""
    torch.manual_seed(0)
    spec = versioned(EnvSpec(f"procgen/{game}", {"mode": "easy"}))
    net = build_network(*network)
    with torch.no_grad():
        net.fc_policy.weight *= 5
        net.fc_policy.bias[7:9] += 2.5 if game == "coinrun" else 0
    return Agent(net, network, "categorical", make(spec).space, "sample", Pixels(), env=spec)


@pytest.fixture(scope="session")
def games(tmp_path_factory) -> Path:
    """Short episodes of three games; not to be changed."""
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    folder = tmp_path_factory.mktemp("games")
    for game, (network, seed, episodes) in GAMES.items():
        record(game_agent(game, network), None, episodes, seed, [], folder / game)
    return folder


def written_result(folder: Path, method: str = "dummy", recording: str = "rec") -> Result:
    """A small result of a method that nothing is registered for, saved in a folder."""
    data = xr.Dataset({"gain": (("step", "action"), np.array([[0.0, 1.0], [np.nan, 3.0]]))})
    result = Result(
        method,
        data,
        {"recording": recording, "python": "dummy(open_recording('rec'))", "depth": 2},
        provenance("policyscope explain rec"),
        (Check.at_most("gap", 2e-7, 1e-6, n=4), Check.at_least("share", float("nan"), 0.5, n=2)),
    )
    result.save(folder)
    return result


@pytest.fixture
def save_result() -> Callable[[Path], Result]:
    """Saves a small result in a folder."""
    return written_result


@pytest.fixture
def served(recorded, unattended, pictured, tmp_path) -> Path:
    """A folder of its own: ``rec`` with a result in it, ``more/one``, and ``frames``."""
    folder = tmp_path / "runs"
    for place, name in ((recorded, "rec"), (unattended, "more/one"), (pictured, "frames")):
        shutil.copytree(place, folder / name)
    written_result(folder / "rec" / "explain" / "dummy")
    return folder


@pytest.fixture
def shelf(served) -> Shelf:
    return Shelf(served)


@pytest.fixture
def client(served) -> TestClient:
    """A browser that asks the server of ``served``."""
    return TestClient(application(served), base_url="http://127.0.0.1")

"""Planted scenes: vehicles whose positions, headings and speeds are known and independent."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.fit import fingerprint
from policyscope.agents.networks.ego_attention import EgoAttentionNetwork
from policyscope.circuits.heads import attention_forward
from policyscope.envs.stepper import Space

FEATURES = ("presence", "x", "y", "vx", "vy", "cos_h", "sin_h")
SPACE = Space((15, 7), "float32", tuple(f"row {i}" for i in range(15)), FEATURES,
              ("SLOWER", "IDLE", "FASTER"))  # fmt: skip


@dataclass
class PlantedRecording:
    """The columns of a recording in memory, with the interface of one on disk."""

    agent: Agent
    columns: dict[str, np.ndarray]
    scene_table: pd.DataFrame
    episodes: pd.DataFrame
    sites: dict = field(default_factory=dict)
    outputs: tuple = ("q",)
    act: str = "greedy"
    path: Path = Path("somewhere/planted")

    @property
    def plan(self):
        weights = fingerprint(self.agent)
        return SimpleNamespace(env=SimpleNamespace(id="planted"), seed=0, weights=weights)

    def rows(self, names, episodes=None):
        return {n: self.columns[n] for n in ["episode", "step", *names]}

    def entities(self, k):
        return self.scene_table[self.scene_table["episode"] == k]


def plant(agent, episodes=20, steps=8, seed=0, turn=0.2):
    """Record an agent in random scenes: vehicles wander, turn and come and go; rows are shuffled.

    Positions do not depend on headings or speeds, so that attention to the one says nothing of
    the other.
    """
    rng = np.random.default_rng(seed)
    obs, identities, scene = [], [], []
    for episode in range(episodes):
        cars = int(rng.integers(4, 11))
        place = rng.uniform(-90, 90, (cars, 2))
        heading = rng.uniform(-np.pi, np.pi, cars)
        speed = rng.uniform(2, 12, cars)
        for step in range(steps):
            place = np.clip(place + rng.normal(0, 6, place.shape), -95, 95)
            heading = heading + np.where(rng.random(cars) < turn, rng.normal(0, 0.8, cars), 0.0)
            who = np.flatnonzero(rng.random(cars) < 0.9) + 1
            rows = rng.permutation(14)[: len(who)] + 1
            table = np.full(15, -1)
            table[0], table[rows] = 0, who
            identities.append(table)
            frame = np.zeros((15, 7), np.float32)
            frame[0] = _features(0.0, 45.0, -np.pi / 2, 8.0)
            scene.append((episode, step, 0, 0.0, 45.0, -np.pi / 2, 8.0))
            for i, row in zip(who - 1, rows, strict=True):
                values = (place[i, 0], place[i, 1], heading[i], speed[i])
                frame[row] = _features(*values)
                scene.append((episode, step, i + 1, *values))
            obs.append(frame)
    columns = ["episode", "step", "identity", "x", "y", "heading", "speed"]
    observed = np.stack(obs)
    now = attention_forward(agent, torch.from_numpy(observed))
    table = pd.DataFrame({
        "episode": range(episodes), "outcome": ["arrived"] * episodes, "return": [1.0] * episodes
    })  # fmt: skip
    arrays = {
        "episode": np.repeat(np.arange(episodes), steps),
        "step": np.tile(np.arange(steps), episodes),
        "obs": observed,
        "action": now["q"].argmax(-1).numpy(),
        "q": now["q"].numpy(),
        "row_identity": np.stack(identities),
    }
    return PlantedRecording(agent, arrays, pd.DataFrame(scene, columns=columns), table)


def _features(x, y, heading, speed):
    cos, sin = np.cos(heading), np.sin(heading)
    return [1.0, x / 100, y / 100, speed * cos / 20, speed * sin / 20, cos, sin]


def random_agent(heads=4, scale=1.0, seed=0):
    torch.manual_seed(seed)
    net = EgoAttentionNetwork(heads=heads).eval()
    initial = {k: v.clone() for k, v in net.state_dict().items()}
    with torch.no_grad():
        for p in net.parameters():
            p.add_(scale * torch.randn_like(p) * p.std())
    return Agent(net, ("ego_attention", {"heads": heads}), "q", SPACE, initial=initial)


def nearest_agent():
    """Weights set by hand: head 0 looks at the vehicle nearest to the ego's fixed place.

    The distance is |x| + |y - 45 m|, which four ReLUs give exactly. Heads 1 to 3 look at cos and
    sin of the heading and at the speed eastwards, which say nothing of the distance here.
    """
    agent = random_agent()
    net = agent.net
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
        first, second = net.others_embedding.layers
        for unit, (feature, sign, bias) in enumerate(
            [(1, 1, 0), (1, -1, 0), (2, 1, -0.45), (2, -1, 0.45), (5, 1, 1), (6, 1, 1), (3, 1, 1)]
        ):
            first.weight[unit, feature], first.bias[unit] = sign, bias
        second.weight[8, :4] = 1.0
        for head, unit in ((1, 4), (2, 5), (3, 6)):
            second.weight[8 + head, unit] = 1.0
        net.ego_embedding.layers[1].bias[0] = 1.0
        net.ego_embedding.layers[1].bias[8:12] = 1.0
        layer = net.attention_layer
        for head, gain in enumerate((40.0, 12.0, 12.0, 12.0)):
            layer.query_ego.weight[16 * head, 0] = gain
            layer.key_all.weight[16 * head, 8 + head] = -1.0
        net.output_layer.predict.bias.copy_(torch.tensor([0.1, 0.3, 0.2]))
    return agent


@pytest.fixture(scope="session")
def planted():
    return plant


@pytest.fixture(scope="session")
def agents():
    return {"random": random_agent, "nearest": nearest_agent}

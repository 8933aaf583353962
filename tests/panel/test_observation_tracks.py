"""A world without entities shows the numbers of its observation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.envs.make import make, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.panel.views import tracks
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record


def numbers(recording, k, name):
    """Values of a track."""
    return np.array(tracks.track(recording, k, name).values, float)


@pytest.fixture(scope="session")
def pendulum(tmp_path_factory) -> Path:
    """An episode of a random agent in a world without entities, its actions continuous."""
    torch.manual_seed(0)
    spec = versioned(EnvSpec("gym:Pendulum-v1"))
    arguments = {"features": 3, "policy": [8], "value": [8], "actions": 1, "gaussian": True}
    network = ("actor_critic", arguments)
    net = build_network(*network)
    folder = tmp_path_factory.mktemp("pendulum") / "rec"
    agent = Agent(net, network, "gaussian", make(spec).space, env=spec)
    record(agent, None, 1, 0, None, folder, act="sample")
    return folder


def test_without_entities_the_observation_is_shown(pendulum):
    recording = open_recording(pendulum)
    infos = {i.name: i for i in tracks.listed(recording, {})}
    seen = [f"observation[{i}]" for i in range(3)]
    assert [n for n, i in infos.items() if i.shown] == ["value", "mean[0]", "reward", *seen]
    assert {infos[name].group for name in seen} == {"observation"}
    data = recording.episode(0)
    for i, name in enumerate(seen):
        np.testing.assert_array_equal(numbers(recording, 0, name), data["obs"].values[:, i])
    np.testing.assert_array_equal(numbers(recording, 0, "value"), data["value"].values)
    np.testing.assert_array_equal(numbers(recording, 0, "mean[0]"), data["mean"].values[:, 0])
    drawn = numbers(recording, 0, "action[0]")
    np.testing.assert_array_equal(drawn, data["action"].values[:, 0])
    assert np.ptp(drawn - data["mean"].values[:, 0]) > 0.1


@pytest.mark.parametrize(
    ("space", "scene", "listed", "shown"),
    [
        ({"obs_shape": (2,), "features": ("cos", "sin")}, {}, ["cos", "sin"], 2),
        ({"obs_shape": (2,), "features": ("x", "x")}, {}, ["0", "1"], 2),
        ({"obs_shape": (13,)}, {}, [str(i) for i in range(13)], 0),
        ({"obs_shape": (65,)}, {}, [], 0),
        ({"obs_shape": (2,)}, {"lanes": []}, ["0", "1"], 0),
        ({"obs_shape": (3, 2), "features": ("a", "b")}, {}, [], 0),
    ],
)
def test_which_observations_have_tracks(pendulum, space, scene, listed, shown):
    recording = open_recording(pendulum)
    recording.space, recording.scene = replace(recording.space, **space), scene
    found = [i for i in tracks.listed(recording, {}) if i.group == "observation"]
    assert [i.name for i in found] == [f"observation[{name}]" for name in listed]
    assert sum(i.shown for i in found) == shown

"""The intersection as geometry and as pixels."""

import json

import numpy as np
import pytest
from highway_env.envs.common.graphics import EnvViewer
from highway_env.envs.intersection_env import IntersectionEnv

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.highway.lane import HighwayLane
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start

SPEC = EnvSpec("highway/intersection")


def started(seed=3):
    lane = HighwayLane(SPEC)
    lane.start(Start(seed=seed))
    return lane


def test_scene_is_the_road_network():
    lane = started()
    scene = json.loads(json.dumps(lane.scene()))
    network = lane._env.road.network.lanes_dict()
    assert len(scene["lanes"]) == len(network) == 20
    assert len(scene["edges"]) == 40
    for drawn in scene["lanes"]:
        road = network[drawn["from"], drawn["to"], 0]
        points = np.array(drawn["points"])
        length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
        assert length == pytest.approx(road.length, rel=1e-3)
        assert max(abs(road.local_coordinates(p)[1]) for p in points) < 1e-9
        assert drawn["width"] == 4.0
    assert {edge["kind"] for edge in scene["edges"]} == {"none", "striped", "continuous"}
    assert scene["destination"]["node"] == "o1"
    assert scene["destination"]["x"] == pytest.approx(-111)


def test_scene_stays_and_holds_the_ego():
    lane = started()
    scene = lane.scene()
    west, north, east, south = scene["bounds"]
    while not lane.outcome():
        lane.step(2)
        cars = lane.entities()
        assert west < cars.x[0] < east
        assert north < cars.y[0] < south
    assert lane.scene() == scene


def test_destination_follows_the_setting():
    lane = HighwayLane(EnvSpec(SPEC.id, {"destination": "o3"}))
    lane.start(Start(seed=3))
    assert lane.scene()["destination"]["x"] == pytest.approx(111)


@pytest.mark.parametrize("driver", [None, "dummy", "offscreen"])
def test_frames_are_not_black(driver, monkeypatch):
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    if driver:
        monkeypatch.setenv("SDL_VIDEODRIVER", driver)
    frame = started().render(200)
    assert (frame.shape, frame.dtype) == ((200, 200, 3), np.dtype("uint8"))
    assert frame.mean() > 10
    green = (frame == (50, 200, 0)).all(axis=2)
    assert green.sum() > 10, "the ego is not drawn"


def test_full_size_frame_is_highway_envs_own(monkeypatch):
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    stock = IntersectionEnv({"destination": "o1"}, render_mode="rgb_array")
    stock.reset(seed=3)
    assert np.array_equal(started().render(600), stock.render())
    stock.close()


def test_a_step_after_a_frame_draws_none_and_is_unchanged(monkeypatch):
    drawn = []
    display = EnvViewer.display
    monkeypatch.setattr(EnvViewer, "display", lambda self: (drawn.append(1), display(self)))
    lane, twin = started(), started()
    frames = []
    for action in (2, 1, 0, 2):
        frames.append(lane.render(120))
        assert len(drawn) == len(frames)
        assert np.array_equal(lane.step(action).obs, twin.step(action).obs)
        assert len(drawn) == len(frames)
    assert lane.snapshot().digest == twin.snapshot().digest
    assert not np.array_equal(frames[0], frames[1])


def test_frames_at_once_show_their_own_lanes():
    one, two = started(3), started(5)
    first = one.render(120)
    assert not np.array_equal(first, two.render(120))
    assert np.array_equal(one.render(120), first)
    two.close()
    assert np.array_equal(one.render(120), first)


def test_frame_needs_a_scene_and_a_size():
    with pytest.raises(PolicyscopeError, match="call start first"):
        HighwayLane(SPEC).render(100)
    with pytest.raises(PolicyscopeError, match="at least 16"):
        started().render(3)

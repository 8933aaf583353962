"""Policy field: the agent at every legal place, against worlds restored one by one."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from policyscope.agents.agent import Agent
from policyscope.agents.networks.impala import ImpalaNetwork
from policyscope.agents.store import load_agent
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.make import make_lane, versioned
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start
from policyscope.recordings.record import record
from policyscope.recordings.replays.field import policy_field, pushes


@pytest.fixture(scope="module")
def coinrun(tmp_path_factory):
    agent = load_agent("coinrun-gru")
    return record(agent, None, 2, 8, None, tmp_path_factory.mktemp("coinrun") / "rec")


@pytest.fixture(scope="module")
def maze(tmp_path_factory):
    """An untrained agent in mazes of 25 x 25."""
    torch.manual_seed(0)
    spec = versioned(EnvSpec("procgen/maze", {"mode": "hard"}))
    lane = make_lane(spec)
    arguments = {"widths": [4, 4, 4]}
    agent = Agent(
        ImpalaNetwork(**arguments), ("impala", arguments), "categorical", lane.space, "sample",
        preprocess=load_agent("coinrun-gru").preprocess, env=spec,
    )  # fmt: skip
    lane.close()
    return record(agent, None, 1, 4, [], tmp_path_factory.mktemp("maze") / "rec")


def by_hand(recording, episode, step, edits):
    """Outputs of the recorded agent in a world of its own, brought to the step and edited."""
    data, lane = recording.episode(episode), make_lane(recording.env)
    obs = lane.start(Start(seed=int(recording.line(episode)["seed"])))
    for action in data["action"].values[:step]:
        obs = lane.step(int(action)).obs
    for edit in edits:
        obs = lane.apply(edit)
    lane.close()
    state = None
    if recording.agent.recurrent:
        state = torch.from_numpy(data["state_in"].values[step])[None]
    with torch.no_grad():
        outputs = recording.agent.act(obs[None], state, sample=False).outputs
    return softmax(outputs["logits"][0].numpy()), float(outputs["value"][0])


def test_each_place_is_that_of_a_fresh_world(coinrun):
    result = policy_field(coinrun, 0, 12, ["remove crate"])
    assert result.passed
    data = result.data
    assert data["side"].values.tolist() == ["kept", "changed"]
    changes = [SceneEdit(**values) for values in result.parameters["changes"]]
    player = coinrun.entities(0).query("step == 12 and kind == 'player'").iloc[0]
    for place in np.linspace(0, data.sizes["place"] - 1, 4).astype(int):
        x, y = float(data["x"][place]), float(data["y"][place])
        move = SceneEdit("move", 0, {"x": x, "y": y - (player["width"] / 2 - 0.5)})
        for side, edits in (("kept", [move]), ("changed", [*changes, move])):
            chances, value = by_hand(coinrun, 0, 12, edits)
            here = data.sel(side=side).isel(place=place)
            np.testing.assert_allclose(here["probability"], chances, atol=1e-5)
            assert float(here["value"]) == pytest.approx(value, abs=1e-4)
    assert not np.array_equal(data["value"][0], data["value"][1])


def test_every_corridor_of_a_maze_is_a_place_and_no_wall(maze):
    result = policy_field(maze, 0, 0)
    table = maze.entities(0).query("step == 0")
    walls = {
        (x, y)
        for wall in table[table["kind"] == "wall"].itertuples()
        for x in np.arange(wall.x - wall.length / 2 + 0.5, wall.x + wall.length / 2)
        for y in np.arange(wall.y - wall.width / 2 + 0.5, wall.y + wall.width / 2)
    }
    places = set(zip(result.data["x"].values, result.data["y"].values, strict=True))
    assert len(places) == result.data.sizes["place"]
    assert not places & walls
    assert len(places) + len(walls) == 25 * 25
    player = table[table["kind"] == "mouse"].iloc[0]
    assert result.data.attrs["at"] == [player["x"], player["y"]]
    assert (player["x"], player["y"]) in places
    np.testing.assert_allclose(result.data["probability"].sum("action_name"), 1, atol=1e-5)
    assert result.data["kind"].values.tolist() == [["cheese"]]


def test_around_and_figure(coinrun):
    near = policy_field(coinrun, 0, 12, around=2).data
    x, y = near.attrs["at"]
    assert np.abs(near["x"] - x).max() <= 2
    assert np.abs(near["y"] - y).max() <= 2
    result = policy_field(coinrun, 0, 12, ["remove crate"], around=2)
    shades = [trace for trace in result.figure().data if trace.type == "heatmap"]
    assert len(shades) == 2
    assert shades[0].zmin == shades[1].zmin == float(result.data["value"].min())
    shown = shades[0].z[np.isfinite(np.array(shades[0].z, float))]
    assert sorted(shown) == pytest.approx(sorted(result.data["value"].values[0].tolist()))


def test_pushes_of_actions():
    names = ["LEFT_DOWN", "RIGHT", "UP", "NOOP", "A"]
    assert pushes(names).tolist() == [[-1, 1], [1, 0], [0, -1], [0, 0], [0, 0]]


def test_the_line_of_python_makes_it_again(coinrun, monkeypatch):
    result = policy_field(coinrun, 0, 3, ["remove crate"], around=2)
    monkeypatch.chdir(coinrun.path.parent)
    found: dict = {}
    exec(result.python, found)
    assert found["result"].data.equals(result.data)


def test_what_has_no_field(coinrun, recording):
    with pytest.raises(PolicyscopeError, match="a field needs CoinRun or Maze"):
        policy_field(recording, 0, 0)
    with pytest.raises(PolicyscopeError, match="fork takes others, too"):
        policy_field(coinrun, 0, 3, ["zero gru.gru.memory[1]"])
    with pytest.raises(PolicyscopeError, match="a wall is there|not inside the world"):
        policy_field(coinrun, 0, 3, [SceneEdit("move", 0, {"x": 0.2, "y": 63.9})])

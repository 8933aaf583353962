"""Policy fields through the panel's messages: the numbers of Python and of the command line."""

import json
import shlex

import numpy as np
import pytest
from fastapi.testclient import TestClient

from policyscope.cli.main import main
from policyscope.envs.scene import SceneEdit
from policyscope.panel.application import application
from policyscope.recordings.read import open_recording
from policyscope.recordings.replays.field import policy_field, pushes

WHERE = {"episode": 0, "step": 3}


@pytest.fixture(scope="module")
def client(games):
    return TestClient(application(games), base_url="http://127.0.0.1")


@pytest.fixture(scope="module")
def coinrun(games):
    return open_recording(games / "coinrun")


def near(recording) -> tuple[int, str]:
    """Identity and kind of the object that is nearest to the player."""
    table = recording.entities(0).query("step == 3")
    player = table[table["identity"] == 0].iloc[0]
    table = table[~table["kind"].isin(["player", "wall", "lava"])]
    far = np.hypot(table["x"] - player["x"], table["y"] - player["y"])
    return int(table["identity"].loc[far.idxmin()]), str(table["kind"].loc[far.idxmin()])


def asked(client, game: str, scene=()) -> dict:
    answer = client.post("/api/field", json={**WHERE, "recording": game, "scene": list(scene)})
    assert answer.status_code == 200, answer.text
    return answer.json()


def same(side: dict, data) -> None:
    """A side of an answer is that of a result, to the last bit."""
    chances = np.array(side["chances"], np.float32)
    np.testing.assert_array_equal(chances, data["probability"].values)
    np.testing.assert_array_equal(np.array(side["shade"], np.float32), data["value"].values)
    push = data["probability"].values @ pushes(list(data["action_name"].values))
    np.testing.assert_allclose(side["push"], push, atol=1e-12)


@pytest.mark.parametrize("game", ["coinrun", "maze"])
def test_a_field_is_that_of_python(client, games, game):
    answer = asked(client, game)
    data = policy_field(open_recording(games / game), 0, 3).data
    assert (answer["x"], answer["y"]) == (data["x"].values.tolist(), data["y"].values.tolist())
    assert len(answer["x"]) > 20
    same(answer["kept"], data.isel(side=0))
    assert (answer["changed"], answer["told"]) == (None, [])
    assert (answer["what"], answer["unit"], answer["policy"]) == ("value", "return", True)
    assert answer["check"]["passed"]
    assert answer["milliseconds"] > 0


def test_both_sides_have_one_scale(client, coinrun):
    identity, kind = near(coinrun)
    answer = asked(client, "coinrun", [{"kind": "remove", "identity": identity}])
    data = policy_field(coinrun, 0, 3, [SceneEdit("remove", identity)]).data
    for s, side in enumerate(("kept", "changed")):
        same(answer[side], data.isel(side=s))
    shades = [answer[side]["shade"] for side in ("kept", "changed")]
    assert shades[0] != shades[1]
    assert (answer["low"], answer["high"]) == (np.min(shades), np.max(shades))
    push = np.array([answer[side]["push"] for side in ("kept", "changed")])
    assert answer["longest"] == pytest.approx(np.linalg.norm(push, axis=2).max())
    assert answer["told"] == [f"remove {kind} {identity}"]


def test_the_python_lines_and_the_command_do_the_same(client, games, monkeypatch, capsys, tmp_path):
    move = {"kind": "move", "identity": 0, "values": {"x": 4.5, "y": 10.25}}
    scene = [move, {"kind": "remove", "identity": near(open_recording(games / "coinrun"))[0]}]
    answer = asked(client, "coinrun", scene)
    monkeypatch.chdir(games)
    names: dict = {}
    exec(answer["python"], names)  # noqa: S102 (our own lines)
    same(answer["changed"], names["result"].data.isel(side=1))
    words = shlex.split(answer["command"])
    assert words[:2] == ["policyscope", "field"]
    assert main([*words[1:], "--json", "-", "--out", str(tmp_path / "out")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["places"] == [list(at) for at in zip(answer["x"], answer["y"], strict=True)]
    for side in ("kept", "changed"):
        shade = np.array(answer[side]["shade"], np.float32)
        np.testing.assert_array_equal(np.array(said["value"][side], np.float32), shade)


@pytest.mark.parametrize(
    ("more", "status", "told"),
    [
        ({"recording": "nothing"}, 404, "nothing"),
        ({"recording": "bigfish"}, 400, "procgen/bigfish has no cells to be put on"),
        ({"episode": 77}, 404, "77"),
        ({"step": 10**6}, 400, "has no step 1000000"),
        ({"scene": [{"kind": "remove", "identity": 999}]}, 400, "999"),
        ({"actions": [1]}, 422, "actions"),
    ],
)
def test_a_field_that_cannot_be_is_refused_in_one_line(client, more, status, told):
    answer = client.post("/api/field", json={**WHERE, "recording": "coinrun", **more})
    assert answer.status_code == status, answer.text
    assert told in answer.json()["message"]
    assert "\n" not in answer.json()["message"]


def test_traffic_has_no_field(recorded):
    client = TestClient(application(recorded.parent), base_url="http://127.0.0.1")
    answer = client.post("/api/field", json={**WHERE, "recording": "rec", "step": 1})
    assert answer.status_code == 400
    assert "a field needs CoinRun or Maze" in answer.json()["message"]

"""Why not another action, through the panel's messages: the numbers of Python."""

import json
import math
import shlex

import pytest
from fastapi.testclient import TestClient

from policyscope.cli.main import main
from policyscope.panel.application import application
from policyscope.recordings.replays.why_not import why_not

WHERE = {"recording": "rec", "episode": 1, "step": 2}


@pytest.fixture(scope="module")
def client(recorded):
    return TestClient(application(recorded.parent), base_url="http://127.0.0.1")


def asked(client, action: int) -> dict:
    answer = client.post("/api/why-not", json={**WHERE, "action": action})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("action", [0, 1, 2])
def test_the_changes_are_those_of_python(client, recording, action):
    answer = asked(client, action)
    data = why_not(recording, 1, 2, action).data
    assert answer["action"] == recording.space.actions[action]
    assert (answer["margin"], answer["entities"]) == (data.attrs["margin"], data.attrs["entities"])
    assert len(answer["changes"]) == data.sizes["change"] > 1
    for i, change in enumerate(answer["changes"]):
        one = data.isel(change=i)
        assert change["margin"] == float(one["margin"])
        assert change["told"] == str(one["told"].values)
        assert change["entity"] == str(one["entity"].values)
        assert change["change"]["kind"] == str(one["kind"].values)
        assert change["change"]["identity"] == int(one["identity"])
        assert change["chance"] is None  # Q-values
        moved = change["change"]["kind"] == "move"
        assert (change["distance"] is None) != moved
        assert ("x" in change["change"]["values"]) == moved
    assert answer["check"]["passed"]


def test_a_change_that_suffices_makes_the_live_agent_take_the_action(client):
    found = {action: asked(client, action)["changes"] for action in range(3)}
    enough = [(a, c) for a, each in found.items() for c in each if c["margin"] > 0]
    assert enough
    for action, change in enough[:4]:
        body = {**WHERE, "scene": [change["change"]]}
        q = client.post("/api/live", json=body).json()["outputs"]["q"]
        margin = q[action] - max(v for i, v in enumerate(q) if i != action)
        assert margin == pytest.approx(change["margin"], abs=1e-5)


def test_probabilities_are_told_where_there_are_some(games):
    client = TestClient(application(games), base_url="http://127.0.0.1")
    body = {"recording": "coinrun", "episode": 0, "step": 3, "action": 1}
    answer = client.post("/api/why-not", json=body).json()
    chances = [change["chance"] for change in answer["changes"]]
    assert chances
    assert all(0 < chance < 1 for chance in chances)


def test_the_python_lines_and_the_command_do_the_same(
    client, recorded, monkeypatch, capsys, tmp_path
):
    answer = asked(client, 2)
    monkeypatch.chdir(recorded.parent)
    names: dict = {}
    exec(answer["python"], names)  # noqa: S102 (our own lines)
    margins = [change["margin"] for change in answer["changes"]]
    assert names["result"].data["margin"].values.tolist() == margins
    words = shlex.split(answer["command"])
    assert main([*words[1:], "--json", "-", "--out", str(tmp_path / "out")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["margin"] == answer["margin"]
    assert [one["margin"] for one in said["changes"]] == margins
    assert not any(math.isnan(margin) for margin in margins)


@pytest.mark.parametrize(
    ("more", "status", "told"),
    [
        ({"action": 77}, 404, "77"),
        ({"recording": "nothing"}, 404, "nothing"),
        ({"episode": 77}, 404, "77"),
        ({"step": 10**6}, 400, "has no step 1000000"),
        ({"action": "LEFT"}, 422, "action"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(client, more, status, told):
    answer = client.post("/api/why-not", json={**WHERE, "action": 0, **more})
    assert answer.status_code == status, answer.text
    assert told in answer.json()["message"]

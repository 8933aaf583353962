"""Forks through the panel's messages: the futures that Python plays, to the last number."""

import json
import shlex
import threading
import time

import numpy as np
import pytest
from fastapi.testclient import TestClient

from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.scene import SceneEdit
from policyscope.panel.application import application
from policyscope.panel.contract.fork import ForkRequest
from policyscope.panel.contract.live import SceneChange
from policyscope.panel.forks import forks as playing
from policyscope.panel.forks.forks import Forks
from policyscope.panel.shelf.shelf import Shelf
from policyscope.recordings.replays.fork import ForkConfig, fork

REMOVE = {"kind": "remove", "identity": 1}
MOVE = {"kind": "move", "identity": 2, "values": {"x": 1.25, "y": 30.0}}
ADD = {"kind": "add", "values": {"x": 2.0, "y": 12.0, "speed": 0.1}}
WHERE = {"recording": "rec", "episode": 1, "step": 2}


@pytest.fixture(scope="module")
def asked(recorded):
    """A browser that asks the server of the recording's folder."""
    app = application(recorded.parent)
    yield TestClient(app, base_url="http://127.0.0.1")
    app.state.forks.close()


def played(client, **more) -> dict:
    """A fork, asked for until it is done."""
    answer = client.post("/api/forks", json={**WHERE, **more})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    while told["state"] == "playing":
        told = client.get(f"/api/forks/{told['id']}").json()
    assert told["state"] == "done"
    return told


def arrays(client, side: dict) -> dict[str, np.ndarray]:
    """The arrays of a side, each asked for by its own range."""
    found = {}
    for ref in side["detail"]["arrays"]:
        span = f"bytes={ref['offset']}-{ref['offset'] + ref['bytes'] - 1}"
        if not ref["bytes"]:
            continue
        body = client.get(ref["url"], headers={"range": span})
        assert body.status_code == 206
        found[ref["name"]] = np.frombuffer(body.content, ref["dtype"]).reshape(ref["shape"])
    return found


@pytest.mark.parametrize("scene", [[REMOVE], [MOVE, ADD]])
def test_a_fork_is_that_of_python(asked, recording, scene):
    answer = played(asked, scene=scene, pairs=3)["answer"]
    edits = [SceneEdit(c["kind"], c.get("identity"), c.get("values", {})) for c in scene]
    data = fork(recording, 1, 2, edits, ForkConfig(seeds=3)).data
    for s, side in enumerate(("kept", "changed")):
        assert answer[side]["returns"] == data["return"].values[s].tolist()
        assert answer[side]["steps"] == data["steps"].values[s].tolist()
        assert answer[side]["outcomes"] == data["outcome"].values[s].tolist()
        steps = answer[side]["steps"][0]
        found = arrays(asked, answer[side])
        assert answer[side]["detail"]["steps"] == 2 + steps == len(found["action"])
        future = data["action"].values[s, 0, :steps, 0]
        np.testing.assert_array_equal(found["action"][2:], future)
    difference = answer["difference"]
    assert [difference[k] for k in ("value", "low", "high")] == data["difference"].values.tolist()
    assert difference["n"] == 3
    assert answer["diverges"] == [None if d < 0 else d for d in data["diverges"].values]
    assert answer["check"]["passed"]
    assert answer["check"]["value"] == 0


def test_the_unchanged_side_is_the_recorded_episode(asked, recording):
    answer = played(asked, scene=[REMOVE])["answer"]
    data, found = recording.episode(1), arrays(asked, answer["kept"])
    for name in ("action", "reward", "obs"):
        np.testing.assert_array_equal(found[name], data[name].values)
    np.testing.assert_array_equal(found["outputs/q"], data["q"].values)
    table = recording.entities(1)
    for name in ("step", "identity", "row", "x", "y", "heading", "speed", "length", "width"):
        np.testing.assert_array_equal(found[f"entities/{name}"], table[name])
    kinds = np.array(answer["kept"]["detail"]["kinds"])
    assert kinds[found["entities/kind"]].tolist() == table["kind"].tolist()
    detail = answer["kept"]["detail"]
    assert detail["total"] == pytest.approx(float(data["reward"].sum()))
    assert (detail["outcome"], detail["seed"]) == (recording.line(1)["outcome"], 6)


def test_the_changed_side_has_the_past_of_the_recording_and_the_scene_without_whom_was_removed(
    asked, recording
):
    answer = played(asked, scene=[REMOVE])["answer"]
    found = arrays(asked, answer["changed"])
    step, identity = found["entities/step"], found["entities/identity"]
    assert 1 in identity[step == 1]
    assert 1 not in identity[step >= 2]
    data = recording.episode(1)
    np.testing.assert_array_equal(found["outputs/q"][:2], data["q"].values[:2])
    assert not np.array_equal(found["obs"][2], data["obs"].values[2])
    assert answer["told"] == ["remove vehicle 1"]


def test_the_python_lines_and_the_command_do_the_same(asked, recorded, monkeypatch, capsys):
    answer = played(asked, scene=[MOVE, ADD], pairs=2)["answer"]
    monkeypatch.chdir(recorded.parent)
    names: dict = {}
    exec(answer["python"], names)  # noqa: S102 (our own lines)
    told = [answer["difference"][k] for k in ("value", "low", "high")]
    assert names["result"].data["difference"].values.tolist() == told
    words = shlex.split(answer["command"])
    assert words[:2] == ["policyscope", "fork"]
    more = ["--json", "-", "--clip", "none", "--out", str(recorded.parent / "fork-out")]
    assert main([*words[1:], *more]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["difference"] == {"mean": told[0], "interval": told[1:]}
    assert said["return"] == {side: answer[side]["returns"] for side in ("kept", "changed")}


UNITS = "zero output_layer.relus.0[3]"


def test_changes_of_activations_are_those_of_python_with_their_null(asked, recording):
    edits = [UNITS, "clamp output_layer.layers.0[1]=4.5"]
    answer = played(asked, scene=[REMOVE], edits=edits, during=2, pairs=2, null=3)["answer"]
    config = ForkConfig(seeds=2, during=2, null=3)
    result = fork(recording, 1, 2, [SceneEdit("remove", 1), *edits], config)
    assert answer["null"] == result.data["null"].values.tolist()
    assert len(answer["null"]) == 3
    for s, side in enumerate(("kept", "changed")):
        assert answer[side]["returns"] == result.data["return"].values[s].tolist()
    assert answer["told"] == result.parameters["told"]
    assert answer["told"][1:] == ["zero output_layer.relus.0[3]",
                                  "clamp output_layer.layers.0[1] = 4.5"]  # fmt: skip
    without = played(asked, scene=[REMOVE], pairs=2)["answer"]
    assert without["null"] == []


def test_the_lines_of_a_change_of_activations_do_the_same(asked, recorded, monkeypatch, capsys):
    answer = played(asked, edits=[UNITS], during=3, null=2, pairs=2)["answer"]
    monkeypatch.chdir(recorded.parent)
    names: dict = {}
    exec(answer["python"], names)  # noqa: S102 (our own lines)
    assert names["result"].data["null"].values.tolist() == answer["null"]
    words = shlex.split(answer["command"])
    assert words[3:] == ["--edit", UNITS, "--seeds", "2", "--during", "3", "--null", "2"]
    more = ["--json", "-", "--clip", "none", "--out", str(recorded.parent / "units-out")]
    assert main([*words[1:], *more]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["null"] == answer["null"]
    assert said["return"] == {side: answer[side]["returns"] for side in ("kept", "changed")}


@pytest.mark.parametrize(
    "text",
    ["zero", "zap output_layer.relus.0[1]", "zero no.such.site[1]", "zero output_layer.relus.0[99]",
     "clamp output_layer.relus.0[1]", "remove cow"],
)  # fmt: skip
def test_a_wrong_text_is_answered_with_the_line_of_the_command(asked, recorded, capsys, text):
    answer = asked.post("/api/forks", json={**WHERE, "edits": [text], "null": 0})
    told = answer.json()
    while told.get("state") == "playing":
        answer = asked.get(f"/api/forks/{told['id']}")
        told = answer.json()
    assert answer.status_code in (400, 404)
    moment = f"{recorded}:1:2"
    assert main(["fork", moment, "--edit", text, "--null", "0", "--clip", "none"]) != 0
    assert told["message"] in capsys.readouterr().err


def test_the_same_request_is_the_same_fork_and_another_is_not(asked):
    one = played(asked, scene=[REMOVE])
    assert played(asked, scene=[REMOVE]) == one
    assert played(asked, scene=[REMOVE], pairs=2)["id"] != one["id"]
    assert asked.get(f"/api/forks/{one['id']}").json() == one


def test_one_pair_has_no_interval(asked):
    answer = played(asked, scene=[REMOVE])["answer"]
    assert (answer["difference"]["low"], answer["difference"]["high"]) == (None, None)
    assert answer["difference"]["n"] == 1
    assert answer["chance"] == ""


def test_nobody_knows_a_fork_that_was_stopped(asked):
    one = played(asked, scene=[REMOVE])
    assert asked.delete(f"/api/forks/{one['id']}").json()["state"] == "stopped"
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/kept/arrays")):
        answer = asked.request(method, f"/api/forks/{one['id']}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_name")


@pytest.mark.parametrize(
    ("more", "status", "told"),
    [
        ({"step": 10**6}, 400, "has no step 1000000"),
        ({"episode": 77}, 404, "77"),
        ({"recording": "nothing"}, 404, "nothing"),
        ({"scene": [{"kind": "remove", "identity": 99}]}, 400, "99"),
        ({"scene": [{"kind": "fly", "identity": 1}]}, 404, "fly"),
        ({"pairs": 0}, 422, "pairs"),
        ({"pairs": 101}, 422, "pairs"),
        ({"observation": []}, 422, "observation"),
        ({"during": 0}, 422, "during"),
        ({"edits": ["x" * 201]}, 422, "edits"),
        ({"null": 101}, 422, "null"),
    ],
)
def test_a_fork_that_cannot_be_is_refused_in_one_line(asked, more, status, told):
    for _ in range(2):  # nothing is kept of one that failed
        answer = asked.post("/api/forks", json={**WHERE, **more})
        assert answer.status_code == status, answer.text
        assert told in answer.json()["message"]


def test_a_side_that_is_none_is_refused(asked):
    one = played(asked, scene=[REMOVE])
    answer = asked.get(f"/api/forks/{one['id']}/left/arrays")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_name")
    assert "kept" in answer.json()["message"]


@pytest.fixture
def slowly(monkeypatch, recorded):
    """Forks that go on only when they may, and a shelf."""
    go, begun = threading.Event(), threading.Event()

    def waiting(*given, watch, **more):
        def watched(side, row):
            begun.set()
            assert go.wait(20)
            watch(side, row)

        return fork(*given, watch=watched, **more)

    monkeypatch.setattr(playing, "fork", waiting)
    forks = Forks(seconds=0.01)
    yield forks, Shelf(recorded.parent), go, begun
    go.set()
    forks.close()


def wanted(**more) -> ForkRequest:
    return ForkRequest(**{**WHERE, "scene": [SceneChange(**REMOVE)], **more})


def test_a_fork_that_is_played_tells_how_far_it_is_and_can_be_stopped(slowly):
    forks, shelf, go, begun = slowly
    told = forks.begin(shelf, wanted(pairs=2))
    assert told.state == "playing"
    assert begun.wait(20)
    [thread] = [one.thread for one in forks._kept.values()]
    assert forks.stop(told.id).state == "stopped"
    go.set()
    thread.join(20)
    assert not thread.is_alive()
    again = forks.begin(shelf, wanted(pairs=2))
    while again.state == "playing":
        again = forks.get(again.id)
    assert again.state == "done"
    assert (again.done, again.total) == (4, 4)
    assert again.steps == sum(again.answer.kept.steps + again.answer.changed.steps)


def test_no_more_than_some_are_played_at_once(slowly):
    forks, shelf, go, _ = slowly
    told = [forks.begin(shelf, wanted(step=step)) for step in range(playing.MOST_PLAYING)]
    with pytest.raises(PolicyscopeError, match="stop one, or wait"):
        forks.begin(shelf, wanted(pairs=5))
    assert forks.begin(shelf, wanted(step=0)).id == told[0].id
    go.set()
    for one in told:
        while forks.get(one.id).state == "playing":
            time.sleep(0.01)
    assert forks.begin(shelf, wanted(pairs=5)).state in ("playing", "done")


def test_the_oldest_fork_gives_way(asked, recorded, monkeypatch):
    monkeypatch.setattr(playing, "MOST_KEPT", 2)
    client = TestClient(application(recorded.parent), base_url="http://127.0.0.1")
    ids = [played(client, scene=[REMOVE], step=step)["id"] for step in range(3)]
    codes = [client.get(f"/api/forks/{number}").status_code for number in ids]
    assert codes == [404, 200, 200]
    client.app.state.forks.close()

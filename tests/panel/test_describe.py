"""A recording, its table of episodes and one episode, as the page gets them."""

import json
import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from policyscope.core.errors import BadFile
from policyscope.envs.spec import EnvSpec
from policyscope.panel.application import application
from policyscope.panel.shelf.describe import describe
from policyscope.panel.shelf.episodes import episode_detail, episode_table
from policyscope.panel.shelf.liveness import why_not_live
from policyscope.panel.shelf.scan import name_of
from policyscope.panel.shelf.shelf import Shelf
from policyscope.panel.views import overlays, step_table, tracks


def rewrite(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_what_holds_for_all_episodes(client, recording, served):
    detail = client.get("/api/recordings/rec").json()
    space = recording.space
    for name, held in (("actions", space.actions), ("rows", space.rows),
                       ("features", space.features), ("obs_shape", space.obs_shape)):  # fmt: skip
        assert detail[name] == list(held)
    assert (detail["agent"], detail["act"], detail["deciding"]) == ("my-agent", "greedy", "q")
    assert detail["sites"] == {"attention_layer.pattern": [2, 1, 15]}
    assert (detail["outputs"], detail["frames"]) == ({"q": [3]}, False)
    assert detail["scene"] == recording.scene
    assert (detail["live"], detail["live_why"]) == (True, "")
    names: dict = {}
    exec(detail["python"], names)  # noqa: S102 (our own lines)
    assert len(names["recording"]) == 3
    assert detail["command"] == f"policyscope panel {served / 'rec'}"
    assert detail["provenance"] == recording.provenance
    assert detail["mean_return"]["n"] == 3
    assert {"q[SLOWER]", "reward"} <= {track["name"] for track in detail["tracks"]}


def test_the_line_of_the_library_says_the_same(client):
    detail = client.get("/api/recordings/rec").json()  # first: it waits for the interval
    line = next(r for r in client.get("/api/library").json()["recordings"] if r["id"] == "rec")
    assert {name: detail[name] for name in line} == line


def test_no_folder_of_the_machine_is_told_that_nobody_typed(served, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    client = TestClient(application(Path("runs")), base_url="http://127.0.0.1")
    episode = "recordings/rec/episodes/0"
    for path in ("library", "recordings/rec", episode, f"{episode}/tracks?name=reward",
                 "recordings/rec/steps?x=reward&y=reward", "recordings/nope"):  # fmt: skip
        assert str(tmp_path) not in client.get(f"/api/{path}").text
    detail = client.get("/api/recordings/rec").json()
    assert detail["command"] == "policyscope panel runs/rec"
    assert detail["python"].endswith("recording = open_recording('runs/rec')")


@pytest.mark.parametrize("served_folder", [".", "rec"])
def test_the_lines_of_a_recording_served_by_itself_or_from_inside(
    served, monkeypatch, served_folder
):
    monkeypatch.chdir(served)
    detail = describe(Shelf(Path(served_folder)), name_of(Path("rec"), Path(served_folder)))
    assert detail.command == "policyscope panel rec"
    names: dict = {}
    exec(detail.python, names)  # noqa: S102 (our own lines)
    assert len(names["recording"]) == 3


def test_the_lines_of_an_unfinished_recording_run(shelf, served):
    header = served / "rec" / "recording.json"
    rewrite(header, episodes=6, shard_episodes=3)
    assert not describe(shelf, "rec").finished
    (track,) = tracks.values(shelf, "rec", 0, ["reward"])
    lines = [describe(shelf, "rec").python, episode_detail(shelf, "rec", 0).python, track.python,
             overlays.values(shelf, "rec", 0, "attention_layer.pattern").python,
             step_table.table(shelf, "rec", "reward", "reward").python]  # fmt: skip
    for line in lines:
        assert "partial=True" in line
        exec(line, {})  # noqa: S102 (our own lines)
    with pytest.raises(BadFile, match="unfinished"):  # what partial=True is for
        exec(lines[0].replace(", partial=True", ""), {})  # noqa: S102


def test_an_old_layout_of_an_episode_reads_no_newer_bytes(client, served, pictured):
    """A recording made anew under the same name has other offsets."""
    (url,) = {a["url"] for a in client.get("/api/recordings/rec/episodes/0").json()["arrays"]}
    assert client.get(url).status_code == 200
    shutil.rmtree(served / "rec")
    shutil.copytree(pictured, served / "rec")
    answer = client.get(url)
    assert (answer.status_code, answer.json()["code"]) == (409, "changed")
    (new,) = {a["url"] for a in client.get("/api/recordings/rec/episodes/0").json()["arrays"]}
    assert new != url
    assert client.get(new).status_code == client.get(url.partition("?")[0]).status_code == 200


def test_table_of_episodes(client, recording):
    table = client.get("/api/recordings/rec/episodes").json()
    assert table["episode"] == [0, 1, 2]
    assert table["seed"] == [5, 6, 7]
    for name, column in (("total", "return"), ("outcome", "outcome"), ("steps", "steps")):
        assert table[name] == recording.episodes[column].tolist()


def test_one_episode(client, recording):
    detail = client.get("/api/recordings/rec/episodes/2").json()
    line = recording.episodes.iloc[2]
    assert (detail["seed"], detail["steps"]) == (7, line["steps"])
    assert (detail["total"], detail["outcome"]) == (line["return"], line["outcome"])
    assert detail["python"].endswith("\nrecording.episode(2)")
    (url,) = {a["url"] for a in detail["arrays"]}
    assert url.startswith("/api/recordings/rec/episodes/2/arrays?v=")
    assert detail["bytes"] == max(a["offset"] + a["bytes"] for a in detail["arrays"])


@pytest.mark.parametrize("k", ["3", "99999999999999999999", "-1", "x", "1.5"])
def test_episodes_that_there_are_not(client, k):
    for tail in ("", "/arrays", "/thumbnail"):
        answer = client.get(f"/api/recordings/rec/episodes/{k}{tail}")
        assert answer.status_code in (404, 422)
        assert set(answer.json()) == {"code", "message"}


def test_images_are_frames_and_have_no_scene(served):
    detail = describe(Shelf(served), "frames")
    assert (detail.frames, detail.scene, detail.rows) == (True, None, [])
    assert detail.deciding == "q"


def test_a_vector_without_names_gets_numbers(served):
    header = served / "frames" / "recording.json"
    space = json.loads(header.read_text())["space"]
    rewrite(header, space={**space, "obs_shape": [3], "obs_dtype": "float32"})
    detail = describe(Shelf(served), "frames")
    assert detail.features == ["observation 0", "observation 1", "observation 2"]
    assert not detail.frames


def test_a_recording_without_episodes_yet(served):
    shutil.rmtree(served / "frames" / "shards")
    (served / "frames" / "episodes.parquet").unlink()
    shelf = Shelf(served)
    detail = describe(shelf, "frames")
    assert (detail.finished, detail.episodes, detail.mean_return) == (False, 0, None)
    assert episode_table(shelf, "frames").episode == []


def test_numbers_that_json_lacks_become_null(client, served):
    header = served / "rec" / "recording.json"
    scene = json.loads(header.read_text())["scene"]
    rewrite(header, scene={**scene, "odd": [float("nan"), float("inf"), 1.5]})
    assert client.get("/api/recordings/rec").json()["scene"]["odd"] == [None, None, 1.5]


def test_why_a_recording_is_not_live(served):
    agent = served / "rec" / "agent"

    def why():
        return why_not_live(Shelf(served).recording("rec"))

    assert why() == ""
    (agent / "weights.safetensors").rename(agent / "aside")
    assert why() == "the recorded agent has lost its weights"
    (agent / "aside").rename(agent / "weights.safetensors")
    values = json.loads((agent / "agent.json").read_text())
    rewrite(agent / "agent.json", network={"name": "ego_atention", "arguments": {}})
    assert why() == "this version knows no network 'ego_atention'"
    rewrite(agent / "agent.json", network=[])
    assert why() == "the recorded agent's agent.json is damaged"
    rewrite(agent / "agent.json", network=values["network"])
    for env in ("highway/elsewhere", "gym:NoSuch-v1", "gym:nosuchmodule:X-v0"):
        rewrite(served / "rec" / "recording.json", env=EnvSpec(env).to_json())
        assert why() == f"this version knows no environment '{env}'"
    rewrite(served / "rec" / "recording.json", env=EnvSpec("gym:CartPole-v1").to_json())
    assert why() == ""
    shutil.rmtree(agent)
    assert why() == "the recording holds no agent"
    assert not describe(Shelf(served), "rec").live


def test_units_are_told_where_they_are_known(served):
    for env, expected in [
        ("highway/intersection", ("m", "m/s")),
        ("procgen/maze", ("tiles", "tiles/step")),
        ("gym:CartPole-v1", ("", "")),
    ]:
        rewrite(served / "rec" / "recording.json", env=EnvSpec(env).to_json())
        found = describe(Shelf(served), "rec")
        assert found.units == expected
        (nearest,) = [track for track in found.tracks if track.name == "nearest entity"]
        assert nearest.unit == expected[0]


def test_an_episode_costs_little_once_it_was_read(served):
    import time

    shelf = Shelf(served)
    episode_detail(shelf, "rec", 0)
    began = time.perf_counter()
    for _ in range(20):
        episode_detail(shelf, "rec", 1)
    assert (time.perf_counter() - began) / 20 < 0.05

"""Recordings of Procgen's games: pictures drawn anew, boxes, actions, and no engine at all."""

import base64
import io
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.actions import idle_actions
from policyscope.envs.entities import Entities
from policyscope.envs.scene import SceneEdit
from policyscope.envs.stepper import Start
from policyscope.panel.application import application
from policyscope.panel.contract.live import LiveRequest, SceneChange
from policyscope.panel.live import ask
from policyscope.panel.shelf.environment import picture_view
from policyscope.panel.shelf.shelf import Shelf
from policyscope.recordings.read import open_recording
from policyscope.recordings.replays import whatif
from policyscope.recordings.replays.worlds import Worlds

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.envs.procgen.lane import make_lane  # noqa: E402
from policyscope.envs.procgen.objects import boxes  # noqa: E402


@pytest.fixture(scope="module")
def coinrun(games):
    return open_recording(games / "coinrun")


@pytest.fixture(scope="module")
def client(games):
    return TestClient(application(games), base_url="http://127.0.0.1")


@pytest.fixture
def no_engine(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("policyscope.envs.procgen.engine.distribution", absent)


def replayed(recording, k, step):
    """The lane at a recorded step, by the recorded actions alone."""
    lane = make_lane(recording.env)
    lane.start(Start(seed=int(recording.line(k)["seed"])))
    for action in recording.episode(k)["action"].values[:step]:
        lane.step(int(action))
    return lane


def pixels(address: str) -> np.ndarray:
    head, _, data = address.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.mark.parametrize(("game", "k"), [("coinrun", 1), ("maze", 0), ("bigfish", 0)])
def test_large_pictures_are_those_the_engine_draws(client, games, game, k):
    recording = open_recording(games / game)
    last = int(recording.line(k)["steps"]) - 1
    for step in (last // 2, 0, last):  # not in order: each is restored or replayed
        got = client.get(f"/api/recordings/{game}/episodes/{k}/pictures/{step}").json()
        drawn = replayed(recording, k, step).render(512)
        np.testing.assert_array_equal(pixels(got["image"]), drawn)
        assert got["side"] == 512


def test_a_picture_is_drawn_once(client, monkeypatch):
    path = "/api/recordings/coinrun/episodes/0/pictures/5"
    first = client.get(path).json()
    monkeypatch.setattr("policyscope.recordings.replays.worlds.World.at", lambda *_: 1 / 0)
    assert client.get(path).json() == first


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("coinrun/episodes/0/pictures/9999", 400, "episode 0 has no step 9999"),
        ("coinrun/episodes/77/pictures/0", 404, "no episode 77"),
        ("coinrun/episodes/0/pictures/-1", 422, "greater than or equal to 0"),
    ],
)
def test_pictures_that_cannot_be(client, path, status, said):
    answer = client.get(f"/api/recordings/{path}")
    assert (answer.status_code, said in answer.json()["message"]) == (status, True), answer.text


def test_boxes_of_the_page_are_those_of_the_objects(games):
    """The page finds boxes by this formula: docs of ``PictureView``."""
    for game in ("coinrun", "maze"):
        recording = open_recording(games / game)
        view, table = picture_view(recording), recording.entities(0)
        assert view is not None
        for step in (0, 2, 4):
            lane = replayed(recording, 0, step)
            shown = lane.entities()
            rows = table[table["step"] == step].drop(columns=["episode", "step"])
            here = Entities.from_rows(list(rows.itertuples(index=False, name=None)))
            x, y = view.center or (here.x[0], here.y[0])
            rim = np.isin(here.kind, view.cells) * view.margin
            wide, high = here.length + 2 * rim, here.width + 2 * rim
            bottom = here.y + high / 2
            top = bottom - high * np.where(here.identity == 0, view.tall, 1)
            found = np.stack([here.x - wide / 2 - x, top - y, here.x + wide / 2 - x, bottom - y], 1)
            for size in (64, 512):
                wanted = boxes(lane.state(), shown, size)
                at = (found / view.visible + 0.5) * size
                np.testing.assert_allclose(at, wanted, atol=1e-6)


def same_step(lane, start, one, other):
    seen = []
    for action in (one, other):
        lane.start(start)
        step, there = lane.step(action), lane.entities()
        seen.append((step.obs, step.reward, there.x[0], there.y[0], there.speed[0]))
    return all(np.array_equal(a, b) for a, b in zip(*seen, strict=True))


@pytest.mark.parametrize("game", ["coinrun", "maze"])
def test_actions_that_are_called_one_do_the_same(games, game):
    recording = open_recording(games / game)
    names = list(recording.space.actions)
    nothing = {names.index(name) for name in idle_actions(recording.env.id, names)}
    assert len(nothing) == 7
    differs = set()
    for step in (1, 2, 4):
        lane = replayed(recording, 0, step)
        start = Start(snapshot=lane.snapshot())
        same = {a for a in range(len(names)) if same_step(lane, start, names.index("IDLE"), a)}
        assert nothing <= same
        differs |= set(range(len(names))) - same
    assert {names.index("LEFT"), names.index("RIGHT"), names.index("UP")} & differs
    assert not nothing & differs


def test_probabilities_of_actions_that_do_nothing_are_one_track(client, coinrun):
    tracks = client.get("/api/recordings/coinrun").json()["tracks"]
    shown = [t["name"] for t in tracks if t["shown"] and t["group"] == "probability"]
    assert len(shown) == 9
    path = "/api/recordings/coinrun/episodes/0/tracks"
    got = client.get(path, params={"name": shown}).json()
    np.testing.assert_allclose(np.sum([t["values"] for t in got], 0), 1, atol=1e-6)
    logits = coinrun.episode(0)["logits"].values.astype(float)
    powers = np.exp(logits)
    names = list(coinrun.space.actions)
    of = [names.index(name) for name in idle_actions(coinrun.env.id, names)]
    (nothing,) = client.get(path, params={"name": "p[no-op]"}).json()
    np.testing.assert_allclose(nothing["values"], powers[:, of].sum(1) / powers.sum(1), atol=1e-6)


def test_the_nearest_entity_is_an_object_and_lengths_are_in_tiles(client, coinrun):
    infos = {t["name"]: t for t in client.get("/api/recordings/coinrun").json()["tracks"]}
    assert infos["nearest entity"]["unit"] == "tiles"
    assert infos["player speed"]["unit"] == "tiles/step"
    assert "ego speed" not in infos
    path = "/api/recordings/coinrun/episodes/1/tracks"
    (found,) = client.get(path, params={"name": "nearest entity"}).json()
    table = coinrun.entities(1).query("step == 4 and identity < 10000")
    player, others = table.iloc[0], table.iloc[1:]
    away = np.hypot(others["x"] - player["x"], others["y"] - player["y"]).min()
    assert found["values"][4] == pytest.approx(away)


def test_a_game_without_entities_lacks_what_is_made_of_them(client):
    detail = client.get("/api/recordings/bigfish").json()
    assert (detail["picture"], detail["edits"], detail["idle"]) == (None, {}, [])
    assert detail["large"] == 512
    assert not {"player speed", "ego speed", "nearest entity"} & {
        t["name"] for t in detail["tracks"]
    }


def test_without_an_engine_recordings_open_and_the_rest_refuses(games, no_engine):
    with TestClient(application(games), base_url="http://127.0.0.1") as fresh:
        detail = fresh.get("/api/recordings/coinrun").json()
        assert not detail["live"]
        for why in (detail["live_why"], detail["large_why"]):
            assert why.startswith("procgen environments need an engine that is not installed")
        arrays = fresh.get("/api/recordings/coinrun/episodes/0").json()["arrays"]
        assert len(fresh.get(arrays[0]["url"]).content) > 64 * 64 * 3
        for answer in (
            fresh.get("/api/recordings/coinrun/episodes/0/pictures/0"),
            fresh.post(
                "/api/live", json={"recording": "coinrun", "episode": 0, "step": 1, "actions": [7]}
            ),
        ):
            assert answer.status_code == 400
            assert "pip install" in answer.json()["message"]
            assert "\n" not in answer.json()["message"]


@pytest.fixture
def live(games):
    shelf, worlds = Shelf(games), Worlds()
    yield lambda **asked: ask(shelf, worlds, LiveRequest(**asked))
    worlds.close()


@pytest.mark.parametrize("game", ["coinrun", "maze"])
def test_the_recorded_actions_lead_to_the_recorded_step(games, game):
    """Also for an agent with a memory, which has to see what comes between."""
    recording = open_recording(games / game)
    data = recording.episode(0)
    for step, count in ((0, 1), (1, 2), (2, 3)):
        actions = data["action"].values[step : step + count].tolist()
        found = whatif.ask(recording, 0, step, actions=actions)
        assert found.twin == step + count
        np.testing.assert_array_equal(found.changed.observation, data["obs"].values[found.twin])
        for name in ("logits", "value"):
            np.testing.assert_array_equal(found.changed.outputs[name], data[name][found.twin])
            np.testing.assert_array_equal(found.recorded.outputs[name], data[name][found.twin])
    other = whatif.ask(recording, 0, 2, actions=[0, 2, 0])
    assert not np.array_equal(other.changed.outputs["logits"], data["logits"].values[5])


def test_an_action_that_ends_the_episode_says_how(coinrun, live):
    for k in (0, 1):
        data, line = coinrun.episode(k), coinrun.line(k)
        last = int(line["steps"]) - 1
        action = int(data["action"].values[last])
        name = coinrun.space.actions[action]
        said = rf"^{name} ends the episode here \({line['outcome']}, reward {line['return']:g}\)"
        with pytest.raises(PolicyscopeError, match=said):
            live(recording="coinrun", episode=k, step=last, actions=[action])
    for wrong, said in ((15, "no action 15; there are 0..14"), (-1, "no action -1")):
        with pytest.raises(PolicyscopeError, match=said):
            live(recording="coinrun", episode=0, step=0, actions=[wrong])


def test_a_changed_scene_comes_with_its_picture(games, coinrun, live, monkeypatch):
    saw = int(coinrun.entities(0).query("step == 6 and kind == 'saw'")["identity"].iloc[0])
    change = [SceneChange(kind="remove", identity=saw)]
    asked = {"recording": "coinrun", "episode": 0, "step": 6, "scene": change}
    lane = replayed(coinrun, 0, 6)
    small = lane.apply(SceneEdit("remove", saw))
    answer = live(**asked)
    np.testing.assert_array_equal(pixels(answer.picture), small)
    np.testing.assert_array_equal(pixels(live(**asked, large=True).picture), lane.render(512))
    assert saw not in [entity.identity for entity in answer.entities]
    assert answer.observation == []
    monkeypatch.chdir(games.parent)
    names: dict = {}
    exec(live(**asked, actions=[7]).python, names)
    lane.step(7)
    seen = names["answer"].changed.observation
    np.testing.assert_array_equal(seen, lane.render(64))
    unchanged = live(recording="coinrun", episode=0, step=6, large=True)
    assert unchanged.picture is None


def test_the_engines_refusals_are_one_line(live):
    place = {"recording": "coinrun", "episode": 0, "step": 3}
    for change, said in (
        (SceneChange(kind="remove", identity=0), "the player cannot be removed"),
        (SceneChange(kind="move", identity=1, values={"x": 0.5, "y": 63.5}), "cannot stand there"),
        (SceneChange(kind="move", identity=10000, values={"x": 3, "y": 3}), "walls and lava"),
        (SceneChange(kind="speed", identity=2, values={"speed": 1}), "scene edit of procgen"),
    ):
        with pytest.raises(PolicyscopeError, match=said) as caught:
            live(**place, scene=[change])
        assert "\n" not in str(caught.value)


def test_a_fork_sends_the_pictures_that_the_agent_sees_in_both_futures(client, coinrun):
    step = 4
    there = coinrun.entities(0).query("step == @step and kind == 'coin'")
    scene = [{"kind": "remove", "identity": int(there["identity"].iloc[0])}]
    asked = {"recording": "coinrun", "episode": 0, "step": step, "scene": scene, "pairs": 2}
    told = client.post("/api/forks", json=asked).json()
    while told["state"] == "playing":
        told = client.get(f"/api/forks/{told['id']}").json()
    answer = told["answer"]
    assert answer["check"]["passed"]
    edit = SceneEdit("remove", scene[0]["identity"])
    for side in ("kept", "changed"):
        refs = {ref["name"]: ref for ref in answer[side]["detail"]["arrays"]}
        ref = refs["obs"]
        body = client.get(ref["url"]).content[ref["offset"] : ref["offset"] + ref["bytes"]]
        seen = np.frombuffer(body, np.uint8).reshape(ref["shape"])
        steps = answer[side]["steps"][0]
        assert seen.shape == (step + steps, 64, 64, 3)
        acts = refs["action"]
        body = client.get(acts["url"]).content[acts["offset"] : acts["offset"] + acts["bytes"]]
        actions = np.frombuffer(body, acts["dtype"])
        lane = replayed(coinrun, 0, step)
        obs = lane.apply(edit) if side == "changed" else coinrun.episode(0)["obs"].values[step]
        for t in range(step, step + min(steps, 12)):
            np.testing.assert_array_equal(seen[t], np.asarray(obs))
            obs = lane.step(int(actions[t])).obs
        np.testing.assert_array_equal(seen[:step], coinrun.episode(0)["obs"].values[:step])


@pytest.mark.parametrize("side", ["kept", "changed"])
def test_a_fork_has_large_pictures_of_both_futures(client, coinrun, side):
    step = 4
    there = coinrun.entities(0).query("step == @step and kind == 'coin'")
    coin = int(there["identity"].iloc[0])
    scene = [{"kind": "remove", "identity": coin}]
    asked = {"recording": "coinrun", "episode": 0, "step": step, "scene": scene}
    told = client.post("/api/forks", json=asked).json()
    while told["state"] == "playing":
        told = client.get(f"/api/forks/{told['id']}").json()
    detail = told["answer"][side]["detail"]
    assert detail["pictures"] == f"/api/forks/{told['id']}/{side}/pictures"
    refs = {ref["name"]: ref for ref in detail["arrays"]}
    acts = refs["action"]
    body = client.get(acts["url"]).content[acts["offset"] : acts["offset"] + acts["bytes"]]
    actions = np.frombuffer(body, acts["dtype"])
    for at in (step + 20, step, step - 1):  # not in order: each is restored or run again
        got = client.get(f"{detail['pictures']}/{at}").json()
        lane = replayed(coinrun, 0, min(step, at))
        if side == "changed" and at >= step:
            lane.apply(SceneEdit("remove", coin))
        for action in actions[step:at]:
            lane.step(int(action))
        np.testing.assert_array_equal(pixels(got["image"]), lane.render(512))
        assert got["side"] == 512
    beyond = client.get(f"{detail['pictures']}/{detail['steps']}")
    assert beyond.status_code == 400
    assert f"it holds 0..{detail['steps'] - 1}" in beyond.json()["message"]
    assert client.get(f"/api/forks/{told['id']}/left/pictures/9").status_code == 404


def test_a_game_that_is_drawn_large_says_where(client):
    detail = client.get("/api/recordings/coinrun/episodes/1").json()
    assert detail["pictures"] == "/api/recordings/coinrun/episodes/1/pictures"

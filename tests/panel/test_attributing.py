"""Explanations through the panel's messages: the numbers of Python and of the command line."""

import json
import shlex
from dataclasses import replace
from threading import Thread

import numpy as np
import pytest
from fastapi.testclient import TestClient

from policyscope.attribution.asking.targets import default_target
from policyscope.attribution.config import APART, METHODS, AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.attribution.methods.table import refused
from policyscope.attribution.results.entity_shares import by_entity, in_frame
from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError
from policyscope.core.result import Result
from policyscope.panel import attributing
from policyscope.panel.application import application
from policyscope.recordings.read import open_recording

CONV = "embedder.block2.conv"


@pytest.fixture(scope="module")
def folder(recorded):
    return recorded.parent


@pytest.fixture
def client(folder):
    return TestClient(application(folder), base_url="http://127.0.0.1")


@pytest.fixture(scope="module")
def player(games):
    return TestClient(application(games), base_url="http://127.0.0.1")


def asked(client, rec="rec", episode=1, step=3, **more) -> dict:
    wanted = {"recording": rec, "episode": episode, "step": step, **more}
    answer = client.post("/api/attribution", json=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()


def same(answer: dict, data) -> None:
    """Numbers of an answer are those of a result of the one decision, to the last bit."""
    names = {"value": "target", "change": "change", "gap": "gap"}
    for name, variable in names.items():
        if variable in data:
            assert np.float32(answer[name]) == np.float32(data[variable].values[0])
        else:
            assert answer[name] is None
    if "vehicles" in data:
        found = {share["identity"]: share for share in answer["shares"]}
        there = data["identity"].values[0] >= 0
        assert set(found) == set(data["identity"].values[0][there])
        for i in np.flatnonzero(there):
            share = found[data["identity"].values[0, i]]
            values = np.float32([share["value"], *share["parts"]])
            np.testing.assert_array_equal(values, data["vehicles"].values[0, :, i])
    if answer["over"] == "frame":
        flat = np.float32(answer["map"]).reshape(answer["height"], answer["width"])
        np.testing.assert_array_equal(flat, data["map"].values[0, 0])
    sizes = [abs(share["value"]) for share in answer["shares"]]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 0


@pytest.mark.parametrize(
    ("method", "target"),
    [("integrated_gradients", ""), ("gradient", "q[FASTER]-q[SLOWER]"), ("shapley", "q[IDLE]")],
)
def test_vehicles_account_for_what_python_says(client, recording, method, target):
    answer = asked(client, method=method, target=target)
    config = AttributionConfig(target, method, trust=False)
    data = attribute(recording, config, 1, 3).data
    same(answer, data)
    assert (answer["over"], answer["unit"], answer["map"]) == ("entities", "return", [])
    assert answer["parts"] == [str(name) for name in data["layer"].values[1:]]
    assert answer["target"] == data.attrs["target"]
    assert answer["baseline"] == ("" if method == "gradient" else "compared with: zero")
    if method == "integrated_gradients":
        assert answer["check"]["name"].startswith("completeness")
        total = sum(share["value"] for share in answer["shares"])
        absent = answer["change"] - answer["gap"] - total  # rows that show nobody
        assert abs(absent) < 0.02 * abs(answer["change"]) + 1e-3


@pytest.mark.parametrize("site", ["preprocess", CONV])
def test_a_frame_is_mapped_as_python_maps_it(player, games, site):
    recording = open_recording(games / "coinrun")
    answer = asked(player, "coinrun", 0, 5, target="value", method="input_x_gradient", site=site)
    config = AttributionConfig("value", "input_x_gradient", site, trust=False)
    data = attribute(recording, config, 0, 5).data
    same(answer, data)
    assert (answer["over"], answer["unit"], answer["parts"]) == ("frame", "return", [])
    assert answer["units"] == data["attribution"].size
    lines = by_entity(recording, data)
    expected = {(int(i), str(k)): s for i, k, s in zip(lines.identity, lines.kind, lines.share,
                                                       strict=True)}  # fmt: skip
    found = {(s["identity"], s["name"]): s["value"] for s in answer["shares"]}
    assert found == expected
    assert (0, "player") in found
    flat = data["map"].values[0, 0].astype(float)
    assert answer["adds"]
    assert answer["sum"] == pytest.approx(flat.sum(), rel=1e-4)
    left = (flat * bare(recording, 0, 5, flat)).sum()
    assert answer["rest"]["value"] == pytest.approx(left, rel=0.05, abs=0.02 * np.abs(flat).sum())


def bare(recording, episode, step, flat) -> np.ndarray:
    """Share of each cell that no box covers, from many points in it."""
    table = recording.entities(episode)
    _, boxes = in_frame(recording.scene, table[table["step"] == step])
    height, width = flat.shape
    y, x = np.meshgrid(*((np.arange(20 * n) + 0.5) / (20 * n) for n in flat.shape), indexing="ij")
    count = np.zeros_like(x)
    for left, top, right, bottom in boxes:
        count += (left < x) & (x < right) & (top < y) & (y < bottom)
    covered = count.reshape(height, 20, width, 20).mean((1, 3))
    return 1 - covered.clip(0, 1)


def test_what_does_not_add_up_is_a_mean_over_places(player, games):
    recording = open_recording(games / "coinrun")
    answer = asked(player, "coinrun", 0, 5, target="value", method="gradient", site=CONV)
    assert (answer["adds"], answer["sum"]) == (False, None)
    assert answer["unit"] == "return"
    assert answer["values_unit"] == "return a unit of the input"
    flat = np.float64(answer["map"]).reshape(answer["height"], answer["width"])
    free = bare(recording, 0, 5, flat)
    assert answer["rest"]["places"] == pytest.approx(free.sum(), rel=0.02)
    mean = (flat * free).sum() / free.sum()
    assert answer["rest"]["value"] == pytest.approx(mean, rel=0.05)
    largest = np.abs(flat).max()
    assert all(abs(share["value"]) <= largest * 1.001 for share in answer["shares"])
    sizes = [share["places"] for share in answer["shares"]]
    assert max(sizes) > 2 * min(sizes) > 0


@pytest.mark.parametrize(("method", "adds"), [("input_x_gradient", True), ("gradient", False)])
def test_a_frame_whose_entities_nobody_knows_is_one_rest(player, games, method, adds):
    recording = open_recording(games / "bigfish")
    answer = asked(player, "bigfish", 0, 1, target="value", method=method)
    data = attribute(recording, AttributionConfig("value", method, trust=False), 0, 1).data
    flat = data["map"].values[0, 0].astype(float)
    rest = answer["rest"]
    assert (answer["over"], answer["shares"], answer["adds"]) == ("frame", [], adds)
    assert (rest["name"], rest["places"]) == ("whole picture", flat.size)
    assert rest["value"] == pytest.approx(flat.sum() if adds else flat.mean(), rel=1e-6)
    assert answer["sum"] == (pytest.approx(rest["value"], rel=1e-4) if adds else None)


def test_units_are_told_where_a_site_lies_on_nothing(client, recording):
    site = next(n for n in recording.agent.sites() if n.startswith("output_layer"))
    answer = asked(client, site=site, target="q[IDLE]", method="gradient")
    config = AttributionConfig("q[IDLE]", "gradient", site, trust=False)
    values = attribute(recording, config, 1, 3).data["attribution"].values[0]
    assert answer["over"] == "none"
    assert answer["units"] == values.size
    largest = np.argsort(-np.abs(values), kind="stable")[: len(answer["shares"])]
    assert [share["name"] for share in answer["shares"]] == [f"[{i}]" for i in largest]
    np.testing.assert_array_equal(
        np.float32([s["value"] for s in answer["shares"]]), values[largest]
    )


def test_units_that_are_not_listed_are_told_as_one(client, recording):
    answer = asked(client, site="output_layer.layers.0", method="input_x_gradient")
    config = AttributionConfig("", "input_x_gradient", "output_layer.layers.0", trust=False)
    values = attribute(recording, config, 1, 3).data["attribution"].values
    listed = sum(share["value"] for share in answer["shares"])
    left = answer["rest"]
    count = left["places"] if left else 0
    assert count == values.size - len(answer["shares"])
    total = listed + (left["value"] if left else 0)
    assert total == pytest.approx(answer["sum"], abs=1e-5)
    assert answer["sum"] == pytest.approx(values.sum(), abs=1e-5)


def test_the_python_lines_and_the_command_do_the_same(
    client, folder, monkeypatch, capsys, tmp_path
):
    wanted = {"target": "q[FASTER]-q[SLOWER]", "method": "integrated_gradients"}
    answer = asked(client, **wanted)
    monkeypatch.chdir(folder)
    names: dict = {}
    exec(answer["python"], names)  # noqa: S102 (our own lines)
    same(answer, names["result"].data)
    words = shlex.split(answer["command"])
    assert words[:3] == ["policyscope", "explain", f"{folder}/rec:1:3"]
    out = tmp_path / "out"
    main([*words[1:], "--attribution.no-trust", "--json", "-", "--out", str(out)])
    said = json.loads(capsys.readouterr().out)
    assert said["numbers"]["target"]["mean"] == pytest.approx(answer["value"], rel=1e-6)
    assert said["numbers"]["gap"]["mean"] == pytest.approx(abs(answer["gap"]), rel=1e-6)
    assert (said["target"], said["unit"]) == (answer["target"], answer["unit"])
    same(answer, Result.load(out).data)


def test_an_answer_is_kept(client, monkeypatch):
    asked_for = []

    def counted(*arguments):
        asked_for.append(arguments)
        return attribute(*arguments)

    monkeypatch.setattr(attributing, "attribute", counted)
    first = asked(client, method="gradient")
    assert asked(client, method="gradient") == first
    assert len(asked_for) == 1
    assert asked(client, method="gradient", step=4) != first
    assert asked(client, method="gradient", target="q[IDLE]") != first
    assert len(asked_for) == 3


def test_threads_that_ask_at_once_get_their_own_numbers(client):
    alone = {step: asked(client, step=step, method="smooth_gradient") for step in range(4)}
    together: dict[int, dict] = {}
    other = TestClient(client.app, base_url="http://127.0.0.1")
    client.app.state.shelf.cache.forget(lambda key: True)

    def ask(step):
        together[step] = asked(other, step=step, method="smooth_gradient")

    threads = [Thread(target=ask, args=(step,)) for step in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for step, answer in alone.items():
        assert together[step]["shares"] == answer["shares"]


def test_the_choices_are_the_agents_own(client, recording):
    found = client.get("/api/recordings/rec/attribution").json()
    assert {line["name"]: line["about"] for line in found["methods"]} == {
        name: METHODS[name] for name in APART
    }
    others = set(recording.agent.sites()) - set(found["sites"])
    assert others == {"absent"}  # a mask of booleans: nothing varies there
    assert found["target"] == default_target(recording.agent)


def test_needs_of_targets_are_what_methods_refuse(client, recording):
    """What the page greys is what the server would refuse, and nothing else."""
    needs = client.get("/api/recordings/rec/attribution").json()["needs"]
    for target, kind in [("value", "value"), ("q[taken]", "q"), ("same[policy]", "same")]:
        asked = {"recording": "rec", "episode": 0, "step": 2, "target": target}
        for method in ("sarfa", "gradient", "input_x_gradient", "occlusion"):
            need = needs.get(method)
            fits = need is None or (kind in need["kinds"]) == need["only"]
            answer = client.post("/api/attribution", json={**asked, "method": method})
            assert (answer.status_code == 200) == fits, (method, target, answer.text)
            assert fits or need["why"] in answer.text


@pytest.mark.parametrize(
    ("name", "sites"),
    [
        ("rec", ["preprocess", "others_embedding.layers.0", "attention_layer.residual"]),
        ("coinrun", [CONV, "gru.gru.memory"]),
    ],
)
def test_methods_are_offered_where_they_can_be_asked(client, player, recording, games, name, sites):
    of, path = (client, recording.path) if name == "rec" else (player, games / "coinrun")
    opened = open_recording(path)
    refused = of.get(f"/api/recordings/{name}/attribution").json()["refused"]
    for site in sites:
        fails = {}
        for method in METHODS:
            if site == CONV and method in ("curved", "neuron_conductance"):
                continue  # they can be asked, and take long
            config = AttributionConfig(
                "", method, site, trust=False, initialisations=0, samples=4, steps=2, window=16
            )
            try:
                attribute(opened, config, 0, 2)
            except PolicyscopeError as error:
                fails[method] = str(error)
        assert set(refused[site]) == set(fails), fails
    assert "observation" in refused["preprocess"]["conductance"]
    assert CONV not in refused or not refused[CONV]


def test_methods_about_actions_are_refused_where_actions_are_continuous(agent):
    space = replace(agent.space, actions=())
    found = refused(replace(agent, space=space))["preprocess"]
    assert "continuous" in found["sarfa"]
    assert "hidden" in found["neuron_conductance"]
    assert "sarfa" not in refused(agent)["preprocess"]


@pytest.mark.parametrize(
    ("more", "status", "told"),
    [
        ({"recording": "nothing"}, 404, "nothing"),
        ({"episode": 77}, 404, "77"),
        ({"step": 10**6}, 400, "there is no step 1000000"),
        ({"method": "divination"}, 404, "divination"),
        ({"site": "nowhere"}, 404, "nowhere"),
        ({"target": "q[SIDEWAYS]"}, 404, "SIDEWAYS"),
        ({"target": "q[IDLE"}, 400, "q[IDLE"),
        ({"target": "q[IDLE]@t+1"}, 400, "t+1"),
        ({"method": "grad_cam"}, 400, "preprocess"),
        ({"target": "site[ego_embedding.relus.0][0,0]", "site": "output_layer.predict"}, 400,
         "does not depend on site"),
        ({"scene": []}, 422, "scene"),
    ],
)  # fmt: skip
def test_what_cannot_be_explained_is_refused_in_one_line(client, more, status, told):
    wanted = {"recording": "rec", "episode": 0, "step": 2, **more}
    answer = client.post("/api/attribution", json=wanted)
    assert answer.status_code == status, answer.text
    assert told in answer.json()["message"]
    assert "\n" not in answer.json()["message"]

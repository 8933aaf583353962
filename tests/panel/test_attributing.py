"""Explanations through the panel's messages: the numbers of Python and of the command line."""

import json
import os
import shlex
import signal
import time
from threading import Thread

import numpy as np
import pytest
from fastapi.testclient import TestClient

from policyscope.attribution.config import METHODS, AttributionConfig
from policyscope.attribution.explain import attribute, default_target
from policyscope.attribution.results.entity_shares import by_entity
from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError
from policyscope.core.result import Result
from policyscope.panel import attributing, trusted
from policyscope.panel.application import application
from policyscope.panel.trusted import Interrupted, Trusts, failure, reach
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


def measured(client, limit=120.0, **wanted) -> dict:
    """The trust line, asked for as the page does."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        answer = client.post("/api/attribution/trust", json=wanted)
        assert answer.status_code == 200, answer.text
        if answer.json()["measured"]:
            return answer.json()
        time.sleep(0.3)
    raise AssertionError(answer.json())


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
    assert {line["name"]: line["about"] for line in found["methods"]} == METHODS
    assert found["sites"] == list(recording.agent.sites())
    assert found["target"] == default_target(recording.agent)


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


def test_the_trust_line_is_that_of_the_episode(client, recording, folder):
    wanted = {"recording": "rec", "episode": 1, "target": "q[IDLE]", "method": "gradient"}
    line = measured(client, **wanted)
    result = attribute(recording, AttributionConfig("q[IDLE]", "gradient", rows=32), 1)
    told = result.data.attrs["trust"]
    assert [figure["name"] for figure in line["figures"]] == [figure["name"] for figure in told]
    for figure, expected in zip(line["figures"], told, strict=True):
        assert figure == {name: expected[name] for name in figure}
    assert {"deletion", "insertion", "infidelity"} <= {figure["name"] for figure in told}
    assert line["reach"] == reach(result) > 0
    assert line["reach"] == pytest.approx(np.nanmax(np.abs(result.data["vehicles"].values[:, 0])))
    assert line["command"].startswith(f"policyscope explain {folder}/rec:1 --method gradient")
    began = time.monotonic()
    assert measured(client, **wanted) == line
    assert time.monotonic() - began < 1


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def until(reached, limit=60.0):
    """Wait until something holds."""
    end = time.monotonic() + limit
    while not (found := reached()) and time.monotonic() < end:
        time.sleep(0.1)
    assert found


def test_a_measurement_that_nobody_asks_for_is_stopped(client):
    trusts = client.app.state.trusts = Trusts(patience=0.5)
    wanted = {"recording": "rec", "episode": 0, "method": "gradient"}
    first = client.post("/api/attribution/trust", json=wanted).json()
    assert (first["measured"], first["figures"]) == (False, [])
    pid = trusts._now._command._process.pid
    assert alive(pid)
    waits = client.post("/api/attribution/trust", json={**wanted, "episode": 2}).json()
    assert waits["doing"] == "waiting for another one"
    until(lambda: trusts._now is None)
    assert not alive(pid)
    assert not trusts._kept


def test_a_measurement_that_is_killed_says_so_once_and_begins_anew(client):
    trusts = client.app.state.trusts = Trusts(patience=2.0)
    wanted = {"recording": "rec", "episode": 0, "method": "gradient"}

    def ask():
        return client.post("/api/attribution/trust", json=wanted)

    until(lambda: ask().json()["doing"] not in ("", "beginning"))
    killed = trusts._now._command._process.pid
    os.kill(killed, signal.SIGKILL)
    until(lambda: trusts._now is None)
    answer = ask()
    assert answer.status_code == 400
    assert "ended by SIGKILL" in answer.json()["message"]
    again = ask()
    assert (again.status_code, again.json()["measured"]) == (200, False)
    assert trusts._now._command._process.pid != killed
    until(lambda: trusts._now is None)  # nobody asks any more


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (ZeroDivisionError("no rows"), "ZeroDivisionError: no rows"),
        (PermissionError(13, "Permission denied", "/data/secret/result"), "result: "),
    ],
)
def test_whatever_fails_is_kept_and_begins_no_second_process(client, monkeypatch, broken, told):
    begun, end = [], trusted._Measured.end

    def stops(self, patience):
        begun.append(self._command._process.pid)
        self.asked = -1e9
        assert end(self, patience) is None
        raise broken

    monkeypatch.setattr(trusted._Measured, "end", stops)
    trusts = client.app.state.trusts
    wanted = {"recording": "rec", "episode": 0, "method": "gradient"}
    assert client.post("/api/attribution/trust", json=wanted).status_code == 200
    until(lambda: trusts._now is None)
    for _ in range(3):
        answer = client.post("/api/attribution/trust", json=wanted)
        assert answer.status_code == 400, answer.text
        assert told in answer.json()["message"]
        assert "/data" not in answer.json()["message"]
    assert len(begun) == 1
    assert not alive(begun[0])


@pytest.mark.parametrize(
    ("code", "last", "told", "kind"),
    [
        (-9, "how far it holds", "ended by SIGKILL at: how far it holds", Interrupted),
        (-15, "", "ended by SIGTERM (", Interrupted),
        (130, "stopped", "ended by SIGINT at: stopped", Interrupted),
        (2, "error: unknown action 'FLY'", "unknown action 'FLY'", PolicyscopeError),
        (1, "how far it holds", "ended with status 1 at: how far it holds", PolicyscopeError),
        (1, "", "ended with status 1", PolicyscopeError),
    ],
)
def test_a_failure_tells_what_ended_it(code, last, told, kind):
    found = failure(code, last)
    assert type(found) is kind
    assert told in str(found)
    assert not str(found).startswith("error: ")


@pytest.mark.parametrize(
    ("more", "status", "told"),
    [({"method": "divination"}, 404, "divination"), ({"episode": 77}, 404, "77")],
)
def test_a_trust_line_that_cannot_be_is_refused_at_once(client, more, status, told):
    answer = client.post("/api/attribution/trust", json={"recording": "rec", "episode": 0, **more})
    assert answer.status_code == status, answer.text
    assert told in answer.json()["message"]


def test_a_measurement_that_fails_says_why(client):
    wanted = {"recording": "rec", "episode": 0, "method": "gradient", "target": "q[SIDEWAYS]"}
    end = time.monotonic() + 60
    answer = client.post("/api/attribution/trust", json=wanted)
    while answer.status_code == 200 and time.monotonic() < end:
        time.sleep(0.3)
        answer = client.post("/api/attribution/trust", json=wanted)
    assert answer.status_code == 400, answer.text
    assert "SIDEWAYS" in answer.json()["message"]

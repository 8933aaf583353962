"""Trust lines through the panel: measured once, by a process that ends with the asking."""

import os
import signal
import time

import numpy as np
import pytest
from fastapi.testclient import TestClient

from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.core.errors import PolicyscopeError
from policyscope.panel import trusted
from policyscope.panel.application import application
from policyscope.panel.trusted import Interrupted, Trusts, failure, reach


@pytest.fixture(scope="module")
def folder(recorded):
    return recorded.parent


@pytest.fixture
def client(folder):
    return TestClient(application(folder), base_url="http://127.0.0.1")


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
        assert end(self, -1.0) is None  # it stops whenever it was last asked for
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

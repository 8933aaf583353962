"""Failures are one line of JSON: no traceback and no folder of the machine in it."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from policyscope.core.errors import BadFile, MissingPart, PolicyscopeError, UnknownName
from policyscope.panel.failures import answer_failures, without_folders
from policyscope.panel.shelf.shelf import Shelf


@pytest.fixture
def fail(tmp_path):
    """Asks a server whose only page raises an error."""

    def ask(error: Exception):
        app = FastAPI()
        app.state.shelf = Shelf(tmp_path)

        @app.get("/x/{k}")
        def page(k: int) -> int:
            raise error

        answer_failures(app)
        return TestClient(app).get("/x/1")

    return ask


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UnknownName("site", "a", ["b"]), 404, "unknown_name"),
        (BadFile("rec", "torn"), 409, "bad_file"),
        (MissingPart("av", "video"), 501, "missing_part"),
        (PolicyscopeError("no"), 400, "bad_request"),
        (PermissionError(13, "Permission denied", "/root/secret/file"), 409, "bad_file"),
        (ZeroDivisionError("secret"), 500, "internal"),
    ],
)
def test_each_kind_has_its_status(fail, error, status, code):
    answer = fail(error)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"code", "message"}
    assert "secret" not in answer.text


def test_what_nobody_foresaw_is_in_the_log_alone(fail, caplog):
    answer = fail(ZeroDivisionError("by the number 17"))
    assert "17" not in answer.text
    assert "ZeroDivisionError: by the number 17" in caplog.text
    assert "GET /x/1 failed" in caplog.text


def test_paths_are_told_from_the_served_folder_on(fail, tmp_path):
    answer = fail(BadFile(tmp_path / "a" / "rec", "torn"))
    assert answer.json()["message"] == "a/rec: torn"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("/data/runs/a/b: torn", "a/b: torn"),
        ("/data/runs: torn", "runs: torn"),
        ("/data/runs2/a: torn", "a: torn"),
        ("cannot read '/home/me/x.json'", "cannot read 'x.json'"),
        ("two (/a/b/c, /d/e)", "two (c, e)"),
        ("rate 3/4 of a/b", "rate 3/4 of a/b"),
        ("https://host/a/b", "https://host/a/b"),
        ("two\nlines", "two lines"),
    ],
)
def test_folders_are_taken_out(message, told):
    assert without_folders(message, Path("/data/runs")) == told


def test_a_relative_folder_is_taken_out_too(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    for message in (f"{tmp_path}/runs/a: torn", "runs/a: torn"):
        assert without_folders(message, Path("runs")) == "a: torn"
    assert without_folders("a.b: torn", Path(".")) == "a.b: torn"


@pytest.mark.parametrize(
    ("method", "path", "status", "told"),
    [
        ("GET", "/api/nothing", 404, "nothing at this address"),
        ("PATCH", "/api/library", 405, "PATCH is not taken here"),
        ("GET", "/api/recordings/rec/episodes/x", 422, "k: "),
        ("GET", "/api/recordings/rec/episodes/-1", 422, "k: "),
        ("GET", "/api/recordings/rec/steps?x=a", 422, "y: Field required"),
        ("GET", "/api/recordings/rec/episodes/9", 404, "no episode 9 in rec; it holds 0..2"),
    ],
)
def test_requests_that_cannot_be(client, method, path, status, told):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert told in answer.json()["message"]
    assert "\n" not in answer.json()["message"]


def test_a_body_that_is_no_json_names_no_internals(client):
    answer = client.post("/api/live", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")

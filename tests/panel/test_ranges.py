"""Byte ranges as RFC 9110 tells them."""

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient

from policyscope.panel import ranges
from policyscope.panel.ranges import Unsatisfiable, byte_range, wanted

DATA = bytes(range(100))


@pytest.fixture
def ask():
    app = FastAPI()

    @app.get("/data")
    def data(request: Request) -> Response:
        return byte_range(request, len(DATA), lambda start, stop: DATA[start:stop])

    client = TestClient(app)
    return lambda header: client.get("/data", headers={"Range": header} if header else {})


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=90-", 90, 100),
        ("bytes=-7", 93, 100),
        ("bytes=95-200", 95, 100),
        ("bytes=-1000", 0, 100),
        (" Bytes = 3 - 4 ", 3, 5),
    ],
)
def test_one_range(ask, header, start, stop):
    answer = ask(header)
    assert (answer.status_code, answer.content) == (206, DATA[start:stop])
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/100"
    assert answer.headers["content-length"] == str(stop - start)


def test_without_a_range_all_is_sent_and_ranges_are_offered(ask):
    answer = ask(None)
    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["accept-ranges"] == "bytes"
    assert "content-range" not in answer.headers


@pytest.mark.parametrize(
    "header",
    ["bytes=100-", "bytes=-0", "bytes=5-4", "bytes=0-1,3-4", "bytes=-", "bytes=a-b", "rows=0-1",
     "bytes=1-2-3", "0-1", "bytes=--1", "bytes=" + "9" * 40 + "-", "bytes=\u0663-\u0664"],
)  # fmt: skip
def test_what_cannot_be_sent_is_told(ask, header):
    answer = ask(header.encode())
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */100"
    assert answer.json()["code"] == "bad_range"
    assert "\n" not in answer.json()["message"]


def test_nothing_has_no_range():
    with pytest.raises(Unsatisfiable):
        wanted("bytes=0-", 0)


def test_much_is_sent_in_pieces_that_are_read_one_by_one(ask, monkeypatch):
    monkeypatch.setattr(ranges, "PIECE", 7)
    assert ask(None).content == DATA
    answer = ask("bytes=3-95")
    assert (answer.status_code, answer.content) == (206, DATA[3:96])
    assert answer.headers["content-length"] == "93"

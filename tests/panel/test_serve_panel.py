"""The server and its page: ports, addresses, files, two browsers, Ctrl-C."""

import http.client
import json
import socket
import threading
from contextlib import suppress

import pytest
from starlette.testclient import TestClient

from policyscope.core.errors import PolicyscopeError
from policyscope.panel import pages
from policyscope.panel.application import application
from policyscope.panel.serve import address_of, is_loopback, names_of, served, take_port


@pytest.fixture
def client(recorded):
    return TestClient(application(recorded), base_url="http://127.0.0.1")


@pytest.fixture
def unbuilt(monkeypatch, tmp_path):
    monkeypatch.setattr(pages, "STATIC", tmp_path)


def test_the_page_and_its_files(client):
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for name, kind in (("panel.js", "javascript"), ("panel.css", "css")):
        assert f"/static/{name}" in page.text
        answer = client.get(f"/static/{name}")
        assert answer.status_code == 200
        assert kind in answer.headers["content-type"]
        assert answer.content == (pages.STATIC / name).read_bytes()


def test_plotly_comes_from_its_package(client):
    answer = client.get("/static/plotly.min.js")
    assert answer.status_code == 200
    assert len(answer.content) > 1_000_000
    assert b"plotly.js v" in answer.content[:200]


@pytest.mark.parametrize("path", ["/", "/static/panel.js"])
def test_a_file_is_sent_once(client, path):
    first = client.get(path)
    assert first.headers["cache-control"] == "no-cache"
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(path, headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.content) == (200, first.content)


@pytest.mark.parametrize(
    "name", ["index.html", "none.js", "../pages.py", "%2e%2e/pages.py", "%2e%2e%2fpages.py",
             "..%5cpages.py", "panel.js%00", "/etc/passwd", ""]
)  # fmt: skip
def test_no_other_file_is_given(client, name):
    answer = client.get(f"/static/{name}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "unknown_name"


def test_an_unbuilt_page_says_how_to_build_it(client, unbuilt):
    page = client.get("/")
    assert page.status_code == 503
    assert "make setup" in page.text
    answer = client.get("/static/panel.js")
    assert (answer.status_code, answer.json()["message"]) == (400, pages.UNBUILT)
    with pytest.raises(PolicyscopeError, match="make setup"):
        pages.check_built()


def asked(address: str, path: str = "/api/library"):
    place = address.split("/")[2]
    connection = http.client.HTTPConnection(place, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_served_to_many_at_once_until_the_block_ends(recorded):
    with served(application(recorded)) as address:
        found: list[bytes] = []
        threads = [
            threading.Thread(target=lambda: found.append(asked(address)[1])) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert len(set(found)) == 1
        assert [line["id"] for line in json.loads(found[0])["recordings"]] == ["rec"]
    with pytest.raises(ConnectionRefusedError):
        asked(address)


def test_who_does_not_read_is_let_go_at_the_end(recorded):
    with served(application(recorded)) as address:
        slow = socket.create_connection(("127.0.0.1", int(address.split(":")[2][:-1])), timeout=5)
        slow.sendall(b"GET /static/plotly.min.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 4)
        assert slow.recv(1)
    with slow, suppress(ConnectionResetError):
        while received := slow.recv(2**20):  # waits 5 s at most, then raises
            assert received


def test_nothing_is_told_of_the_server_software(recorded):
    with served(application(recorded)) as address:
        connection = http.client.HTTPConnection(address.split("/")[2], timeout=10)
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.getheader("server") is None
        answer.read()
        connection.close()


def test_jobs_and_worlds_end_with_the_server(recorded):
    app = application(recorded)
    closed = []
    for part in (app.state.jobs, app.state.worlds):
        close = part.close
        part.close = lambda part=part, close=close: (closed.append(part), close())
    with served(app):
        assert closed == []
    assert closed == [app.state.jobs, app.state.worlds]


def test_a_taken_port_is_told():
    with take_port("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PolicyscopeError, match=f"port {port} is taken; choose another"):
            take_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1", "a" * 300, "\0"])
def test_a_host_that_is_not_here_is_told(host):
    with pytest.raises(PolicyscopeError, match="is no address of this machine"):
        take_port(host, 0)


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("localhost", True), ("::1", True),
        ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("lab7", False), ("", False),
    ],
)  # fmt: skip
def test_what_only_this_machine_reaches(host, alone):
    assert is_loopback(host) is alone


def test_addresses_with_and_without_token():
    with take_port("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert address_of(listener, "lab7", "abc") == f"http://lab7:{port}/?token=abc"
        assert address_of(listener, "::1") == f"http://[::1]:{port}/"


def test_of_all_addresses_the_machines_names_are_known():
    assert names_of("10.0.0.1") == ("10.0.0.1",)
    assert socket.gethostname().lower() in names_of("0.0.0.0")


def test_a_page_is_whole_whatever_part_is_asked_for(client):
    whole = client.get("/")
    for wanted in ("bytes=0-9", "bytes=9-0", "bytes=x"):
        answer = client.get("/", headers={"Range": wanted})
        assert (answer.status_code, answer.content) == (200, whole.content)

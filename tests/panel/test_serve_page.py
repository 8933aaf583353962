"""Serving: one file, to this machine alone."""

import http.client
import socket
from threading import Thread

import pytest

from policyscope.core.errors import PolicyscopeError
from policyscope.panel.serve import PageServer


@pytest.fixture
def server(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<p>page</p>")
    (tmp_path / "secret.txt").write_text("secret")
    with PageServer(page, 0) as server:
        thread = Thread(target=server.run)
        thread.start()
        yield server
        server.stop()
        thread.join()


def ask(server, path="/", host=None, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        headers = {"Host": f"127.0.0.1:{server.port}" if host is None else host}
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_serves_the_page_and_nothing_else(server):
    assert ask(server) == (200, "<p>page</p>")
    assert ask(server, "/?x=1")[0] == 200
    assert ask(server, host=f"localhost:{server.port}")[0] == 200
    assert ask(server, method="HEAD") == (200, "")
    for path in ("/secret.txt", "/page.html", "/../secret.txt", "/favicon.ico"):
        status, body = ask(server, path)
        assert status == 404, path
        assert "secret" not in body
    assert ask(server, method="POST")[0] == 501


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_refuses_names_that_are_not_loopback(server, host):
    status, body = ask(server, host=host)
    assert status == 403
    assert "page</p>" not in body


def test_listens_on_loopback_alone(server):
    assert server._server.server_address[0] == "127.0.0.1"


def test_a_page_gone_from_disk_is_not_found(server):
    server._server.RequestHandlerClass.path_on_disk.unlink()
    assert ask(server)[0] == 404


def test_a_taken_port_is_told_in_one_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PolicyscopeError) as told:
            PageServer(tmp_path / "page.html", port)
    assert str(told.value) == f"port {port} is taken; choose another with --port"

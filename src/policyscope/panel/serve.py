"""Serves one file on 127.0.0.1, and nothing else."""

import errno
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from policyscope.core.errors import PolicyscopeError

LOOPBACK = "127.0.0.1"
_NAMES = ("127.0.0.1", "localhost")


class PageServer:
    """A page on loopback; as a context it frees its port at the end.

    Requests whose ``Host`` is not this machine's loopback are refused, so no foreign site can
    read the page by pointing its own name here.

    Args:
        path: file to serve, read at each request.
        port: port to listen on; 0 takes a free one.

    Raises:
        PolicyscopeError: the port is taken or not allowed.
    """

    def __init__(self, path: Path, port: int):
        handler = type("PageHandler", (_Handler,), {"path_on_disk": path})
        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), handler)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            raise PolicyscopeError(
                f"port {port} is {'taken' if taken else 'not allowed'}; choose another with --port"
            ) from None
        self._server.daemon_threads = True
        self.port: int = self._server.server_port

    def run(self) -> None:
        """Serve until Ctrl-C."""
        with suppress(KeyboardInterrupt):
            self._server.serve_forever(poll_interval=0.2)

    def stop(self) -> None:
        """End ``run`` from another thread."""
        self._server.shutdown()

    def __enter__(self) -> "PageServer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    path_on_disk: Path
    server_version = "policyscope"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, body: bool) -> None:
        name = self.headers.get("Host", "").rsplit(":", 1)[0]
        if name not in _NAMES:
            self.send_error(HTTPStatus.FORBIDDEN, "this page is served to this machine alone")
            return
        if self.path.partition("?")[0] != "/":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            content = self.path_on_disk.read_bytes()
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND, "the page is gone from disk")
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the terminal quiet."""

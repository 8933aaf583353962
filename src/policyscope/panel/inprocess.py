"""Asks the panel's application without a socket, as the export does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

from policyscope.core.errors import PolicyscopeError


class InProcess:
    """Answers of an application to ``GET`` requests.

    Args:
        app: what is asked.
        portal: the loop that it runs in.
    """

    def __init__(self, app: FastAPI, portal: BlockingPortal):
        self._app, self._portal = app, portal

    def body(self, path: str) -> bytes:
        """The body of an answer.

        Args:
            path: address without host, percent-encoded, with its query.

        Raises:
            PolicyscopeError: the answer tells of a problem.
        """
        status, body = self._portal.call(_ask, self._app, path)
        if status >= 400:
            raise PolicyscopeError(json.loads(body)["message"])
        return body

    def json(self, path: str) -> Any:
        """Values of an answer; errors are those of ``body``."""
        return json.loads(self.body(path))


@contextmanager
def in_process(app: FastAPI) -> Iterator[InProcess]:
    """Ask an application while the block runs, also where a loop runs already.

    Args:
        app: what is asked.
    """
    with start_blocking_portal() as portal:
        yield InProcess(app, portal)


async def _ask(app: FastAPI, path: str) -> tuple[int, bytes]:
    plain, _, query = path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": unquote(plain), "raw_path": plain.encode(),
        "query_string": query.encode(), "root_path": "", "client": None,
        "server": ("127.0.0.1", 80), "headers": [(b"host", b"127.0.0.1")], "state": {},
    }  # fmt: skip
    status, parts = 500, []
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await anyio.sleep_forever()  # nobody hangs up: a long answer listens for that
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    return status, b"".join(parts)

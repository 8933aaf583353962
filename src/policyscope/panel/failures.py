"""Every failure as one line of JSON: no traceback and no path of the machine leaves the server."""

import logging
import re
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from policyscope.core.errors import (
    BadFile,
    MissingPart,
    PolicyscopeError,
    UnknownName,
    system_error,
)
from policyscope.panel.contract.messages import Problem
from policyscope.recordings.find.grammar import BadQuery

LOG = logging.getLogger("policyscope.panel")
LONGEST = 1000


class Changed(PolicyscopeError):
    """What was asked for was written anew since the page learned of it."""


_KINDS: list[tuple[type[PolicyscopeError], int, str]] = [
    (Changed, 409, "changed"),
    (UnknownName, 404, "unknown_name"),
    (BadFile, 409, "bad_file"),
    (MissingPart, 501, "missing_part"),
    (PolicyscopeError, 400, "bad_request"),
]
_CODES = {401: "unauthorized", 403: "forbidden", 404: "unknown_name", 405: "not_allowed"}
_FOLDERS = re.compile(r"(?<![\w./~:-])/(?:[^\s/:'\"()\[\],]+/)+")


def answer_failures(app: FastAPI) -> None:
    """Answer whatever goes wrong in an application with a ``Problem``.

    What nobody foresaw is answered with status 500 and told in the log ``policyscope.panel``.

    Args:
        app: its ``state.shelf`` knows the served folder.
    """

    def told(_: Request, error: Exception) -> JSONResponse:
        known = error if isinstance(error, PolicyscopeError) else system_error(error)
        status, code = next((s, c) for kind, s, c in _KINDS if isinstance(known, kind))
        return _problem(status, code, without_folders(str(known), app.state.shelf.folder))

    def pointed(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, BadQuery)
        cause = error.cause if error.length else f"{error.cause}, at the query's end"
        said = without_folders(cause, app.state.shelf.folder)
        return _problem(400, "bad_query", said, at=error.at, length=error.length)

    app.add_exception_handler(BadQuery, pointed)
    app.add_exception_handler(PolicyscopeError, told)
    app.add_exception_handler(OSError, told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(_Net)


def without_folders(message: str, folder: Path) -> str:
    """A message with the served folder and all other folders above a name taken out.

    Args:
        message: e.g. of an error.
        folder: what is served.

    Example:
        >>> without_folders("/data/runs/rec: torn", Path("/data/runs"))
        'rec: torn'
        >>> without_folders("/etc/secret/key.pem: no such file", Path("/data/runs"))
        'key.pem: no such file'
    """
    for served in (folder.resolve(), folder.absolute(), folder):
        if served.name:  # neither "/" nor "."
            place, name = rf"(?<![\w./~-]){re.escape(str(served))}", served.name.replace("\\", "")
            message = re.sub(place + "/", "", message)
            message = re.sub(place + r"(?![\w.-])", name, message)
    return _FOLDERS.sub("", " ".join(message.split()))


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    place = ".".join(str(part) for part in faults[0]["loc"][1:]) or "body"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return _problem(422, "bad_request", f"{place}: {faults[0]['msg']}{more}")


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "bad_request")
    message = {404: "there is nothing at this address", 405: f"{request.method} is not taken here"}
    said = str(error.detail)
    if said in ("Not Found", "Method Not Allowed"):
        said = message[error.status_code]
    return _problem(error.status_code, code, said, error.headers)


def _problem(
    status: int, code: str, message: str, headers: Any = None, **place: int
) -> JSONResponse:
    if len(message) > LONGEST:
        message = message[:LONGEST] + " ..."
    message = message.encode("utf-8", "replace").decode()  # half a character cannot be sent
    problem = Problem(code=code, message=message, **place)
    return JSONResponse(problem.model_dump(exclude_none=True), status, headers)


class _Net:
    """Catches what no handler knew before it becomes a traceback on the wire."""

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        begun = False

        async def noting(message: Any) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except Exception:
            if scope["type"] != "http" or begun:
                raise
            LOG.exception("%s %s failed", scope["method"], scope["path"])
            said = "an error of policyscope itself; the server's log tells more"
            await _problem(500, "internal", said)(scope, receive, send)

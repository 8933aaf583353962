"""Who may ask the panel, how much they may send, and what every answer carries.

A page of another site can make a browser send requests here. It cannot make it name this server
as their host or origin, cannot send a cookie of ours, and cannot read or frame an answer.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response

from policyscope.panel.contract.messages import Problem

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
MOST_BYTES = 1_000_000
# regl and plotly make functions from text; plotly writes style elements and draws from blobs.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; worker-src blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


class Guard:
    """ASGI middleware that refuses strangers before any route sees them.

    Args:
        app: what is guarded.
        hosts: names it may be asked by beside those of loopback, with any port.
        token: what a browser must show; None asks for none.
    """

    def __init__(self, app: Application, hosts: tuple[str, ...] = (), token: str | None = None):
        self.app = app
        self.hosts = {*LOOPBACK, *(_bracketed(host.lower()) for host in hosts)}
        self.token = token

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it here."""
        if scope["type"] == "websocket":  # there is none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        send = _with_headers(scope["path"], send)
        answer = self._refusal(scope)
        if answer is None and _may_have_body(scope):
            body = await _body(receive)
            if body is None:
                answer = _too_large()
            else:
                receive = _again(body, receive)
        await (answer or self.app)(scope, receive, send)

    def _refusal(self, scope: Message) -> Response | None:
        """An answer to give in place of the application's, None for a welcome request."""
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if _name(host) not in self.hosts or len(headers.getlist("host")) != 1:
            told = f"this panel is not called {_shown(host)}; give it that name with --name"
            return _problem(403, "forbidden", told)
        if not _same_origin(scope, headers, host):
            return _problem(403, "forbidden", "another site asks; open the panel's own address")
        if _length(headers) > MOST_BYTES:
            return _too_large()
        return None if self.token is None else self._stranger(scope, headers, self.token)

    def _stranger(self, scope: Message, headers: Mapping[str, str], token: str) -> Response | None:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and _equal(given, token):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(cookie_name(token), token, httponly=True, samesite="strict")
            return answer
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and _equal(bearer.strip(), token):
            return None
        if _equal(_cookie(headers.get("cookie", ""), cookie_name(token)), token):
            return None
        told = "open the whole address that the panel printed, with its token"
        return _problem(401, "unauthorized", told)


def cookie_name(token: str) -> str:
    """Name of the cookie of a token: browsers share cookies among the ports of a host."""
    return f"policyscope_{hashlib.sha256(token.encode()).hexdigest()[:12]}"


def _problem(status: int, code: str, message: str) -> Response:
    return JSONResponse(Problem(code=code, message=message).model_dump(exclude_none=True), status)


def _too_large() -> Response:
    return _problem(413, "too_large", f"a request may hold {MOST_BYTES:,} bytes at most")


def _equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())


def _cookie(text: str, name: str) -> str:
    try:
        found = SimpleCookie(text).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _bracketed(host: str) -> str:
    """IPv6 addresses stand in brackets in front of a port."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _name(host: str) -> str:
    """A host without its port."""
    if host.startswith("["):
        inside, closed, port = host[1:].partition("]")
        good = closed and (not port or (port[0] == ":" and port[1:].isdigit()))
        return f"[{inside}]" if good else ""
    name, colon, port = host.partition(":")
    return name if not colon or port.isdigit() else ""


def _shown(host: str) -> str:
    """A host as a message may repeat it."""
    return "".join(c for c in host[:80] if c.isalnum() or c in ".:-[]") or "nothing"


def _same_origin(scope: Message, headers: Mapping[str, str], host: str) -> bool:
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
        return False
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return True
    # Following a link to the page is no danger: it shows nothing to where the link was.
    modes = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    return scope["method"] == "GET" and scope["path"] == "/" and modes == ("navigate", "document")


def _length(headers: Mapping[str, str]) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isdecimal() and len(text) < 19 else MOST_BYTES + 1


def _may_have_body(scope: Message) -> bool:
    return scope["method"] not in ("GET", "HEAD")


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None if it is larger than allowed, however it was announced."""
    parts, size = [], 0
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BYTES:
            return None
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read already, then what comes after it."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def told() -> Message:
        return waiting.pop() if waiting else await receive()

    return told


def _with_headers(path: str, send: Send) -> Send:
    data = path.startswith("/api")

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _ALWAYS.items():
                headers[name] = value
            headers["Content-Security-Policy"] = DATA_POLICY if data else PAGE_POLICY
            if data:
                headers["Cache-Control"] = "no-store"
        await send(message)

    return told

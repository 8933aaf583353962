"""Runs the panel's server: on a port taken before anything else, until it is told to end."""

import asyncio
import ipaddress
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn
from fastapi import FastAPI

from policyscope.core.errors import PolicyscopeError

LOOPBACK = "127.0.0.1"
_ANY = ("0.0.0.0", "::")
_STARTS_WITHIN = 20.0
#: Ways of telling a process to end, beside Ctrl-C; Windows has no hangup.
_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


def take_port(host: str, port: int) -> socket.socket:
    """Listen on a port.

    Args:
        host: name or address to bind, e.g. 127.0.0.1.
        port: 0 takes a free one.

    Raises:
        PolicyscopeError: the port is taken or not allowed, or the host is not this machine's.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise PolicyscopeError(f"--host {host} is no address of this machine") from None
    listener = socket.socket(family, kind, proto)  # asyncio sets TCP_NODELAY where it is TCP
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise _refused(error, host, port) from None
    return listener


def _refused(error: OSError, host: str, port: int) -> PolicyscopeError:
    import errno

    if error.errno == errno.EADDRNOTAVAIL:
        return PolicyscopeError(f"--host {host} is no address of this machine")
    cause = "taken" if error.errno == errno.EADDRINUSE else "not allowed"
    return PolicyscopeError(f"port {port} is {cause}; choose another with --port")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host.

    Example:
        >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names_of(host: str) -> tuple[str, ...]:
    """Names that browsers reach a bound host by; of 0.0.0.0 those that this machine knows.

    Args:
        host: what was bound.
    """
    if host not in _ANY:
        return (host,)
    name = socket.gethostname().lower()
    found = [name]
    with suppress(OSError, UnicodeError):
        found += [str(entry[4][0]) for entry in socket.getaddrinfo(name, None)]
    return tuple(dict.fromkeys(found))


def address_of(listener: socket.socket, name: str, token: str | None = None) -> str:
    """The address to open in a browser.

    Args:
        listener: a socket that listens.
        name: name or address of its host.
        token: what the browser must show.
    """
    host = f"[{name}]" if ":" in name else name
    query = "" if token is None else f"?token={token}"
    return f"http://{host}:{listener.getsockname()[1]}/{query}"


def run(app: FastAPI, listener: socket.socket, ready: Callable[[], None] | None = None) -> None:
    """Serve until Ctrl-C, SIGTERM or SIGHUP, then end jobs and forks and free the worlds.

    Args:
        app: what is served.
        listener: from ``take_port``; closed at the end.
        ready: called when requests are answered.
    """
    server = _server(app)
    if ready is not None:
        threading.Thread(target=_when_started, args=(server, ready), daemon=True).start()
    with _ended_by_signals(server):
        try:
            with suppress(KeyboardInterrupt):  # uvicorn gives it back once it has ended well
                server.run(sockets=[listener])
        finally:
            _close(app, listener)


@contextmanager
def served(app: FastAPI, listener: socket.socket | None = None) -> Iterator[str]:
    """Serve in a thread while the block runs.

    Args:
        app: what is served.
        listener: default is a free port of loopback.

    Yields:
        The address.

    Raises:
        PolicyscopeError: the server does not start.
    """
    listener = listener or take_port(LOOPBACK, 0)
    server = _server(app)
    thread = threading.Thread(target=asyncio.run, args=(_serve(server, listener),), daemon=True)
    thread.start()
    try:
        if not _started(server, thread):
            raise PolicyscopeError("the panel's server does not start")
        yield address_of(listener, LOOPBACK)
    finally:
        server.should_exit = True
        thread.join(10)
        _close(app, listener)


async def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    """Serve, and at the end let go of browsers that do not read what they asked for.

    uvicorn leaves them waiting for an answer, which only the end of the process would end.
    """
    await server.serve(sockets=[listener])
    for connection in list(server.server_state.connections):
        connection.transport.abort()
    await asyncio.sleep(0)  # the loop closes their sockets


def _close(app: FastAPI, listener: socket.socket) -> None:
    listener.close()
    app.state.jobs.close()
    app.state.forks.close()
    app.state.worlds.close()


@contextmanager
def _ended_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """End the server at a signal that would end the process, so that what it began ends too.

    uvicorn raises SIGTERM again once it has ended, and does not know SIGHUP. One that was ignored
    before, as under ``nohup``, stays ignored.
    """

    def end(number: int, frame: object) -> None:
        server.should_exit = True

    before = {n: signal.getsignal(n) for n in _ENDING}
    mine = [n for n in _ENDING if before[n] is not signal.SIG_IGN]
    if threading.current_thread() is not threading.main_thread():
        mine = []  # only the main thread may handle signals
    for number in mine:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, before[number] or signal.SIG_DFL)


def _server(app: FastAPI) -> uvicorn.Server:
    settings = uvicorn.Config(
        app, log_level="error", access_log=False, server_header=False, proxy_headers=False,
        ws="none", timeout_graceful_shutdown=2,
    )  # fmt: skip
    return uvicorn.Server(settings)


def _started(server: uvicorn.Server, thread: threading.Thread | None = None) -> bool:
    end = time.monotonic() + _STARTS_WITHIN
    while not server.started and time.monotonic() < end:
        if thread is not None and not thread.is_alive():
            return False
        time.sleep(0.01)
    return server.started


def _when_started(server: uvicorn.Server, ready: Callable[[], None]) -> None:
    if _started(server):
        ready()

"""Worker processes: fresh interpreters that talk with their parent over a socket.

A worker never imports the parent's main module, so scripts and notebooks need no guard. It should
end when its socket does, however the parent ends.
"""

import os
import pickle
import subprocess
import sys
from multiprocessing.connection import Connection
from socket import socketpair
from typing import Any

from policyscope.core.errors import PolicyscopeError

Process = subprocess.Popen[bytes]

_BOOT = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.path[:] = {path!r};"
    " from {module} import {name}; {name}({fd})"
)
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def launch(entry: str) -> tuple[Process, Connection]:
    """Start a worker with one computing thread.

    Args:
        entry: ``module:function``, called in the worker with the descriptor of its socket.

    Returns:
        The process and the parent's end of the socket.

    Raises:
        PolicyscopeError: this system cannot hand a socket to a child.
    """
    if sys.platform == "win32":
        raise PolicyscopeError("worker processes are not available on Windows; use workers=0")
    module, name = entry.split(":")
    ours, theirs = socketpair()
    boot = _BOOT.format(path=sys.path, module=module, name=name, fd=theirs.fileno())
    process = subprocess.Popen(
        [sys.executable, "-c", boot],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        env={**os.environ, **dict.fromkeys(_THREADS, "1")},
        process_group=0,  # Ctrl-C in a terminal reaches the parent alone
    )
    theirs.close()
    return process, Connection(ours.detach())


def cause_of_death(process: Process) -> str:
    """How a worker that no longer answers came to its end."""
    code = process.wait(10)
    return f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"


def send_task(pipe: Connection, task: Any) -> None:
    """Send an object that may hold tensors to a worker of ours, by value.

    ``Connection.send`` would hand tensors over through shared memory, which needs a server that a
    fresh interpreter cannot log in to.
    """
    pipe.send_bytes(pickle.dumps(task))


def receive_task(pipe: Connection) -> Any:
    """Receive what our own parent sent with ``send_task``; never used on files or other peers."""
    return pickle.loads(pipe.recv_bytes())

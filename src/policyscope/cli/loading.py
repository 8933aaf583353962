"""Ctrl-C while modules load."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from policyscope.core.registry import find, names


@contextmanager
def leaving_at_once(told: str) -> Iterator[None]:
    """While modules load, let Ctrl-C end the process with exit code 130 and one line.

    Raised as an exception in the middle of the import of torch or numpy, it is lost or comes out
    as another error.

    Args:
        told: the line.
    """

    def leave(*_: Any) -> None:
        os.write(2, f"{told}\n".encode())
        os._exit(130)

    with _handler(leave):
        yield


@contextmanager
def interruptible() -> Iterator[None]:
    """Within ``leaving_at_once``, let Ctrl-C raise KeyboardInterrupt again."""
    with _handler(signal.default_int_handler):
        yield


@contextmanager
def _handler(handler: Any) -> Iterator[None]:
    ignored = signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None)
    if ignored or threading.current_thread() is not threading.main_thread():
        yield  # as in the background of a script; and signals come to the main thread alone
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def load_for_training(env: str) -> None:
    """Import what a training would import only later.

    Args:
        env: a name of ours or ``gym:ID``; one that is unknown is left to whoever makes it.
    """
    with suppress(ImportError):
        import torch.utils.tensorboard  # noqa: F401
    with suppress(ImportError):
        import gymnasium  # noqa: F401
    for kind in ("environment", "batched environment"):
        if env in names(kind):
            find(kind, env)

"""What runs in a worker process: a local stepper that answers requests from a socket."""

import traceback
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from policyscope.core.errors import PolicyscopeError
from policyscope.core.registry import register
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Snapshot, Stepper


def serve(descriptor: int) -> None:
    """Answer requests until the other end closes.

    Args:
        descriptor: file descriptor of a socket shared with the parent alone.
    """
    pipe = Connection(descriptor)
    stepper: Stepper | None = None
    while True:
        try:
            verb, *args = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            if verb == "make":
                stepper = _make(*args)
                answer: Any = (stepper.space, stepper.exact_restore, stepper.has_final_obs)
            else:
                answer = _ANSWERS[verb](stepper, *args)
            reply = ("done", answer)
        except PolicyscopeError as error:
            reply = ("user error", str(error))
        except Exception:
            reply = ("error", traceback.format_exc())
        try:
            pipe.send(reply)
        except OSError:
            return


def _make(spec: EnvSpec, lanes: int, entry: str | None) -> Stepper:
    from policyscope.envs.make import make_local

    if entry:
        register("environment", spec.id, entry)
    return make_local(spec, lanes)


def _start(stepper: Any, starts: list[Any]) -> Any:
    return stepper.start(starts), stepper.running


def _call(stepper: Stepper, lane: int, method: str, args: tuple[Any, ...]) -> Any:
    answer = stepper.call(lane, method, *args)
    return replace(answer, live=None) if isinstance(answer, Snapshot) else answer


_ANSWERS: dict[str, Callable[..., Any]] = {
    "start": _start,
    "step": lambda stepper, actions: stepper.step(actions),
    "call": _call,
}

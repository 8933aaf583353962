"""Map a function over shards on a dask cluster: a scheduler that hands shards to workers anywhere.

A shard is computed alone and with one torch thread, as in a process of this machine, so its result
is the same. A worker that dies costs its shard only: the scheduler gives it to another one.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

from policyscope.core.errors import MissingPart, PolicyscopeError
from policyscope.core.threads import one_thread
from policyscope.rollouts.told import Progress, failure

WAIT_SECONDS = 10
#: Without any worker for so long, and nothing done, nobody is waited for any more.
ALONE_SECONDS = 20.0
#: The function that this worker was last given, so that what it made is made once.
_kept: tuple[str, Callable[[int], Any]] | None = None
_alone = threading.Lock()


def map_on_cluster(
    function: Callable[[int], Any],
    shards: Sequence[int],
    address: str,
    progress: Progress | None = None,
) -> list[Any]:
    """Compute every shard on a cluster and give the results in the order of ``shards``.

    Args:
        function: from the number of a shard to its result; it and its results are pickled, and
            policyscope must be importable where the workers run.
        shards: what to compute.
        address: of the scheduler, such as tcp://host:8786.
        progress: called with the number of each shard that was finished.

    Raises:
        MissingPart: dask.distributed is not installed.
        PolicyscopeError: no scheduler answers, a shard failed, or its workers died several times;
            what was finished stays.

    Cost: a worker computes one shard at a time, however many threads it has.
    """
    report = progress or (lambda _: None)
    token = uuid.uuid4().hex
    with _client(address) as (client, distributed):
        tasks = {n: client.submit(_compute, token, function, n, pure=False) for n in shards}
        results: dict[int, Any] = {}
        try:
            for number in _finished(client, tasks, address):
                results[number] = _result(tasks[number], number, address, distributed)
                report(number)
        finally:
            client.cancel(list(tasks.values()))
    return [results[n] for n in shards]


def require_cluster(address: str) -> None:
    """Refuse an address where nobody would compute.

    Args:
        address: of the scheduler.

    Raises:
        MissingPart: dask.distributed is not installed.
        PolicyscopeError: no scheduler answers, or it has no workers.
    """
    with _client(address):
        pass


def _finished(client: Any, tasks: dict[int, Any], address: str) -> Iterator[int]:
    """Numbers of shards as they are done; ends where nobody is left to do them."""
    waiting, seen = dict(tasks), time.monotonic()
    while waiting:
        done = [number for number, task in waiting.items() if task.done()]
        for number in done:
            del waiting[number]
            yield number
        if done:
            seen = time.monotonic()
            continue
        time.sleep(0.02)
        if time.monotonic() - seen > ALONE_SECONDS:
            if not client.scheduler_info(n_workers=-1).get("workers"):
                raise PolicyscopeError(
                    f"the dask scheduler at {address} has no workers left; start some and run the "
                    "same command again"
                )
            seen = time.monotonic()


@contextmanager
def _client(address: str) -> Iterator[tuple[Any, Any]]:
    try:
        import distributed
    except ImportError:
        raise MissingPart("distributed", "cluster") from None
    try:
        client = distributed.Client(address, timeout=WAIT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise PolicyscopeError(
            f"no dask scheduler answers at {address} ({cause}); start one with: dask scheduler"
        ) from None
    try:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            raise PolicyscopeError(
                f"the dask scheduler at {address} has no workers; start some with: "
                f"dask worker {address} --nthreads 1"
            )
        yield client, distributed
    finally:
        client.close()


def _result(task: Any, number: int, address: str, distributed: Any) -> Any:
    try:
        return task.result()
    except PolicyscopeError:
        raise
    except (CancelledError, distributed.CancelledError):
        raise PolicyscopeError(
            f"the dask scheduler at {address} went away; start it and run the same command again"
        ) from None
    except distributed.KilledWorker as error:
        raise PolicyscopeError(
            f"the workers of shard {number} died {error.allowed_failures + 1} times; out of memory?"
            " give them more, or start fewer on a machine"
        ) from None
    except Exception as error:
        raise PolicyscopeError(failure(number, error)) from error


def _compute(token: str, function: Callable[[int], Any], shard: int) -> Any:
    """Compute a shard in a worker; the first function of a token serves all its shards."""
    global _kept
    with _alone, one_thread():
        if _kept is None or _kept[0] != token:
            if _kept is not None and hasattr(_kept[1], "close"):
                _kept[1].close()
            _kept = token, function
        return _kept[1](shard)

"""Map a function over shards, in this process or over worker processes.

A shard is computed with one torch thread and knows nothing of the others, so its bytes are the same
for any number of workers. A function with a method ``stream`` may compute several side by side: it
is given what hands out their numbers and gives each result when it is there. A worker is a fresh
interpreter that never imports the caller's main module; it dies with the process that started it,
even in the middle of a shard.
"""

import ctypes
import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from policyscope.core.errors import PolicyscopeError
from policyscope.core.processes import cause_of_death, launch, receive_task, send_task
from policyscope.core.threads import one_thread
from policyscope.rollouts.told import Progress, failure

Stream = Callable[[Iterator[int]], Generator[tuple[int, Any], None, None]]

# Parameters of mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def map_shards(
    function: Callable[[int], Any],
    shards: Sequence[int],
    workers: int = 0,
    progress: Progress | None = None,
    cluster: str | None = None,
) -> list[Any]:
    """Compute every shard and give the results in the order of ``shards``.

    Args:
        function: from the number of a shard to its result; or ``function.stream``, from an iterator
            of numbers to pairs of number and result, each number given once and in any order. With
            workers it is pickled once for each, so it and its results must be picklable and its
            module importable.
        shards: what to compute.
        workers: processes; 0 computes in this one.
        progress: called with the number of each shard that was finished.
        cluster: address of a dask scheduler, which takes the place of ``workers``.

    Raises:
        MissingPart: a cluster without dask.distributed.
        PolicyscopeError: a shard failed or a worker died; the other workers are stopped and what
            was finished stays. Ctrl-C does the same and goes on as KeyboardInterrupt.
    """
    if workers < 0:
        raise PolicyscopeError(f"the number of workers must be 0 or more, got {workers}")
    if not shards:
        return []
    report = progress or (lambda _: None)
    if cluster is not None:
        from policyscope.rollouts.cluster import map_on_cluster

        return map_on_cluster(function, shards, cluster, report)
    if not workers:
        results = {}
        with one_thread(), closing(stream_of(function)(iter(shards))) as stream:
            for shard, result in stream:
                results[shard] = result
                report(shard)
        return [results[shard] for shard in shards]
    team: list[_Worker] = []
    try:
        for _ in range(min(workers, len(shards))):
            team.append(_Worker(function))
        return _collect(team, shards, report)
    finally:
        for worker in team:
            worker.stop()


def stream_of(function: Callable[[int], Any]) -> Stream:
    """From an iterator of numbers of shards to their results; one by one where a function has none.

    Args:
        function: from the number of a shard to its result, perhaps with a method ``stream``.

    Example:
        >>> list(stream_of(abs)(iter([-3, 2])))
        [(-3, 3), (2, 2)]
    """

    def one_by_one(shards: Iterator[int]) -> Generator[tuple[int, Any], None, None]:
        for shard in shards:
            yield shard, function(shard)

    return getattr(function, "stream", one_by_one)


class _Worker:
    """A process that asks for shards and computes some at a time."""

    def __init__(self, function: Callable[[int], Any]):
        self.process, self.pipe = launch("policyscope.rollouts.shards:serve")
        self.shards: list[int] = []
        self.done = False
        try:
            with suppress(OSError):  # a worker that died at once is reported when it is asked
                send_task(self.pipe, function)
        except BaseException:  # the function cannot be pickled
            self.stop()
            raise

    def give(self, shard: int | None) -> None:
        """Hand it a shard, or say that there are no more."""
        if shard is not None:
            self.shards.append(shard)
        with suppress(OSError):
            self.pipe.send(shard)

    def hear(self) -> tuple[int, Any] | None:
        """A shard and its result, or None where it asks for one or has done all.

        Raises:
            PolicyscopeError: a shard failed or the worker died.
        """
        try:
            what, value, trace = self.pipe.recv()
        except (EOFError, OSError):
            raise self._death() from None
        if what == "error":
            error = PolicyscopeError(value)
            error.add_note(trace)
            raise error
        if what == "result":
            self.shards.remove(value[0])
            return value
        self.done = what == "end"
        return None

    def _death(self) -> PolicyscopeError:
        cause = cause_of_death(self.process)
        plural = "s" if len(self.shards) > 1 else ""
        which = f" of shard{plural} {', '.join(map(str, self.shards))}" if self.shards else ""
        return PolicyscopeError(
            f"the worker{which} {cause}; out of memory? run the same command with fewer workers"
        )

    def stop(self) -> None:
        self.pipe.close()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def _collect(team: list[_Worker], shards: Sequence[int], report: Progress) -> list[Any]:
    waiting = iter(shards)
    results: dict[int, Any] = {}
    while len(results) < len(shards):
        busy: dict[Any, _Worker] = {worker.pipe: worker for worker in team if not worker.done}
        for pipe in wait(list(busy)):
            worker = busy[pipe]
            heard = worker.hear()
            if heard is not None:
                shard, results[shard] = heard
                report(shard)
            elif not worker.done:
                worker.give(next(waiting, None))
    return [results[shard] for shard in shards]


def serve(descriptor: int) -> None:
    """Compute shards until the other end closes; runs in a worker.

    Args:
        descriptor: file descriptor of a socket shared with the caller alone.
    """
    import torch

    torch.set_num_threads(1)
    _keep_freed_memory()
    pipe = Connection(descriptor)
    given: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    try:
        function = receive_task(pipe)
    except (EOFError, OSError):
        return
    except Exception as error:  # its module cannot be imported here
        pipe.send(("error", failure("to come", error), traceback.format_exc()))
        return
    threading.Thread(target=_listen, args=(pipe, given), daemon=True).start()
    began: list[int] = []

    def tell(what: str, value: Any = None, trace: str = "") -> None:
        with suppress(OSError):  # the caller is gone; the listening thread ends this process
            pipe.send((what, value, trace))

    def shards() -> Iterator[int]:
        while True:
            tell("next")
            shard = given.get()
            if shard is None:
                return
            began.append(shard)
            yield shard

    try:
        for shard, result in stream_of(function)(shards()):
            began.remove(shard)
            tell("result", (shard, result))
        tell("end")
    except PolicyscopeError as error:
        tell("error", str(error), traceback.format_exc())
    except Exception as error:
        which = ", ".join(map(str, began)) or "to come"
        tell("error", failure(which, error), traceback.format_exc())
    threading.Event().wait()  # the caller ends this process when it needs no worker any more


def _keep_freed_memory() -> None:
    """Let glibc hold what a forward pass frees for the next one, up to 256 MiB.

    Given back and asked for again, as is usual, the pages of images cost a fifth of the time of a
    convolutional network.
    """
    with suppress(OSError, AttributeError, TypeError):  # another C library
        library = ctypes.CDLL(None)
        for parameter, size in ((_TRIM_THRESHOLD, 1 << 28), (_MMAP_THRESHOLD, 1 << 25)):
            library.mallopt(parameter, size)


def _listen(pipe: Connection, given: "queue.SimpleQueue[int | None]") -> None:
    try:
        while True:
            given.put(pipe.recv())
    except (EOFError, OSError):
        os._exit(1)  # the caller is gone: what runs in the main thread is of no use

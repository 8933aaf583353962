"""Map a function over shards, in this process or over worker processes.

A shard is computed alone and with one torch thread, so its bytes are the same for any number of
workers. A worker is a fresh interpreter that never imports the caller's main module; it dies with
the process that started it, even in the middle of a shard.
"""

import ctypes
import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from policyscope.core.errors import PolicyscopeError
from policyscope.core.processes import cause_of_death, launch, receive_task, send_task

Progress = Callable[[int], None]

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
        function: from the number of a shard to its result. With workers it is pickled once for
            each, so it and its results must be picklable and its module importable.
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
    report = progress or (lambda _: None)
    if cluster is not None and shards:
        from policyscope.rollouts.cluster import map_on_cluster

        return map_on_cluster(function, shards, cluster, report)
    if not workers or not shards:
        with one_thread():
            return [_in_process(function, shard, report) for shard in shards]
    team: list[_Worker] = []
    try:
        for _ in range(min(workers, len(shards))):
            team.append(_Worker(function))
        return _collect(team, shards, report)
    finally:
        for worker in team:
            worker.stop()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread, and with as many as before afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _in_process(function: Callable[[int], Any], shard: int, report: Progress) -> Any:
    result = function(shard)
    report(shard)
    return result


class _Worker:
    """A process that computes one shard at a time."""

    def __init__(self, function: Callable[[int], Any]):
        self.process, self.pipe = launch("policyscope.rollouts.shards:serve")
        self.shard: int | None = None
        try:
            with suppress(OSError):  # a worker that died at once is reported when it is asked
                send_task(self.pipe, function)
        except BaseException:  # the function cannot be pickled
            self.stop()
            raise

    def ask(self, shard: int) -> None:
        self.shard = shard
        with suppress(OSError):
            self.pipe.send(shard)

    def answer(self) -> Any:
        try:
            status, value, trace = self.pipe.recv()
        except (EOFError, OSError):
            raise self._death() from None
        if status == "error":
            error = PolicyscopeError(value)
            error.add_note(trace)
            raise error
        return value

    def _death(self) -> PolicyscopeError:
        cause = cause_of_death(self.process)
        return PolicyscopeError(
            f"the worker of shard {self.shard} {cause}; out of memory? "
            "run the same command with fewer workers"
        )

    def stop(self) -> None:
        self.pipe.close()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def _collect(team: list[_Worker], shards: Sequence[int], report: Progress) -> list[Any]:
    waiting = list(reversed(shards))
    results: dict[int, Any] = {}
    for worker in team:
        worker.ask(waiting.pop())
    while len(results) < len(shards):
        busy: dict[Any, Any] = {w.pipe: w for w in team if w.shard is not None}
        for pipe in wait(list(busy)):
            worker = busy[pipe]
            shard = worker.shard
            results[shard] = worker.answer()
            worker.shard = None
            report(shard)
            if waiting:
                worker.ask(waiting.pop())
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
    requests: queue.SimpleQueue[int] = queue.SimpleQueue()
    try:
        function = receive_task(pipe)
    except (EOFError, OSError):
        return
    except Exception as error:  # its module cannot be imported here
        pipe.send(("error", failure("to come", error), traceback.format_exc()))
        return
    threading.Thread(target=_listen, args=(pipe, requests), daemon=True).start()
    while True:
        shard = requests.get()
        try:
            reply = ("done", function(shard), "")
        except PolicyscopeError as error:
            reply = ("error", str(error), traceback.format_exc())
        except Exception as error:
            reply = ("error", failure(shard, error), traceback.format_exc())
        with suppress(OSError):  # the caller is gone; the listening thread ends this process
            pipe.send(reply)


def _keep_freed_memory() -> None:
    """Let glibc hold what a forward pass frees for the next one, up to 256 MiB.

    Given back and asked for again, as is usual, the pages of images cost a fifth of the time of a
    convolutional network.
    """
    with suppress(OSError, AttributeError, TypeError):  # another C library
        library = ctypes.CDLL(None)
        for parameter, size in ((_TRIM_THRESHOLD, 1 << 28), (_MMAP_THRESHOLD, 1 << 25)):
            library.mallopt(parameter, size)


def _listen(pipe: Connection, requests: "queue.SimpleQueue[int]") -> None:
    try:
        while True:
            requests.put(pipe.recv())
    except (EOFError, OSError):
        os._exit(1)  # the caller is gone: what runs in the main thread is of no use


def failure(shard: int | str, error: Exception) -> str:
    """One line about a shard that failed by a mistake of ours: which, what and where."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
    cause = " ".join(str(error).split())
    return f"shard {shard} failed: {type(error).__name__}: {cause} ({place})"

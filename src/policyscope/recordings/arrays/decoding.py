"""Worker processes that decode whole shards and hand the numbers over a socket."""

import os
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.processes import Process, cause_of_death, launch
from policyscope.recordings.shards.chunks import read_rows


class Decoders:
    """Decodes shards in the order they are asked for, a few ahead of when they are needed.

    Args:
        workers: processes; 0 decodes in this one when a shard is taken.

    Raises:
        PolicyscopeError: this system has no worker processes.
    """

    def __init__(self, workers: int):
        self._team: list[tuple[Process, Connection]] = []
        self._asked: list[tuple[Path, list[str], int]] = []
        self._sent = self._taken = 0
        try:
            for _ in range(workers):
                self._team.append(launch("policyscope.recordings.arrays.decoding:serve"))
        except BaseException:
            self.close()
            raise

    def ask(self, arrays: Path, names: Sequence[str], rows: int) -> None:
        """Ask for a shard.

        Args:
            arrays: its zarr group.
            names: arrays as they are stored.
            rows: of the shard.
        """
        self._asked.append((arrays, list(names), rows))
        self._send()

    def take(self) -> list[np.ndarray]:
        """Arrays of the next shard, in the order of the names.

        Raises:
            BadFile: the shard is torn.
            PolicyscopeError: a worker died.
        """
        arrays, names, rows = self._asked[self._taken]
        if not self._team:
            self._taken += 1
            return _decode(arrays, names, rows)
        process, pipe = self._team[self._taken % len(self._team)]
        try:
            torn, failure, kinds = pipe.recv()
            found = [_receive(pipe.fileno(), np.dtype(kind), shape) for kind, shape in kinds]
        except (EOFError, OSError):
            told = f"the worker that reads {arrays.parent} {cause_of_death(process)}"
            raise PolicyscopeError(f"{told}; out of memory? use fewer workers") from None
        self._taken += 1
        self._send()
        if torn:
            raise BadFile(arrays.parent, failure)
        if failure:
            raise PolicyscopeError(failure)
        return found

    def _send(self) -> None:
        """One shard to decode and one to go on with for each worker: so requests never block."""
        while self._sent < min(len(self._asked), self._taken + 2 * len(self._team)):
            _, pipe = self._team[self._sent % len(self._team)]
            with suppress(OSError):  # a dead worker is told of when its answer is taken
                pipe.send(self._asked[self._sent])
            self._sent += 1

    def close(self) -> None:
        """Stop the workers, whatever they do."""
        for process, pipe in self._team:
            pipe.close()
            process.kill()
            process.wait()
        self._team = []


def serve(descriptor: int) -> None:
    """Decode shards until the other end closes; runs in a worker.

    Args:
        descriptor: file descriptor of a socket shared with the caller alone.
    """
    pipe = Connection(descriptor)
    with suppress(EOFError, OSError):  # the caller is gone
        while True:
            arrays, names, rows = pipe.recv()
            try:
                found = _decode(arrays, names, rows)
            except BadFile as error:
                pipe.send((True, str(error).removeprefix(f"{arrays.parent}: "), []))
                continue
            except PolicyscopeError as error:
                pipe.send((False, str(error), []))
                continue
            pipe.send((False, "", [(array.dtype.str, array.shape) for array in found]))
            for array in found:
                view = _bytes(array)
                while view:
                    view = view[os.write(descriptor, view) :]


def _decode(arrays: Path, names: Sequence[str], rows: int) -> list[np.ndarray]:
    try:
        return [read_rows(arrays / name, slice(0, rows)) for name in names]
    except BadFile as error:
        raise BadFile(arrays.parent, f"torn shard: {error}") from None


def _receive(descriptor: int, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    array = np.empty(shape, dtype)
    view = _bytes(array)
    while view:
        count = os.readv(descriptor, [view])
        if not count:
            raise EOFError
        view = view[count:]
    return array


def _bytes(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data

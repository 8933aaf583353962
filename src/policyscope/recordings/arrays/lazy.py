"""The steps of many episodes as one labelled dataset that reads what is asked for."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from policyscope.core.errors import BadFile, UnknownName
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space
from policyscope.recordings.arrays.dataset import axes, labels
from policyscope.recordings.plan import Plan
from policyscope.recordings.shards.chunks import grouped, take_rows
from policyscope.recordings.shards.gather import KEPT_ROWS
from policyscope.recordings.shards.store import MEND, ShardReader, shard_folder

#: Axis of the steps of all episodes; an episode's own axis is called step.
DECISION = "decision"


@runtime_checkable
class Source(Protocol):
    """What a ``Recording`` has that its selections, windows and batches need."""

    path: Path
    plan: Plan
    env: EnvSpec
    space: Space
    outputs: dict[str, tuple[int, ...]]
    episodes: pd.DataFrame

    def reader(self, shard: int) -> ShardReader:
        """A finished shard."""

    def episode(self, k: int) -> xr.Dataset:
        """One episode."""

    def entities(self, k: int) -> pd.DataFrame:
        """Entities of one episode."""

    def rows(
        self, names: Sequence[str], episodes: Iterable[int] | None = None
    ) -> dict[str, np.ndarray]:
        """Columns over many episodes."""

    def find(self, query: str, one_per_episode: bool = False) -> pd.DataFrame:
        """Moments that a query describes."""


class Rows:
    """The R steps of some episodes, one after the other.

    Args:
        recording: an open recording.
        episodes: lines of its table ``episodes``.
    """

    def __init__(self, recording: Source, episodes: pd.DataFrame):
        self.recording = recording
        self.counts = episodes["steps"].to_numpy(np.int64)
        self.numbers = episodes["episode"].to_numpy(np.int64)
        self._ends = np.cumsum(self.counts)
        self._shards = episodes["shard"].to_numpy(np.int64)
        self._firsts = episodes["row"].to_numpy(np.int64)
        self._kinds = _kinds(recording)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def names(self) -> list[str]:
        """Names that ``read`` knows."""
        return [name for name in self._kinds if name not in ("episode", "step")]

    def kind(self, name: str) -> tuple[np.dtype, tuple[int, ...]]:
        """Type of a column and shape of one row of it.

        Raises:
            UnknownName: no such column.
        """
        if name not in self._kinds:
            raise UnknownName("column", name, self.names)
        return self._kinds[name]

    def place(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where rows lie: each one's line of the episodes and its step there.

        Args:
            rows: (N,) from 0 up to R.
        """
        lines = np.searchsorted(self._ends, rows, side="right")
        return lines, rows - (self._ends - self.counts)[lines]

    def read(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Rows of a column, in the order asked for: (N, ...).

        Args:
            name: such as obs, q, reward, ``sites/attention_layer.pattern``.
            rows: (N,) from 0 up to R.

        Raises:
            UnknownName: no such column.
            BadFile: a shard is torn.

        Cost: decodes each chunk that holds one of them once.
        """
        dtype, shape = self.kind(name)
        out = np.empty((len(rows), *shape), dtype)
        lines, steps = self.place(rows)
        stored = f"outputs/{name}" if name in self.recording.outputs else name
        for shard, places in grouped(self._shards[lines]):
            folder = shard_folder(self.recording.path, shard)
            inside = self._firsts[lines[places]] + steps[places]
            try:
                found = take_rows(folder / "arrays.zarr" / stored, inside)
            except BadFile as error:
                raise BadFile(folder, f"torn shard: {error}", MEND) from None
            if found.shape[1:] != shape or found.dtype != dtype:
                raise BadFile(folder, f"torn shard: {name} differs from other shards", MEND)
            out[places] = found
        return out


def _kinds(recording: Source) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
    """Type and shape of a row of each column kept at every step, from one shard's metadata."""
    if not len(recording.episodes):
        return {}
    first = recording.reader(int(recording.episodes["shard"].iloc[0]))
    left_out = {KEPT_ROWS, *(f"sites/{name}" for name in recording.plan.thinned)}
    return {
        name.removeprefix("outputs/"): (dtype.newbyteorder("<"), shape[1:])
        for name, (dtype, shape, _) in first.layout.items()
        if name not in left_out
    }


def lazy_dataset(rows: Rows) -> xr.Dataset:
    """All steps as one dataset, of which nothing is read yet.

    Args:
        rows: which steps.

    Returns:
        Dims decision and those of ``Recording.episode``; coordinates episode and step along
        decision; a variable for each column that is kept at every step.
    """
    recording, space = rows.recording, rows.recording.space
    variables = {}
    for name in rows.names:
        dtype, shape = rows.kind(name)
        stored = f"outputs/{name}" if name in recording.outputs else name
        lazy = indexing.LazilyIndexedArray(_Column(rows, name, dtype, (len(rows), *shape)))
        variables[name] = xr.Variable((DECISION, *axes(stored, shape, space)), lazy)
    dims = {str(dim) for variable in variables.values() for dim in variable.dims}
    lines, steps = rows.place(np.arange(len(rows)))
    coords: dict[Any, Any] = {
        "episode": (DECISION, rows.numbers[lines].astype(np.int32)),
        "step": (DECISION, steps.astype(np.int32)),
        **labels(dims, space),
    }
    return xr.Dataset(variables, coords, {"env": recording.env.id})


class _Column(BackendArray):
    """What xarray asks for the values of a column."""

    def __init__(self, rows: Rows, name: str, dtype: np.dtype, shape: tuple[int, ...]):
        self._rows, self._name, self.dtype, self.shape = rows, name, dtype, shape

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def __deepcopy__(self, memo: Any) -> "_Column":
        return self  # nothing of it can be changed

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        wanted = np.arange(self.shape[0])[key[0]]
        values = self._rows.read(self._name, np.atleast_1d(wanted))
        for axis in range(len(key) - 1, 0, -1):
            values = values[(slice(None),) * axis + (key[axis],)]
        return values if np.ndim(wanted) else values[0]


def labelled(
    rows: Rows, names: Sequence[str], wanted: np.ndarray, dims: tuple[str, ...]
) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Columns at some steps as variables of a dataset.

    Args:
        rows: where they are read.
        names: of columns.
        wanted: rows to read, an axis for each of ``dims``.
        dims: names of these axes.
    """
    found = {}
    for name in names:
        _, shape = rows.kind(name)
        stored = f"outputs/{name}" if name in rows.recording.outputs else name
        values = rows.read(name, wanted.reshape(-1)).reshape(*wanted.shape, *shape)
        found[name] = ((*dims, *axes(stored, shape, rows.recording.space)), values)
    return found

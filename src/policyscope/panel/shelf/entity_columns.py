"""The entities of an episode as columns of numbers."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from policyscope.core.errors import BadFile
from policyscope.panel.shelf.shelf import Shelf
from policyscope.recordings.read import Recording
from policyscope.recordings.shards.store import MEND, ShardReader

#: Columns that a page gets, and the type it gets them in.
COLUMNS = {
    "step": "int32", "identity": "int32", "kind": "uint8", "row": "int32", "x": "float64",
    "y": "float64", "heading": "float64", "speed": "float64", "length": "float64",
    "width": "float64",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Entities:
    """Entities of one episode, ordered by step: E lines in all.

    Args:
        columns: (E,) each; kind is a code.
        kinds: names that the codes stand for.
    """

    columns: dict[str, np.ndarray]
    kinds: list[str]


def entities(shelf: Shelf, recording: Recording, k: int) -> Entities:
    """Entities of an episode.

    Args:
        shelf: keeps the tables of the shards asked for last.
        recording: open.
        k: number of the episode.

    Raises:
        UnknownName: no such episode.
        BadFile: the table of its shard is torn.
    """
    shard, _ = recording.place(k)
    whole = shelf.kept(recording, ("entities", shard.folder), lambda: _shard(shard), _bytes)
    numbers = whole.columns["episode"]
    first, last = np.searchsorted(numbers, k), np.searchsorted(numbers, k, "right")
    return Entities({name: whole.columns[name][first:last] for name in COLUMNS}, whole.kinds)


def _shard(shard: ShardReader) -> Entities:
    table = shard.entity_table()
    try:
        kind = pc.dictionary_encode(table["kind"].combine_chunks())
        kinds = [str(name) for name in kind.dictionary.to_pylist()]
        columns = {
            name: table[name].to_numpy().astype(dtype)
            for name, dtype in {"episode": "int32", **COLUMNS}.items()
            if name != "kind"
        }
        columns["kind"] = kind.indices.to_numpy(zero_copy_only=False).astype(np.uint8)
    except (KeyError, pa.ArrowException, ValueError) as error:
        raise BadFile(shard.folder, f"torn shard: entities: {error}", MEND) from None
    order = np.lexsort((columns["step"], columns["episode"]))
    if not np.array_equal(order, np.arange(len(order))):
        columns = {name: values[order] for name, values in columns.items()}
    return Entities(columns, kinds)


def _bytes(whole: Entities) -> int:
    return sum(values.nbytes for values in whole.columns.values())

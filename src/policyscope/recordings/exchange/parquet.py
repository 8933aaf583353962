"""The steps of a recording as one Parquet table, written shard by shard."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.files import atomic_file
from policyscope.core.target_parser import Target, parse_target
from policyscope.recordings.arrays.steps import Steps, blocks
from policyscope.recordings.arrays.targets import of_target
from policyscope.recordings.find.numbers import spans
from policyscope.recordings.read import Recording

#: Key of the file's metadata, and the version of these columns.
KEY, VERSION = b"policyscope", 1
#: Arrays that are written as lists when they are asked for by name.
LISTS = ("obs", "state_in", "row_identity")


@dataclass(frozen=True)
class Column:
    """One column of the table.

    Args:
        name: in the file.
        kind: its type.
        meaning: what it says, for the file's metadata.
        unit: of its numbers; empty where they have none.
        values: gives it for some steps.
        shape: of one entry, where that is a list.
    """

    name: str
    kind: pa.DataType
    meaning: str
    unit: str
    values: Callable[[Steps], Any]
    shape: tuple[int, ...] = ()

    @property
    def field(self) -> pa.Field:
        """Its line of the schema."""
        told = {"meaning": self.meaning, "unit": self.unit}
        if self.shape:
            told["shape"] = ",".join(map(str, self.shape))
        return pa.field(self.name, self.kind, metadata={k: v for k, v in told.items() if v})


def write_steps(
    recording: Recording,
    out: str | Path,
    columns: Sequence[str] = (),
    sites: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write a table with one row a step over all episodes.

    Columns are episode, step, action (number and name), policy_action, logp, reward,
    return_so_far, terminated, truncated, a column for each number of each output (``q[FASTER]``),
    and those asked for. What each means stands in the metadata of its field.

    Args:
        recording: an open recording.
        out: the file.
        columns: targets, e.g. ``q[FASTER]-q[SLOWER]``, and obs, state_in or row_identity as lists
            of fixed size, the last axis running fastest.
        sites: patterns of activations, each a list of fixed size; null where one is not kept.
        progress: called with the number of rows written.

    Returns:
        How many rows there are.

    Raises:
        BadTarget: a target that cannot be read.
        UnknownName: no such site, output or action.
        PolicyscopeError: the agent has no such quantity.

    Cost: memory of one shard's columns.

    Example:
        ``write_steps(rec, "steps.parquet", ["value"], ["memory.*"])``
    """
    parts = _columns(recording, columns, sites)
    schema = pa.schema([part.field for part in parts], {KEY: _about(recording)})
    written = 0
    with (
        atomic_file(out) as beside,
        pq.ParquetWriter(beside, schema, compression="zstd", write_page_checksum=True) as file,
    ):
        for steps in blocks(recording, 1):
            arrays = [_array(part, steps) for part in parts]
            file.write_table(pa.Table.from_arrays(arrays, schema=schema))
            written += len(steps)
            if progress:
                progress(written)
    return written


def _columns(recording: Recording, asked: Sequence[str], sites: Sequence[str]) -> list[Column]:
    if not len(recording):
        raise PolicyscopeError("the recording holds no finished episode")
    steps = next(blocks(recording, 1))
    parts = [*_always(recording, steps), *_outputs(recording)]
    for text in dict.fromkeys(asked):
        if text in LISTS:
            if text not in steps.names:
                raise PolicyscopeError(f"the recording holds no {text}")
            parts.append(_list(text, steps, _MEANINGS[text]))
        elif text not in [part.name for part in parts]:
            parts.append(_target(recording, text, steps))
    for name in _sites(recording, sites):
        if name in recording.plan.thinned:
            parts.append(_thinned(recording, name))
            continue
        parts.append(_list(f"sites/{name}", steps, f"activation of {name}"))
    return parts


_MEANINGS = {
    "obs": "observation before the action",
    "state_in": "the agent's memory before the step",
    "row_identity": "identity of the entity in each row of the observation; -1 where none",
}


def _always(recording: Recording, steps: Steps) -> Iterator[Column]:
    plain = [
        ("episode", pa.int32(), "number of the episode", ""),
        ("step", pa.int32(), "number of the decision in its episode, from 0", "decisions"),
        *_action_columns(recording, steps),
        ("logp", pa.float32(), "log-probability of the action; NaN where it has none", "nats"),
        ("reward", pa.float64(), "what this action brought", "reward"),
        ("return_so_far", pa.float64(), "sum of the rewards before this action", "reward"),
        ("terminated", pa.bool_(), "the action ended the episode by the rules", ""),
        ("truncated", pa.bool_(), "the episode was cut after this action", ""),
    ]
    for name, kind, meaning, unit in plain:
        yield Column(name, kind, meaning, unit, _GIVEN.get(name, _named(recording, name)))


def _action_columns(recording: Recording, steps: Steps) -> Iterator[tuple[str, Any, str, str]]:
    shape = steps.column("action").shape[1:]
    kind = pa.from_numpy_dtype(steps.column("action").dtype)
    for name, of in (("action", "executed action"), ("policy_action", "action the policy chose")):
        if shape:
            for index in product(*map(range, shape)):
                yield f"{name}{_index(index)}", kind, f"{of}, one of its numbers", ""
            continue
        yield name, kind, f"number of the {of}", ""
        if name == "action" and recording.space.actions:
            text = pa.dictionary(pa.int16(), pa.string())
            yield "action_name", text, "name of the executed action", ""


def _named(recording: Recording, name: str) -> Callable[[Steps], Any]:
    """How to get a column of this name: a whole array or, with an index, one number of it."""
    if name == "action_name":
        return lambda steps: _names(steps.column("action"), recording.space.actions)
    array, bracket, inside = name.partition("[")
    if not bracket:
        return lambda steps: steps.column(name)
    index = tuple(map(int, inside.removesuffix("]").split(",")))
    return _number(array, index)


def _number(array: str, index: tuple[int, ...]) -> Callable[[Steps], np.ndarray]:
    """Gives one number of each row of an array."""

    def values(steps: Steps) -> np.ndarray:
        taken: tuple[Any, ...] = (slice(None), *index)
        return steps.column(array)[taken]

    return values


def _names(actions: np.ndarray, names: Sequence[str]) -> pa.Array:
    known = (actions >= 0) & (actions < len(names))
    numbers = pa.array(np.where(known, actions, 0).astype(np.int16), mask=~known)
    return pa.DictionaryArray.from_arrays(numbers, pa.array(list(names), pa.string()))


def _return_so_far(steps: Steps) -> np.ndarray:
    reward, out = steps.column("reward"), np.zeros(len(steps))
    for one in spans(steps):
        out[one] = np.concatenate([[0.0], np.cumsum(reward[one])[:-1]])
    return out


_GIVEN: dict[str, Callable[[Steps], Any]] = {"return_so_far": _return_so_far}


def _outputs(recording: Recording) -> Iterator[Column]:
    """One column for each number that the network put out."""
    actions = recording.space.actions
    for name, shape in recording.outputs.items():
        of_actions = bool(actions) and shape == (len(actions),)
        for index in product(*map(range, shape)):
            told = f"[{actions[index[0]]}]" if of_actions else _index(index) if index else ""
            yield Column(
                name + told, pa.float32(), f"output {name} of the network before the action", "",
                _number(name, index),
            )  # fmt: skip


def _target(recording: Recording, text: str, steps: Steps) -> Column:
    target: Target = parse_target(text)
    actions = recording.space.actions
    of_target(target, actions, steps)  # says what is wrong before anything is written
    meaning = f"target {target}; NaN where it looks beyond the end"
    return Column(text, pa.float32(), meaning, "", lambda some: of_target(target, actions, some))


def _sites(recording: Recording, patterns: Sequence[str]) -> list[str]:
    chosen: dict[str, None] = {}
    for pattern in patterns:
        found = [name for name in recording.sites if fnmatchcase(name, pattern)]
        if not found:
            raise UnknownName("site", pattern, recording.sites)
        chosen |= dict.fromkeys(found)
    return list(chosen)


def _list(name: str, steps: Steps, meaning: str) -> Column:
    first = steps.column(name)
    kind = pa.list_(_type(first.dtype), int(np.prod(first.shape[1:], dtype=int)))
    return Column(name, kind, meaning, "", lambda some: some.column(name), first.shape[1:] or (1,))


def _thinned(recording: Recording, name: str) -> Column:
    """A site that is kept at some steps of an episode, and null at the others."""
    shape = recording.sites[name]
    kind = pa.list_(_type(np.dtype(np.float16)), int(np.prod(shape, dtype=int)))

    def values(steps: Steps) -> pa.Array:
        shard = recording.reader(int(recording.line(int(steps.episode[0]))["shard"]))
        kept = shard.array(f"sites/{name}").astype(np.float32)
        lists = pa.FixedSizeListArray.from_arrays(pa.array(kept.reshape(-1)), type=kind)
        place = np.full(shard.rows, -1)
        place[shard.kept_rows] = np.arange(len(kept))
        return lists.take(pa.array(place, mask=place < 0))

    meaning = f"activation of {name}, kept at one step of {recording.plan.every}, else null"
    return Column(f"sites/{name}", kind, meaning, "", values, shape)


def _type(dtype: np.dtype) -> pa.DataType:
    """Type in the file; half precision, which few programs read, becomes single."""
    return pa.float32() if dtype == np.float16 else pa.from_numpy_dtype(dtype)


def _array(part: Column, steps: Steps) -> pa.Array:
    values = part.values(steps)
    if isinstance(values, pa.Array):
        return values
    if part.shape:
        flat = pa.array(np.ascontiguousarray(values).reshape(-1), part.kind.value_type)
        return pa.FixedSizeListArray.from_arrays(flat, type=part.kind)
    return pa.array(np.ascontiguousarray(values), part.kind, from_pandas=False)


def _index(index: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, index))}]"


def _about(recording: Recording) -> bytes:
    """Where the table comes from, for the file's metadata."""
    told = {
        "version": VERSION,
        "env": recording.env.to_json(),
        "act": recording.act,
        "episodes": len(recording),
        "rows": "one a decision; what was seen and thought before the action, then what it brought",
        "provenance": recording.provenance,
    }
    return json.dumps(told).encode()

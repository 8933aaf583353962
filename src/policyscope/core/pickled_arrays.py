"""What a pickled file of numbers may ask to be made, and how it is made here.

A file names things by module and name. The names below are words of a closed language: none of
them is looked up or imported.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from math import prod
from typing import Any, BinaryIO

import numpy as np

from policyscope.core.errors import PolicyscopeError

_KINDS = re.compile(r"[<>|=]?([fiub])([1248])")
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
#: As numpy; a product of many long numbers takes the square of their count.
_MOST_AXES = 64
_PLAIN = ("list", "dict", "int", "float", "str", "bool", "tuple", "bytes", "NoneType")
_BUILTINS = ("builtins", "__builtin__")

ALLOWED = {
    ("numpy", "dtype"): "dtype",
    ("numpy", "ndarray"): "ndarray",
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): "wrapper",
    ("collections", "defaultdict"): "mapping",
    ("collections", "OrderedDict"): "mapping",
    ("_codecs", "encode"): "bytes",
    **{(module, "scalar"): "scalar" for module in _MULTIARRAY},
    **{(module, "_reconstruct"): "array" for module in _MULTIARRAY},
    **{(module, name): "plain" for module in _BUILTINS for name in _PLAIN},
}
"""What each name stands for; nothing else is accepted."""


@dataclass
class Record:
    """An object of a named class, kept as what the file says of it: nothing of the class is run.

    Args:
        name: module and class, as the file says.
        fields: its attributes by name.
    """

    name: str
    fields: dict[str, Any] = field(default_factory=dict)


class NotPlain(PolicyscopeError):
    """A pickled file that is damaged or asks for more than numbers and containers."""


@dataclass(frozen=True)
class Word:
    """A name in a pickled file.

    Args:
        module: as the file says.
        name: as the file says.
        kind: what it stands for.
    """

    module: str
    name: str
    kind: str


@dataclass
class Kind:
    """A type of numbers, e.g. ``f4``, before and after its byte order is known."""

    text: str
    order: str = "="

    def numpy(self) -> np.dtype[Any]:
        """The numpy type.

        Raises:
            NotPlain: no plain type of numbers.
        """
        found = _KINDS.fullmatch(self.text)
        if not found or self.order not in ("<", ">", "=", "|"):
            raise NotPlain(f"holds values of type {ascii(self.text)[:40]}, not numbers")
        return np.dtype(f"{'<' if self.order in '|=' else self.order}{found[1]}{found[2]}")


@dataclass
class Pending:
    """An array whose shape and numbers are still to come."""

    kind: str


def word(module: str, name: str, records: Collection[str] = ()) -> Word:
    """A name of the closed language.

    Args:
        module: as the file says.
        name: as the file says.
        records: modules, or packages of such, whose objects are kept as a ``Record``.

    Raises:
        NotPlain: any other name.

    Example:
        >>> word("numpy", "dtype").kind
        'dtype'
    """
    kind = ALLOWED.get((module, name))
    if kind is None and any(f"{module}.".startswith(f"{known}.") for known in records):
        kind = "record"
    if kind is None:
        asked = ascii(f"{module}.{name}")[1:80].rstrip("'")
        raise NotPlain(f"asks for {asked}, which is no data; nothing of it was run")
    return Word(module, name, kind)


def call(what: Any, given: Any) -> Any:
    """What a name makes of its arguments.

    Raises:
        NotPlain: it is no name, or takes other arguments.
    """
    kind = what.kind if isinstance(what, Word) else ""
    given = tuple(given)
    match kind, given:
        case "dtype", (str() as text, *_):
            return Kind(text)
        case "wrapper" | "ndarray", ():
            return Pending(kind)
        case "array", (Word(kind="ndarray"), *_):
            return Pending("array")
        case "mapping", () | (Word(kind="plain"),):
            return {}
        case "bytes", (str() as text, "latin1" | "latin-1"):
            return text.encode("latin-1")
        case "plain", () if what.name == "bytes":
            return b""
        case "record", _:
            return Record(f"{what.module}.{what.name}")
        case "scalar", (Kind() as number, bytes() as data):
            return _numbers(data, number, (), "C").item()
    raise NotPlain("is damaged or asks for something that is no data; nothing of it was run")


def build(made: Any, state: Any, file: BinaryIO) -> Any:
    """What a made thing becomes with its state; joblib's arrays follow it in the file.

    Raises:
        NotPlain: it takes no such state, or the file ends within its numbers.
    """
    match made, state:
        case Record(), dict():
            made.fields.update({k: v for k, v in state.items() if isinstance(k, str)})
            return made
        case Record(), _:
            return made
        case Kind(), (int(), str() as order, None, None, None, *_):
            made.order = order
            return made
        case Pending(kind="array"), (
            int(),
            tuple() as shape,
            Kind() as kind,
            fortran,
            bytes() as d,
        ):
            return _numbers(d, kind, shape, "F" if fortran else "C")
        case Pending(kind="wrapper"), {
            "subclass": Word(kind="ndarray"),
            "shape": tuple() as shape,
            "order": "C" | "F" as order,
            "dtype": Kind() as kind,
        }:
            if state.get("numpy_array_alignment_bytes") is not None:
                file.read(ord(file.read(1)))
            return _numbers(file.read(_size(shape, kind, file)), kind, shape, order)
    raise NotPlain("is damaged or asks for something that is no data; nothing of it was run")


def _size(shape: tuple[Any, ...], kind: Kind, file: BinaryIO) -> int:
    """Bytes of an array, which the file must still have."""
    here = file.tell()
    left = file.seek(0, 2) - here
    file.seek(here)
    size = _count(shape) * kind.numpy().itemsize
    if size > left:
        raise NotPlain(f"is truncated: {size:,} bytes of an array are announced, {left:,} left")
    return size


def _count(shape: tuple[Any, ...]) -> int:
    if len(shape) > _MOST_AXES or not all(type(extent) is int and extent >= 0 for extent in shape):
        raise NotPlain("is damaged: it holds an array of no shape")
    return prod(shape)


def _numbers(data: bytes, kind: Kind, shape: tuple[Any, ...], order: Any) -> np.ndarray:
    dtype = kind.numpy()
    if len(data) != _count(shape) * dtype.itemsize:
        raise NotPlain(f"is damaged: {len(data):,} bytes for {_count(shape):,} {kind.text}")
    array = np.frombuffer(data, dtype).reshape(shape, order=order)
    return array.astype(dtype.newbyteorder("="))

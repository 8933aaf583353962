"""Numbers out of pickled files, without unpickling them.

The file is a program for a small machine. It is run here by a machine that knows containers,
numbers, text and arrays, and no other object: whatever else the file asks for is refused by name.
Nothing is imported, looked up or called on the file's word.
"""

import pickletools
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, BinaryIO

from policyscope.core.errors import BadFile
from policyscope.core.pickled_arrays import NotPlain, build, call, word

_MARK = object()
_ITSELF = frozenset(
    ["INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"]
    + ["UNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINUNICODE", "STRING", "BINSTRING"]
    + ["SHORT_BINSTRING", "BINBYTES", "BINBYTES8", "SHORT_BINBYTES", "BYTEARRAY8"]
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": set,
}  # fmt: skip
#: What may be a key or in a set: a tuple that holds one other twice, and so on, hashes in 2**depth.
_KEYS = (str, int, float, bytes, bool, type(None))
_SHORT = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_pickled(path: str | Path, records: Collection[str] = ()) -> Any:
    """Values of a pickled file (of joblib's uncompressed ones too) that holds data alone.

    Args:
        path: a file of Python containers, numbers, text and numpy arrays.
        records: modules whose objects may be in it; each is read as a ``Record`` of its attributes,
            without the module being imported.

    Raises:
        BadFile: it is missing, truncated or damaged, or asks for any other object.

    Cost: reads the file once; arrays are copied.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "a.jd")
        ...     _ = file.write_bytes(bytes.fromhex("80027d71005801000000614b07732e"))
        ...     read_pickled(file)
        {'a': 7}
    """
    path = Path(path)
    if not path.is_file():
        raise BadFile(path, "no such file")
    try:
        with path.open("rb") as file:
            return _Machine(file, records).run()
    except NotPlain as error:
        raise BadFile(path, str(error)) from None
    except OSError:
        raise
    except Exception as error:  # damaged bytes can break the decoder in any way
        told = " ".join(str(error).split())[:120] or type(error).__name__
        raise BadFile(path, f"is truncated or damaged, or no pickled file: {told}") from None


class _Machine:
    """Stack, memo, and what each instruction does to them."""

    def __init__(self, file: BinaryIO, records: Collection[str]) -> None:
        self.file, self.records = file, records
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        for instruction, argument, _ in pickletools.genops(self.file):
            name = instruction.name
            if name == "STOP":
                return self.stack.pop()
            self._execute(name, argument)
        raise NotPlain("is truncated: it has no end")

    def _execute(self, name: str, argument: Any) -> None:
        if name in _ITSELF:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _SHORT:
            self.stack.append(tuple(self._last(_SHORT[name])))
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            self.stack.append(self.memo[argument])
        elif name not in ("PROTO", "FRAME"):
            getattr(self, f"_{name.lower()}", self._unknown)(argument)

    def _unknown(self, _: Any) -> None:
        raise NotPlain("asks for something that is no data; nothing of it was run")

    def _last(self, count: int) -> list[Any]:
        values = [self.stack.pop() for _ in range(count)][::-1]
        if any(value is _MARK for value in values):
            raise NotPlain("is damaged")
        return values

    def _marked(self) -> list[Any]:
        """All above the last mark, which goes too."""
        values = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def _pop(self, _: Any) -> None:
        self.stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self._marked()

    def _dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._marked()))

    def _list(self, _: Any) -> None:
        self.stack.append(self._marked())

    def _dict(self, _: Any) -> None:
        self.stack.append(_pairs(self._marked()))

    def _append(self, _: Any) -> None:
        self._extend(self._last(1))

    def _appends(self, _: Any) -> None:
        self._extend(self._marked())

    def _extend(self, values: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise NotPlain("is damaged")
        self.stack[-1].extend(values)

    def _setitem(self, _: Any) -> None:
        self._update(self._last(2))

    def _setitems(self, _: Any) -> None:
        self._update(self._marked())

    def _update(self, values: list[Any]) -> None:
        if type(self.stack[-1]) is not dict:
            raise NotPlain("is damaged")
        self.stack[-1].update(_pairs(values))

    def _additems(self, _: Any) -> None:
        values = self._marked()
        if type(self.stack[-1]) is not set:
            raise NotPlain("is damaged")
        self.stack[-1].update(_hashed(values))

    def _global(self, argument: str) -> None:
        module, name = argument.split(" ", 1)
        self.stack.append(word(module, name, self.records))

    def _stack_global(self, _: Any) -> None:
        module, name = self._last(2)
        if type(module) is not str or type(name) is not str:
            raise NotPlain("is damaged: it asks for a thing by what is no name")
        self.stack.append(word(module, name, self.records))

    def _reduce(self, _: Any) -> None:
        what, given = self._last(2)
        self.stack.append(call(what, given))

    _newobj = _reduce

    def _build(self, _: Any) -> None:
        made, state = self._last(2)
        self.stack.append(build(made, state, self.file))


def _pairs(values: list[Any]) -> dict[Any, Any]:
    return dict(zip(_hashed(values[::2]), values[1::2], strict=True))


def _hashed(values: list[Any]) -> list[Any]:
    """The same values, if all may be keys."""
    if not all(type(value) in _KEYS for value in values):
        raise NotPlain("has keys other than text, numbers, bytes or None")
    return values

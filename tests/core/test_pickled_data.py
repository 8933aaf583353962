"""Files are made by Python's own pickler, with joblib's way of writing arrays copied beside it."""

import collections
import contextlib
import io
import os
import pickle
import sys
import types

import numpy as np
import pytest

from policyscope.core.errors import BadFile
from policyscope.core.pickled_data import read_pickled

ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
    np.arange(5, dtype=">i4"),
    np.array([True, False]),
    np.zeros((0, 3), np.uint8),
    np.array(7, np.int64),
]
VALUES = {
    "none": None, "yes": True, "int": -5, "long": 1 << 80, "float": 0.1, "text": "ä",
    "bytes": b"\0z",
    "list": [1, [2, (3, ())]], "tuple": (1, 2, 3, 4), "set": {1, 2}, "big": 70_000, "negative": -1,
    "default": collections.defaultdict(list, {"a": [1]}), 3: collections.OrderedDict(b=2),
    "scalar": np.float32(1.5), "count": np.int64(9), "flag": np.bool_(True),
}  # fmt: skip


class NumpyArrayWrapper:
    """What joblib puts in the place of an array."""


NumpyArrayWrapper.__module__ = "joblib.numpy_pickle"


@pytest.fixture
def joblib(monkeypatch):
    module = types.ModuleType("joblib.numpy_pickle")
    module.NumpyArrayWrapper = NumpyArrayWrapper
    monkeypatch.setitem(sys.modules, "joblib", types.ModuleType("joblib"))
    monkeypatch.setitem(sys.modules, "joblib.numpy_pickle", module)


class JoblibPickler(pickle._Pickler):
    """Writes an array as a wrapper and the bytes behind it."""

    align = None

    def save(self, obj, save_persistent_id=True):
        if type(obj) is not np.ndarray:
            return super().save(obj, save_persistent_id)
        order = "F" if obj.flags.f_contiguous and not obj.flags.c_contiguous else "C"
        wrapper = NumpyArrayWrapper()
        wrapper.__dict__.update(
            subclass=np.ndarray, shape=obj.shape, order=order, dtype=obj.dtype, allow_mmap=True
        )
        if self.align:
            wrapper.numpy_array_alignment_bytes = self.align
        super().save(wrapper)
        self.framer.commit_frame(force=True)
        if self.align:
            pad = self.align - (self.place.tell() + 1) % self.align
            self.place.write(bytes([pad]) + b"\xff" * pad)
        self.place.write(obj.tobytes(order))
        return None


def joblib_bytes(value, protocol=3, align=None):
    file = io.BytesIO()
    pickler = JoblibPickler(file, protocol)
    pickler.place, pickler.align = file, align
    pickler.dump(value)
    return file.getvalue()


def read(data, tmp_path):
    path = tmp_path / "file.jd"
    path.write_bytes(data)
    return read_pickled(path)


def refused(data, tmp_path):
    with pytest.raises(BadFile) as caught:
        read(data, tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    return str(caught.value)


def same(ours, theirs):
    if isinstance(theirs, np.ndarray):
        assert isinstance(ours, np.ndarray)
        assert ours.dtype == theirs.dtype.newbyteorder("=")
        assert np.array_equal(ours, theirs)
        ours.flat[:1] = 0  # an array of one's own
    else:
        assert ours == theirs


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_come_out_equal(protocol, tmp_path):
    # Sets were made by a call before protocol 4.
    values = {k: v for k, v in VALUES.items() if protocol >= 4 or k != "set"}
    assert read(pickle.dumps(values, protocol), tmp_path) == values


@pytest.mark.parametrize("protocol", range(2, 5))
def test_arrays_come_out_equal(protocol, tmp_path):
    for ours, theirs in zip(read(pickle.dumps(ARRAYS, protocol), tmp_path), ARRAYS, strict=True):
        same(ours, theirs)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("align", [None, 16])
def test_arrays_of_joblib_come_out_equal(protocol, align, tmp_path, joblib):
    values = {"arrays": ARRAYS, "after": [1, "x"]}
    found = read(joblib_bytes(values, protocol, align), tmp_path)
    assert found["after"] == [1, "x"]
    for ours, theirs in zip(found["arrays"], ARRAYS, strict=True):
        same(ours, theirs)


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def evil_files(canary):
    """Programs that would make a folder, in every way that the machine has to call something."""
    name = repr(str(canary)).encode()
    word = f"S\"__import__('os').mkdir('{canary}')\"\n".encode()
    yield from (pickle.dumps({"params": Evil(canary)}, protocol) for protocol in range(6))
    yield pickle.dumps({"params": np.array([Evil(canary)], dtype=object)}, 2)
    yield b"cbuiltins\neval\n(" + word + b"tR."
    yield b"(" + word + b"ibuiltins\neval\n."
    yield b"(cbuiltins\neval\n" + word + b"o."
    yield b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93(" + word + b"tR."
    yield b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93(S" + name + b"\ntR."


def test_nothing_is_run(tmp_path):
    canary = tmp_path / "canary"
    programs = list(evil_files(canary))
    for program in programs:
        assert "nothing of it was run" in refused(program, tmp_path)
    assert not canary.exists()
    for program in programs:  # they are no blanks
        with contextlib.suppress(TypeError):
            pickle.loads(program)
        canary.rmdir()


@pytest.mark.parametrize(
    "program",
    [
        b"cos.path\njoin\n.", b"cnumpy\nload\n.", b"ccollections\nnamedtuple\n.",
        b"cjoblib.numpy_pickle\nNDArrayWrapper\n.", b"\x80\x02\x82\x01.", b"Pa\n.", b"U\x01aQ.",
        b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntRcnumpy.core.multiarray\nscalar\n(g0\nI1\ntR.",
        b"cbuiltins\nlist\n}b.", b"cbuiltins\nlist\n(I1\ntR.",
        b"\x80\x04\x8c\x05os\nxx\x8c\x03a\nb\x93.", b"c" + b"x" * 5000 + b"\ny\n.",
    ],
)  # fmt: skip
def test_other_names_and_instructions_are_refused(program, tmp_path):
    refused(program, tmp_path)


def nested(opcode=b"\x86", depth=500):
    """A tuple of twice the same tuple, and so on: its hash and its text take 2**depth."""
    return b")" + (b"2" + opcode) * depth


@pytest.mark.parametrize(
    "program",
    [
        b"}" + nested() + b"Ns.",  # key of SETITEM
        b"}(" + nested() + b"Nu.",  # of SETITEMS
        b"(" + nested() + b"Nd.",  # of DICT
        b"\x80\x04\x8f(" + nested() + b"\x90.",  # member of a set
        b"\x80\x04" + nested() + b"\x8c\x01a\x93.",  # module's name
        b"\x80\x04\x8c\x01a" + nested() + b"\x93.",  # name in it
    ],
    ids=["setitem", "setitems", "dict", "set", "module", "name"],
)
def test_a_tuple_that_holds_itself_many_times_is_refused_unhashed(program, tmp_path):
    refused(program, tmp_path)


def test_keys_and_members_are_text_numbers_bytes_or_none(tmp_path):
    plain = {"a": 1, 2: 2, 0.5: 3, b"b": 4, False: 5, None: 6}
    assert read(pickle.dumps(plain, 4), tmp_path) == plain
    assert read(pickle.dumps(set(plain), 4), tmp_path) == set(plain)
    for value in ({(1, 2): 3}, {(1, 2)}, {list: 1}):
        assert "key" in refused(pickle.dumps(value, 4), tmp_path)


def test_a_shape_of_many_large_numbers_is_refused_unmultiplied(tmp_path):
    huge = b"\x8a\xff" + b"\xff" * 254 + b"\x7f" + b"q\x000"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\ntR"
    shape, kind = b"(" + b"h\x00" * 50_000 + b"t", b"cnumpy\ndtype\n(S'f4'\ntR"
    program = b"\x80\x03" + huge + array + b"(K\x01" + shape + kind + b"K\x00C\x00tb."
    assert "no shape" in refused(program, tmp_path)


def test_an_array_of_objects_is_refused(tmp_path, joblib):
    refused(pickle.dumps({"a": np.array([{}], dtype=object)}, 2), tmp_path)
    assert "not numbers" in refused(joblib_bytes(np.array([{}], dtype=object)), tmp_path)


@pytest.mark.parametrize("protocol", [3, 4])
def test_every_truncation_is_one_clear_line(protocol, tmp_path, joblib):
    data = joblib_bytes({"args": VALUES["list"], "params": {"a": ARRAYS[0]}}, protocol)
    for length in range(len(data)):
        refused(data[:length], tmp_path)


def told(data, tmp_path):
    """Lines of the refusal of a file; none where it is read."""
    try:
        read(data, tmp_path)
    except BadFile as error:
        return str(error).splitlines()
    return []


def test_damaged_bytes_end_in_a_value_or_one_clear_line(tmp_path, joblib):
    data = bytearray(joblib_bytes(VALUES | {"set": 0, "params": {"a": ARRAYS[0]}}))
    draw = np.random.default_rng(0)
    broken = 0
    for _ in range(400):
        mutant = bytearray(data)
        for at in draw.integers(0, len(data), draw.integers(1, 4)):
            mutant[at] = draw.integers(0, 256)
        lines = told(bytes(mutant), tmp_path)
        broken += bool(lines)
        assert len(lines) <= 1
    assert broken > 150


def test_announced_sizes_are_not_believed(tmp_path, joblib):
    data = joblib_bytes(np.zeros((70_000, 2), np.float32))
    huge = data.replace((70_000).to_bytes(4, "little"), (2**31 - 1).to_bytes(4, "little"))
    assert huge != data
    assert "announced" in refused(huge, tmp_path)


def test_missing_and_empty_files_are_named(tmp_path):
    with pytest.raises(BadFile, match="no such file"):
        read_pickled(tmp_path / "none.jd")
    refused(b"", tmp_path)
    refused(b"hello world", tmp_path)

import errno
import json
import math
import os
from pathlib import Path

import pytest

from policyscope.core.errors import BadFile
from policyscope.core.files import (
    atomic_file,
    atomic_folder,
    check_schema,
    digest,
    json_number,
    read_json,
    write_json,
    write_text,
)


def listing(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def test_json_round_trip_and_nothing_else_is_left(tmp_path):
    values = {"a": [1, 2.5, None, "ä"], "b": {"c": True}}
    write_json(tmp_path / "x.json", {"old": 1})
    write_json(tmp_path / "x.json", values)
    assert read_json(tmp_path / "x.json") == values
    assert listing(tmp_path) == ["x.json"]


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}])
def test_values_without_a_json_form_are_refused_and_the_old_file_stays(tmp_path, value):
    path = tmp_path / "x.json"
    write_json(path, 1)
    with pytest.raises(BadFile, match="cannot be written as JSON"):
        write_json(path, {"v": value})
    assert read_json(path) == 1
    assert listing(tmp_path) == ["x.json"]


@pytest.mark.parametrize("value", [1.5, math.inf, -math.inf, math.nan])
def test_json_number_reads_back(value):
    again = float(json.loads(json.dumps(json_number(value), allow_nan=False)))
    assert again == value or (math.isnan(value) and math.isnan(again))


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(BadFile, match="no such file"):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.json").write_text('{"a": [1, 2')
    with pytest.raises(BadFile, match="is not JSON"):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadFile, match="is not JSON"):
        read_json(tmp_path / "x.json")
    with pytest.raises(BadFile, match="cannot be read"):
        read_json(tmp_path)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind": "agent", "version": 1}, "is not a result, found 'agent'"),
        ([1], "is not a result, found 'list'"),
        ({"kind": "result", "version": 3}, "version 3, this code reads version 2.*update"),
        ({"kind": "result", "version": 1}, "version 1, this code reads version 2.*again"),
        ({"kind": "result"}, "version None, this code reads version 2"),
    ],
)
def test_schema_names_both_versions(values, says):
    with pytest.raises(BadFile, match=says):
        check_schema(values, "result", 2, "r.json")


def test_a_folder_appears_whole(tmp_path):
    path = tmp_path / "deep" / "run"
    with atomic_folder(path) as beside:
        (beside / "sub").mkdir()
        (beside / "sub" / "a").write_text("1")
        assert not path.exists()
    assert listing(path) == ["sub", "sub/a"]
    assert listing(path.parent) == ["run", "run/sub", "run/sub/a"]


def write_and_fail(path, **options):
    with atomic_folder(path, **options) as beside:
        (beside / "new").write_text("half")
        raise ZeroDivisionError


def write_in_place_and_fail(path):
    """The mistake: write into the folder itself."""
    path.mkdir()
    (path / "new").write_text("half")
    raise ZeroDivisionError


def test_a_failed_folder_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_and_fail(tmp_path / "run")
    assert listing(tmp_path) == []
    with pytest.raises(ZeroDivisionError):
        write_in_place_and_fail(tmp_path / "run")
    assert listing(tmp_path) != []


def test_a_folder_is_replaced_only_on_demand_and_only_by_a_whole_one(tmp_path):
    path = tmp_path / "run"
    with atomic_folder(path) as beside:
        (beside / "old").write_text("1")
    with pytest.raises(BadFile, match="exists already"):
        write_and_fail(path)
    with pytest.raises(ZeroDivisionError):
        write_and_fail(path, overwrite=True)
    assert listing(tmp_path) == ["run", "run/old"]
    with atomic_folder(path, overwrite=True) as beside:
        (beside / "new").write_text("2")
    assert listing(tmp_path) == ["run", "run/new"]


def test_digest_sees_content_names_and_absence(tmp_path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    first = digest(tmp_path)
    assert digest(tmp_path) == first
    (tmp_path / "b").write_text("3")
    changed = digest(tmp_path)
    (tmp_path / "b").write_text("2")
    (tmp_path / "b").rename(tmp_path / "c")
    renamed = digest(tmp_path)
    (tmp_path / "c").unlink()
    assert len({first, changed, renamed, digest(tmp_path)}) == 4


def test_a_file_is_the_old_one_or_the_new_one(tmp_path):
    path = tmp_path / "x.txt"
    write_text(path, "old ä")

    def interrupted():
        with atomic_file(path) as beside:
            beside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text(encoding="utf-8") == "old ä"
    assert listing(tmp_path) == ["x.txt"]
    write_text(path, "new")
    assert path.read_text() == "new"
    assert listing(tmp_path) == ["x.txt"]


def test_a_link_is_followed_and_a_device_is_written_to_not_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    write_text(tmp_path / "real/x.txt", "old")
    (tmp_path / "link.txt").symlink_to("real/x.txt")
    write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real/x.txt").read_text() == "new"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, "through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["none/x.txt", "folder", ".", "/", "file/x.txt"])
def test_the_error_of_a_file_names_what_was_asked_for(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").touch()
    with pytest.raises(OSError, match=r".") as told:
        write_text(name, "text")
    assert told.value.filename == name
    assert listing(tmp_path) == ["file", "folder"]


def test_a_full_disk_is_told_with_the_path_and_leaves_nothing(tmp_path):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left") as told, atomic_file(tmp_path / "x"):
        raise full
    assert told.value.filename == str(tmp_path / "x")
    with pytest.raises(OSError, match="No space left") as told, atomic_folder(tmp_path / "y") as f:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(f / "inner"))
    assert told.value.filename == str(tmp_path / "y")
    assert listing(tmp_path) == []

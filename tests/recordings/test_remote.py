"""Recordings at URLs, and on a dask cluster: the same bytes, and nothing unfinished is taken."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import fsspec
import pytest

from policyscope.core.errors import BadFile
from policyscope.core.files import digest
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record
from policyscope.recordings.shards.remote import Place, is_url, mirrored
from policyscope.recordings.shards.store import finished_shards

SAME = {"episodes": 10, "seed": 3, "sites": None, "shard_episodes": 4}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("POLICYSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def memory():
    """A file system that is nowhere on disk."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield "memory://bucket/rec"
    files.store.clear()


def test_what_is_at_a_url_is_what_is_in_a_folder(recorded, agent, memory):
    seen: list[tuple[int, int]] = []
    made = record(
        agent, out=memory, progress=lambda done, total: seen.append((done, total)), **SAME
    )
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert digest(made.path / "shards") == digest(recorded / "shards")
    assert (made.path / "episodes.parquet").read_bytes() == (
        recorded / "episodes.parquet"
    ).read_bytes()
    again = open_recording(memory)
    assert again.episode(7).equals(open_recording(recorded).episode(7))
    assert again.agent.space == agent.space


def test_a_copy_fetches_what_is_new_only(recorded, agent, memory, monkeypatch):
    record(agent, out=memory, **SAME)
    fetched: list[str] = []
    right = Place.fetch
    monkeypatch.setattr(
        Place, "fetch", lambda self, name, target: (fetched.append(name), right(self, name, target))
    )
    open_recording(memory)
    assert not [name for name in fetched if name.startswith("shards")]


def test_a_shard_without_its_seal_is_not_finished_and_recorded_again(recorded, agent, memory):
    record(agent, out=memory, **SAME)
    files = fsspec.filesystem("memory")
    files.rm("/bucket/rec/shards/00001/shard.json")
    files.pipe_file("/bucket/rec/shards/00001/entities.parquet", b"half")
    assert Place(memory).shards() == [0, 2]
    before = files.modified("/bucket/rec/shards/00000/shard.json")
    seen: list[tuple[int, int]] = []
    record(agent, out=memory, progress=lambda *at: seen.append(at), **SAME)
    assert seen == [(2, 3), (3, 3)]
    assert files.modified("/bucket/rec/shards/00000/shard.json") == before
    fresh = fsspec.filesystem("memory").cat_file("/bucket/rec/shards/00001/entities.parquet")
    assert fresh == (recorded / "shards/00001/entities.parquet").read_bytes()


def test_the_seal_is_put_last(agent, memory, monkeypatch):
    put: list[str] = []
    files = fsspec.filesystem("memory")
    right = type(files).put_file
    monkeypatch.setattr(
        type(files), "put_file",
        lambda self, here, there, **more: (put.append(there), right(self, here, there, **more))[1],
    )  # fmt: skip
    record(agent, out=memory, **SAME)
    for number in range(3):
        mine = [name for name in put if f"/shards/{number:05d}/" in name]
        assert mine[-1].endswith("/shard.json")
        assert len(mine) > 5
    header = next(i for i, name in enumerate(put) if name.endswith("/recording.json"))
    assert header < min(i for i, name in enumerate(put) if "/shards/" in name)
    assert header > max(i for i, name in enumerate(put) if "/agent/" in name)


def test_another_plan_is_refused(agent, memory):
    record(agent, out=memory, **SAME)
    with pytest.raises(BadFile, match="memory://bucket/rec: holds a recording with another seed"):
        record(agent, out=memory, **{**SAME, "seed": 4})


def test_processes_write_to_a_url_without_a_lock(recorded, agent, tmp_path):
    url = (tmp_path / "there").as_uri()
    made = record(agent, out=url, workers=2, **SAME)
    assert digest(made.path / "shards") == digest(recorded / "shards")
    assert digest(tmp_path / "there" / "shards") == digest(recorded / "shards")
    assert finished_shards(tmp_path / "there") == [0, 1, 2]
    assert open_recording(tmp_path / "there").episodes.equals(open_recording(recorded).episodes)


def test_a_name_that_leads_out_of_the_folder_is_refused(agent, memory, tmp_path, monkeypatch):
    record(agent, out=memory, **SAME)
    files = fsspec.filesystem("memory")
    right = type(files).find

    def find(self, path, *rest, **more):
        found = right(self, path, *rest, **more)
        return [*found, f"{path}/../../../../out.txt"] if path.endswith("/agent") else found

    monkeypatch.setattr(type(files), "find", find)
    with pytest.raises(BadFile, match="a name in it leads elsewhere"):
        Place(memory).fetch("agent", tmp_path / "copy" / "agent")
    assert list((tmp_path / "copy").iterdir()) == []
    assert not list(tmp_path.parent.glob("out.txt"))


def test_an_interrupted_fetch_leaves_nothing_that_looks_whole(agent, memory, monkeypatch, cache):
    record(agent, out=memory, **SAME)
    shutil.rmtree(cache)
    files, seen = fsspec.filesystem("memory"), []
    right = type(files).get_file

    def get(self, there, *rest, **more):
        if "/agent/" in there and len(seen) == 1:
            raise KeyboardInterrupt
        seen.extend([there] if "/agent/" in there else [])
        return right(self, there, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(type(files), "get_file", get)
        with pytest.raises(KeyboardInterrupt):
            open_recording(memory)
    assert not list(cache.rglob("*.part"))
    assert open_recording(memory).agent.head == agent.head


def test_readers_at_the_same_time_get_one_copy(recorded):
    """On disk: a file in memory has one place of reading for all threads."""
    with ThreadPoolExecutor(3) as readers:
        made = readers.map(lambda _: open_recording(recorded.as_uri()).path, range(3))
        copies = list(made)
    assert len(set(copies)) == 1
    assert digest(copies[0] / "shards") == digest(recorded / "shards")


def test_a_copy_is_called_like_the_recording(recorded, memory):
    there = fsspec.filesystem("memory")
    there.put(str(recorded), "/bucket/rec", recursive=True)
    there.put(str(recorded), "/bucket/a rec?", recursive=True)
    assert mirrored("memory://bucket/rec").name == "rec"
    assert mirrored("memory://bucket/a rec?/").name == "a_rec_"


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("memory://nowhere/rec", "is no recording: it holds no recording.json"),
        ("nonsense://bucket/rec", "Protocol not known"),
    ],
)
def test_what_is_not_there_is_told(url, cause):
    with pytest.raises(BadFile, match=cause):
        mirrored(url)


def test_what_is_a_url():
    assert is_url("s3://bucket/rec")
    assert not is_url("runs/rec")
    assert not is_url("C:/runs/rec")

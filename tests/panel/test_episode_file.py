"""The file of an episode: every number where the manifest says, read only where it is asked for."""

import numpy as np
import pytest

from policyscope.core.errors import BadFile
from policyscope.panel.shelf import episode_file
from policyscope.panel.shelf.episode_file import open_bytes, sendable
from policyscope.panel.shelf.shelf import Shelf
from policyscope.recordings.shards.store import shard_folder

ENTITIES = ("step", "identity", "row", "x", "y", "heading", "speed", "length", "width")


def whole(client, rec, k):
    """Manifest and arrays by name, decoded as a browser does."""
    detail = client.get(f"/api/recordings/{rec}/episodes/{k}").json()
    data = client.get(detail["arrays"][0]["url"]).content
    assert len(data) == detail["bytes"]
    arrays = {
        a["name"]: np.frombuffer(data, np.dtype(a["dtype"]).newbyteorder("<"), a["bytes"]
                                 // np.dtype(a["dtype"]).itemsize, a["offset"]).reshape(a["shape"])
        for a in detail["arrays"]
    }  # fmt: skip
    return detail, arrays


@pytest.mark.parametrize("k", [0, 2])
def test_every_number_is_the_recorded_one(client, recording, k):
    detail, arrays = whole(client, "rec", k)
    data, scene = recording.episode(k), recording.entities(k)
    for name in ("obs", "action", "policy_action", "reward", "logp", "terminated", "truncated",
                 "row_identity", "sites/attention_layer.pattern"):  # fmt: skip
        np.testing.assert_array_equal(arrays[name], data[name].values)
        assert arrays[name].dtype == data[name].dtype
    np.testing.assert_array_equal(arrays["outputs/q"], data["q"].values)
    for name in ENTITIES:
        np.testing.assert_array_equal(arrays[f"entities/{name}"], scene[name])
    kinds = [detail["kinds"][code] for code in arrays["entities/kind"]]
    assert kinds == scene["kind"].tolist()
    known = {"obs", "action", "policy_action", "reward", "logp", "terminated", "truncated",
             "row_identity", "sites/attention_layer.pattern", "outputs/q", "entities/kind",
             *(f"entities/{n}" for n in ENTITIES)}  # fmt: skip
    assert set(arrays) == known


def test_arrays_are_aligned_do_not_overlap_and_sites_come_last(client):
    arrays = client.get("/api/recordings/rec/episodes/1").json()["arrays"]
    assert all(a["offset"] % 8 == 0 for a in arrays)
    ends = [a["offset"] + a["bytes"] for a in arrays]
    assert all(end <= a["offset"] for end, a in zip(ends, arrays[1:], strict=False))
    names = [a["name"] for a in arrays]
    assert names[0] == "entities/step"
    assert names[-1] == "sites/attention_layer.pattern"
    sizes = [a["bytes"] for a in arrays if not a["name"].startswith(("entities/", "sites/"))]
    assert sizes == sorted(sizes)


def test_any_range_is_that_part_of_the_file(client):
    url = "/api/recordings/rec/episodes/1/arrays"
    data = client.get(url).content
    rng = np.random.default_rng(0)
    for start, stop in np.sort(rng.integers(0, len(data), (60, 2)), axis=1):
        answer = client.get(url, headers={"Range": f"bytes={start}-{stop}"})
        assert answer.status_code == 206
        assert answer.content == data[start : stop + 1]


def test_one_frame_reads_the_chunk_it_lies_in_and_nothing_else(served, monkeypatch):
    read, real = [], episode_file.read_rows

    def noted(folder, rows):
        read.append((folder.name, rows.start, rows.stop))
        return real(folder, rows)

    monkeypatch.setattr(episode_file, "read_rows", noted)
    shelf = Shelf(served)
    recording = shelf.recording("frames")
    obs = next(
        p for p in episode_file.episode_file(shelf, recording, 1).parts if p.name == "obs"
    )  # fmt: skip
    assert read == []
    frame = obs.bytes // 70
    size, data = open_bytes(shelf, "frames", 1)
    got = data(obs.offset + 7 * frame, obs.offset + 8 * frame)
    assert got == recording.episode(1)["obs"].values[7].tobytes()
    chunk = recording.place(1)[0].layout["obs"][2]
    first = (70 + 7) // chunk * chunk
    assert read == [("obs", first, min(140, first + chunk))]
    assert chunk < 70
    data(obs.offset + 8 * frame, obs.offset + 9 * frame)
    assert len(read) == 1 or (70 + 8) % chunk == 0
    assert size > obs.bytes


def test_memory_stays_bounded(served, monkeypatch):
    shelf = Shelf(served)
    shelf.cache.limit = 300_000
    for k in (0, 1, 0, 1):
        size, data = open_bytes(shelf, "frames", k)
        assert len(data(0, size)) == size
        assert shelf.cache.used <= 300_000


@pytest.mark.parametrize("name", ["reward", "outputs/q", "sites/attention_layer.pattern"])
def test_damaged_arrays_are_told_with_their_shard(client, served, name, tmp_path):
    folder = shard_folder(served / "rec", 0) / "arrays.zarr" / name
    chunk = next(folder.glob("c.*"))
    chunk.write_bytes(chunk.read_bytes()[:-5])
    assert client.get("/api/recordings/rec/episodes/0").status_code == 200
    answer = client.get("/api/recordings/rec/episodes/0/arrays")
    assert (answer.status_code, answer.json()["code"]) == (409, "bad_file")
    assert "rec/shards/00000: torn shard" in answer.json()["message"]
    assert str(tmp_path) not in answer.text
    chunk.unlink()
    assert client.get("/api/recordings/rec/episodes/0/arrays").status_code == 409


def test_torn_tables_and_arrays_that_are_too_short(client, served):
    shard = shard_folder(served / "rec", 0)
    described = shard / "arrays.zarr" / "reward" / "zarr.json"
    text = described.read_text()
    steps = Shelf(served).recording("rec").place(0)[0].rows
    described.write_text(text.replace(f"{steps}\n", f"{steps - 1}\n", 1))
    answer = client.get("/api/recordings/rec/episodes/0")
    assert (answer.status_code, answer.json()["code"]) == (409, "bad_file")
    assert f"torn shard: {steps - 1} of {steps} rows of reward" in answer.json()["message"]
    described.write_text(text)
    table = shard / "entities.parquet"
    table.write_bytes(table.read_bytes()[:-50])
    (served / "rec" / "recording.json").touch()  # opened anew, or what was read is still there
    answer = client.get("/api/recordings/rec/episodes/0/arrays")
    assert (answer.status_code, answer.json()["code"]) == (409, "bad_file")


def test_a_shard_without_a_column_is_torn(served):
    import pyarrow.parquet as pq

    path = shard_folder(served / "rec", 0) / "entities.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["speed"]), path)
    with pytest.raises(BadFile, match=r"torn shard: entities.*speed"):
        open_bytes(Shelf(served), "rec", 0)


@pytest.mark.parametrize(
    ("kept", "sent"),
    [("float32", "float32"), ("uint16", "int32"), ("uint32", "int64"), ("int64", "int64"),
     ("uint64", "float64"), ("bool", "bool"), ("float16", "float16"), ("longdouble", "float64")],
)  # fmt: skip
def test_types_the_contract_lacks_are_sent_as_wider_ones(kept, sent):
    assert sendable(np.dtype(kept)).name == sent

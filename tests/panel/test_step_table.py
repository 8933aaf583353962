"""Two tracks over all steps: the same numbers as episode by episode, in one file."""

import shutil

import numpy as np
import pytest

from policyscope.core import registry
from policyscope.core.errors import UnknownName
from policyscope.core.target_parser import BadTarget
from policyscope.core.views import Track
from policyscope.panel.shelf.shelf import Shelf
from policyscope.panel.views import quantities, step_table, tracks
from policyscope.recordings.arrays.steps import blocks
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record

NAMES = ["q[FASTER]-q[SLOWER]", "ego speed", "return to go", "value@t+3", "attention entropy[1]"]


@pytest.fixture(scope="session")
def many(agent, tmp_path_factory):
    """Seven episodes in shards of two; not to be changed."""
    folder = tmp_path_factory.mktemp("many") / "rec"
    record(agent, None, 7, 5, ["attention_layer.pattern"], folder, shard_episodes=2)
    return folder


@pytest.fixture
def shelf(many, tmp_path):
    shutil.copytree(many, tmp_path / "rec")
    return Shelf(tmp_path)


def columns(shelf, x, y):
    """The arrays of a table by name, read from its file."""
    table = step_table.table(shelf, "rec", x, y)
    size, read = step_table.open_bytes(shelf, "rec", x, y)
    assert sum(array.bytes for array in table.arrays) == size
    found = {}
    for array in table.arrays:
        content = read(array.offset, array.offset + array.bytes)
        found[array.name] = np.frombuffer(content, array.dtype).reshape(array.shape)
        assert found[array.name].shape == (table.steps,)
    return found


def one_by_one(recording, name):
    """A track episode by episode, as float32."""
    parts = [tracks.track(recording, int(k), name).values for k in recording.episodes["episode"]]
    return np.array([np.nan if v is None else v for part in parts for v in part], np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_all_steps_are_what_the_episodes_are(shelf, name):
    recording = shelf.recording("rec")
    found = columns(shelf, name, "reward")
    np.testing.assert_allclose(found["x"], one_by_one(recording, name), rtol=1e-6, atol=1e-6)
    rows = recording.rows(["reward", "action"])
    np.testing.assert_array_equal(found["y"], rows["reward"].astype(np.float32))
    for place in ("episode", "step", "action"):
        assert found[place].dtype == np.int32
        np.testing.assert_array_equal(found[place], rows[place])
    assert [a.dtype for a in step_table.table(shelf, "rec", name, "reward").arrays] == [
        "float32", "float32", "int32", "int32", "int32",
    ]  # fmt: skip


@pytest.mark.parametrize("rows", [1, 20, 10**6])
def test_blocks_of_any_size_give_the_same(shelf, rows, monkeypatch):
    recording = shelf.recording("rec")
    monkeypatch.setattr(quantities, "blocks", lambda recording: blocks(recording, rows))
    for name in NAMES:
        (found,) = quantities.over_all([tracks.find(name, recording, {})], recording)
        np.testing.assert_allclose(found, one_by_one(recording, name), rtol=1e-6, atol=1e-6)


def test_a_table_that_forgets_where_episodes_end_is_noticed(shelf):
    value = columns(shelf, "value", "reward")["x"]
    forgetful = np.append(value, [np.nan] * 3)[3:]
    right = columns(shelf, "value@t+3", "reward")["x"]
    assert np.isnan(right).sum() == 3 * 7
    assert np.isnan(forgetful).sum() == 3


def test_a_table_is_computed_once(shelf, monkeypatch):
    counted = []

    def counting(recording, x, y, results):
        counted.append((x, y))
        return all_steps(recording, x, y, results)

    all_steps = step_table.all_steps
    monkeypatch.setattr(step_table, "all_steps", counting)
    for y in ("reward", "margin", "reward"):
        step_table.table(shelf, "rec", "value", y)
        step_table.open_bytes(shelf, "rec", "value", y)
    assert counted == [("value", "reward"), ("value", "margin")]


def test_the_address_holds_both_names(shelf):
    table = step_table.table(shelf, "rec", "q[FASTER]-q[SLOWER]", "ego speed")
    address = "/api/recordings/rec/steps/arrays?x=q%5BFASTER%5D-q%5BSLOWER%5D&y=ego%20speed"
    (url,) = {array.url for array in table.arrays}
    assert url.partition("&v=")[0] == address


def test_unknown_names(shelf):
    with pytest.raises(UnknownName, match="unknown target 'speed'"):
        step_table.table(shelf, "rec", "speed", "value")
    with pytest.raises(BadTarget, match="Valid: value"):
        step_table.open_bytes(shelf, "rec", "value", "value +")


def test_registered_tracks_have_a_place(shelf, monkeypatch):
    def far(recording, k):
        return [Track("far", np.full(recording.episode(k).sizes["step"], float(k)))]

    monkeypatch.setattr(registry, "_ENTRIES", {**registry._ENTRIES, "track": {"far": "mine:far"}})
    monkeypatch.setattr(registry, "import_module", lambda name: type("mine", (), {"far": far}))
    found = columns(shelf, "far", "reward")
    np.testing.assert_array_equal(found["x"], found["episode"])


def test_in_python(many):
    recording = open_recording(many)
    found = step_table.all_steps(recording, "value", "margin")
    np.testing.assert_array_equal(found["x"], recording.rows(["q"])["q"].max(1))
    assert set(found) == {"x", "y", "episode", "step", "action"}

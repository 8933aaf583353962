"""Overlays show each weight on the entity that the row showed; their bytes are what they say."""

import shutil
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pytest

from policyscope.core import registry
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.views import Overlay
from policyscope.panel.shelf import episode_file
from policyscope.panel.shelf.shelf import Shelf
from policyscope.panel.views import overlays
from policyscope.recordings.read import open_recording

PATTERN = "attention_layer.pattern"


@pytest.fixture
def shelf(recorded, tmp_path):
    shutil.copytree(recorded, tmp_path / "rec")
    return Shelf(tmp_path)


def read(shelf, array, k):
    """Numbers of an array from the file that its address names."""
    url = array.url.partition("?")[0]
    if url.endswith(f"/episodes/{k}/arrays"):
        size, bytes_of = episode_file.open_bytes(shelf, "rec", k)
    else:
        name = url.split("/overlays/")[1].removesuffix("/arrays")
        size, bytes_of = overlays.open_bytes(shelf, "rec", k, unquote(name))
        assert url == f"/api/recordings/rec/episodes/{k}/overlays/{name}/arrays"
    assert 0 <= array.offset <= array.offset + array.bytes <= size
    content = bytes_of(array.offset, array.offset + array.bytes)
    return np.frombuffer(content, array.dtype).reshape(array.shape)


def misplaced(weights, identity, recording, k):
    """How many weights (T, H, E) lie on another entity than the observation's row showed."""
    data = recording.episode(k)
    pattern, shown = data[f"sites/{PATTERN}"].values[:, :, 0], data["row_identity"].values
    wrong = 0
    for t in range(len(weights)):
        for who in shown[t][shown[t] >= 0]:
            right = pattern[t, :, shown[t] == who]
            mine = weights[t, :, identity[t] == who]
            wrong += mine.shape != right.shape or not np.array_equal(mine, right)
    return wrong


def test_attention_lies_on_the_entities_that_the_rows_showed(shelf):
    recording = shelf.recording("rec")
    for k in range(3):
        found = overlays.values(shelf, "rec", k, PATTERN)
        weights, identity = read(shelf, found.values, k), read(shelf, found.identity, k)
        assert weights.shape == (identity.shape[0], 2, 15)
        np.testing.assert_allclose(weights.sum(2), 1, atol=1e-5)
        assert misplaced(weights, identity, recording, k) == 0


def test_the_order_of_rows_taken_for_identities_is_noticed(shelf):
    recording = shelf.recording("rec")
    weights = read(shelf, overlays.values(shelf, "rec", 0, PATTERN).values, 0)
    by_row = np.broadcast_to(np.arange(15), (len(weights), 15))
    assert misplaced(weights, by_row, recording, 0) > 10


def test_attention_is_listed_live_and_on_one_scale(shelf):
    (info,) = overlays.listed(shelf.recording("rec"), {})
    assert (info.name, info.over, info.layers) == (PATTERN, "entities", ["head 0", "head 1"])
    assert (info.live, info.shown, info.signed) == (True, True, False)
    found = overlays.values(shelf, "rec", 1, PATTERN)
    assert (found.low, found.high, found.extent, found.info) == (0.0, 1.0, None, info)
    assert found.values.url == found.identity.url
    assert found.values.url.startswith("/api/recordings/rec/episodes/1/arrays?v=")
    *first, last = found.python.splitlines()
    names: dict = {}
    exec("\n".join(first), names)
    python = eval(last, names)
    np.testing.assert_array_equal(python.values[:, :, 0], read(shelf, found.values, 1))


def test_its_numbers_are_not_made_twice(shelf):
    with pytest.raises(PolicyscopeError, match="lie in the episode's arrays"):
        overlays.open_bytes(shelf, "rec", 0, PATTERN)


def test_without_attention_there_is_none(unattended):
    assert overlays.listed(open_recording(unattended), {}) == []


def test_unknown_names(shelf):
    with pytest.raises(UnknownName, match=f"Did you mean {PATTERN}"):
        overlays.values(shelf, "rec", 0, "attention_layer.patern")
    with pytest.raises(UnknownName, match="unknown overlay"):
        overlays.open_bytes(shelf, "rec", 0, "nothing")
    with pytest.raises(UnknownName, match="no episode 9"):
        overlays.values(shelf, "rec", 9, PATTERN)
    with pytest.raises(UnknownName, match="unknown recording"):
        overlays.values(shelf, "other", 0, PATTERN)


calls = []


def gaps(recording, k):
    """Overlays of all three kinds."""
    calls.append(k)
    steps = recording.episode(k).sizes["step"]
    numbers = np.random.default_rng(k).normal(size=(steps, 2, 4, 5))
    who = np.tile(np.array([[0, 3, -1, 7, 5]]), (steps, 1))
    return [
        Overlay("on cars", "entities", numbers[:, :, 0], ["a", "b"], "m", who, signed=True),
        Overlay("frame", "frame", numbers[:, :1] > 0, ["hit"]),
        Overlay("ground", "scene", numbers, ["a", "b"], extent=(-5, -6, 7, 8), scale=(-9, 9)),
    ]


def broken(recording, k):
    raise KeyError("q2")


@pytest.fixture
def registered(monkeypatch):
    calls.clear()
    monkeypatch.setattr(registry, "_ENTRIES", {**registry._ENTRIES, "overlay": {}})
    mine = SimpleNamespace(gaps=gaps, broken=broken)
    monkeypatch.setattr(registry, "import_module", lambda name: mine)
    registry.register("overlay", "gaps", "mine:gaps")
    registry.register("overlay", "broken", "mine:broken")


def test_registered_overlays(shelf, registered):
    infos = {i.name: i for i in overlays.listed(shelf.recording("rec"), {})}
    assert list(infos) == [PATTERN, "broken", "gaps: on cars", "gaps: frame", "gaps: ground"]
    assert (infos["gaps: on cars"].signed, infos["gaps: on cars"].unit) == (True, "m")
    assert not any(infos[name].live or infos[name].shown for name in infos if name != PATTERN)
    cars, frame, ground = gaps(shelf.recording("rec"), 2)

    found = overlays.values(shelf, "rec", 2, "gaps: on cars")
    np.testing.assert_array_equal(read(shelf, found.values, 2), cars.values.astype(np.float32))
    np.testing.assert_array_equal(read(shelf, found.identity, 2), cars.identity)
    assert (found.values.dtype, found.identity.dtype) == ("float32", "int32")
    assert found.identity.offset == found.values.bytes
    assert -found.low == found.high == pytest.approx(np.abs(cars.values).max())

    found = overlays.values(shelf, "rec", 2, "gaps: frame")
    np.testing.assert_array_equal(read(shelf, found.values, 2), frame.values)
    assert (found.identity, found.extent, found.low, found.high) == (None, None, 0, 1)

    found = overlays.values(shelf, "rec", 2, "gaps: ground")
    np.testing.assert_array_equal(read(shelf, found.values, 2), ground.values.astype(np.float32))
    assert (found.extent, found.low, found.high) == ((-5, -6, 7, 8), -9, 9)


def test_overlays_are_computed_once(shelf, registered):
    for _ in range(2):
        overlays.listed(shelf.recording("rec"), {})
        found = overlays.values(shelf, "rec", 1, "gaps: on cars")
        read(shelf, found.values, 1)
        read(shelf, found.identity, 1)
    assert calls == [0, 1]


def test_a_failing_overlay_is_named_and_does_no_harm(shelf, registered):
    with pytest.raises(PolicyscopeError, match=r"overlay function 'broken' \(mine:broken\) failed"):
        overlays.values(shelf, "rec", 0, "broken")
    assert overlays.values(shelf, "rec", 0, PATTERN).info.name == PATTERN


def test_in_python(recording, registered):
    made = overlays.overlay(recording, 1, "gaps: on cars")
    np.testing.assert_array_equal(made.values, gaps(recording, 1)[0].values)
    attention = overlays.overlay(recording, 1, PATTERN)
    assert misplaced(attention.values, attention.identity, recording, 1) == 0

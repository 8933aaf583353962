"""Lazy data, selections, windows and draws, on numbers that say which episode and step they are."""

from collections import Counter

import numpy as np
import pytest

from policyscope.agents.store import load_agent
from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName
from policyscope.envs.stepper import Space
from policyscope.recordings.arrays.lazy import Rows
from policyscope.recordings.arrays.selection import held_out
from policyscope.recordings.arrays.windows import Windows
from policyscope.recordings.find.grammar import BadQuery
from policyscope.recordings.find.search import find
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record
from policyscope.recordings.shards import chunks, store

SPACE = Space((2,), "int64", actions=("STAY", "GO"))
LENGTHS = [5, 1, 9, 4, 40, 3, 7, 4, 12, 2]


@pytest.fixture
def numbered(plant):
    """Ten episodes in shards of four; the observation is its episode and step."""
    return plant(
        [
            {
                "obs": np.stack([np.full(n, k), np.arange(n)], 1),
                "action": np.arange(n) % 2,
                "reward": np.full(n, float(k)),
                "value": 100.0 * k + np.arange(n, dtype=np.float32),
            }
            for k, n in enumerate(LENGTHS)
        ],
        space=SPACE,
        outputs=("value",),
    )


@pytest.fixture
def read(monkeypatch) -> Counter:
    """How often each chunk was read, by array."""
    counts, real = Counter(), chunks._chunk

    def counted(folder, number, dtype, shape):
        shard = next(part for part in folder.parts[::-1] if part.isdecimal())
        counts[folder.name, shard, number] += 1
        return real(folder, number, dtype, shape)

    monkeypatch.setattr(chunks, "_chunk", counted)
    return counts


def pairs(n):
    return [(k, t) for k, steps in enumerate(LENGTHS) for t in range(steps)][:n]


def test_the_whole_recording_is_one_dataset_of_which_only_what_is_asked_for_is_read(numbered, read):
    data = numbered.data
    assert not read, "nothing is read on opening"
    assert dict(data["obs"].sizes) == {"decision": sum(LENGTHS), "obs.0": 2}
    found = list(zip(data["episode"].values.tolist(), data["step"].values.tolist(), strict=True))
    assert found == pairs(None)
    one = data.isel(decision=data["episode"].values == 6)
    assert not read
    np.testing.assert_array_equal(one["value"], 600 + np.arange(7))
    assert read == {("value", "00001", 0): 1}, "one chunk of one array of one shard"
    np.testing.assert_array_equal(data["obs"].values, np.array(pairs(None)))
    assert set(read.values()) == {1}


def test_indices_of_every_sort_give_what_numpy_gives(recording):
    data, name = recording.data, "sites/attention_layer.pattern"
    whole = recording.rows([name, "q"])
    assert data["q"].dims == ("decision", "action_name")
    assert list(data["action_name"].values) == list(recording.space.actions)
    lazy, held = data[name], whole[name]
    some = np.array([7, 0, 30, 7])
    for key in (5, -1, slice(3, 20, 4), slice(None, None, -1), some):
        np.testing.assert_array_equal(lazy[key].values, held[key])
        np.testing.assert_array_equal(lazy[key, 1, 0, 2:9].values, held[key, 1, 0, 2:9])
    outer = lazy.isel({"decision": some, lazy.dims[3]: [4, 2]}).values
    np.testing.assert_array_equal(outer, held[some][:, :, :, [4, 2]])
    faster = data["q"].sel(action_name="FASTER").values
    np.testing.assert_array_equal(faster, whole["q"][:, 2])
    assert data.copy(deep=True)["q"].values.tobytes() == whole["q"].tobytes()


def test_opening_a_thousand_episodes_looks_at_one_shard_alone(plant, read, monkeypatch):
    looked, real = [], store.array_layouts
    monkeypatch.setattr(
        store, "array_layouts", lambda folder: looked.append(folder) or real(folder)
    )
    monkeypatch.setattr(store, "open_group", None)  # zarr is not asked
    episode = {"obs": np.zeros((1, 2), int), "action": np.zeros(1, int), "reward": np.ones(1)}
    recording = plant([episode] * 1000, space=SPACE, shard_episodes=40)
    assert recording.data.sizes["decision"] == 1000
    assert len(looked) == 1
    assert not read


def test_a_shard_of_other_numbers_is_told(numbered):
    array = numbered.path / "shards/00001/arrays.zarr/outputs/value/zarr.json"
    array.write_text(array.read_text().replace("float32", "int32"))
    with pytest.raises(BadFile, match="00001: torn shard: value differs from other shards"):
        _ = numbered.data["value"].values
    np.testing.assert_array_equal(numbered.data["value"][:5], np.arange(5))


def every_window(recording, length, stride):
    windows = recording.windows(length, stride, ["obs"])
    return windows, [windows[i]["obs"].values.tolist() for i in range(len(windows))]


def whole_windows(length, stride):
    """Each window by hand: its episode and successive steps."""
    return [
        [[k, t + i] for i in range(length)]
        for k, steps in enumerate(LENGTHS)
        for t in range(0, steps - length + 1, stride)
    ]


@pytest.mark.parametrize(("length", "stride"), [(1, 1), (4, 1), (4, 3), (5, 7), (40, 1), (41, 1)])
def test_windows_are_all_those_inside_one_episode(numbered, length, stride):
    windows, found = every_window(numbered, length, stride)
    assert found == whole_windows(length, stride)
    assert windows.episode.tolist() == [w[0][0] for w in found]
    assert windows.step.tolist() == [w[0][1] for w in found]


def test_the_test_sees_windows_that_cross_into_the_next_episode(numbered, monkeypatch):
    """The mistake: windows of the steps as if they were one long episode."""
    monkeypatch.setattr(
        "policyscope.recordings.arrays.windows.window_counts",
        lambda steps, length, stride: np.array([steps.sum() - length + 1] + [0] * (len(steps) - 1)),
    )
    _, found = every_window(numbered, 4, 1)
    assert found != whole_windows(4, 1)
    assert any(len({k for k, _ in window}) > 1 for window in found)


def test_a_window_is_labelled_and_read_alone(numbered, read):
    windows = numbered.windows(4, names=["obs", "value"])
    assert (len(windows), not read) == (len(whole_windows(4, 1)), True)
    last = windows[-1]
    assert last.attrs == {"episode": 8, "first": 8}
    assert last["value"].dims == ("step",)
    assert last["step"].values.tolist() == [8, 9, 10, 11]
    assert set(last.data_vars) == {"obs", "value"}
    assert set(read) == {("obs", "00002", 0), ("value", "00002", 0)}
    several = windows[[9, 2, 9]]
    assert several["value"].dims == ("window", "offset")
    for i, number in enumerate((9, 2, 9)):
        np.testing.assert_array_equal(several["value"][i], windows[number]["value"])
        np.testing.assert_array_equal(several["step"][i], windows[number]["step"])
    assert len(list(numbered.windows(12))) == 30, "a loop over them ends"
    for wrong in (len(windows), -len(windows) - 1):
        with pytest.raises(IndexError, match="there is no window"):
            windows[wrong]
    with pytest.raises(UnknownName, match="Did you mean value"):
        numbered.windows(3, names=["valu"])
    with pytest.raises(PolicyscopeError, match="length of windows must be at least 1"):
        numbered.windows(0)


def test_draws_are_over_steps_not_episodes_and_follow_from_the_seed(numbered):
    total = sum(LENGTHS)
    every = numbered.sample(total, 1, names=["obs"])
    assert every["obs"].dims == ("decision", "obs.0")
    assert sorted(map(tuple, every["obs"].values.tolist())) == pairs(None), "nothing comes twice"
    assert [tuple(p) for p in every["obs"].values] != pairs(None), "they are drawn, not read off"
    again = numbered.sample(total, 1, names=["obs"])
    assert again.identical(every)
    assert not numbered.sample(total, 2, names=["obs"]).identical(every)
    more = numbered.sample(20_000, 3, names=["value"])
    share = Counter(more["episode"].values.tolist())
    for k, steps in enumerate(LENGTHS):  # the mistake: each episode with the same chance
        expected = steps / total
        assert share[k] / 20_000 == pytest.approx(expected, abs=4 * (expected / 20_000) ** 0.5)
    drawn = numbered.sample(6, 0, length=9, names=["obs"])
    assert drawn["obs"].dims == ("window", "offset", "obs.0")
    first = drawn["obs"].values[:, 0]
    np.testing.assert_array_equal(drawn["episode"], first[:, 0])
    steps = first[:, 1:] + np.arange(9)
    np.testing.assert_array_equal(drawn["obs"][:, :, 1], steps)
    assert (drawn["obs"][:, :, 0] == first[:, :1]).all()
    with pytest.raises(PolicyscopeError, match="no episode has 41 steps"):
        numbered.sample(1, 0, length=41)
    with pytest.raises(PolicyscopeError, match="at least 1 must be drawn"):
        numbered.sample(0, 0)


def test_a_selection_by_a_mask_gives_its_episodes_alone(numbered):
    long = numbered.where(numbered.episodes["steps"] > 4)
    kept = [k for k, n in enumerate(LENGTHS) if n > 4]
    assert long.episodes["episode"].tolist() == kept
    assert long.data["episode"].to_series().unique().tolist() == kept
    np.testing.assert_array_equal(
        long.data["value"], np.concatenate([100 * k + np.arange(LENGTHS[k]) for k in kept])
    )
    assert set(long.windows(3).episode) == set(kept)
    assert set(long.sample(50, 0, names=["obs"])["obs"].values[:, 0]) <= set(kept)
    assert set(long.rows(["value"])["episode"].tolist()) == set(kept)
    assert long.episode(6)["value"].values[0] == 600
    with pytest.raises(PolicyscopeError, match="episode 3 is not among the 5 selected"):
        long.episode(3)
    with pytest.raises(PolicyscopeError, match="not among"):
        long.entities(3)
    both = long.where(numbered.episodes["return"] > 50)  # of the recording: matched by line
    assert both.episodes["episode"].tolist() == [k for k in kept if k * LENGTHS[k] > 50]
    assert len(both.where(np.zeros(len(both), bool)).data["value"]) == 0
    for wrong in (np.ones(3, bool), np.arange(5), numbered.episodes["return"][:2] > 5):
        with pytest.raises(PolicyscopeError, match="where needs"):
            long.where(wrong)


def test_a_selection_by_a_query_keeps_the_episodes_and_their_moments(numbered):
    query = "value > 403 and value < 602"
    found = numbered.where(query)
    assert found.episodes["episode"].tolist() == [4, 5, 6]
    assert found.moments.equals(find(numbered, query))
    fewer = numbered.where(numbered.episodes["episode"] > 4).where(query)
    assert fewer.episodes["episode"].tolist() == [5, 6]
    assert set(fewer.moments["episode"]) == {5, 6}
    with pytest.raises(BadQuery, match="did you mean value"):
        numbered.where("valu > 3")


def test_a_split_shares_no_episode_and_is_kept_when_the_recording_grows(numbered):
    train, held = numbered.split(0.3, seed=4)
    both = [*train.episodes["episode"], *held.episodes["episode"]]
    assert sorted(both) == list(range(10))
    assert len(held) == 3
    assert numbered.split(0.3, seed=4)[1].episodes.equals(held.episodes)
    for share in (0.05, 0.1, 0.25, 1 / 3, 0.8):
        large, small = (held_out(np.arange(n), share, 0) for n in (6000, 1234))
        assert large.sum() == round(6000 * share)
        np.testing.assert_array_equal(large[:1234], small)
        assert (large != held_out(np.arange(6000), share, 1)).any()
    for wrong in (0, 1, -0.1):
        with pytest.raises(PolicyscopeError, match="between 0 and 1"):
            numbered.split(wrong)


def test_an_unfinished_recording_without_shards_has_no_steps(recorded, tmp_path):
    (tmp_path / "rec" / "shards").mkdir(parents=True)
    (tmp_path / "rec" / "recording.json").write_bytes((recorded / "recording.json").read_bytes())
    empty = open_recording(tmp_path / "rec", partial=True)
    assert empty.data.sizes["decision"] == 0
    assert len(Windows(Rows(empty, empty.episodes), 3)) == 0


def test_sites_kept_at_some_steps_are_left_out(tmp_path):
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    sites = ["embedder.relu3", "embedder.relufc"]
    thin = record(load_agent("coinrun-gru"), None, 1, 2, sites, tmp_path / "rec", every=7)
    assert "sites/embedder.relufc" in thin.data
    assert not {"sites/embedder.relu3", "kept_rows"} & set(thin.data)
    first = next(thin.batches(5, 4, names=["sites/embedder.relufc"], workers=0))
    held = thin.windows(5)[int(np.flatnonzero(thin.windows(5).step == first["step"][0])[0])]
    np.testing.assert_array_equal(first["sites/embedder.relufc"][0], held["sites/embedder.relufc"])
    with pytest.raises(UnknownName, match="embedder.relufc"):
        thin.batches(5, 4, names=["sites/embedder.relu3"])

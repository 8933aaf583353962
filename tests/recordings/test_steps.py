"""Columns read straight from the chunks are those that the recording gives."""

import shutil

import numpy as np
import pytest

from policyscope.core.errors import BadFile, UnknownName
from policyscope.recordings.arrays.steps import blocks, of_episode
from policyscope.recordings.read import Recording, open_recording
from policyscope.recordings.shards.chunks import read_rows
from policyscope.recordings.shards.zarr_files import write_group

NAMES = ["q", "action", "reward", "obs", "terminated", "sites/attention_layer.pattern"]


def test_blocks_hold_every_step_once(recording):
    expected = recording.rows(NAMES)
    for rows in (1, 30, 10**6):
        parts = list(blocks(recording, rows))
        assert len(parts) == {1: 3, 10**6: 1}.get(rows, len(parts))
        for name in ["episode", "step", *NAMES]:
            found = np.concatenate([steps.column(name) for steps in parts])
            assert found.dtype == expected[name].dtype
            np.testing.assert_array_equal(found, expected[name])


def test_an_episode_in_the_middle_of_a_shard(recording):
    for k in (0, 5, 9):
        steps, data = of_episode(recording, k), recording.episode(k)
        assert len(steps) == data.sizes["step"]
        assert set(steps.episode) == {k}
        for name in NAMES:
            np.testing.assert_array_equal(steps.column(name), data[name])


def places(recording, parts):
    """(episode, step, identity, x) of all entities, by the step that each one's ``at`` names."""
    found = []
    for steps in parts:
        table = steps.entities
        at = table["at"]
        found += zip(
            steps.episode[at].tolist(), steps.step[at].tolist(),
            table["identity"].tolist(), table["x"].tolist(), strict=True,
        )  # fmt: skip
    return sorted(found)


def test_entities_stand_at_their_steps(recording):
    wanted = sorted(
        (k, *line)
        for k in range(10)
        for line in recording.entities(k)[["step", "identity", "x"]].itertuples(index=False)
    )
    assert len(wanted) > 100
    assert places(recording, blocks(recording, 30)) == wanted
    assert places(recording, [of_episode(recording, 5)]) == [p for p in wanted if p[0] == 5]


def test_some_rows_of_an_array_of_many_chunks(tmp_path):
    rows = np.arange(5000 * 40, dtype=np.float32).reshape(5000, 40)
    write_group(tmp_path / "arrays.zarr", {"a": rows})
    chunks = len(list((tmp_path / "arrays.zarr" / "a").glob("c.*")))
    assert chunks > 2
    for first, last in ((0, 5000), (0, 1), (1637, 1640), (4999, 5000), (1000, 4000), (7, 7)):
        found = read_rows(tmp_path / "arrays.zarr" / "a", slice(first, last))
        np.testing.assert_array_equal(found, rows[first:last])
    with pytest.raises(BadFile, match="holds 5000 rows, 5001 are expected"):
        read_rows(tmp_path / "arrays.zarr" / "a", slice(4990, 5001))


def test_unknown_names_list_what_there_is(recording):
    steps = of_episode(recording, 0)
    assert set(steps.names) == set(recording.names)
    for name in ("Q", "final_obs", "has_final_obs", "../episodes.parquet", "outputs"):
        with pytest.raises(UnknownName, match="Valid: action, episode, logp"):
            steps.column(name)
    with pytest.raises(UnknownName, match=r"no episode 10 in .*; it holds 0\.\.9"):
        of_episode(recording, 10)


@pytest.mark.parametrize("damage", ["cut", "missing", "flipped", "metadata", "another layout"])
def test_torn_shards_are_told(recorded, tmp_path, damage):
    folder = tmp_path / "rec"
    shutil.copytree(recorded, folder)
    array = folder / "shards" / "00001" / "arrays.zarr" / "outputs" / "q"
    chunk, header = array / "c.0.0", array / "zarr.json"
    content = chunk.read_bytes()
    if damage == "cut":
        chunk.write_bytes(content[: len(content) // 2])
    elif damage == "missing":
        chunk.unlink()
    elif damage == "flipped":
        chunk.write_bytes(content[:-20] + bytes(b ^ 255 for b in content[-20:]))
    elif damage == "metadata":
        header.write_text("{")
    else:
        header.write_text(header.read_text().replace('"zstd"', '"gzip"'))
    recording = open_recording(folder)
    assert len(of_episode(recording, 0).column("q"))
    with pytest.raises(BadFile, match="torn shard"):
        of_episode(recording, 5).column("q")


def test_torn_entities_are_told(recorded, tmp_path):
    folder = tmp_path / "rec"
    shutil.copytree(recorded, folder)
    table = folder / "shards" / "00000" / "entities.parquet"
    table.write_bytes(table.read_bytes()[:-30])
    with pytest.raises(BadFile, match="torn shard"):
        _ = of_episode(Recording(folder), 0).entities

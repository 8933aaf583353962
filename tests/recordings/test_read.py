"""Reading: labels, columns, lost tables, torn shards, other schemas."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName
from policyscope.recordings.check import check_recording
from policyscope.recordings.read import open_recording

EXAMPLE = Path(__file__).parents[2] / "examples" / "read_recording.py"


@pytest.fixture
def copied(recorded, tmp_path) -> Path:
    shutil.copytree(recorded, tmp_path / "rec")
    return tmp_path / "rec"


def test_what_a_recording_is(recording, agent):
    assert len(recording) == 10
    assert recording.env == agent.env
    assert recording.space == agent.space
    assert (recording.act, recording.finished) == ("greedy", True)
    assert recording.sites["attention_layer.pattern"] == (4, 1, 15)
    assert recording.outputs == {"q": (3,)}
    assert recording.scene["kind"] == "road"
    assert recording.episodes["episode"].tolist() == list(range(10))
    assert recording.episodes["seed"].tolist() == list(range(3, 13))
    weights = recording.agent.net.state_dict()
    for name, value in agent.net.state_dict().items():
        assert (weights[name] == value).all()


def test_an_episode_has_named_axes(recording):
    data = recording.episode(5)
    steps = recording.episodes.set_index("episode").loc[5, "steps"]
    assert dict(data["obs"].sizes) == {"step": steps, "row": 15, "feature": 7}
    assert data["q"].dims == ("step", "action_name")
    assert data["row_identity"].dims == ("step", "row")
    assert data["sites/attention_layer.pattern"].shape == (steps, 4, 1, 15)
    assert list(data["action_name"].values) == ["SLOWER", "IDLE", "FASTER"]
    assert list(data["feature"].values[:3]) == ["presence", "x", "y"]
    assert data["row"].values[0] == "ego"
    assert data["step"].values.tolist() == list(range(steps))
    best = data["q"].idxmax("action_name").values
    taken = data["action_name"].values[data["action"].values]
    np.testing.assert_array_equal(best, taken)
    assert data.attrs["return"] == pytest.approx(float(data["reward"].sum()))


def test_columns_over_episodes(recording):
    rows = recording.rows(["q", "obs", "sites/attention_layer.pattern"], [9, 1, 4])
    single = [recording.episode(k) for k in (1, 4, 9)]
    for name in ("q", "obs", "sites/attention_layer.pattern"):
        np.testing.assert_array_equal(rows[name], np.concatenate([d[name] for d in single]))
    assert list(dict.fromkeys(rows["episode"].tolist())) == [1, 4, 9]
    np.testing.assert_array_equal(rows["step"], np.concatenate([d["step"] for d in single]))
    every = recording.rows(["reward"])
    assert len(every["reward"]) == recording.episodes["steps"].sum()
    totals = pd.Series(every["reward"]).groupby(every["episode"]).sum()
    np.testing.assert_allclose(totals, recording.episodes["return"])


def test_entities_of_an_episode(recording):
    table = recording.entities(7)
    assert list(table.columns) == [
        "episode", "step", "identity", "kind", "row", "x", "y", "heading", "speed", "length",
        "width",
    ]  # fmt: skip
    assert set(table["episode"]) == {7}
    assert set(table["kind"]) == {"ego", "vehicle"}
    assert not table.duplicated(["step", "identity"]).any()


def test_names_that_stand_for_nothing(recording):
    with pytest.raises(UnknownName, match="Did you mean reward"):
        recording.rows(["rewards"])
    with pytest.raises(PolicyscopeError, match=r"there is no episode 10 in .*; it holds 0\.\.9"):
        recording.episode(10)
    with pytest.raises(PolicyscopeError, match="no episode -1"):
        recording.entities(-1)
    with pytest.raises(PolicyscopeError, match="no episode 11"):
        recording.rows(["obs"], [1, 11])


@pytest.mark.parametrize("harm", ["lost", "half"])
def test_a_lost_table_is_built_again_from_the_shards(copied, recorded, harm):
    table = copied / "episodes.parquet"
    half = table.read_bytes()[:500]
    table.unlink()
    if harm == "half":
        table.write_bytes(half)
    assert open_recording(copied).episodes.equals(open_recording(recorded).episodes)
    assert (copied / "episodes.parquet").read_bytes() == (
        recorded / "episodes.parquet"
    ).read_bytes()


def test_another_schema_names_both_versions(copied):
    path = copied / "recording.json"
    for schema, mend in ((2, "update policyscope"), (0, "record it again"), (None, "record it")):
        path.write_text(json.dumps({**json.loads(path.read_text()), "schema": schema}))
        with pytest.raises(
            BadFile, match=rf"recording schema {schema}, this version reads 1.*{mend}"
        ):
            open_recording(copied)


def test_a_damaged_header_is_named(copied):
    path = copied / "recording.json"
    values = json.loads(path.read_text())
    del values["sites"]
    path.write_text(json.dumps(values))
    with pytest.raises(BadFile, match=r"recording\.json: lacks sites"):
        open_recording(copied)
    for name, value, cause in (
        ("space", {"obs_shape": [1], "obs_dtype": "float32", "touch": 1}, "unexpected keyword"),
        ("env", None, "cannot be read"),
        ("episodes", "ten", "episodes is no whole number"),
        ("lanes", True, "lanes is no whole number"),
    ):
        path.write_text(json.dumps({**values, "sites": {}, name: value}))
        with pytest.raises(BadFile, match=rf"recording\.json: .*{cause}.*update policyscope or"):
            open_recording(copied)
    path.write_text("{")
    with pytest.raises(BadFile, match=r"recording\.json: is not JSON"):
        open_recording(copied)


def test_an_early_version_is_refused_in_one_line(copied):
    """It had chunks in folders, ``c/0`` for ``c.0``, and the same number of the schema."""
    (copied / "shards/00000/arrays.zarr/episode/c").mkdir()
    for opens in (open_recording, check_recording):
        with pytest.raises(BadFile, match=r"lie as early versions laid them \(record it again\)"):
            opens(copied)


def read_everything(folder: Path) -> None:
    rec = open_recording(folder)
    for k in range(len(rec)):
        rec.episode(k)
        rec.entities(k)


def test_a_lost_shard_makes_the_recording_unfinished(copied):
    shutil.rmtree(copied / "shards/00001")
    with pytest.raises(BadFile, match="is unfinished: 2 of 3 shards"):
        open_recording(copied)
    rec = open_recording(copied, partial=True)
    assert rec.episodes["episode"].tolist() == [0, 1, 2, 3, 8, 9]
    with pytest.raises(PolicyscopeError, match="no episode 5"):
        rec.episode(5)


@pytest.mark.parametrize(
    ("torn", "cause"),
    [
        ("shard.json", "no such file"),
        ("episodes.parquet", "no such table"),
        ("entities.parquet", "no such table"),
        ("arrays.zarr/obs/c.0.0.0", "1 of 1 chunks are missing"),
        ("arrays.zarr/zarr.json", "cannot be read"),
    ],
)
def test_a_torn_shard_is_named_with_its_mend(copied, torn, cause):
    (copied / "shards/00001" / torn).unlink()
    with pytest.raises(BadFile, match=f"00001: torn shard: .*{cause}.*record into") as caught:
        read_everything(copied)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("torn", ["entities.parquet", "arrays.zarr/reward/c.0", "shard.json"])
def test_a_half_written_file_is_named(copied, torn):
    path = copied / "shards/00001" / torn
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadFile, match="00001: torn shard"):
        read_everything(copied)


def test_a_shard_of_another_length_is_torn(copied):
    path = copied / "shards/00000/shard.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "rows": values["rows"] + 1}))
    with pytest.raises(BadFile, match="00000: torn shard: .* rows of episode"):
        open_recording(copied).rows(["obs"])
    path.write_text(json.dumps({**values, "schema": 9}))
    with pytest.raises(BadFile, match="shard schema 9, this reads 1"):
        open_recording(copied)


def test_the_example_reads_a_recording(recorded, recording, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), str(recorded)])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    printed = capsys.readouterr().out
    for line in recording.episodes.itertuples():
        assert f"{line.outcome}" in printed
    assert len([row for row in printed.splitlines() if row.strip()]) == 11

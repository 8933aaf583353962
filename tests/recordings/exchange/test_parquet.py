"""The table of steps against the recording it was made from."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from policyscope.agents.store import load_agent
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.target_parser import BadTarget, parse_target
from policyscope.envs.stepper import Space
from policyscope.recordings.arrays.steps import blocks
from policyscope.recordings.arrays.targets import of_target
from policyscope.recordings.exchange.parquet import write_steps
from policyscope.recordings.find.numbers import spans
from policyscope.recordings.importers.trajectory import Kept, Trajectory, write_recording
from policyscope.recordings.read import Recording
from policyscope.recordings.record import record


@pytest.fixture
def table(recording, tmp_path):
    """The table with a target, one that looks ahead, a site and the observations."""
    path = tmp_path / "steps.parquet"
    asked = ["q[FASTER]-q[SLOWER]", "value@t+2", "obs"]
    rows = write_steps(recording, path, asked, ["attention_layer.p*"])
    assert rows == int(recording.episodes["steps"].sum())
    return path


def test_every_column_is_that_of_the_rows(recording, table):
    rows = recording.rows(["action", "policy_action", "logp", "reward", "terminated", "truncated",
                           "q", "obs", "sites/attention_layer.pattern"])  # fmt: skip
    frame = pd.read_parquet(table)
    for name in ("episode", "step", "action", "policy_action", "logp", "reward", "terminated",
                 "truncated"):  # fmt: skip
        np.testing.assert_array_equal(frame[name], rows[name], name)
        assert frame[name].dtype == rows[name].dtype, name
    names = np.array(recording.space.actions)
    assert frame["action_name"].tolist() == names[rows["action"]].tolist()
    assert len(set(frame["action_name"])) > 1
    for a, name in enumerate(names):
        np.testing.assert_array_equal(frame[f"q[{name}]"], rows["q"][:, a])
    np.testing.assert_array_equal(np.stack(frame["obs"]).reshape(rows["obs"].shape), rows["obs"])
    pattern = rows["sites/attention_layer.pattern"]
    kept = np.stack(frame["sites/attention_layer.pattern"]).reshape(pattern.shape)
    np.testing.assert_array_equal(kept, pattern)
    assert pattern.std() > 0


def test_targets_and_returns_do_not_cross_episodes(recording, table):
    frame = pd.read_parquet(table)
    steps = next(blocks(recording, 10**9))
    for text in ("q[FASTER]-q[SLOWER]", "value@t+2"):
        wanted = of_target(parse_target(text), recording.space.actions, steps)
        np.testing.assert_array_equal(frame[text], wanted)
    assert frame["value@t+2"].isna().sum() == 2 * len(recording)
    for k, one in enumerate(spans(steps)):
        reward = recording.episode(k)["reward"].values
        np.testing.assert_allclose(frame["return_so_far"][one], np.cumsum(reward) - reward)
        assert frame["return_so_far"][one].iloc[0] == 0


def test_the_schema_says_what_things_are(recording, table):
    schema = pq.read_schema(table)
    about = json.loads(schema.metadata[b"policyscope"])
    assert (about["version"], about["episodes"]) == (1, 10)
    assert about["env"]["id"] == "highway/intersection"
    assert all(field.metadata[b"meaning"] for field in schema)
    assert schema.field("logp").metadata[b"unit"] == b"nats"
    site = schema.field("sites/attention_layer.pattern")
    assert (site.metadata[b"shape"], site.type.list_size) == (b"4,1,15", 60)
    assert schema.names[:4] == ["episode", "step", "action", "action_name"]


def test_rows_are_written_a_shard_at_a_time(recording, tmp_path):
    counts: list[int] = []
    write_steps(recording, tmp_path / "steps.parquet", progress=counts.append)
    each = recording.episodes.groupby("shard")["steps"].sum().cumsum()
    assert counts == each.tolist()
    assert pq.ParquetFile(tmp_path / "steps.parquet").num_row_groups == len(each) == 3


def test_a_flipped_byte_is_found(table):
    data = bytearray(table.read_bytes())
    data[len(data) // 3] ^= 1
    table.write_bytes(data)
    with pytest.raises(OSError, match="CRC|corrupt|deserial"):
        pq.read_table(table, page_checksum_verification=True)


@pytest.mark.parametrize("action", ["unknown", "continuous"])
def test_actions_without_names(tmp_path, action):
    rng = np.random.default_rng(0)
    if action == "unknown":
        acts, space = np.array([-1, 1, 0]), Space((2,), "float32", actions=("no", "yes"))
    else:
        acts = rng.normal(size=(3, 2)).astype(np.float32)
        space = Space((2,), "float32", action_low=(-1.0, -1.0), action_high=(1.0, 1.0))
    part = Trajectory(rng.random((3, 2)).astype(np.float32), acts, np.ones(3), "terminated")
    write_recording(Kept("x", [part], space), tmp_path / "rec", {})
    write_steps(Recording(tmp_path / "rec"), tmp_path / "steps.parquet")
    frame = pd.read_parquet(tmp_path / "steps.parquet")
    if action == "unknown":
        assert frame["action"].tolist() == [-1, 1, 0]
        assert frame["action_name"].isna().tolist() == [True, False, False]
        assert frame["action_name"].tolist()[1:] == ["yes", "no"]
    else:
        np.testing.assert_array_equal(frame[["action[0]", "action[1]"]], acts)
        assert "action_name" not in frame
    assert frame["logp"].isna().all()


def test_what_is_not_there_is_named_before_anything_is_written(recording, tmp_path):
    path = tmp_path / "steps.parquet"
    for asked, error, said in (
        ({"columns": ["q[FASTR]"]}, UnknownName, "Did you mean FASTER"),
        ({"columns": ["value >"]}, BadTarget, "character 7"),
        ({"columns": ["entropy"]}, PolicyscopeError, "no log-probabilities"),
        ({"columns": ["state_in"]}, PolicyscopeError, "holds no state_in"),
        ({"sites": ["atention.*"]}, UnknownName, "attention_layer"),
    ):
        with pytest.raises(error, match=said):
            write_steps(recording, path, **asked)
    assert list(tmp_path.iterdir()) == []


def test_an_output_asked_for_again_stands_once(recording, tmp_path):
    write_steps(recording, tmp_path / "steps.parquet", ["q[FASTER]"])
    assert pq.read_schema(tmp_path / "steps.parquet").names.count("q[FASTER]") == 1


def test_maps_that_are_kept_at_some_steps_are_null_at_the_others(tmp_path):
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    site, agent = "embedder.relu3", load_agent("coinrun-gru")
    rec = record(agent, None, 3, 2, [site], tmp_path / "rec", shard_episodes=2, every=7)
    write_steps(rec, tmp_path / "steps.parquet", sites=[site])
    frame = pd.read_parquet(tmp_path / "steps.parquet")
    assert (frame[f"sites/{site}"].notna() == (frame["step"] % 7 == 0)).all()
    kept = np.stack(frame[f"sites/{site}"].dropna()).reshape(-1, *rec.sites[site])
    np.testing.assert_array_equal(kept, rec.rows([f"sites/{site}"])[f"sites/{site}"])
    assert kept.dtype == np.float32
    assert kept.std() > 0


def test_a_column_asked_for_twice_is_written_once(recording, tmp_path):
    out = tmp_path / "steps.parquet"
    write_steps(recording, out, ["obs", "value@t+2", "obs", "value@t+2"], ["att*", "att*"])
    names = pq.read_schema(out).names
    assert len(names) == len(set(names))
    assert {"obs", "value@t+2"} <= set(names)

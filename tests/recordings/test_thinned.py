"""Feature maps in float16 at some of the steps: the same numbers, at the right steps."""

from pathlib import Path

import numpy as np
import pytest
import zarr

from policyscope.agents.store import load_agent
from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError
from policyscope.core.files import digest
from policyscope.envs.spec import EnvSpec
from policyscope.panel.shelf.episode_file import episode_file
from policyscope.panel.shelf.shelf import Shelf
from policyscope.recordings.arrays.steps import of_episode
from policyscope.recordings.check import check_recording
from policyscope.recordings.find.grammar import BadQuery
from policyscope.recordings.find.search import find
from policyscope.recordings.plan import make_plan
from policyscope.recordings.read import Recording
from policyscope.recordings.record import record

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

MAP, VECTOR, EVERY = "sites/embedder.relu3", "sites/embedder.relufc", 7
SITES = ["embedder.relu3", "embedder.block2.maxpool", "embedder.relufc"]


def made(folder: Path, every: int, **options) -> Recording:
    agent = load_agent("coinrun-gru")
    return record(agent, None, 5, 2, SITES, folder, shard_episodes=2, every=every, **options)


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> Recording:
    return made(tmp_path_factory.mktemp("full") / "rec", 1)


@pytest.fixture(scope="module")
def thin(tmp_path_factory) -> Recording:
    return made(tmp_path_factory.mktemp("thin") / "rec", EVERY)


def test_maps_are_halves_and_vectors_are_not(full, thin):
    for recording in (full, thin):
        assert recording.plan.convolutional == ("embedder.relu3", "embedder.block2.maxpool")
        data = recording.episode(1)
        assert (data[MAP].dtype, data[VECTOR].dtype) == (np.float16, np.float32)
    assert full.episode(1)[MAP].dims[0] == "step"
    assert full.plan.thinned == ()
    stored = zarr.open_group(full.path / "shards/00000/arrays.zarr", mode="r")
    assert "kept_rows" not in stored
    with pytest.raises(PolicyscopeError, match="every must be at least 1, got 0"):
        make_plan(load_agent("coinrun-gru"), EnvSpec("procgen/coinrun"), 1, 0, None, every=0)


def test_attention_patterns_are_no_maps():
    plan = make_plan(
        load_agent("highway-ego-attention"), EnvSpec("highway/intersection"), 1, 0, None, every=5
    )
    assert len(plan.sites["attention_layer.pattern"]) == 3
    assert (plan.convolutional, plan.thinned) == ((), ())


def test_every_kth_step_of_each_episode_is_kept(full, thin):
    lengths = set()
    for k in range(5):
        whole, some = full.episode(k), thin.episode(k)
        steps = list(range(0, whole.sizes["step"], EVERY))
        assert some["step_kept"].values.tolist() == steps
        for name in (MAP, "sites/embedder.block2.maxpool"):
            assert some[name].dims[0] == "step_kept"
            np.testing.assert_array_equal(some[name], whole[name][steps])
        np.testing.assert_array_equal(some[VECTOR], whole[VECTOR])
        assert float(abs(some[MAP]).max()) > 0
        lengths.add(whole.sizes["step"] % EVERY)
    assert len(lengths) > 1, "episodes that end between two kept steps"


def test_rows_of_a_thinned_site_are_those_that_are_kept(full, thin):
    whole = full.rows([MAP, VECTOR])
    kept = whole["step"] % EVERY == 0
    found = thin.rows([MAP])
    for name in ("episode", "step", MAP):
        np.testing.assert_array_equal(found[name], whole[name][kept])
    some = thin.rows([MAP, "sites/embedder.block2.maxpool"], [1, 4])
    assert set(some["episode"]) == {1, 4}
    np.testing.assert_array_equal(some[MAP], whole[MAP][kept & np.isin(whole["episode"], (1, 4))])
    with pytest.raises(PolicyscopeError, match=r"one step of 7 only; ask for it alone: rows\("):
        thin.rows([MAP, "reward"])
    np.testing.assert_array_equal(thin.rows([VECTOR])[VECTOR], whole[VECTOR])


def test_what_needs_every_step_refuses_in_one_line(thin, full, capsys, tmp_path):
    steps = of_episode(thin, 1)
    assert MAP not in steps.names
    assert "kept_rows" not in steps.names
    with pytest.raises(PolicyscopeError, match="was kept at one step of 7 only"):
        steps.column(MAP)
    with pytest.raises(BadQuery, match="one step of 7 only.* at 'site") as caught:
        find(thin, "site[embedder.relu3][0,0,0] > 1")
    assert "\n" not in str(caught.value)
    assert len(find(full, "site[embedder.relu3][0,0,0] > 0"))
    path = str(thin.path)
    flags = ["--method", "traces", "--site", "embedder.relu3", "--out", str(tmp_path / "traces")]
    assert main(["explain", path, *flags]) == 0, "computed again from the observations"
    assert main(["show", path]) == 0
    assert "16 x 8 x 8, at one step of 7" in capsys.readouterr().out


def test_the_panel_leaves_them_out(thin, full):
    names = {}
    for recording in (thin, full):
        shelf = Shelf(recording.path.parent)
        file = episode_file(shelf, recording, 1)
        names[recording.plan.every] = {part.name for part in file.parts}
        assert file.bytes > 0
    assert names[1] - names[EVERY] == {MAP, "sites/embedder.block2.maxpool"}
    assert "kept_rows" not in names[EVERY]


def test_check_knows_them(thin, full):
    assert check_recording(thin.path) == []
    assert check_recording(full.path) == []


@pytest.mark.slow  # 12 s
def test_the_same_bytes_with_workers(thin, tmp_path):
    made(tmp_path / "rec", EVERY, workers=2)
    assert digest(tmp_path / "rec/shards") == digest(thin.path / "shards")


def test_thinned_maps_are_not_held_until_the_shard_ends(thin):
    """What is not kept would be most of a shard's memory."""
    from policyscope.envs.make import make
    from policyscope.recordings.shards.gather import slimmed
    from policyscope.rollouts.loop import Watch, rollout, seeded_episodes

    plan = thin.plan
    stepper = make(plan.env, 2)
    watch = Watch(sites=tuple(plan.sites))
    rows = rollout(thin.agent, stepper, seeded_episodes(2, 2), seed=2, act=plan.act, watch=watch)
    for row in slimmed(rows, plan.convolutional, EVERY):
        assert ("embedder.relu3" in row.sites) == (row.step % EVERY == 0)
        assert all(row.sites[n].base is None for n in plan.convolutional if n in row.sites)
    stepper.close()

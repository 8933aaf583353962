"""Rollouts are written here as imitation wrote them, and read by its own rule for splitting."""

import os
import zipfile

import numpy as np
import pytest

from policyscope.cli.main import main
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.envs.spec import EnvSpec
from policyscope.panel.export import export_page
from policyscope.recordings.errors import NoAgent
from policyscope.recordings.importers.imitation import read_rollouts
from policyscope.recordings.importers.recognise import import_episodes, recognise_episodes
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record_plan

LENGTHS = (5, 9, 3)
CARTPOLE = EnvSpec("gym:CartPole-v1")


class Evil:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "canary"
    yield path
    assert not path.exists()


def parts(canary=None, lengths=LENGTHS, continuous=False):
    """What ``imitation.data.types.save`` gave to ``numpy.savez_compressed``."""
    rng, steps = np.random.default_rng(3), sum(lengths)
    infos = np.array([{"lives": 3}] * steps)
    if canary is not None:
        infos[2] = Evil(canary)
    acts = rng.normal(size=(steps, 2)) if continuous else rng.integers(0, 2, steps)
    return {
        "obs": rng.normal(size=(steps + len(lengths), 4)).astype(np.float32),
        "acts": acts,
        "infos": infos,
        "terminal": np.array([k % 2 == 0 for k in range(len(lengths))]),
        "indices": np.cumsum(lengths[:-1]),
        "rews": rng.normal(size=steps),
    }


def saved(path, values):
    np.savez_compressed(path, **{k: v for k, v in values.items() if v is not None})
    return path


def split(values):
    """Trajectories by the rule of ``imitation.data.serialize.load``."""
    indices = values["indices"]
    return zip(
        np.split(values["obs"], indices + np.arange(len(indices)) + 1),
        np.split(values["acts"], indices), np.split(values["rews"], indices), values["terminal"],
        strict=True,
    )  # fmt: skip


@pytest.mark.parametrize("lengths", [LENGTHS, (4,), (1, 1, 1, 1)])
def test_episodes_are_the_trajectories_of_the_library(tmp_path, canary, lengths):
    values = parts(canary, lengths)
    path = saved(tmp_path / "final.npz", values)
    assert recognise_episodes(path) == "imitation"
    rec = import_episodes(path, tmp_path / "rec", "imitation", CARTPOLE)
    assert len(rec) == len(lengths)
    for k, (obs, acts, rews, terminal) in enumerate(split(values)):
        episode = rec.episode(k)
        assert np.array_equal(episode["obs"], obs[:-1])
        assert np.array_equal(episode["final_obs"], obs[-1])
        assert np.array_equal(episode["action"], acts)
        assert np.array_equal(episode["policy_action"], acts)
        assert np.array_equal(episode["reward"], rews)
        assert np.isnan(episode["logp"]).all()
        assert bool(episode["terminated"][-1]) == terminal
        assert bool(episode["truncated"][-1]) != terminal
        assert not episode["terminated"][:-1].any()
        assert episode.attrs["return"] == pytest.approx(rews.sum())
        assert not len(rec.entities(k))
    assert rec.space.actions == ("0", "1")


def test_what_is_not_known_is_said(tmp_path):
    rec = import_episodes(
        saved(tmp_path / "final.npz", parts()), tmp_path / "rec", "imitation", CARTPOLE
    )
    assert (rec.act, rec.outputs, rec.sites, rec.plan.weights) == ("unknown", {}, {}, "")
    assert rec.episodes["seed"].isna().all()
    assert rec.provenance["lineage"] == "imitation, rollouts"
    assert rec.provenance["source"]["file"] == "final.npz"
    assert rec.provenance["notes"] == ["left out: infos, pickled objects, which are never opened"]
    with pytest.raises(NoAgent, match="holds no agent: its episodes were imported"):
        _ = rec.agent
    for word in ("policy", "unknown", "from unknown seeds", "95 % bootstrap interval", "note 1"):
        assert word in str(rec)
    assert "no video" in rec._repr_html_()
    with pytest.raises(PolicyscopeError, match="did not start from a seed"):
        rec.video(0)


def test_continuous_actions_without_rewards_and_environment(tmp_path):
    values = parts(continuous=True) | {"rews": None}
    path = saved(tmp_path / "final.npz", values)
    rec = import_episodes(path, tmp_path / "rec", "imitation")
    assert rec.env.id == "unknown"
    assert rec.space.action_low == pytest.approx(values["acts"].min(0))
    assert np.isnan(rec.rows(["reward"])["reward"]).all()
    assert rec.episodes["return"].isna().all()
    assert "unknown: rewards" in str(rec)
    assert len(rec.provenance["notes"]) == 3


def test_every_verb_works_on_it_or_says_why_not(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    path, out = saved(tmp_path / "final.npz", parts()), tmp_path / "rec"
    assert main(["import", str(path), "--env", "gym:CartPole-v1", "--out", str(out)]) == 0
    told, err = capsys.readouterr()
    assert "3 episodes, 17 steps, by an unknown policy (imitation)" in told
    assert told.splitlines()[-1] == "environment: gym:CartPole-v1 (default settings), as given"
    assert err == "note: left out: infos, pickled objects, which are never opened\n"
    assert main(["show", str(out)]) == 0
    assert "without their agent" in capsys.readouterr().out
    assert main(["export", str(out), "--out", str(tmp_path / "page.html")]) == 0
    assert "all 3 episodes" in capsys.readouterr().out
    assert main(["explain", str(out), "--method", "attention"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["import", str(path), "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err
    fresh = str(tmp_path / "fresh")
    assert main(["import", str(path), "--heads", "2", "--out", fresh]) == 2
    assert "--heads says nothing about episodes" in capsys.readouterr().err
    assert main(["import", str(path), "--env", "gym:Pendulum-v1", "--out", fresh]) == 2
    assert "observations of shape (4,)" in capsys.readouterr().err
    assert not (tmp_path / "fresh").exists()


def test_many_episodes_lie_in_several_shards(tmp_path):
    values = parts(lengths=(1,) * 2500)
    rec = import_episodes(saved(tmp_path / "f.npz", values), tmp_path / "rec", "imitation")
    assert rec.plan.shards > 1
    assert np.array_equal(rec.rows(["action"])["action"], values["acts"])
    assert np.array_equal(rec.episode(2499)["final_obs"], values["obs"][-1])
    assert open_recording(tmp_path / "rec").finished
    assert export_page(tmp_path / "rec", tmp_path / "page.html", [2]).episodes == 1


def test_nothing_can_be_recorded_into_it(tmp_path):
    from policyscope.agents.store import load_agent

    rec = import_episodes(saved(tmp_path / "f.npz", parts()), tmp_path / "rec", "imitation")
    with pytest.raises(BadFile, match="with another"):
        record_plan(load_agent("highway-ego-attention"), _other_plan(rec.plan), tmp_path / "rec")


def _other_plan(plan):
    from dataclasses import replace

    return replace(plan, act="greedy", seed=0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"acts": None}, "it has no acts"),
        ({"indices": None, "terminal": None}, "it has no terminal, indices"),
        ({"indices": np.array([9, 5])}, "do not rise"),
        ({"indices": np.array([5, 99])}, "do not rise"),
        ({"indices": np.array([0, 5])}, "do not rise"),
        ({"indices": np.array([["a"]])}, "are <U1, not numbers"),
        ({"indices": np.array([5])}, "20 obs, expected 19"),
        ({"obs": np.zeros((17, 4))}, "17 obs, expected 20"),
        ({"obs": np.array([{}] * 20)}, "its obs are pickled objects"),
        ({"obs": np.float32(3)}, "no row of obs"),
        ({"acts": np.float32(3)}, "do not rise"),
        ({"acts": np.full(17, 10**9)}, "actions from 1000000000"),
        ({"acts": np.full(17, -1)}, "actions from -1"),
        ({"acts": np.full((17, 2), np.nan)}, "neither numbers of actions"),
        ({"acts": np.zeros((17, 2, 2))}, "several axes"),
        ({"rews": np.zeros(4)}, "4 rews, expected 17"),
        ({"terminal": np.zeros(2, bool)}, "2 terminal, expected 3"),
    ],
)
def test_other_parts_are_one_clear_line(tmp_path, capsys, change, said):
    path = saved(tmp_path / "final.npz", parts() | change)
    lineage = ["--lineage", "imitation"]
    assert main(["import", str(path), *lineage, "--out", str(tmp_path / "rec")]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "rec").exists()


def test_an_array_of_a_huge_shape_is_refused_before_memory_is_asked_for(tmp_path):
    path = saved(tmp_path / "final.npz", parts())
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 4), }"
    huge = b"\x93NUMPY\x01\x00" + len(header + b"\n").to_bytes(2, "little") + header + b"\n"
    with zipfile.ZipFile(path) as old:
        files = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, huge + bytes(16) if name == "obs.npy" else data)
    with pytest.raises(BadFile, match=r"have 16 bytes, not those of \(1000000000000, 4\)"):
        read_rollouts(path)


def test_a_folder_of_the_newer_format_is_refused_by_name(tmp_path, capsys):
    assert main(["import", str(tmp_path), "--out", str(tmp_path / "rec")]) == 2
    assert "save them as .npz" in capsys.readouterr().err

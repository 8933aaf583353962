"""Trajectories and observations are written here as rl_clarity wrote them."""

import pickle
import re

import numpy as np
import pytest

from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.spec import EnvSpec
from policyscope.panel.export import export_page
from policyscope.recordings.importers.recognise import import_episodes, recognise_episodes

COINRUN = EnvSpec("procgen/coinrun")
#: First rows of episodes in each of the two worlds: the first begins in the middle of one.
FIRSTS = ((7, 20), (0, 3))


def trajectories(steps=30, side=8):
    """Two worlds of T steps each."""
    rng, shape = np.random.default_rng(4), (len(FIRSTS), steps)
    firsts = np.zeros(shape, bool)
    for lane, rows in enumerate(FIRSTS):
        firsts[lane, list(rows)] = True
    return {
        "observations": rng.integers(0, 256, (*shape, side, side, 3), np.uint8),
        "actions": rng.integers(0, 15, shape),
        "rewards": rng.random(shape).astype(np.float32),
        "firsts": firsts,
    }


def written(tmp_path, values):
    path = tmp_path / "coinrun.trajectories.jd"
    path.write_bytes(pickle.dumps(values, 3))
    return path


def test_worlds_are_cut_where_episodes_begin(tmp_path):
    values = trajectories()
    path = written(tmp_path, values)
    assert recognise_episodes(path) == "rl_clarity_rollouts"
    rec = import_episodes(path, tmp_path / "rec", "rl_clarity_rollouts")
    stretches = [(0, 0, 7), (0, 7, 20), (0, 20, 30), (1, 0, 3), (1, 3, 30)]
    assert len(rec) == len(stretches)
    for k, (lane, start, stop) in enumerate(stretches):
        episode, rows = rec.episode(k), (lane, slice(start, stop))
        assert np.array_equal(episode["obs"], values["observations"][rows])
        assert np.array_equal(episode["action"], values["actions"][rows])
        assert np.allclose(episode["reward"], values["rewards"][rows])
        assert "final_obs" not in episode
    assert rec.episodes["outcome"].tolist() == ["terminated", "terminated", "", "terminated", ""]
    assert rec.episodes["terminated"].tolist() == [True, True, False, True, False]
    whole = rec.episodes["return"].notna()
    assert whole.tolist() == [False, True, False, True, False]
    assert rec.episodes["return"][1] == pytest.approx(values["rewards"][0, 7:20].sum())
    assert "the beginning is missing of the episodes 0" in rec.provenance["notes"][0]
    assert "of 3 pieces of episodes it is unknown" in str(rec)


def test_an_environment_gives_actions_their_names(tmp_path):
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    path = written(tmp_path, trajectories(side=64))
    rec = import_episodes(path, tmp_path / "rec", "rl_clarity_rollouts", COINRUN)
    assert rec.space.actions[7] == "RIGHT"
    assert rec.env.versions
    page = export_page(tmp_path / "rec", tmp_path / "page.html").path.read_text()
    assert '"enemy left"' not in page
    with pytest.raises(PolicyscopeError, match=r"observations of shape \(64, 64, 3\)"):
        import_episodes(path, tmp_path / "b", "rl_clarity_rollouts", EnvSpec("gym:CartPole-v1"))


def test_observations_alone_are_episodes_of_one_step(tmp_path):
    seen = trajectories()["observations"][0]
    path = written(tmp_path, {"observations": seen, "observations_full": seen})
    rec = import_episodes(path, tmp_path / "rec", "rl_clarity_rollouts")
    assert np.array_equal(rec.rows(["obs"])["obs"], seen)
    assert rec.episodes["steps"].tolist() == [1] * 30
    assert rec.rows(["action"])["action"].tolist() == [-1] * 30
    assert rec.episodes["return"].isna().all()
    assert not rec.space.actions
    assert rec.provenance["notes"][0] == "left out: observations_full"
    assert export_page(tmp_path / "rec", tmp_path / "page.html").episodes == 30


def other(**parts):
    values = trajectories() | parts
    return {k: v for k, v in values.items() if v is not None}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (other(observations=np.zeros((2, 3), np.uint8)), "no 'observations' that are images"),
        (other(observations=np.zeros((2, 30, 8, 8, 3))), "no 'observations' that are images"),
        (other(observations=[1]), "no 'observations' that are images"),
        (other(rewards=None), "its rewards are no array"),
        (other(firsts=np.zeros((2, 29))), r"its firsts are \(2, 29\)"),
        (other(actions=np.zeros((2, 30))), "no numbers of actions"),
        (other(actions=np.full((2, 30), -3)), "actions from -3"),
        (other(actions=np.full((2, 30), 10**9)), "actions from 1000000000"),
        ({"observations": np.zeros((0, 8, 8, 3), np.uint8)}, "not images"),
        (
            {k: v[:, :0] for k, v in trajectories().items()},
            "no numbers of actions",
        ),
    ],
)
def test_other_values_are_one_clear_line(tmp_path, capsys, values, said):
    path, out = written(tmp_path, values), tmp_path / "rec"
    lineage = ["--lineage", "rl_clarity_rollouts"]
    assert main(["import", str(path), *lineage, "--out", str(out)]) == 2
    err = capsys.readouterr().err
    assert re.search(said, err)
    assert err.count("\n") == 1
    assert not out.exists()

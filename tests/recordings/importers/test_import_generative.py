"""Folders are written here as "generative visualisation" wrote them, file by file."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from policyscope.cli.main import main
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.envs.spec import EnvSpec
from policyscope.panel.export import export_page
from policyscope.recordings.find.search import find
from policyscope.recordings.importers.generative import MEMORY, SIMULATOR, read_folder
from policyscope.recordings.importers.recognise import import_episodes, recognise_episodes
from policyscope.recordings.read import open_recording

LENGTHS = (6, 9, 5)
SIDE = 8


def episode(folder: Path, number: int, rows: int, done="bool", ended=True) -> dict:
    """One episode as ``record.py`` writes it: T rows, the last of them with a black frame."""
    rng = np.random.default_rng(number)
    seen = rng.integers(1, 256, (rows, 3, SIDE, SIDE), np.uint8)
    if ended:
        seen[-1] = 0
    score = rng.normal(size=(rows, 15)).astype(np.float32)
    logp = score - np.log(np.exp(score).sum(1, keepdims=True))
    ends = np.zeros(rows, bool)
    ends[-1] = ended
    words = {"bool": ends, "words": ends.astype(str), "numbers": ends.astype(float).astype(str)}
    table = pd.DataFrame({
        "level_seed": 7,
        "episode": number,
        "global_step": np.arange(rows, dtype=float),
        "episode_step": np.arange(rows),
        "done": words[done],
        "reward": rng.normal(size=rows),
        "value": rng.normal(size=rows),
        "action": rng.integers(0, 15, rows),
    })  # fmt: skip
    memory = rng.normal(size=(rows + 1, 4)).astype(np.float32)
    part = folder / f"episode_{number:05d}"
    part.mkdir(parents=True)
    table.to_csv(folder / f"data_gen_model_{number:05d}.csv", index=number % 2 == 1)  # Unnamed: 0
    for name, array in (("ob", seen), ("hx", memory), ("lp", logp.astype(np.float32))):
        np.save(part / f"{name}.npy", array)
    return {"ob": seen, "hx": memory, "lp": logp, "table": table}


def recorded(folder: Path, done=("bool", "words", "numbers"), ended=(True, True, True)) -> list:
    made = [episode(folder, k, n, done[k], ended[k]) for k, n in enumerate(LENGTHS)]
    index = [(float(t), k) for k, n in enumerate(LENGTHS) for t in range(n)]
    pd.DataFrame(index, columns=["global_step", "episode"]).to_csv(folder / "idx_to_episode.csv")
    return made


def imported(source: Path, out: Path, env=None):
    return import_episodes(source, out, "generative", env)


def test_each_decision_has_the_consequences_that_came_with_the_next_frame(tmp_path):
    made = recorded(tmp_path / "logdir" / "data")
    assert recognise_episodes(tmp_path / "logdir") == "generative"
    rec = imported(tmp_path / "logdir", tmp_path / "rec")
    assert rec.episodes["steps"].tolist() == [n - 1 for n in LENGTHS]
    for k, (kept, rows) in enumerate(zip(made, LENGTHS, strict=True)):
        data, n = rec.episode(k), rows - 1
        table = kept["table"]
        np.testing.assert_array_equal(data["obs"], kept["ob"][:n].transpose(0, 2, 3, 1))
        assert (data["obs"].values > 0).all(), "the black frame is no observation"
        np.testing.assert_array_equal(data["action"], table["action"][:n])
        np.testing.assert_allclose(data["reward"], table["reward"][1:])
        assert not np.allclose(data["reward"], table["reward"][:n]), "not shifted"
        assert data["terminated"].values.tolist() == [False] * (n - 1) + [True]
        assert not data["truncated"].values.any()
        np.testing.assert_allclose(data["value"], table["value"][:n], rtol=1e-6)
        np.testing.assert_array_equal(data["logits"], kept["lp"][:n])
        taken = kept["lp"][np.arange(n), table["action"][:n]]
        np.testing.assert_array_equal(data["logp"], taken)
        np.testing.assert_array_equal(data["state_in"], kept["hx"][:n])
        np.testing.assert_array_equal(data[f"sites/{MEMORY}"], kept["hx"][1 : n + 1])
        assert "final_obs" not in data
        assert data.attrs["return"] == pytest.approx(table["reward"][1:].sum())


def test_commands_take_such_a_recording(tmp_path, capsys):
    recorded(tmp_path / "logdir")
    argv = ["import", str(tmp_path / "logdir"), "--out", str(tmp_path / "rec")]
    assert main(argv) == 0
    told = capsys.readouterr()
    assert "3 episodes, 17 steps, by an unknown policy (generative)" in told.out
    assert "sampled with noise" in told.err
    assert main(["show", str(tmp_path / "rec")]) == 0
    assert MEMORY in capsys.readouterr().out
    assert export_page(tmp_path / "rec", tmp_path / "page.html").episodes == 3
    assert len(find(open_recording(tmp_path / "rec"), "value top 2")) == 2


def test_the_engine_names_the_actions(tmp_path):
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    recorded(tmp_path / "logdir")
    with pytest.raises(PolicyscopeError, match=r"shape \(8, 8, 3\), procgen/coinrun gives"):
        imported(tmp_path / "logdir", tmp_path / "rec", EnvSpec("procgen/coinrun"))


def test_an_episode_without_an_end_keeps_its_last_row_with_an_unknown_reward(tmp_path):
    made = recorded(tmp_path / "logdir", ended=(True, False, True))
    rec = imported(tmp_path / "logdir", tmp_path / "rec")
    data = rec.episode(1)
    assert data.sizes["step"] == LENGTHS[1]
    np.testing.assert_allclose(data["reward"][:-1], made[1]["table"]["reward"][1:])
    assert np.isnan(data["reward"][-1])
    assert np.isnan(data.attrs["return"])
    assert (data["truncated"].values[-1], data["terminated"].values.any()) == (True, False)
    assert "1 episodes have no end" in str(rec.provenance["notes"])


def break_array(folder, name, change):
    path = folder / "episode_00002" / f"{name}.npy"
    np.save(path, change(np.load(path)))


BROKEN = {
    "cut off": lambda f: (f / "episode_00002/ob.npy").write_bytes(
        (f / "episode_00002/ob.npy").read_bytes()[:-50]
    ),
    "missing": lambda f: (f / "episode_00002/lp.npy").unlink(),
    "short memory": lambda f: break_array(f, "hx", lambda a: a[:-1]),
    "short table": lambda f: (f / "data_gen_model_00002.csv").write_text(
        "\n".join((f / "data_gen_model_00002.csv").read_text().splitlines()[:-2])
    ),
    "empty table": lambda f: (f / "data_gen_model_00002.csv").write_text(""),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_half_written_last_episode_is_left_out_and_told(tmp_path, fault):
    recorded(tmp_path / "logdir")
    BROKEN[fault](tmp_path / "logdir")
    rec = imported(tmp_path / "logdir", tmp_path / "rec")
    assert rec.episodes["steps"].tolist() == [5, 8]
    assert any("00002, is half written" in note for note in rec.provenance["notes"])


@pytest.mark.parametrize("fault", BROKEN)
def test_a_damaged_episode_before_the_last_is_refused(tmp_path, fault):
    folder = tmp_path / "logdir"
    recorded(folder)
    episode(folder, 3, 4)
    BROKEN[fault](folder)
    with pytest.raises(BadFile, match="00002"):
        imported(folder, tmp_path / "rec")
    assert not (tmp_path / "rec").exists()


def test_a_folder_without_a_table_is_told(tmp_path):
    recorded(tmp_path / "logdir")
    (tmp_path / "logdir" / "data_gen_model_00002.csv").unlink()
    rec = imported(tmp_path / "logdir", tmp_path / "rec")
    assert "left out: 00002, which have no table" in rec.provenance["notes"]


class Trap:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


@pytest.mark.parametrize("raw", [False, True], ids=["objects", "pickle"])
def test_a_pickled_array_is_refused_and_runs_nothing(tmp_path, monkeypatch, raw):
    monkeypatch.chdir(tmp_path)
    recorded(tmp_path / "logdir")
    path = tmp_path / "logdir/episode_00000/hx.npy"
    trap = np.array([Trap()] * (LENGTHS[0] + 1), object)
    if raw:
        path.write_bytes(trap.dumps())
    else:
        np.save(path, trap, allow_pickle=True)
    with pytest.raises(BadFile, match=r"hx\.npy: (refused: it holds pickled|is no whole array)"):
        imported(tmp_path / "logdir", tmp_path / "rec")
    assert not Path("ran").exists()


def change_table(folder, **columns):
    path = folder / "data_gen_model_00000.csv"
    table = pd.read_csv(path)
    for name, values in columns.items():
        table[name] = values
    table.to_csv(path, index=False)


REFUSED = {
    "its done is 'maybe'": {"done": ["False"] * 5 + ["maybe"]},
    "an end before its last row": {"done": [True] * 6},
    "no numbers of actions": {"action": [0.5] * 6},
    r"not one of 0\.\.14": {"action": [15] * 6},
    "its reward are not all finite": {"reward": [np.nan] * 6},
}


@pytest.mark.parametrize("said", REFUSED)
def test_tables_that_say_something_else_are_refused(tmp_path, said):
    recorded(tmp_path / "logdir")
    change_table(tmp_path / "logdir", **REFUSED[said])
    with pytest.raises(BadFile, match=said):
        imported(tmp_path / "logdir", tmp_path / "rec")


def test_frames_with_their_channels_last_are_refused(tmp_path):
    recorded(tmp_path / "logdir")
    path = tmp_path / "logdir/episode_00000/ob.npy"
    np.save(path, np.load(path).transpose(0, 2, 3, 1))
    with pytest.raises(BadFile, match=r"expected uint8 \(T, 3, height, width\)"):
        imported(tmp_path / "logdir", tmp_path / "rec")


def test_an_index_that_counts_otherwise_is_told(tmp_path):
    recorded(tmp_path / "logdir")
    index = pd.read_csv(tmp_path / "logdir/idx_to_episode.csv")
    index.iloc[1:].to_csv(tmp_path / "logdir/idx_to_episode.csv")
    with pytest.raises(BadFile, match=r"has 6 rows, idx_to_episode\.csv 5"):
        imported(tmp_path / "logdir", tmp_path / "rec")


def test_episodes_are_read_one_at_a_time(tmp_path):
    recorded(tmp_path / "logdir")
    kept = read_folder(tmp_path / "logdir")
    (tmp_path / "logdir/episode_00001/ob.npy").unlink()
    assert len(kept.episodes[0]) == 5
    with pytest.raises(BadFile, match="ob.npy: is missing"):
        kept.episodes[1]


def sample(folder: Path, number: int, rows: int = 10) -> dict:
    rng = np.random.default_rng(number)
    arrays = {
        "ims": rng.integers(0, 256, (rows, SIDE, SIDE, 3), np.uint8),
        "rews": rng.normal(size=rows),
        "dones": rng.random(rows),
        "agent_hs": rng.normal(size=(rows, 4)),
        "agent_logprobs": rng.normal(size=(rows, 15)),
        "agent_values": rng.normal(size=rows),
        "env_hs": rng.normal(size=(rows, 12)),
        "bottleneck_vec": rng.normal(size=128),
    }
    (folder / f"sample_{number:05d}").mkdir(parents=True)
    for name, array in arrays.items():
        kind = array.dtype if array.dtype == np.uint8 else np.float32
        arrays[name] = array.astype(kind)
        np.save(folder / f"sample_{number:05d}" / f"{name}.npy", arrays[name])
    return arrays


def test_samples_of_a_simulator(tmp_path):
    made = [sample(tmp_path / "gen/informed_init", k) for k in range(3)]
    assert recognise_episodes(tmp_path / "gen") == "generative"
    rec = imported(tmp_path / "gen", tmp_path / "rec")
    for k, held in enumerate(made):
        data = rec.episode(k)
        np.testing.assert_array_equal(data["obs"], held["ims"])
        np.testing.assert_array_equal(data["action"], held["agent_logprobs"].argmax(1))
        np.testing.assert_allclose(data["reward"][:-1], held["rews"][1:])
        assert np.isnan(data["reward"][-1])
        np.testing.assert_array_equal(data[f"sites/{MEMORY}"], held["agent_hs"])
        np.testing.assert_array_equal(data[f"sites/{SIMULATOR}"], held["env_hs"])
        np.testing.assert_array_equal(data["ended"], held["dones"])
        np.testing.assert_array_equal(data["logp"], held["agent_logprobs"].max(1))
        assert "state_in" not in data, "the state after a frame is not the one before it"
        assert data.attrs["outcome"] == ""
    assert np.isnan(rec.episodes["return"]).all()
    assert "a simulator's, not a game's" in rec.provenance["notes"][0]


def test_a_half_written_last_sample_is_left_out(tmp_path):
    for k in range(3):
        sample(tmp_path / "gen", k)
    (tmp_path / "gen/sample_00002/env_hs.npy").unlink()
    rec = imported(tmp_path / "gen", tmp_path / "rec")
    assert len(rec) == 2
    assert re.search("last sample is half written.*env_hs.npy", str(rec.provenance["notes"]))


def test_other_folders_are_one_clear_line(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    out = ["--out", str(tmp_path / "rec")]
    assert main(["import", str(tmp_path / "empty"), *out]) == 2
    assert "is a folder of no kind that is known here" in capsys.readouterr().err
    assert main(["import", str(tmp_path / "empty"), "--lineage", "generative", *out]) == 2
    assert "holds no data_gen_model_E.csv" in capsys.readouterr().err
    assert main(["import", str(tmp_path / "empty"), "--lineage", "imitation", *out]) == 2
    assert "is a folder, not a file" in capsys.readouterr().err
    assert not (tmp_path / "rec").exists()


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("hx", (10, 5), "sites/memory.state of episode 1 is of shape (5,) a step"),
        ("lp", (9, 16), "outputs/logits of episode 1 is of shape (16,) a step"),
        ("ob", (9, 3, SIDE, SIDE + 1), "obs of episode 1 is of shape (8, 9, 3) a step"),
    ],
)
@pytest.mark.parametrize("shard", [1024, 1])
def test_episodes_of_other_widths_are_refused(tmp_path, monkeypatch, name, shape, told, shard):
    monkeypatch.setattr("policyscope.recordings.importers.trajectory.SHARD_EPISODES", shard)
    recorded(tmp_path / "logdir")
    part = tmp_path / "logdir/episode_00001"
    np.save(part / f"{name}.npy", np.ones(shape, np.uint8 if name == "ob" else np.float32))
    with pytest.raises(BadFile, match=re.escape(f"{part}: {told}, of the first episode of shape")):
        imported(tmp_path / "logdir", tmp_path / "rec")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["logdir"]

"""Minari out and in: what comes back is what went out, and minari itself reads it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("h5py")
pytest.importorskip("minari")

import h5py
import minari
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec as GymSpec
from minari.data_collector.episode_buffer import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage

from policyscope.agents.agent import Agent
from policyscope.agents.networks.mlp import MLPNetwork
from policyscope.cli.main import main
from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName
from policyscope.envs.make import make
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.exchange.minari import write_dataset
from policyscope.recordings.importers.recognise import import_episodes, recognise_episodes
from policyscope.recordings.read import Recording
from policyscope.recordings.record import record

COLUMNS = ("obs", "action", "reward", "terminated", "truncated")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """An empty home, which stays empty."""
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.delenv("MINARI_DATASETS_PATH", raising=False)
    return place


def back(folder: Path, out: Path, env: EnvSpec | None = None) -> Recording:
    return import_episodes(folder, out, "minari", env)


def same(one: Recording, two: Recording) -> None:
    assert len(one) == len(two)
    for k in one.episodes["episode"]:
        mine, theirs = one.episode(k), two.episode(k)
        for name in COLUMNS:
            np.testing.assert_array_equal(mine[name], theirs[name])
            assert mine[name].dtype == theirs[name].dtype, name
        assert ("final_obs" in mine) == ("final_obs" in theirs)
        if "final_obs" in mine:
            np.testing.assert_array_equal(mine["final_obs"], theirs["final_obs"])
    for column in ("seed", "steps", "return", "outcome", "terminated", "truncated"):
        np.testing.assert_array_equal(one.episodes[column], two.episodes[column], column)
    assert one.plan.seed == two.plan.seed


def test_out_and_in_again_gives_the_same_recording(recording, tmp_path, home):
    names = ["outputs", "logp", "row_identity", "sites/attention_layer.pattern"]
    written = write_dataset(recording, tmp_path / "sets/cars-v3", names)
    steps = int(recording.episodes["steps"].sum())
    assert (written.episodes, written.steps, written.repeated) == (10, steps, 0)
    assert recognise_episodes(tmp_path / "sets/cars-v3") == "minari"
    again = back(tmp_path / "sets/cars-v3", tmp_path / "rec")
    same(recording, again)
    assert again.env == recording.env
    assert again.space == recording.space
    rows = recording.rows(["q", "logp", "sites/attention_layer.pattern"])
    kept = again.rows(["q", "logp", "sites/attention_layer.pattern"])
    for name, column in rows.items():
        np.testing.assert_array_equal(column, kept[name])
    assert list(home.iterdir()) == []


def test_a_relative_folder_will_do(recording, tmp_path, monkeypatch, home):
    monkeypatch.chdir(tmp_path)
    write_dataset(recording, "datasets/cars-v0")
    assert (tmp_path / "datasets" / "cars-v0" / "data" / "metadata.json").is_file()


def test_minari_reads_it(recording, tmp_path, monkeypatch, home):
    written = write_dataset(recording, tmp_path / "sets/cars-v3", ["outputs"])
    assert f"MINARI_DATASETS_PATH={tmp_path / 'sets'} " in written.load
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "sets"))
    dataset = minari.load_dataset("cars-v3")
    assert list(minari.list_local_datasets()) == ["cars-v3"]
    assert dataset.total_steps == int(recording.episodes["steps"].sum())
    assert dataset.action_space == spaces.Discrete(3)
    metadata = list(dataset.storage.get_episode_metadata(range(10)))
    for k, episode in enumerate(dataset.iterate_episodes()):
        data = recording.episode(k)
        n = data.sizes["step"]
        assert len(episode) == n
        assert dataset.observation_space.contains(episode.observations[0])
        np.testing.assert_array_equal(episode.observations[:n], data["obs"])
        np.testing.assert_array_equal(episode.observations[n], data["final_obs"])
        np.testing.assert_array_equal(episode.actions, data["action"])
        np.testing.assert_array_equal(episode.rewards, data["reward"])
        np.testing.assert_array_equal(episode.terminations, data["terminated"])
        np.testing.assert_array_equal(episode.truncations, data["truncated"])
        np.testing.assert_array_equal(episode.infos["q"][:n], data["q"])
        assert np.isnan(episode.infos["q"][n]).all()
        assert metadata[k]["seed"] == data.attrs["seed"]
        assert metadata[k]["outcome"] == data.attrs["outcome"]
    assert list(home.iterdir()) == []


def perceptron(env: str, recorded: Path, **options) -> Recording:
    stepper = make(EnvSpec(env, options))
    count = len(stepper.space.actions) or len(stepper.space.action_low)
    torch.manual_seed(0)
    arguments = {"features": stepper.space.obs_shape[0], "widths": [8], "actions": count}
    net = MLPNetwork(**arguments)
    agent = Agent(net, ("mlp", arguments), "q", stepper.space, env=stepper.spec)
    return record(agent, None, 4, 5, (), recorded)


def test_a_gymnasium_environment_can_be_recovered(tmp_path, monkeypatch):
    rec = perceptron("gym:CartPole-v1", tmp_path / "rec", max_episode_steps=7)
    write_dataset(rec, tmp_path / "sets/pole-v0")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "sets"))
    env = minari.load_dataset("pole-v0").recover_environment()
    assert env.spec.max_episode_steps == 7
    again = back(tmp_path / "sets/pole-v0", tmp_path / "again")
    same(rec, again)
    assert again.env == rec.env


def images(folder: Path) -> Recording:
    """A recording without last observations, of noise large enough to be an image for Minari."""
    from policyscope.envs.stepper import Space
    from policyscope.recordings.importers.trajectory import Kept, Trajectory, write_recording

    rng = np.random.default_rng(0)
    parts = [
        Trajectory(
            rng.integers(0, 256, (n, 40, 40, 3), np.uint8), rng.integers(0, 4, n),
            rng.normal(size=n), "terminated", state_in=rng.normal(size=(n, 5)).astype(np.float32),
        )
        for n in (3, 5)
    ]  # fmt: skip
    kept = Kept("noise", parts, Space((40, 40, 3), "uint8", actions=tuple("abcd")))
    write_recording(kept, folder, {})
    return Recording(folder)


def test_images_come_back_to_the_pixel_and_a_missing_last_one_is_told(tmp_path, monkeypatch):
    rec = images(tmp_path / "rec")
    written = write_dataset(rec, tmp_path / "sets/noise-v0", ["state_in"])
    assert written.repeated == 2
    again = back(tmp_path / "sets/noise-v0", tmp_path / "again")
    same(rec, again)
    assert again.space.actions == tuple("abcd")
    np.testing.assert_array_equal(again.rows(["state_in"])["state_in"],
                                  rec.rows(["state_in"])["state_in"])  # fmt: skip
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "sets"))
    dataset = minari.load_dataset("noise-v0")
    episode = next(dataset.iterate_episodes())
    np.testing.assert_array_equal(episode.observations[-1], episode.observations[-2])
    told = json.loads((tmp_path / "sets/noise-v0/data/metadata.json").read_text())
    assert "repeated" in told["policyscope"]["final_observation"]
    lines = list(dataset.storage.get_episode_metadata([0]))
    assert not lines[0]["has_final_obs"]
    assert "seed" not in lines[0]


def foreign(folder: Path, action_space=None, data_format="hdf5", jpeg=False, **changes) -> Path:
    """A dataset that minari wrote of episodes of its own, with infos of its own."""
    rng = np.random.default_rng(1)
    seen = spaces.Box(0, 255, (40, 40, 3), np.uint8) if jpeg else spaces.Box(-9, 9, (3,))
    done = action_space or spaces.Discrete(4, start=2)
    folder.mkdir(parents=True)
    storage = MinariStorage.new(
        folder / "data", seen, done, data_format=data_format, jpeg_encoding=jpeg
    )
    storage.update_metadata({"dataset_id": folder.name, "minari_version": minari.__version__})
    for n in (4, 6):
        done.seed(n)
        episode = {
            "observations": (rng.random((n + 1, *seen.shape)) * 9).astype(seen.dtype),
            "actions": np.stack([done.sample() for _ in range(n)]),
            "rewards": rng.normal(size=n),
            "terminations": np.arange(n) == n - 1,
            "truncations": np.zeros(n, bool),
            "infos": {"speed": rng.random((n + 1, 2))},
        } | changes
        storage.update_episodes([EpisodeBuffer(**episode)])
    return folder


@pytest.mark.parametrize("data_format", ["hdf5", "arrow"])
def test_a_dataset_of_another_program(tmp_path, data_format):
    folder = foreign(tmp_path / "own-v0", data_format=data_format)
    rec = back(folder, tmp_path / "rec")
    storage = MinariStorage.read(folder / "data")
    for k, held in enumerate(storage.get_episodes([0, 1])):
        data = rec.episode(k)
        np.testing.assert_array_equal(data["obs"], held["observations"][:-1])
        np.testing.assert_array_equal(data["final_obs"], held["observations"][-1])
        np.testing.assert_array_equal(data["action"], held["actions"] - 2)
        np.testing.assert_array_equal(data["reward"], held["rewards"])
        assert data.attrs["outcome"] == "terminated"
    assert rec.space.actions == ("2", "3", "4", "5")
    assert rec.env.id == "unknown"
    assert "left out: infos speed" in rec.provenance["notes"]
    assert rec.provenance["source"]["folder"] == "own-v0"


def test_continuous_and_several_discrete_actions(tmp_path):
    low = np.array([-1, -2], np.float32)
    rec = back(foreign(tmp_path / "box-v0", spaces.Box(low, -low)), tmp_path / "a")
    assert rec.space.action_low == (-1, -2)
    assert rec.episode(0)["action"].shape == (4, 2)
    many = spaces.MultiDiscrete([3, 5], start=[1, 1])
    rec = back(foreign(tmp_path / "many-v0", many), tmp_path / "b")
    held = next(iter(MinariStorage.read(tmp_path / "many-v0/data").get_episodes([0])))
    named = [rec.space.actions[a] for a in rec.episode(0)["action"].values]
    assert named == [f"{a},{b}" for a, b in held["actions"]]


def test_pictures_kept_as_jpeg_are_told(tmp_path):
    notes = back(foreign(tmp_path / "own-v0", jpeg=True), tmp_path / "rec").provenance["notes"]
    assert any("kept as JPEG" in note for note in notes)


def edit(folder: Path, **values) -> None:
    path = folder / "data/metadata.json"
    told = json.loads(path.read_text()) | values
    path.write_text(json.dumps({k: v for k, v in told.items() if v is not None}))


def test_no_environment_that_a_dataset_describes_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = foreign(tmp_path / "own-v0")
    trap = GymSpec("own:Trap-v0", entry_point="pathlib:Path.touch", kwargs={"self": Path("ran")})
    described = json.dumps({"id": trap.id, "entry_point": trap.entry_point, "kwargs": {}})
    edit(folder, env_spec=described)
    assert back(folder, tmp_path / "rec").env.id == "unknown"
    edit(folder, observation_space=None)
    with pytest.raises(BadFile, match="observation space can be had only by running"):
        back(folder, tmp_path / "again")
    assert not Path("ran").exists()


def test_an_environment_that_does_not_fit_is_not_taken(tmp_path):
    folder = foreign(tmp_path / "own-v0")
    edit(folder, env_spec=json.dumps({"id": "CartPole-v1"}))
    rec = back(folder, tmp_path / "rec")
    assert rec.env.id == "unknown"
    assert any("was not taken: the file holds observations" in n for n in rec.provenance["notes"])
    with pytest.raises(PolicyscopeError, match=r"observations of shape \(3,\)"):
        back(folder, tmp_path / "again", EnvSpec("gym:CartPole-v1"))


def link(folder: Path, made) -> None:
    with h5py.File(folder / "data/main_data.hdf5", "a") as file:
        del file["episode_0/rewards"]
        file["episode_0/rewards"] = made


@pytest.mark.parametrize("made", [h5py.ExternalLink("/etc/x.h5", "a"), h5py.SoftLink("/b")])
def test_links_to_other_files_are_refused(tmp_path, made):
    folder = foreign(tmp_path / "own-v0")
    link(folder, made)
    with pytest.raises(BadFile, match=r"refused: /episode_0/rewards is a link"):
        back(folder, tmp_path / "rec")


def cut(folder: Path) -> None:
    path = folder / "data/main_data.hdf5"
    path.write_bytes(path.read_bytes()[:3000])


DAMAGED = {
    "main_data.hdf5: cannot be read": cut,
    "its episodes cannot be read": lambda f: edit(f, total_episodes=5),
    "its spaces cannot be read": lambda f: edit(f, action_space='{"type": "Nothing"}'),
    "cannot be read: ": lambda f: edit(f, data_format="other"),
    "was exported in version 9": lambda f: edit(f, policyscope={"version": 9}),
}


@pytest.mark.parametrize("said", DAMAGED)
def test_damaged_datasets_are_one_clear_line(tmp_path, said, capsys):
    folder = foreign(tmp_path / "own-v0")
    DAMAGED[said](folder)
    assert main(["import", str(folder), "--out", str(tmp_path / "rec")]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "rec").exists()


def test_parts_that_do_not_fit_are_refused(tmp_path):
    early = {"terminations": np.array([True, False, False, False])}
    short = {"rewards": np.zeros(3)}
    for number, (changes, said) in enumerate(
        ((early, "an end before its last step"), (short, "does not fit together"))
    ):
        folder = tmp_path / f"own-v{number}"
        with pytest.raises(BadFile, match=said):
            back(foreign(folder, **changes), tmp_path / "rec")


def test_names_and_places_that_are_refused(recording, tmp_path):
    with pytest.raises(BadFile, match="name it cars-v0"):
        write_dataset(recording, tmp_path / "cars")
    with pytest.raises(UnknownName, match="outputs"):
        write_dataset(recording, tmp_path / "cars-v0", ["valu"])
    told: list[int] = []
    write_dataset(
        recording, tmp_path / "cars-v0", episodes=[2, 5, 2], progress=lambda: told.append(1)
    )
    assert len(told) == 2, "no episode is written twice"
    again = back(tmp_path / "cars-v0", tmp_path / "rec")
    assert again.plan.seed == -1, "these seeds do not follow each other"
    assert again.episodes["seed"].tolist() == [5, 8]
    with pytest.raises(BadFile, match=r"cars-v0: exists already \(delete it first, or choose anot"):
        write_dataset(recording, tmp_path / "cars-v0")
    shutil.rmtree(tmp_path / "cars-v0")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "rec"], "nothing half written"


def test_the_printed_line_loads_from_any_folder(recording, tmp_path):
    out = tmp_path / "it's $my data" / "cars-v3"
    line = write_dataset(recording, out, episodes=[0]).load
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False,
                          env={**os.environ, "PATH": path})  # fmt: skip
    assert done.returncode == 0, done.stderr

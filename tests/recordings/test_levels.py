"""The level of each episode: as the engine plays it, in new recordings and in early ones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.preprocess import Pixels
from policyscope.cli.main import main
from policyscope.envs.make import make_lane
from policyscope.envs.procgen.actions import ACTIONS
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space, Start
from policyscope.recordings.check import check_recording
from policyscope.recordings.find.search import find
from policyscope.recordings.importers.trajectory import Kept, Trajectory, write_recording
from policyscope.recordings.levels import with_levels
from policyscope.recordings.read import Recording, open_recording
from policyscope.recordings.record import record
from policyscope.recordings.shards.checksums import file_sum, sealed
from policyscope.recordings.shards.store import rebuild_episodes, write_table
from policyscope.reports.origin import origin_of

COINRUN = EnvSpec("procgen/coinrun", {"mode": "easy", "start_level": 500, "num_levels": 3})
LEVELS = [501, 502, 500, 501]  # of the seeds 4 to 7


def runner() -> Agent:
    """Nearly random; there is no cheaper one that sees CoinRun."""
    arguments = {"widths": [2] * 5, "dense": [4, 4], "actions": 15, "shape": [3, 64, 64]}
    lane = make_lane(COINRUN)
    made = ("clear_cnn", arguments)
    agent = Agent(build_network(*made), made, "categorical", lane.space, "sample")
    agent.preprocess = Pixels()
    lane.close()
    return agent


def recorded(agent: Agent, out: Path, episodes: int = 4, **more) -> Recording:
    return record(agent, COINRUN, episodes, 4, (), out, shard_episodes=2, **more)


@pytest.fixture(scope="module")
def agent() -> Agent:
    return runner()


@pytest.fixture(scope="module")
def coinrun(agent, tmp_path_factory) -> Recording:
    return recorded(agent, tmp_path_factory.mktemp("levels") / "rec")


@pytest.fixture
def copied(coinrun, tmp_path) -> Path:
    shutil.copytree(coinrun.path, tmp_path / "rec")
    return tmp_path / "rec"


def rewritten(folder: Path, change) -> None:
    """A recording whose shards were written with other tables of episodes."""
    for shard in sorted((folder / "shards").iterdir()):
        write_table(shard / "episodes.parquet", change(pq.read_table(shard / "episodes.parquet")))
        values = json.loads((shard / "shard.json").read_text())
        values["files"]["episodes.parquet"] = file_sum(shard / "episodes.parquet")
        del values["sha256"]
        (shard / "shard.json").write_text(json.dumps(sealed(values), indent=2) + "\n")
    rebuild_episodes(folder, list(range(len(list((folder / "shards").iterdir())))))


def test_the_first_frame_is_that_of_the_level_and_of_no_other(coinrun):
    assert coinrun.episodes["level"].tolist() == LEVELS
    lane = make_lane(coinrun.env)
    first = {level: lane.start(Start(level=level)).copy() for level in (*LEVELS, 503)}
    lane.close()
    for k, level in enumerate(LEVELS):
        data = coinrun.episode(k)
        assert data.attrs["level"] == level
        same = [i for i, obs in first.items() if np.array_equal(data["obs"].values[0], obs)]
        assert same == [level]


def test_every_table_of_episodes_holds_it_as_the_format_says(coinrun):
    tables = sorted(coinrun.path.rglob("episodes.parquet"))
    assert len(tables) == 3
    for path in tables:
        table = pq.read_table(path)
        assert table.column_names[:3] == ["episode", "seed", "level"]
        assert table.schema.field("level").type == "int64"
    assert pq.read_table(coinrun.path / "episodes.parquet")["level"].to_pylist() == LEVELS
    assert check_recording(coinrun.path) == []


def test_it_is_shown_and_found(coinrun, capsys):
    assert main(["show", str(coinrun.path)]) == 0
    assert "4, seeds 4 to 7, levels 500 to 502" in capsys.readouterr().out
    found = find(coinrun, "step == 0")
    assert found["level"].tolist() == LEVELS
    assert main(["find", str(coinrun.path), "step == 0"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert lines[0][:3] == ["episode", "level", "steps"]
    assert [line[:2] for line in lines[1:]] == [[str(k), str(n)] for k, n in enumerate(LEVELS)]


def test_levels_that_are_not_those_of_the_seeds_are_a_fault(copied):
    rewritten(copied, lambda table: table)
    assert check_recording(copied) == []

    def one_more(table):
        return table.set_column(2, "level", [table["level"].to_pandas() + 1])

    rewritten(copied, one_more)
    assert {fault.cause for fault in check_recording(copied)} == {
        "its levels are not those of its seeds"
    }


def test_an_early_recording_opens_with_its_levels_and_goes_on(copied, coinrun, agent):
    rewritten(copied, lambda table: table.drop_columns("level"))
    assert "level" not in pq.read_table(copied / "episodes.parquet").column_names
    early = open_recording(copied)
    assert check_recording(copied) == []
    pd.testing.assert_frame_equal(early.episodes, coinrun.episodes)
    grown = recorded(agent, copied, 6, resume=True)
    assert grown.episodes["level"].tolist() == [*LEVELS, 502, 500]
    stored = pq.read_table(copied / "episodes.parquet")["level"].to_pylist()
    assert stored == [None] * 4 + [502, 500]
    assert check_recording(copied) == []


def test_episodes_of_another_program_have_the_levels_of_the_seeds_they_tell(tmp_path, capsys):
    obs, one = np.zeros((2, 64, 64, 3), np.uint8), np.ones(2)
    told = [Trajectory(obs, one.astype(int), one, "terminated", seed=k) for k in (4, None)]
    space = Space((64, 64, 3), "uint8", actions=ACTIONS)
    for name, env, found in (("coinrun", COINRUN, [501, None]), ("unknown", EnvSpec("x"), None)):
        write_recording(Kept("another", told, space, env), tmp_path / name, {})
        table = pq.read_table(tmp_path / name / "episodes.parquet")
        assert (table["level"].to_pylist() if "level" in table.column_names else None) == found
        assert check_recording(tmp_path / name) == []
    lines = open_recording(tmp_path / "coinrun").episodes["level"]
    assert lines[0] == 501
    assert lines[1] is pd.NA
    assert main(["show", str(tmp_path / "coinrun")]) == 0
    capsys.readouterr()
    assert main(["find", str(tmp_path / "coinrun"), "steps > 0", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)["found"]
    assert [line["level"] for line in found] == [501, None]
    assert main(["find", str(tmp_path / "coinrun"), "steps > 0"]) == 0
    assert "nan" not in (shown := capsys.readouterr().out).lower()
    assert "NA" not in shown
    assert " 501 " in shown
    assert origin_of(open_recording(tmp_path / "coinrun"), 0)["level of the episode"] == "501"
    assert "level of the episode" not in origin_of(open_recording(tmp_path / "coinrun"), 1)


def test_a_world_without_levels_has_no_such_column(tmp_path):
    arguments = {"features": 4, "widths": [4], "actions": 2}
    env = EnvSpec("gym:CartPole-v1")
    lane = make_lane(env)
    made = ("mlp", arguments)
    pole = Agent(build_network(*made), made, "categorical", lane.space, "sample")
    lane.close()
    kept = record(pole, env, 2, 0, (), tmp_path / "rec")
    assert "level" not in kept.episodes
    assert "level" not in kept.episode(0).attrs
    assert "level" not in pq.read_table(kept.path / "episodes.parquet").column_names
    assert check_recording(kept.path) == []


def test_a_recording_whose_options_are_not_offered_opens_without_levels():
    table = pd.DataFrame({"seed": [3, 4]})
    odd = EnvSpec("procgen/coinrun", {"use_sequential_levels": True})
    assert list(with_levels(table, odd)) == ["seed"]
    assert with_levels(table, COINRUN)["level"].tolist() == [500, 501]

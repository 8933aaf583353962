"""A recording is read with zarr, pyarrow, numpy and json alone, as docs/format.md says."""

import ast
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from policyscope.agents.store import load_agent
from policyscope.envs.stepper import Space
from policyscope.recordings.importers.trajectory import Kept, Trajectory, write_recording
from policyscope.recordings.read import Recording
from policyscope.recordings.record import record
from policyscope.recordings.shards.gather import ENTITY_COLUMNS, EPISODE_COLUMNS

ROOT = Path(__file__).resolve().parents[2]
READER, PAGE = ROOT / "examples/plain_reader.py", ROOT / "docs/format.md"
PLAIN = {"hashlib", "json", "sys", "pathlib", "numpy", "pyarrow", "zarr"}


@pytest.fixture(scope="module")
def reader():
    spec = importlib.util.spec_from_file_location("plain_reader", READER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reader_needs_nothing_of_ours():
    tree = ast.parse(READER.read_text())
    named = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    named |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in named} <= PLAIN


def images(folder: Path) -> Recording:
    """Imported episodes, one of them cut, of another program."""
    rng = np.random.default_rng(0)
    parts = [
        Trajectory(rng.random((n, 3)).astype(np.float32), rng.integers(0, 2, n), rng.random(n),
                   outcome, whole=bool(outcome), outputs={"value": rng.random(n)})
        for n, outcome in ((3, "terminated"), (5, ""))
    ]  # fmt: skip
    kept = Kept("x", parts, Space((3,), "float32", actions=("a", "b")))
    write_recording(kept, folder, {"notes": []})
    return Recording(folder)


def thinned(folder: Path) -> Recording:
    pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")
    agent, sites = load_agent("coinrun-gru"), ["embedder.relu3", "embedder.relufc"]
    return record(agent, None, 3, 2, sites, folder, shard_episodes=2, every=7)


@pytest.fixture(params=["vehicles", "maps", "imported"])
def any_recording(request, recording, tmp_path) -> Recording:
    if request.param == "vehicles":
        return recording
    return (thinned if request.param == "maps" else images)(tmp_path / "rec")


def columns_of(recording: Recording) -> list[str]:
    """Those of its tables of episodes: CoinRun alone has levels here."""
    leveled = recording.env.id == "procgen/coinrun"
    return [name for name in EPISODE_COLUMNS if leveled or name != "level"]


def test_all_of_a_recording_is_read_so(any_recording, reader):
    header, episodes, lines = reader.read_recording(any_recording.path)
    assert header["episodes"] == len(episodes) == len(any_recording)
    assert header["env"] == any_recording.env.to_json()
    table = any_recording.episodes
    assert list(lines[0]) == list(table) == columns_of(any_recording)
    for name in table:
        told = [line[name] for line in lines]
        held = table[name].astype(object).where(table[name].notna(), None)
        told = [None if value != value else value for value in told]
        assert told == held.tolist(), name
    for k, plain in episodes.items():
        data = any_recording.episode(k)
        names = {name.removeprefix("outputs/") for name in plain}
        assert names - {"entities", "episode", "step", "kept"} == set(data.data_vars)
        for name, array in plain.items():
            if name == "entities":
                continue
            if name == "kept":
                np.testing.assert_array_equal(array, data["step_kept"])
                continue
            if name == "episode":
                assert (array == k).all()
                continue
            ours = data[name.removeprefix("outputs/")]
            np.testing.assert_array_equal(array, ours, name)
            assert array.dtype == ours.dtype, name
        frame = any_recording.entities(k)
        assert list(plain["entities"]) == list(frame.columns) == list(ENTITY_COLUMNS)
        for name, column in plain["entities"].items():
            assert column.tolist() == frame[name].tolist(), name


def test_a_reader_one_step_off_would_be_noticed(recording, reader, monkeypatch):
    cut = reader.one_episode
    monkeypatch.setattr(
        reader, "one_episode",
        lambda arrays, entities, line, place, told: cut(
            arrays, entities, {**line, "row": line["row"] + 1}, place, told
        ),
    )  # fmt: skip
    with pytest.raises(AssertionError):
        test_all_of_a_recording_is_read_so(recording, reader)


def test_a_changed_byte_is_found_by_the_checksums_alone(recorded, tmp_path, reader):
    for number, name in enumerate(("entities.parquet", "arrays.zarr/reward/c.0", "shard.json")):
        folder = tmp_path / str(number)
        shutil.copytree(recorded, folder)
        path = folder / "shards/00001" / name
        data = bytearray(path.read_bytes())
        place = data.index(b'"rows": ') + 8 if name == "shard.json" else len(data) // 2
        data[place] ^= 1
        path.write_bytes(data)
        with pytest.raises(ValueError, match="changed after"):
            reader.read_recording(folder)


def test_a_killed_recording_is_read_as_far_as_it_got(recorded, tmp_path, reader):
    shutil.copytree(recorded, tmp_path / "rec")
    shard = tmp_path / "rec/shards/00002"
    shard.rename(shard.with_name(".00002.part"))
    (tmp_path / "rec/episodes.parquet").unlink()
    header, episodes, _ = reader.read_recording(tmp_path / "rec")
    assert (header["episodes"], sorted(episodes)) == (10, list(range(8)))


def test_the_script_runs_as_the_page_says(recorded):
    assert "python examples/plain_reader.py" in PAGE.read_text()
    done = subprocess.run(
        [sys.executable, READER, recorded], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("highway/intersection, 10 of 10 episodes\nepisode 0: ")


def page_rows(title: str) -> dict[str, list[str]]:
    """Lines of the table under a heading of the page, by their first cell."""
    text = PAGE.read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
    return {cells[0].strip().strip("`"): [c.strip() for c in cells[1:]] for cells in rows}


def test_the_page_names_every_array_with_its_type(any_recording, reader):
    told = page_rows("arrays.zarr")
    _, episodes, _ = reader.read_recording(any_recording.path)
    shape = {"obs_dtype": any_recording.space.obs_dtype}
    shard = any_recording.path / "shards/00000/arrays.zarr"
    found = sorted(p.parent.relative_to(shard).as_posix() for p in shard.rglob("c.0*"))
    for name in found:
        line = told[re.sub(r"/.*", "/NAME", name)]
        kinds = [shape.get(word, word) for word in re.findall(r"[\w]+", line[0])]
        dtype = json.loads((shard / name / "zarr.json").read_text())["data_type"]
        assert dtype in kinds, (name, line[0])


def test_the_page_names_every_column_with_its_type(any_recording):
    shard = any_recording.path / "shards/00000"
    for title, file in (("entities.parquet", "entities"), ("episodes.parquet", "episodes")):
        told = page_rows(title)
        schema = pq.read_schema(shard / f"{file}.parquet")
        absent = {*EPISODE_COLUMNS} - {*columns_of(any_recording)}
        assert {field.name: str(field.type) for field in schema} == {
            name: cells[0] for name, cells in told.items() if name not in absent
        }


def test_the_page_names_every_entry_of_the_header(recorded):
    told = page_rows("recording.json")
    assert set(json.loads((recorded / "recording.json").read_text())) == set(told)
    told = page_rows("shard.json")
    held = json.loads((recorded / "shards/00000/shard.json").read_text())
    assert set(held) == set(told) - {"thinned"}

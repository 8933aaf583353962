"""Adding episodes to a recording: the bytes of one made in one go, and no moment of a lie."""

import shutil
from pathlib import Path

import fsspec
import pytest
import torch

from policyscope.core.errors import BadFile
from policyscope.core.files import digest, read_json
from policyscope.recordings import plan as plans
from policyscope.recordings.check import check_recording
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record
from policyscope.recordings.shards.store import finished_shards

SAME = {"seed": 3, "sites": None, "shard_episodes": 4}


@pytest.fixture
def copied(recorded, tmp_path) -> Path:
    """Ten episodes in shards of four: the last is half full."""
    shutil.copytree(recorded, tmp_path / "rec")
    return tmp_path / "rec"


@pytest.fixture(scope="module")
def whole(agent, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "rec"
    record(agent, out=folder, episodes=13, **SAME)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """Bytes of all files but the header."""
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {name: p.read_bytes() for name, p in found.items() if name != "recording.json"}


def header(folder: Path) -> dict:
    values = read_json(folder / "recording.json")
    del values["sha256"], values["provenance"]["date"]
    return values


def test_what_has_grown_is_what_was_made_in_one_go(whole, copied, agent):
    full = [(copied / f"shards/0000{n}/shard.json").stat().st_mtime_ns for n in (0, 1)]
    made = record(agent, out=copied, episodes=13, resume=True, **SAME)
    assert len(made) == 13
    assert files(copied) == files(whole)
    assert header(copied) == header(whole)
    assert check_recording(copied) == []
    after = [(copied / f"shards/0000{n}/shard.json").stat().st_mtime_ns for n in (0, 1)]
    assert after == full, "full shards are not recorded again"


@pytest.mark.parametrize("stop", ["before the header", "behind it"])
def test_killed_at_any_moment_it_goes_on(whole, copied, agent, monkeypatch, stop):
    """A half full shard must never pass for one of the larger recording."""

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if stop == "before the header":
            patch.setattr(plans, "write_json", killed)
        else:
            patch.setattr("policyscope.recordings.record.map_shards", killed)
        with pytest.raises(KeyboardInterrupt):
            record(agent, out=copied, episodes=12, resume=True, **SAME)
    assert finished_shards(copied) == [0, 1]
    with pytest.raises(BadFile, match="is unfinished: 2 of 3 shards"):
        open_recording(copied)
    record(agent, out=copied, episodes=13, resume=True, **SAME)
    assert files(copied) == files(whole)


def test_without_resume_and_with_fewer_it_is_refused(copied, agent):
    before = digest(copied)
    with pytest.raises(BadFile, match=r"a recording of 10 episodes \(give --resume to add 3, or"):
        record(agent, out=copied, episodes=13, **SAME)
    with pytest.raises(BadFile, match="holds 10 episodes, more than 9"):
        record(agent, out=copied, episodes=9, resume=True, **SAME)
    with pytest.raises(BadFile, match=r"with another seed \(c"):
        record(agent, out=copied, episodes=13, resume=True, **{**SAME, "seed": 4})
    with pytest.raises(BadFile, match=r"with another sites \(c"):
        record(agent, out=copied, episodes=13, resume=True, **{**SAME, "sites": ()})
    with torch.no_grad():
        other = agent.with_weights({k: v + 1e-3 for k, v in agent.net.state_dict().items()})
    with pytest.raises(BadFile, match=r"with another agent weights \(c"):
        record(other, out=copied, episodes=13, resume=True, **SAME)
    assert digest(copied) == before


def test_a_recording_at_a_url_grows_too(whole, recorded, agent, monkeypatch, tmp_path):
    monkeypatch.setenv("POLICYSCOPE_CACHE", str(tmp_path / "cache"))
    there = fsspec.filesystem("memory")
    there.pseudo_dirs[:] = [""]
    there.put(str(recorded), "/grows/rec", recursive=True)
    try:
        with pytest.raises(BadFile, match="memory://grows/rec: holds a recording of 10 episodes"):
            record(agent, out="memory://grows/rec", episodes=13, **SAME)
        record(agent, out="memory://grows/rec", episodes=13, resume=True, **SAME)
        there.get("/grows/rec", str(tmp_path / "back"), recursive=True)
        assert files(tmp_path / "back") == files(whole)
        assert check_recording(tmp_path / "back") == []
    finally:
        there.store.clear()

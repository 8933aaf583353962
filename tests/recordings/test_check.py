"""What is wrong with a recording is found and named, and its mend mends it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from policyscope.cli.main import main
from policyscope.core.errors import BadFile
from policyscope.core.files import digest
from policyscope.envs.stepper import Space
from policyscope.recordings.check import check_recording, examine
from policyscope.recordings.plan import read_plan
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record
from policyscope.recordings.shards.check_shard import check_shard
from policyscope.recordings.shards.checksums import sealed
from policyscope.recordings.shards.zarr_files import write_group

SHARD = "shards/00001"


@pytest.fixture
def copied(recorded, tmp_path) -> Path:
    """A copy of the recording that may be harmed."""
    shutil.copytree(recorded, tmp_path / "rec")
    return tmp_path / "rec"


def again(agent, out: Path) -> None:
    record(agent, None, 10, 3, None, out, shard_episodes=4)


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def places(folder: Path) -> list[str]:
    return [fault.place for fault in check_recording(folder)]


def test_a_whole_recording_has_no_fault(recorded, monkeypatch):
    checked = examine(recorded)
    assert (checked.faults, checked.notes) == ([], [])
    assert checked.files == len(files(recorded))
    assert checked.bytes == sum(p.stat().st_size for p in files(recorded))
    seen: list[tuple[int, int]] = []
    assert check_recording(recorded, lambda *done: seen.append(done)) == []
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("flips", [120, pytest.param(1000, marks=pytest.mark.slow)])  # 40 s
@pytest.mark.timeout(600)
def test_a_flipped_byte_is_found_wherever_it_is(copied, flips):
    """Files are drawn alike, so that small ones are met as often as large ones."""
    rng, every = np.random.default_rng(flips), files(copied)
    met = set()
    for turn in range(flips):
        path = every[turn % len(every)] if turn < len(every) else every[rng.integers(len(every))]
        whole = path.read_bytes()
        harmed = bytearray(whole)
        harmed[rng.integers(len(whole))] ^= int(rng.integers(1, 256))
        path.write_bytes(harmed)
        name = path.relative_to(copied).as_posix()
        assert places(copied) == [name], harmed[:80]
        path.write_bytes(whole)
        met.add(name)
    assert met >= {"recording.json", "episodes.parquet", f"{SHARD}/shard.json"}
    assert check_recording(copied) == []


@pytest.mark.parametrize("name", ["recording.json", f"{SHARD}/shard.json"])
@pytest.mark.parametrize(("old", "new"), [('"schema": 1', '"schema":\t1'), ('": "', '": "0')])
def test_json_that_still_reads_well_is_held_to_its_seal(copied, name, old, new):
    """A changed space, and a changed value."""
    text = (copied / name).read_text()
    (copied / name).write_text(text.replace(old, new, 1))
    assert places(copied) == [name]


def test_each_byte_of_the_sealed_files_counts(plant):
    """One bit of each, those of the names of the checksums too."""
    one = {"obs": np.zeros((2, 1), np.int32), "action": np.zeros(2, int), "reward": np.zeros(2)}
    folder = plant([one], space=Space((1,), "int32", actions=("STAY",))).path
    assert check_recording(folder) == []
    plan = read_plan(folder)

    def flipped(name: str) -> Iterator[tuple[bytes, int]]:
        whole = (folder / name).read_bytes()
        for at, byte in enumerate(whole):
            (folder / name).write_bytes(whole[:at] + bytes([byte ^ 1]) + whole[at + 1 :])
            yield whole, at

    for whole, at in flipped("shards/00000/shard.json"):
        faults, _ = check_shard(folder, 0, plan)
        assert [f.place for f in faults] == ["shards/00000/shard.json"], whole[at - 20 : at + 9]
    shutil.rmtree(folder / "shards")
    for whole, at in flipped("recording.json"):
        assert places(folder)[:1] == ["recording.json"], whole[at - 20 : at + 9]


@pytest.mark.parametrize(
    ("name", "entry"), [("recording.json", "agent_files"), (f"{SHARD}/shard.json", "files")]
)
def test_a_seal_that_was_lost_or_seals_no_checksums_is_one_fault(copied, name, entry):
    path = copied / name
    values = json.loads(path.read_text())
    unsealed = {key: value for key, value in values.items() if key != "sha256"}
    listed = sealed({**values, entry: list(values[entry])})
    renamed = {**unsealed, "filed": unsealed[entry]}
    del renamed[entry]
    for harmed, cause in (
        (unsealed, "lacks its own checksum (sha256)"),
        (listed, f"its {entry} are no table of checksums"),
        (renamed, "has unknown entries: filed"),
    ):
        path.write_text(json.dumps(harmed, indent=2) + "\n")
        assert [(f.place, f.cause) for f in check_recording(copied)] == [(name, cause)]


@pytest.mark.parametrize("stray", ["00000-old", "7", "000001"])
def test_a_folder_of_another_name_is_no_shard(copied, stray):
    shutil.copytree(copied / SHARD, copied / "shards" / stray)
    assert len(open_recording(copied)) == 10
    assert [(f.place, f.cause) for f in check_recording(copied)] == [
        (f"shards/{stray}", "is not a part of the recording")
    ]


def test_a_file_that_is_cut_lost_or_too_many_is_named(copied):
    arrays = ("zarr.json", "obs/zarr.json", "reward/c.0", "sites/zarr.json")
    shard = (
        "shard.json",
        "episodes.parquet",
        "entities.parquet",
        *(f"arrays.zarr/{a}" for a in arrays),
    )
    above = [p for p in files(copied) if "shards" not in p.parts]
    for path in [*above, *(copied / SHARD / name for name in shard)]:
        name, whole = path.relative_to(copied).as_posix(), path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        assert places(copied) == [name]
        path.unlink()
        assert places(copied) == [name]
        path.write_bytes(whole)
        stray = path.with_name("stray.txt")
        stray.write_text("mine")
        place = stray.relative_to(copied).as_posix()
        if "/" in place:
            assert places(copied) == [place]
        else:
            assert examine(copied).notes == ["stray.txt is not a part of the recording"]
        stray.unlink()
    assert check_recording(copied) == []


def test_lost_folders_are_named(copied, recorded):
    for path in sorted(p for p in recorded.rglob("*") if p.is_dir()):
        name = path.relative_to(recorded).as_posix()
        if "shards/00000/" in name or "shards/00002/" in name:
            continue
        shutil.rmtree(copied / name)
        named = places(copied)
        if name == "shards":
            assert named == ["shards/00000 to 00002"]
        elif name.count("/") == 1:
            assert named == [name]
        else:
            assert named
            assert all(place.startswith(f"{name}/") for place in named)
        shutil.copytree(path, copied / name)
    assert check_recording(copied) == []


def swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def test_swapped_files_and_shards_are_named(copied):
    for name in ("entities.parquet", "episodes.parquet", "arrays.zarr/obs/c.0.0.0"):
        swap(copied / "shards/00000" / name, copied / SHARD / name)
        assert places(copied) == [f"shards/00000/{name}", f"{SHARD}/{name}"]
        swap(copied / "shards/00000" / name, copied / SHARD / name)
    swap(copied / "shards/00000/shard.json", copied / SHARD / "shard.json")
    assert {place.split("/")[1] for place in places(copied)} == {"00000", "00001"}
    swap(copied / "shards/00000/shard.json", copied / SHARD / "shard.json")
    swap(copied / "shards/00000", copied / SHARD)
    assert {place.split("/")[1] for place in places(copied)} == {"00000", "00001"}
    causes = [fault.cause for fault in check_recording(copied)]
    assert "holds episodes 4 to 7, not its own" in causes


@pytest.mark.parametrize("harmed", [f"{SHARD}/arrays.zarr/obs/c.0.0.0", f"{SHARD}/shard.json"])
def test_the_mend_of_a_torn_shard_mends_it(copied, recorded, agent, harmed):
    (copied / harmed).write_bytes(b"torn")
    (fault,) = check_recording(copied)
    assert fault.mend == "delete this shard's folder and record into the recording again"
    shutil.rmtree(copied / SHARD)
    assert [(f.place, f.mend) for f in check_recording(copied)] == [
        (SHARD, "run the same record command again")
    ]
    again(agent, copied)
    assert check_recording(copied) == []
    assert digest(copied / "shards") == digest(recorded / "shards")


@pytest.mark.parametrize("lost", ["recording.json", "episodes.parquet"])
def test_what_stands_above_the_shards_is_made_again(copied, agent, lost):
    (copied / lost).write_bytes(b"{torn")
    (fault,) = check_recording(copied)
    assert (fault.place, fault.mend.split()[:2]) == (lost, ["delete", "it" + ";" * ("ep" in lost)])
    (copied / lost).unlink()
    again(agent, copied)
    assert check_recording(copied) == []


def test_open_shards_and_strays_are_told(copied, agent):
    (copied / "shards/.00007.part").mkdir()
    (copied / "shards/7").mkdir()
    found = {f.place: f for f in check_recording(copied)}
    assert "a recorder was stopped, or is at work" in found["shards/.00007.part"].cause
    (copied / "shards/7").rmdir()
    again(agent, copied)
    assert check_recording(copied) == []


def without_checksums(folder: Path) -> None:
    """Make it what versions before checksums wrote."""
    header = folder / "recording.json"
    values = json.loads(header.read_text())
    for name in ("sha256", "agent_files", "convolutional", "every"):
        del values[name]
    header.write_text(json.dumps(values, indent=2) + "\n")
    for path in folder.glob("shards/*/shard.json"):
        values = json.loads(path.read_text())
        path.write_text(json.dumps({k: values[k] for k in ("schema", "episodes", "rows")}))
    for path in folder.rglob("*.parquet"):
        pq.write_table(pq.read_table(path), path, compression="zstd")


def test_recordings_of_older_versions_are_checked_by_what_they_say(copied, agent):
    without_checksums(copied)
    checked = examine(copied)
    assert checked.faults == []
    assert [note.split(" (")[0] for note in checked.notes] == [
        "recording.json holds no checksums of the agent's files: its weights count",
        "3 of 3 shards hold no checksums",
    ]
    for path in sorted((copied / SHARD).rglob("c.*")):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert places(copied) == [path.relative_to(copied).as_posix()]
        path.write_bytes(whole)
    for name in ("episodes.parquet", "entities.parquet", "arrays.zarr/sites/zarr.json"):
        path = copied / SHARD / name
        whole = path.read_bytes()
        path.unlink()
        assert places(copied) == [f"{SHARD}/{name}"]
        path.write_bytes(whole)
    again(agent, copied)
    assert len(examine(copied).notes) == 2, "whole shards are not written again"


def change(name: str, at: int, by: float):
    def harm(folder: Path) -> None:
        array = folder / "arrays.zarr" / name
        from policyscope.recordings.shards.store import ShardReader

        values = ShardReader(folder).array(name).copy()
        values[at] = values[at] + by if values.dtype != bool else not values[at]
        shutil.rmtree(array)
        write_group(folder / "beside.zarr", {"x": values})
        (folder / "beside.zarr/x").rename(array)
        shutil.rmtree(folder / "beside.zarr")

    return harm


def column(table: str, name: str, row: int, value):
    def harm(folder: Path) -> None:
        found = pq.read_table(folder / table)
        lines = found.to_pylist()
        lines[row][name] = value
        pq.write_table(found.from_pylist(lines, schema=found.schema), folder / table)

    return harm


@pytest.mark.parametrize(
    ("harm", "place", "cause"),
    [
        (change("step", 2, 1), "arrays.zarr/step", "does not rise"),
        (change("episode", 2, 1), "arrays.zarr/episode", "not those of the episodes"),
        (change("reward", 0, 0.5), "episodes.parquet", "the return of episode 4 is not the sum"),
        (change("terminated", 0, 1), "arrays.zarr/terminated", "goes on behind its end"),
        (column("episodes.parquet", "outcome", 1, ""), "episodes.parquet", "has no outcome"),
        (column("episodes.parquet", "steps", 1, 1), "episodes.parquet", "do not make the"),
        (column("episodes.parquet", "seed", 1, 1), "episodes.parquet", "its seeds are not"),
        (column("episodes.parquet", "shard", 1, 0), "episodes.parquet", "of another shard"),
        (column("episodes.parquet", "truncated", 0, None), "arrays.zarr/truncated", "its ends are"),
        (column("entities.parquet", "episode", 3, 9), "entities.parquet", "holds an episode"),
        (column("entities.parquet", "step", 3, 99), "entities.parquet", "holds a step"),
    ],
)
def test_parts_that_contradict_each_other_are_named(copied, harm, place, cause):
    """In shards without checksums, where nothing else would tell."""
    without_checksums(copied)
    harm(copied / SHARD)
    found = [(f.place, f.cause) for f in check_recording(copied)]
    assert any(p == f"{SHARD}/{place}" and cause in c for p, c in found), found
    assert {p.split("/")[1] for p, _ in found} == {"00001"}


def test_a_missing_array_and_a_recording_of_another_agent_are_named(copied):
    without_checksums(copied)
    shutil.rmtree(copied / SHARD / "arrays.zarr/outputs/q")
    assert places(copied) == [f"{SHARD}/arrays.zarr/outputs/q"]
    header = copied / "recording.json"
    values = json.loads(header.read_text())
    header.write_text(json.dumps({**values, "weights": "0" * 64}))
    assert places(copied)[0] == "agent"


def test_a_shard_that_was_sealed_anew_is_still_compared(copied):
    """Checksums tell of changes, not of a writer's mistakes."""
    path = copied / SHARD / "shard.json"
    values = json.loads(path.read_text())
    values["episodes"] = [5, 6, 7, 8]
    path.write_text(json.dumps(sealed(values), indent=2) + "\n")
    assert places(copied) == [f"{SHARD}/episodes.parquet"]


def test_the_command_line_tells_and_answers(recorded, copied, capsys, tmp_path):
    assert main(["check", str(recorded)]) == 0
    assert "whole" in capsys.readouterr().out
    (copied / SHARD / "entities.parquet").unlink()
    assert main(["check", str(copied)]) == 3
    printed = capsys.readouterr().out
    assert "1 fault" in printed
    assert "delete this shard's folder" in " ".join(printed.split())
    assert main(["check", str(copied), "--json", "-"]) == 3
    values = json.loads(capsys.readouterr().out)
    assert values["whole"] is False
    assert [fault["place"] for fault in values["faults"]] == [f"{SHARD}/entities.parquet"]
    assert main(["check", str(tmp_path)]) == 2
    assert "is no recording" in capsys.readouterr().err
    with pytest.raises(BadFile, match="is no recording"):
        check_recording(tmp_path / "nowhere")

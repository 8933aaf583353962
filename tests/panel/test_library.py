"""The library: what a folder holds, by ids that no path can be made from."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from policyscope.core.errors import BadFile, UnknownName
from policyscope.core.stats import bootstrap_mean, wilson
from policyscope.panel.shelf.describe import describe
from policyscope.panel.shelf.library import listing
from policyscope.panel.shelf.methods import methods_for, suggestion
from policyscope.panel.shelf.scan import name_of, scan
from policyscope.panel.shelf.shelf import Shelf
from policyscope.panel.views.listed_results import results_of
from policyscope.recordings.shards.store import shard_folder


def by_id(lines):
    return {line.id: line for line in lines}


def test_recordings_and_results_with_what_they_are(shelf, recording):
    library = listing(shelf)
    lines = by_id(library.recordings)
    assert list(lines) == ["frames", "more~one", "rec"]
    rec = lines["rec"]
    assert (rec.path, rec.agent, rec.env) == ("rec", "my-agent", "highway/intersection")
    assert (rec.episodes, rec.finished, rec.problem) == (3, True, None)
    assert rec.steps == recording.episodes["steps"].sum()
    assert rec.recorded == recording.provenance["date"]
    told = bootstrap_mean(recording.episodes["return"].to_numpy(), seed=0)
    assert (rec.mean_return.value, rec.mean_return.low) == (told.mean, told.low)
    outcomes = {o.name: o for o in rec.outcomes}
    held = [sum(n in o.split("+") for o in recording.episodes["outcome"]) for n in outcomes]
    assert list(outcomes)[:3] == ["arrived", "crashed", "timed_out"]
    assert [o.value for o in rec.outcomes] == [wilson(k, 3).mean for k in held]
    result = library.results[0]
    assert (result.id, result.recording, result.method) == ("rec~explain~dummy", "rec", "dummy")
    assert result.recording_path == "rec"
    assert library.whole
    assert (result.checks, result.failed) == (2, 1)
    assert library.methods == ["attention", "attribution", "memory", "through_time", "traces"]
    assert (library.folder, lines["more~one"].path) == ("runs", "more/one")


def test_methods_are_those_that_can_explain_a_recording(shelf):
    lines = by_id(listing(shelf).recordings)
    assert {name: (line.methods, line.explain) for name, line in lines.items()} == {
        "rec": (["attention", "attribution", "traces"], "--method attention"),
        "more~one": (
            ["attention", "attribution"],
            "--method attention",
        ),  # computed again by its agent
        "frames": (["attribution"], "--method attribution"),
    }


def test_without_attention_a_site_that_is_no_output_is_suggested(served):
    header = json.loads((served / "rec" / "recording.json").read_text())
    values = {
        **header,
        "space": {**header["space"], "rows": [], "obs_shape": [4]},
        "outputs": {"logits": [2], "value": []},
        "sites": {"relu": [16], "gru.my memory": [8], "fc_policy": [2], "fc_value": [1]},
    }
    folder = served / "rec"
    assert methods_for(values, folder, 20) == ["attribution", "traces"]
    assert suggestion(values, ["traces"]) == "--method traces --site 'gru.my memory'"
    assert suggestion({**values, "sites": {"fc_value": [1]}}, ["traces"]).endswith("fc_value")
    pattern = {**header, "sites": {"attention_layer.pattern": [2, 1, 15]}}
    assert methods_for(pattern, served / "no agent", 1) == ["attention", "traces"]
    assert methods_for({**pattern, "outputs": {"logits": [3]}}, folder, 1) == [
        "attribution", "traces",
    ]  # fmt: skip
    assert methods_for({**pattern, "sites": {}}, served / "no agent", 1) == []
    assert methods_for(pattern, folder, 0) == []


def test_memory_is_explained_where_there_is_one_and_enough_episodes(served):
    folder = served / "rec"
    values = json.loads((folder / "recording.json").read_text()) | {"outputs": {"logits": [3]}}
    card = folder / "agent" / "agent.json"
    text = card.read_text()
    assert "memory" not in methods_for(values, folder, 10)
    card.write_text(json.dumps({**json.loads(text), "network": {"name": "impala_gru"}}))
    assert methods_for(values, folder, 10) == ["attribution", "memory", "through_time", "traces"]
    assert suggestion(values, ["memory", "traces"]) == "--method memory"
    assert "memory" not in methods_for(values, folder, 9)
    card.write_text(json.dumps({**json.loads(text), "network": {"name": "unheard of"}}))
    assert "memory" not in methods_for(values, folder, 10)


def test_one_episode_tells_nothing_of_the_spread(shelf):
    alone = by_id(listing(shelf).recordings)["more~one"].mean_return
    assert (alone.low, alone.high, alone.n) == (None, None, 1)


def test_the_folder_may_be_a_recording(served):
    library = listing(Shelf(served / "rec"))
    assert [(line.id, line.path) for line in library.recordings] == [("rec", "rec")]
    assert [r.id for r in library.results] == ["explain~dummy"]
    assert library.results[0].recording == "rec"


def test_torn_recordings_and_results_tell_why_without_the_machines_folders(served, tmp_path):
    (served / "rec" / "recording.json").write_text("{")
    shutil.rmtree(served / "frames" / "shards")
    (served / "frames" / "episodes.parquet").unlink()
    (served / "rec" / "explain" / "dummy" / "result.json").write_text("[]")
    header = served / "more" / "one" / "recording.json"
    header.write_text(json.dumps({**json.loads(header.read_text()), "env": 3}))
    library = listing(Shelf(served))
    lines = by_id(library.recordings)
    assert "rec/recording.json: is not JSON" in lines["rec"].problem
    assert "more/one: its recording.json is damaged" in lines["more~one"].problem
    assert (lines["frames"].finished, lines["frames"].episodes) == (False, 0)
    assert "is not a result" in library.results[0].problem
    assert str(tmp_path) not in library.model_dump_json()


def test_unfinished_recordings_open_with_what_they_have(served):
    header = served / "rec" / "recording.json"
    values = json.loads(header.read_text())
    header.write_text(json.dumps({**values, "shard_episodes": 2, "episodes": 4}))
    shelf = Shelf(served)
    line = by_id(listing(shelf).recordings)["rec"]
    assert (line.finished, line.episodes) == (False, 3)
    assert len(shelf.recording("rec")) == 3


def test_links_and_hidden_folders_are_not_followed(served, tmp_path):
    outside = tmp_path / "outside"
    shutil.move(served / "more", outside)
    (served / "link").symlink_to(outside)
    shutil.move(served / "frames", served / ".frames")
    (served / "node_modules").mkdir()
    shutil.copytree(served / "rec", served / "node_modules" / "rec")
    (served / "loop").symlink_to(served)
    assert [line.id for line in listing(Shelf(served)).recordings] == ["rec"]


@pytest.mark.parametrize(
    "part", ["agent/agent.json", "shards/00000", "shards/00000/arrays.zarr/obs", "episodes.parquet",
             "shards/00000/arrays.zarr/obs/c.0.0.0"]
)  # fmt: skip
def test_links_inside_a_recording_that_lead_out_are_refused(served, tmp_path, part):
    outside, place = tmp_path / "outside", served / "rec" / part
    shutil.move(place, outside)
    place.symlink_to(outside)
    shelf = Shelf(served)
    with pytest.raises(BadFile, match="a link that leads out of the served folder"):
        shelf.recording("rec")
    if part in ("agent/agent.json", "episodes.parquet"):  # parts of it that the library reads
        assert "leads out" in by_id(listing(shelf).recordings)["rec"].problem
    inside = served / ".kept"
    shutil.move(outside, inside)
    place.unlink()
    place.symlink_to(inside)
    assert len(Shelf(served).recording("rec")) == 3


def test_links_through_a_link_are_looked_through(served, tmp_path):
    shard, inside = served / "rec/shards/00000", served / ".kept"
    shutil.move(shard, inside)
    shard.symlink_to(inside)
    shutil.move(inside / "shard.json", tmp_path / "shard.json")
    (inside / "shard.json").symlink_to(tmp_path / "shard.json")
    with pytest.raises(BadFile, match="leads out"):
        Shelf(served).recording("rec")


def test_links_inside_a_result_that_lead_out_are_refused(served, tmp_path):
    data = served / "rec/explain/dummy/data.zarr"
    shutil.move(data, tmp_path / "data")
    data.symlink_to(tmp_path / "data")
    shelf = Shelf(served)
    with pytest.raises(BadFile, match="leads out"):
        shelf.result("rec~explain~dummy")
    assert results_of(shelf, "rec") == {}


def test_a_served_folder_that_is_a_link_itself_is_followed(served, tmp_path):
    (tmp_path / "short").symlink_to(served)
    assert len(Shelf(tmp_path / "short").recording("rec")) == 3


def test_more_folders_than_are_looked_at_are_told(served, monkeypatch):
    monkeypatch.setattr("policyscope.panel.shelf.scan.MOST_FOLDERS", 2)
    assert not listing(Shelf(served)).whole


def test_results_stay_open_by_their_bytes(served, save_result, monkeypatch):
    save_result(served / "other")
    shelf = Shelf(served)
    first = shelf.result("other")
    assert shelf.result("rec~explain~dummy").data.nbytes == first.data.nbytes == 32
    assert shelf.result("other") is first
    monkeypatch.setattr("policyscope.panel.shelf.shelf.MOST_OPEN", {"recording": 8, "result": 63})
    shelf = Shelf(served)
    first = shelf.result("other")
    assert shelf.result("other") is first  # one stays, however large
    shelf.result("rec~explain~dummy")
    assert shelf.result("other") is not first


def test_parts_of_a_recording_are_no_recordings_of_their_own(served, save_result):
    shutil.copytree(served / "frames", served / "rec" / "inner")
    save_result(served / "rec" / "agent" / "result")
    found = scan(served)
    assert list(found.recordings) == ["frames", "more~one", "rec"]
    assert list(found.results) == ["rec~explain~dummy"]


def test_depth_is_bounded(served):
    deep = served / Path(*"abcdefghi")
    shutil.copytree(served / "frames", deep)
    assert "a~b~c~d~e~f~g~h~i" not in scan(served).recordings
    shutil.copytree(served / "frames", served / Path(*"zyxwvuts"))
    assert "z~y~x~w~v~u~t~s" in scan(served).recordings


def test_ids_differ_and_fit_an_address():
    paths = ["a/b", "a~b", "a b", "a+b", "a_b", "ü", "a%2Fb", "x?y#z", "é"]
    ids = [name_of(Path("/r") / path, Path("/r")) for path in paths]
    assert len(set(ids)) == len(ids)
    assert all(c.isascii() and (c.isalnum() or c in "_.~-") for name in ids for c in name)
    assert ids[0] == "a~b"


@pytest.mark.parametrize("name", ["../rec", "..", "rec/..", "/etc", "", "rec\0", "~", "more/one"])
def test_no_path_is_made_from_an_id(shelf, name):
    for open_it in (shelf.recording, shelf.result):
        with pytest.raises(UnknownName):
            open_it(name)


def test_folder_names_that_are_no_text(served):
    os.rename(served / "frames", os.fsencode(served) + b"/fr\xff")
    listed = listing(Shelf(served)).model_dump_json()
    assert "fr\ufffd" in listed


def test_kept_open_until_changed_on_disk(shelf, served):
    first = shelf.recording("rec")
    assert shelf.recording("rec") is first
    (served / "rec" / "recording.json").touch()
    again = shelf.recording("rec")
    assert again is not first
    shutil.rmtree(served / "rec")
    with pytest.raises(BadFile, match=r"is no recording"):
        shelf.recording("rec")


def test_few_stay_open(served, monkeypatch):
    monkeypatch.setattr("policyscope.panel.shelf.shelf.MOST_OPEN", {"recording": 2})
    shelf = Shelf(served)
    first = shelf.recording("rec")
    shelf.kept(first, "a", lambda: b"x" * 100, len)
    assert shelf.cache.used == 100
    for rec in ("frames", "more~one"):
        shelf.recording(rec)
    assert shelf.cache.used == 0
    assert shelf.recording("rec") is not first


def test_what_was_just_written_is_found(shelf, served, save_result):
    listing(shelf)
    save_result(served / "rec" / "explain" / "new")
    assert shelf.id_of(served / "rec" / "explain" / "new") == "rec~explain~new"
    assert shelf.result("rec~explain~new").method == "dummy"
    assert shelf.id_of(served / "nothing") is None


def test_the_folder_is_scanned_once_a_second_at_most(shelf, monkeypatch):
    scans, now = [], [100.0]
    monkeypatch.setattr("policyscope.panel.shelf.shelf.monotonic", lambda: now[0])
    monkeypatch.setattr(
        "policyscope.panel.shelf.shelf.scan", lambda f: (scans.append(f), scan(f))[1]
    )
    shelf._scanned = 0.0
    for _ in range(5):
        listing(shelf)
        shelf.recording("rec")
    assert len(scans) == 1
    now[0] += 1.1
    shelf.recording("rec")  # known already: no need to look
    assert len(scans) == 1
    listing(shelf)
    assert len(scans) == 2


def test_a_result_is_of_the_recording_with_its_weights(served, save_result):
    values = json.loads((served / "rec" / "recording.json").read_text())
    told = {"name": "elsewhere", "weights": values["weights"], "seed": values["seed"],
            "env": values["env"]["id"], "episodes": 3}  # fmt: skip
    for name, weights in (("right", told["weights"]), ("wrong", "0" * 64)):
        folder = served / "results" / name
        save_result(folder)
        header = json.loads((folder / "result.json").read_text())
        header["parameters"]["recording"] = {**told, "weights": weights}
        (folder / "result.json").write_text(json.dumps(header))
    found = by_id(listing(Shelf(served)).results)
    assert found["results~right"].recording == "rec"
    assert found["results~wrong"].recording is None


def test_many_threads_at_once(served):
    shelf = Shelf(served)

    def ask(number):
        rec = ("rec", "frames", "more~one")[number % 3]
        return len(shelf.recording(rec)), len(listing(shelf).recordings)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(60)))
    assert set(answers) == {(3, 3), (2, 3), (1, 3)}


def test_a_shard_that_appears_is_seen(served):
    shelf = Shelf(served)
    header = served / "frames" / "recording.json"
    header.write_text(json.dumps({**json.loads(header.read_text()), "shard_episodes": 1}))
    assert not shelf.recording("frames").finished
    shutil.copytree(shard_folder(served / "frames", 0), shard_folder(served / "frames", 1))
    assert shelf.recording("frames").finished


def test_the_library_does_not_wait_long_for_intervals(served, monkeypatch):
    monkeypatch.setattr("policyscope.panel.shelf.library.PATIENCE_SECONDS", 1e-9)
    shelf = Shelf(served)
    quick = by_id(listing(shelf).recordings)["rec"].mean_return
    assert (quick.low, quick.n) == (None, 3)
    patient = describe(shelf, "rec").mean_return
    assert patient.low is not None
    assert patient.value == quick.value
    assert by_id(listing(shelf).recordings)["rec"].mean_return == patient

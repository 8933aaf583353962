"""Results show their own steps by the names of their dimensions."""

import shutil

import numpy as np
import pytest
import xarray as xr

from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.result import Result
from policyscope.panel.failures import Changed
from policyscope.panel.shelf.describe import describe
from policyscope.panel.shelf.shelf import Shelf
from policyscope.panel.views import from_results, overlays, step_table, tracks
from policyscope.panel.views.listed_results import results_of
from policyscope.recordings.arrays.steps import of_episode
from policyscope.recordings.subject import subject

PATTERN = "sites/attention_layer.pattern"


@pytest.fixture
def shelf(recorded, tmp_path):
    shutil.copytree(recorded, tmp_path / "rec")
    return Shelf(tmp_path)


def test_results_of_one_method_have_names_of_their_own_and_the_latest_is_shown(shelf):
    views = dataset(shelf.recording("rec"))
    views["weight"].attrs["shown"] = True
    given = {"a": ("gradient", "2026-11-22T10"), "b": ("shapley", "2026-11-22T12"),
             "c": ("shapley", "2026-11-22T11")}  # fmt: skip
    for name, (method, made) in given.items():
        told = {"recording": subject(shelf.recording("rec")), "method": method, "target": "value"}
        result = Result("attribution", views, told, {"date": f"{made}:00:00+00:00"}, unchecked="-")
        result.save(shelf.folder / "rec" / name)
    shelf.found(anew=True)
    results = results_of(shelf, "rec")
    shown = {
        one.info.name: one.info.shown
        for one in from_results.result_overlays(results)
        if one.variable == "weight"
    }
    assert shown == {
        "gradient of value: weight": False,
        "shapley of value (rec~b): weight": True,
        "shapley of value (rec~c): weight": False,
    }
    events = [one.info for one in from_results.result_tracks(results) if one.info.shown]
    assert [info.name for info in events] == ["shapley of value (rec~b): count"]


def test_a_single_layer_is_called_like_its_method(shelf):
    views = dataset(shelf.recording("rec"))[["weight", "identity"]]
    save(shelf, views.isel(layer=[0]), "rec/explain/alone", "alone")
    save(shelf, views, "rec/explain/both", "both")
    found = {one.info.name: one.info.layers for one in from_results.result_overlays(
        results_of(shelf, "rec"))}  # fmt: skip
    assert found == {"alone: weight": ["alone"], "both: weight": ["head 0", "head 1"]}


def dataset(recording, order=None):
    """Views of every kind, rows in any order."""
    rows = recording.rows(["q", "row_identity", PATTERN])
    order = np.arange(len(rows["step"])) if order is None else order
    q, count = rows["q"][order], len(order)
    heat = np.arange(count * 2 * 3 * 4, dtype=float).reshape(count, 2, 3, 4)
    scene = {"overlay": "scene", "extent": [-5.0, -6.0, 7.0, 8.0], "signed": True}
    return xr.Dataset(
        {
            "lead": ("row", q[:, 2] - q[:, 0], {"unit": "return", "group": "leads"}),
            "hit": ("row", q[:, 2] > q[:, 0]),
            "count": ("row", np.arange(count), {"kind": "event", "shown": True}),
            "weight": (("row", "layer", "entity"), rows[PATTERN][order][:, :, 0]),
            "identity": (("row", "entity"), rows["row_identity"][order]),
            "frame": (("row", "layer", "y", "x"), heat, {"overlay": "frame"}),
            "ground": (("row", "layer", "y", "x"), heat, scene),
            "nowhere": (("row", "layer", "y", "x"), heat),
            "word": ("row", np.full(count, "a")),
            "other": (("row", "unit"), np.zeros((count, 5))),
            "mean": 3.0,
        },
        {
            "episode": ("row", rows["episode"][order]),
            "step": ("row", rows["step"][order]),
            "layer": ["head 0", "head 1"],
        },
    )


def save(shelf, data, name="rec/explain/hurry", method="hurry"):
    told = {"recording": subject(shelf.recording("rec"))}
    Result(method, data, told, unchecked="a dummy").save(shelf.folder / name)
    shelf.found(anew=True)


def run(lines):
    """What the last of some lines of Python gives; run with nothing known."""
    *first, last = lines.splitlines()
    names: dict = {}
    exec("\n".join(first), names)  # noqa: S102 (our own lines)
    return eval(last, names)  # noqa: S307


def view(found):
    """Values of a track with NaN for null."""
    return np.array([np.nan if v is None else v for v in found.values])


def test_rows_of_a_result_are_tracks_and_overlays(shelf):
    recording = shelf.recording("rec")
    save(shelf, dataset(recording))
    results = results_of(shelf, "rec")
    assert list(results) == ["rec~explain~hurry"]
    infos = {i.name: i for i in tracks.listed(recording, results) if "hurry" in i.name}
    assert set(infos) == {"hurry: lead", "hurry: hit", "hurry: count"}
    lead, hit, count = (infos[f"hurry: {name}"] for name in ("lead", "hit", "count"))
    assert (lead.unit, lead.group, lead.kind, lead.shown) == ("return", "leads", "line", False)
    assert (hit.kind, count.kind, count.shown) == ("event", "event", True)
    assert lead.source == "rec~explain~hurry"
    maps = {i.name: i for i in overlays.listed(recording, results) if "hurry" in i.name}
    assert {n: i.over for n, i in maps.items()} == {
        "hurry: weight": "entities", "hurry: frame": "frame", "hurry: ground": "scene",
    }  # fmt: skip
    assert maps["hurry: weight"].layers == ["head 0", "head 1"]
    assert maps["hurry: ground"].signed
    for k in range(3):
        q = recording.episode(k)["q"].values
        (found,) = tracks.values(shelf, "rec", k, ["hurry: lead"])
        np.testing.assert_array_equal(view(found), q[:, 2] - q[:, 0])
        np.testing.assert_array_equal(
            run(found.python)[recording.rows(["q"])["episode"] == k], q[:, 2] - q[:, 0]
        )


def shuffled(recording, some=None):
    count = int(recording.episodes["steps"].sum())
    return np.random.default_rng(0).permutation(count)[:some]


def test_rows_stand_in_any_order_and_some_may_lack(shelf):
    recording = shelf.recording("rec")
    data = dataset(recording, shuffled(recording, 12))
    save(shelf, data)
    rows = {*zip(data["episode"].values.tolist(), data["step"].values.tolist(), strict=True)}
    assert len(rows) == 12
    for k in range(3):
        q = recording.episode(k)["q"].values
        found = view(tracks.values(shelf, "rec", k, ["hurry: lead"])[0])
        weights = overlays.overlay(recording, k, "hurry: weight", results_of(shelf, "rec"))
        for t in range(len(q)):
            if (k, t) in rows:
                assert found[t] == q[t, 2] - q[t, 0]
                np.testing.assert_array_equal(
                    weights.identity[t], recording.episode(k)["row_identity"][t]
                )
                np.testing.assert_array_equal(
                    weights.values[t], recording.episode(k)[PATTERN][t, :, 0]
                )
            else:
                assert np.isnan(found[t])
                assert np.isnan(weights.values[t]).all()
                assert (weights.identity[t] == -1).all()
    table = step_table.all_steps(recording, "hurry: lead", "value", results_of(shelf, "rec"))
    known = ~np.isnan(table["x"])
    assert {*zip(table["episode"][known], table["step"][known], strict=True)} == rows


def test_rows_taken_for_steps_are_noticed(shelf):
    """The mistake: row i of the result for step i of the recording."""
    recording = shelf.recording("rec")
    save(shelf, dataset(recording, shuffled(recording)))
    results = results_of(shelf, "rec")
    right = step_table.all_steps(recording, "hurry: lead", "value", results)["x"]
    by_row = results["rec~explain~hurry"].load().data["lead"].values
    assert (right != by_row).sum() > 10
    q = recording.rows(["q"])["q"]
    np.testing.assert_array_equal(right, q[:, 2] - q[:, 0])


def test_one_scale_for_all_episodes(shelf):
    save(shelf, dataset(shelf.recording("rec")))
    highest = shelf.recording("rec").episodes["steps"].sum() * 24 - 1
    for k in range(3):
        frame = overlays.values(shelf, "rec", k, "hurry: frame")
        assert (frame.low, frame.high) == (0, highest)
        ground = overlays.values(shelf, "rec", k, "hurry: ground")
        assert (ground.low, ground.high) == (-highest, highest)
        assert ground.extent == (-5, -6, 7, 8)


def test_two_results_of_one_method_are_told_apart(shelf):
    data = dataset(shelf.recording("rec"))
    save(shelf, data)
    save(shelf, data.assign(lead=data["lead"] + 100), "second")
    save(shelf, data, "third", "calm")
    names = {i.name for i in tracks.listed(shelf.recording("rec"), results_of(shelf, "rec"))}
    one, two = "hurry (rec~explain~hurry): lead", "hurry (second): lead"
    assert {one, two, "calm: lead"} <= names
    assert "hurry: lead" not in names
    first, second = tracks.values(shelf, "rec", 1, [one, two])
    np.testing.assert_allclose(view(second), view(first) + 100, rtol=1e-6)


def test_a_result_that_is_written_anew_shows_anew(shelf):
    data = dataset(shelf.recording("rec"))
    save(shelf, data)
    before = step_table.open_bytes(shelf, "rec", "hurry: lead", "value")[1](0, 40)
    heat = overlays.values(shelf, "rec", 0, "hurry: frame")
    shutil.rmtree(shelf.folder / "rec" / "explain")
    save(shelf, data.assign(lead=data["lead"] + 1, frame=data["frame"] * 0))
    after = step_table.open_bytes(shelf, "rec", "hurry: lead", "value")[1](0, 40)
    np.testing.assert_allclose(
        np.frombuffer(after, "f4"), np.frombuffer(before, "f4") + 1, rtol=1e-5
    )
    assert heat.high > 1 == overlays.values(shelf, "rec", 0, "hurry: frame").high


def test_a_damaged_result_takes_no_page_down(shelf):
    save(shelf, dataset(shelf.recording("rec")))
    chunk = next((shelf.folder / "rec/explain/hurry/data.zarr").rglob("c/*"))
    for file in (chunk, *chunk.rglob("*")):
        if file.is_file():
            file.write_bytes(b"damaged")
    known = tracks.values(shelf, "rec", 0, ["reward"])
    assert known[0].values == shelf.recording("rec").episode(0)["reward"].values.tolist()
    with pytest.raises(BadFile, match="changed or damaged"):
        tracks.values(shelf, "rec", 0, ["hurry: lead"])
    (shelf.folder / "rec/explain/hurry/data.zarr/zarr.json").write_text("{")
    (shelf.folder / "rec/explain/hurry/result.json").touch()
    assert results_of(shelf, "rec") == {}


def test_only_the_result_that_is_asked_for_is_read(shelf, monkeypatch):
    data, loaded = dataset(shelf.recording("rec")), []
    save(shelf, data)
    save(shelf, data, "second", "calm")
    load = Result.load
    monkeypatch.setattr(
        Result, "load", lambda folder: (loaded.append(folder.name), load(folder))[1]
    )
    names = [track.name for track in describe(shelf, "rec").tracks]
    assert {"hurry: lead", "calm: lead"} <= {*names}
    assert loaded == []
    tracks.values(shelf, "rec", 0, ["calm: lead"])
    step_table.table(shelf, "rec", "calm: lead", "calm: count")
    overlays.values(shelf, "rec", 0, "calm: weight")
    assert loaded == ["second"]


def test_the_lines_of_tables_and_overlays_run(shelf):
    save(shelf, dataset(shelf.recording("rec")))
    table = step_table.table(shelf, "rec", "hurry: lead", "value")
    given = step_table.open_bytes(shelf, "rec", "hurry: lead", "value")[1](0, 4 * table.steps)
    np.testing.assert_array_equal(run(table.python)["x"], np.frombuffer(given, "f4"))
    plain = step_table.table(shelf, "rec", "reward", "value").python
    assert "Result" not in plain
    assert len(run(plain)["y"]) == table.steps
    frame = overlays.values(shelf, "rec", 0, "hurry: frame")
    assert run(frame.python).shape == (table.steps, 2, 3, 4)


def test_an_old_layout_of_a_result_reads_no_newer_bytes(shelf):
    data = dataset(shelf.recording("rec"))
    save(shelf, data)
    tables = [step_table.table(shelf, "rec", "hurry: lead", "value").arrays[0].url,
              overlays.values(shelf, "rec", 0, "hurry: frame").values.url]  # fmt: skip
    versions = [url.rpartition("v=")[2] for url in tables]

    def both(table, heat):
        step_table.open_bytes(shelf, "rec", "hurry: lead", "value", table)
        overlays.open_bytes(shelf, "rec", 0, "hurry: frame", heat)

    both(*versions)
    shutil.rmtree(shelf.folder / "rec" / "explain")
    save(shelf, data.isel(y=slice(2)))
    for asked in ((versions[0], ""), ("", versions[1])):
        with pytest.raises(Changed, match="load the page again"):
            both(*asked)
    both("", "")


@pytest.mark.parametrize("change", ["no coordinates", "floats", "along another axis"])
def test_without_places_there_is_no_view(shelf, change):
    data = dataset(shelf.recording("rec"))
    if change == "no coordinates":
        data = data.drop_vars(["episode", "step"])
    elif change == "floats":
        data = data.assign_coords(step=data["step"].astype(float))
    else:
        data = data.drop_vars("step").assign_coords(step=("unit", np.arange(5)))
    assert from_results.result_tracks({"r": Result("m", data, unchecked="a dummy")}) == []


def test_entities_need_identities(shelf):
    data = dataset(shelf.recording("rec"))
    for wrong in (data.drop_vars("identity"), data.assign(identity=data["identity"] * 1.0)):
        found = from_results.result_overlays({"r": Result("m", wrong, unchecked="a dummy")})
        assert {o.info.name for o in found} == {"m: frame", "m: ground"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"step": 40}, r"'r: lead' has a row for step 40 of episode 1, which has \d+ steps"),
        ({"step": -1}, "step -1 of episode 1"),
        ({"step": 1}, "two rows for one step"),
    ],
)
def test_rows_that_do_not_fit_are_told(recording, change, told):
    data = dataset(recording)
    at = np.flatnonzero((data["episode"].values == 1) & (data["step"].values == 0))
    step = data["step"].values.copy()
    step[at] = change["step"]
    data = data.assign_coords(step=("row", step))
    (lead, *_) = from_results.result_tracks({"r": Result("m", data, unchecked="a dummy")})
    assert np.isfinite(lead.of(of_episode(recording, 0))).all()
    with pytest.raises(PolicyscopeError, match=told):
        lead.of(of_episode(recording, 1))


def test_scales_of_nothing_and_of_one_number():
    nan = np.full((2, 2), np.nan)
    assert from_results.whole_scale(nan, False) == (0, 1)
    assert from_results.whole_scale(nan, True) == (-1, 1)
    assert from_results.whole_scale(np.zeros(3), True) == (-1, 1)
    assert from_results.whole_scale(np.full(3, 2.0), False) == (2, 3)
    assert from_results.whole_scale(np.array([True, False]), False) == (0, 1)

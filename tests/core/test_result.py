import json
import math

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from policyscope.cli.table_parts import put_checks
from policyscope.core import registry
from policyscope.core.checks import Check
from policyscope.core.errors import BadFile, PolicyscopeError, UnknownName
from policyscope.core.result import Result

CHECK = Check.at_most("parity gap", 2e-7, 1e-6, n=64)


def data():
    draw = np.random.default_rng(0)
    return xr.Dataset(
        {
            "pattern": (("step", "entity"), draw.normal(size=(3, 2)).astype("float32")),
            "label": ("step", ["jump", "", "wait"]),
            "hit": ("step", [True, False, True]),
            "gap": ("step", [0.5, math.nan, math.inf]),
            "none": ("empty", np.array([], dtype="U4")),
        },
        coords={
            "step": [4, 5, 6],
            "entity": ("entity", ["ego", "vehicle 1"], {"unit": "row"}),
            "action": ("step", ["IDLE", "FASTER", "IDLE"]),
        },
        attrs={"note": "x", "sizes": [1, 2]},
    )


def result(**more):
    given = {"parameters": {"heads": [0, 1], "python": "explain(rec)"}, "checks": (CHECK,), **more}
    return Result("test method", data(), provenance={"seed": 3}, **given)


def test_check_constructors():
    assert CHECK.passed
    assert Check("parity gap", 2e-7, 1e-6, 64, True) == CHECK
    assert not Check.at_most("gap", 2.0, 1.0, n=1).passed
    assert Check.at_least("score", 0.9, 0.9, n=5).passed
    assert not Check.at_least("score", 0.89, 0.9, n=5).passed
    assert not Check.at_most("gap", math.nan, 1.0, n=3).passed
    assert not Check.at_least("score", math.nan, 0.0, n=3).passed
    assert str(Check.at_least("score", 0.5, 0.9, n=5)) == "score: 0.5 >= 0.9 (n=5) FAILED"
    with pytest.raises(PolicyscopeError, match="no sample"):
        Check.at_most("gap", 0.0, 1.0, n=0)
    with pytest.raises(PolicyscopeError, match="sense"):
        Check("gap", 0.0, 1.0, 1, True, "below")


def test_a_result_needs_a_check_or_a_reason():
    for unchecked in (None, "", "  "):
        with pytest.raises(PolicyscopeError, match="has no check"):
            result(checks=(), unchecked=unchecked)
    assert result(checks=(), unchecked="purely descriptive").passed
    assert not result(checks=(CHECK, Check.at_most("gap", 2.0, 1.0, n=1))).passed
    assert result(checks=[CHECK]).checks == (CHECK,)
    assert result().python == "explain(rec)"


def test_round_trip_without_a_warning(tmp_path):
    nan = Check.at_most("gap", math.nan, math.inf, n=2)
    old = result(checks=(CHECK, nan))
    old.save(tmp_path / "r")
    new = Result.load(tmp_path / "r")
    xr.testing.assert_identical(new.data, old.data)
    assert new.data["label"].dtype.kind == "U"
    assert new.data.sel(entity="vehicle 1")["pattern"].shape == (3,)
    assert new.checks[0] == CHECK
    assert math.isnan(new.checks[1].value)
    assert new.checks[1].bound == math.inf
    assert (new.method, new.parameters, new.provenance, new.unchecked) == (
        old.method,
        old.parameters,
        old.provenance,
        None,
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r"]


def test_same_result_same_bytes(tmp_path):
    for name in "ab":
        result().save(tmp_path / name)
    texts = [(tmp_path / name / "result.json").read_bytes() for name in "ab"]
    assert texts[0] == texts[1]


def test_an_unsaved_result_leaves_nothing(tmp_path):
    with pytest.raises(BadFile, match="cannot be written as JSON"):
        result(parameters={"f": math.nan}).save(tmp_path / "r")
    odd = Result("m", xr.Dataset({"x": ("k", np.array([{}, 1], object))}), unchecked="y")
    with pytest.raises(PolicyscopeError, match="'x' of the result holds objects"):
        odd.save(tmp_path / "r")
    assert list(tmp_path.iterdir()) == []


def test_saving_over_another_result(tmp_path):
    result().save(tmp_path / "r")
    with pytest.raises(BadFile, match="exists already"):
        result().save(tmp_path / "r")
    result(checks=(), unchecked="new").save(tmp_path / "r", overwrite=True)
    assert Result.load(tmp_path / "r").unchecked == "new"


def drop_a_chunk(folder):
    next(p for p in (folder / "data.zarr" / "pattern" / "c").rglob("*") if p.is_file()).unlink()


def flip_a_byte(folder):
    path = next(p for p in (folder / "data.zarr" / "pattern" / "c").rglob("*") if p.is_file())
    path.write_bytes(path.read_bytes()[:-1] + b"\x00\x01")


def cut_the_json(folder):
    path = folder / "result.json"
    path.write_text(path.read_text()[:-20])


def other_version(folder):
    path = folder / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))


def drop_a_key(folder):
    path = folder / "result.json"
    path.write_text(json.dumps({"kind": "result", "version": 1}))


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (drop_a_chunk, "changed or damaged"),
        (flip_a_byte, "changed or damaged"),
        (cut_the_json, "is not JSON"),
        (other_version, "version 99, this code reads version 1"),
        (drop_a_key, "not a whole result"),
        (lambda folder: (folder / "result.json").unlink(), "no such file"),
    ],
)
def test_damage_is_told_and_never_read(tmp_path, harm, says):
    result().save(tmp_path / "r")
    harm(tmp_path / "r")
    with pytest.raises(BadFile, match=says):
        Result.load(tmp_path / "r")


def test_without_the_digest_a_lost_chunk_would_read_as_numbers(tmp_path):
    result().save(tmp_path / "r")
    drop_a_chunk(tmp_path / "r")
    silent = xr.open_zarr(tmp_path / "r" / "data.zarr", consolidated=False).load()
    assert silent["pattern"].shape == (3, 2)


def draw_bars(result):
    import plotly.graph_objects as go

    return go.Figure(go.Bar(y=result.data["pattern"].values[0]))


def test_figure_comes_from_the_registry(monkeypatch):
    monkeypatch.setitem(registry._ENTRIES["figure"], "test method", f"{__name__}:draw_bars")
    monkeypatch.setattr(registry, "import_module", lambda _: __import__("sys").modules[__name__])
    assert len(result().figure().data) == 1
    with pytest.raises(UnknownName, match="unknown figure 'other'"):
        Result("other", data(), unchecked="x").figure()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.10004, "0.10004, at most 0.1"),
        (math.nan, "nan, at most 0.1"),
        (0.25, "0.25, at most 0.1"),
    ],
)
def test_a_failed_check_tells_what_it_failed_by(value, told, capsys):
    failed = Check.at_most("gap", value, 0.1, n=3)
    put_checks(Console(), [CHECK.to_json(), failed.to_json()])
    assert capsys.readouterr().out == f"checks: 1 of 2 passed\nFAILED: gap: {told}\n"
    assert str(failed) == f"gap: {told.replace(', at most', ' <=')} (n=3) FAILED"


def test_html_shows_checks_parameters_and_the_python_line():
    failed = Check.at_least("score <b>", 0.1, 0.9, n=7)
    page = result(checks=(CHECK, failed))._repr_html_()
    for words in (
        "test method",
        "explain(rec)",
        "heads",
        "parity gap",
        "passed",
        "FAILED",
        "entity",
    ):
        assert words in page
    assert "score &lt;b&gt;" in page
    assert "<b>" not in page.split("xr-wrap")[0]
    assert "Unchecked: descriptive" in result(checks=(), unchecked="descriptive")._repr_html_()

"""Tables of ``policyscope explain``: means with their intervals, large numbers in full."""

import json

import numpy as np
import pytest

from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.cli.attribution_tables import TOP, audit_table
from policyscope.cli.main import main
from policyscope.cli.table_parts import interval_text, number_text
from policyscope.recordings.read import open_recording

FEW = ["--attribution.no-trust", "--attribution.initialisations", "0"]


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A recording of three episodes."""
    out = tmp_path_factory.mktemp("tabled") / "rec"
    assert main(["record", "highway-ego-attention", "--episodes", "3", "--out", str(out)]) == 0
    return out


def told(capsys, monkeypatch, *words):
    """The numbers of a question, and its table as lines of words."""
    monkeypatch.setenv("COLUMNS", "100")
    code = main(["explain", *words, "--json", "-"])
    values = json.loads(capsys.readouterr().out)
    assert main(["explain", *words]) == code == (0 if values["passed"] else 3)
    return values, [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_numbers_have_no_exponents_where_they_are_large():
    assert number_text(23_600.0) == "23600"
    assert number_text(-1.234e7, ".2g") == "-12340000"
    assert interval_text({"mean": 0.0123, "low": -2000.0, "high": 4321.0}, ".2g") == (
        "0.012 [-2000, 4321]"
    )


def test_kinds_of_several_episodes_have_intervals(road, capsys, monkeypatch):
    values, table = told(capsys, monkeypatch, str(road), "--method", "occlusion", *FEW)
    line = next(one for one in values["kinds"] if one["kind"] == "vehicle")
    signed = interval_text(line["signed_interval"], ".2g").replace("\\", "")
    assert line["signed_interval"]["n"] == 3
    assert any(row.startswith(f"vehicles {line['steps']} 3 {signed} ") for row in table)


def test_a_table_says_how_many_entities_it_leaves_out(road, capsys, monkeypatch):
    values, table = told(capsys, monkeypatch, f"{road}:0", "--method", "occlusion", *FEW)
    assert len(values["entities"]) > TOP
    assert f"the first {TOP} of {len(values['entities'])}; --json has all" in table


def test_too_few_samples_say_what_helps(road, capsys, monkeypatch):
    few = ["--attribution.exact", "2", "--attribution.samples", "4", *FEW]
    asked = (f"{road}:0", "--method", "shapley", "--target", "q[FASTER]", *few)
    values, table = told(capsys, monkeypatch, *asked)
    assert not values["passed"]
    assert "four times the samples halve it (--help: samples)" in table


def test_each_action_has_intervals(road, capsys, monkeypatch):
    asked = (str(road), "--method", "gradient", "--attribution.per-action", *FEW)
    values, table = told(capsys, monkeypatch, *asked)
    own = values["features"][0]["actions"]["IDLE"]
    ends = [interval_text(own[kind], ".2g").replace("\\", "") for kind in ("signed", "absolute")]
    assert f"IDLE {' '.join(ends)}" in table
    assert sum(row.split()[:1] == ["FASTER"] for row in table) == len(values["features"])


def test_one_episode_is_said_to_have_no_interval(road, capsys, monkeypatch):
    _, table = told(capsys, monkeypatch, f"{road}:0", "--method", "gradient", *FEW)
    assert "feature signed (one episode) absolute (one episode) part" in table


def test_a_figure_of_one_episode_among_others_says_so(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    known = {"mean": 0.5, "low": 0.25, "high": 0.75, "n": 9}
    alone = {"mean": 0.3, "low": None, "high": None, "n": 4}
    none = {"mean": None, "low": None, "high": None, "n": 0}
    lines = [
        {"method": "shapley", "seconds": 1.0, "deletion": known, "removal": alone},
        {"method": "gradient", "seconds": 1.0, "deletion": {**known, "n": 7}, "removal": none},
    ]
    audit_table(
        {
            "target": "value", "site": "preprocess", "level": "vehicles", "baseline": "zero",
            "better": {"deletion": "higher", "removal": "higher"}, "methods": lines,
            "n": {"decisions": 9}, "left_out": {}, "result": "r", "figure": "f",
        }
    )  # fmt: skip
    table = capsys.readouterr().out
    assert "mean [95 %]" in table
    assert "n=7–9" in table
    assert "n=4 " in table
    assert table.count("(one episode)") == 1


def test_conductance_is_told_as_python_tells_it(road, capsys, monkeypatch):
    site = "output_layer.relus.0"
    asked = ["--method", "neuron_conductance", "--site", site, "--attribution.rows", "4", *FEW]
    path = ["--attribution.rule", "trapezoid", "--attribution.steps", "8"]
    values, table = told(capsys, monkeypatch, str(road), *asked, *path)
    config = AttributionConfig(
        method="neuron_conductance", site=site, rows=4, trust=False, initialisations=0,
        rule="trapezoid", steps=8,
    )  # fmt: skip
    data = attribute(open_recording(road), config).data
    found = values["conductance"]
    assert found["of"] == data["attribution"][0].size
    first = found["units"][0]
    unit = int(np.abs(data["conductance"].values).max(1).argmax())
    assert first["unit"] == str(unit)
    for i, action in enumerate(data["action"].values):
        assert first["actions"][action]["mean"] == data["conductance"].values[unit, i]
        assert first["actions"][action]["low"] == data["conductance_low"].values[unit, i]
    inputs = data["by_input"].values[unit]
    assert first["inputs"]["ego x"] == inputs[0, 1]
    assert sum(first["inputs"].values()) == pytest.approx(inputs.sum(), abs=1e-5)
    action = max(first["actions"], key=lambda name: abs(first["actions"][name]["mean"]))
    cell = interval_text(first["actions"][action], ".2g").replace("\\", "")
    most = max(first["inputs"], key=lambda name: abs(first["inputs"][name]))
    assert any(row.startswith(f"{unit} {action} {cell} {most} ") for row in table)


def test_other_methods_have_no_conductance(road, capsys, monkeypatch):
    values, table = told(capsys, monkeypatch, f"{road}:0", "--method", "gradient", *FEW)
    assert values["conductance"] is None
    assert not any(row.startswith("conductance") for row in table)

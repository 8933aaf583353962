"""Results as the page gets them, with a registered figure and without one."""

import base64
import json
import shutil

import numpy as np
import plotly.graph_objects as go
import pytest
import xarray as xr

from policyscope.circuits.traces import traces
from policyscope.core import registry
from policyscope.core.result import Result
from policyscope.panel.shelf.results import result_line
from policyscope.panel.shelf.shelf import Shelf
from policyscope.recordings.read import open_recording

DUMMY = "/api/results/rec~explain~dummy"


@pytest.fixture
def with_figure(monkeypatch):
    """A figure for the method ``dummy``, drawn by ``plain`` or ``themed`` of this module."""

    def registered(draw):
        monkeypatch.setitem(registry._ENTRIES["figure"], "dummy", "made:here")
        monkeypatch.setattr("policyscope.panel.shelf.results.find", lambda kind, name: draw)

    return registered


def plain(result: Result) -> go.Figure:
    return go.Figure(go.Scatter(y=result.data["gain"].values[:, 0]))


def themed(result: Result, mode: str = "light") -> go.Figure:
    return go.Figure(layout={"paper_bgcolor": "black" if mode == "dark" else "white"})


def test_parameters_checks_and_the_line_that_makes_it(client, served):
    detail = client.get(DUMMY).json()
    assert (detail["method"], detail["recording"], detail["path"]) == (
        "dummy", "rec", "rec/explain/dummy",
    )  # fmt: skip
    assert detail["parameters"] == {"recording": "rec", "depth": 2}
    assert detail["python"] == f"dummy(open_recording({str(served / 'rec')!r}))"
    assert detail["provenance"]["command"] == "policyscope explain rec"
    assert detail["variables"] == {"gain": ["step (2)", "action (2)"]}
    gap, share = detail["check_lines"]
    assert gap == {"name": "gap", "value": 2e-7, "sense": "at most", "bound": 1e-6, "n": 4,
                   "passed": True}  # fmt: skip
    assert (share["value"], share["passed"]) == (None, False)
    assert (detail["checks"], detail["failed"], detail["figure"]) == (2, 1, True)


def test_results_of_one_method_are_told_apart(client, served):
    usual = "q[taken] - 0.333333*q[SLOWER] - 0.333333*q[IDLE] - 0.333333*q[FASTER]"
    given = {
        "a": ("shapley", usual, "preprocess", "episode=3, step=5",
              "shapley of q[taken] - mean of q over 3 actions, 3:5"),
        "b": ("grad_cam", "value", "4a.relu", "episode=3",
              "grad_cam of value at 4a.relu, episode 3"),
        "c": ("gradient", "value", "preprocess", "", "gradient of value"),
    }  # fmt: skip
    for name, (method, target, site, where, _) in given.items():
        told = {"method": method, "target": target, "site": site,
                "python": f"result = attribute(open_recording('rec'), {where})"}  # fmt: skip
        data = xr.Dataset({"gain": ("row", [1.0])})
        Result("attribution", data, told, unchecked="made up").save(served / "rec" / name)
    lines = {line["id"]: line["asked"] for line in client.get("/api/library").json()["results"]}
    assert [lines[f"rec~{name}"] for name in given] == [one[-1] for one in given.values()]
    assert lines["rec~explain~dummy"] == "dummy"


def test_the_line_of_a_result_runs_wherever_it_was_made(client, served):
    made = traces(open_recording(served / "rec"), "attention_layer.pattern", 1)
    made.save(served / "traced")
    assert str(served) not in made.python
    names: dict = {}
    exec(client.get("/api/results/traced").json()["python"], names)
    assert names["result"].data.identical(made.data)


def test_a_line_is_as_it_was_where_the_recording_is_not_there(client, served):
    shutil.copytree(served / "rec/explain/dummy", served / "dummy")
    shutil.rmtree(served / "rec")
    assert client.get("/api/results/dummy").json()["python"] == "dummy(open_recording('rec'))"


def test_a_method_without_a_figure_gets_a_plain_one(client):
    for theme in ("light", "dark"):
        answer = client.get(DUMMY + "/figure", params={"theme": theme})
        assert answer.status_code == 200
        (drawn,) = answer.json()["data"]
        assert drawn["type"] == "heatmap"
        assert answer.json()["layout"]["yaxis"]["title"]["text"] == "step"


def test_a_figure_is_plotlys_json(client, with_figure):
    with_figure(plain)
    assert client.get(DUMMY).json()["figure"] is True
    line = client.get(DUMMY + "/figure").json()["data"][0]
    assert (line["type"], line["y"]["dtype"]) == ("scatter", "f8")
    held = np.frombuffer(base64.b64decode(line["y"]["bdata"]))
    np.testing.assert_array_equal(held, [0.0, np.nan])


def test_a_figure_takes_the_theme_where_it_can(client, with_figure):
    with_figure(themed)
    for theme, colour in (("light", "white"), ("dark", "black")):
        got = client.get(DUMMY + "/figure", params={"theme": theme}).json()
        assert got["layout"]["paper_bgcolor"] == colour
    answer = client.get(DUMMY + "/figure", params={"theme": "blue"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_a_figure_that_fails_is_an_error_of_policyscope(client, with_figure, caplog):
    with_figure(lambda result: result.data["nothing"])
    answer = client.get(DUMMY + "/figure")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "Traceback" not in answer.text
    assert "nothing" not in answer.text
    assert "KeyError" in caplog.text


def test_results_changed_after_they_were_written_are_refused(client, served):
    chunk = next((served / "rec/explain/dummy/data.zarr").rglob("c/*/*"))
    chunk.write_bytes(chunk.read_bytes() + b"x")
    answer = client.get(DUMMY)
    assert (answer.status_code, answer.json()["code"]) == (409, "bad_file")
    assert answer.json()["message"].startswith("rec/explain/dummy/data.zarr: was changed")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"version": 99}, "result schema version 99"),
        ({"checks": [1]}, "is damaged (checks)"),
        ({"method": None, "parameters": 3}, "is damaged (method, parameters)"),
    ],
)
def test_damaged_headers_are_lines_with_a_problem(served, change, told):
    path = served / "rec/explain/dummy/result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    shelf = Shelf(served)
    line = result_line(shelf, "rec~explain~dummy")
    assert told in line.problem
    assert (line.path, line.method) == ("rec/explain/dummy", "")


def test_numbers_that_json_lacks_in_parameters(client, served):
    path = served / "rec/explain/dummy/result.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "parameters": {"depth": float("inf")}}))
    assert client.get(DUMMY).json()["parameters"] == {"depth": None}

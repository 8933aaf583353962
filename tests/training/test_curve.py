import json

import numpy as np
import pytest

from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.figures.curve import draw
from policyscope.training.curve import bands, load_curve
from policyscope.training.dqn_config import configure


def write_run(folder, returns, preset="paper", changes=()):
    folder.mkdir()
    config = configure(preset, list(changes)).to_json()
    plan = {"env": {"id": "highway/intersection"}, "config": config}
    (folder / "run.json").write_text(json.dumps(plan))
    rows = [
        {"step": 10 * (i + 1), "seconds": i, "return": r, "outcome": "arrived"}
        for i, r in enumerate(returns)
    ]
    text = "".join(json.dumps(r) + "\n" for r in rows) + '{"step": 9, "torn'
    (folder / "curve.jsonl").write_text(text)
    return folder


def test_bands_are_mean_lowest_and_highest_run_of_each_window(tmp_path):
    a = write_run(tmp_path / "a", [0.0] * 10 + [4.0] * 10)
    b = write_run(tmp_path / "b", [2.0] * 10 + [8.0] * 10)
    (band,) = bands([load_curve(a), load_curve(b)], points=2)
    assert band.runs == 2
    np.testing.assert_allclose(band.step, [50, 150])
    np.testing.assert_allclose(band.mean, [1, 6])
    np.testing.assert_allclose(band.low, [0, 4])
    np.testing.assert_allclose(band.high, [2, 8])
    np.testing.assert_array_equal(band.episodes, [20, 20])


def test_runs_of_another_recipe_are_another_band_named_by_what_differs(tmp_path):
    a = write_run(tmp_path / "a", [0.0] * 10)
    b = write_run(tmp_path / "b", [1.0] * 10, changes=["lr=0.01"])
    found = bands([load_curve(a), load_curve(b)], points=1)
    assert [band.group for band in found] == [
        "highway/intersection, paper",
        "highway/intersection, paper, lr=0.01",
    ]
    figure = draw(found)
    lines = [trace for trace in figure.data if trace.name]
    assert [list(trace.y) for trace in lines] == [[0.0], [1.0]]


def test_what_is_no_run_is_said_so(tmp_path):
    with pytest.raises(BadFile, match="training run"):
        load_curve(tmp_path)
    empty = write_run(tmp_path / "empty", [])
    with pytest.raises(BadFile, match="no finished episode"):
        load_curve(empty)
    with pytest.raises(PolicyscopeError, match="at least one run"):
        bands([])

import json

import numpy as np
import pytest

from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.figures.curve import draw
from policyscope.training.curve import bands, load_curve
from policyscope.training.dqn.config import PRESETS
from policyscope.training.kept_curve import keep, kept
from policyscope.training.settings import configure


def write_run(folder, returns, preset="paper", changes=(), seed=0):
    folder.mkdir()
    config = configure(PRESETS, preset, list(changes)).to_json()
    plan = {"algorithm": "dqn", "env": {"id": "highway/intersection"}, "config": config}
    plan |= {"seed": seed, "steps": 1000}
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
    b = write_run(tmp_path / "b", [2.0] * 10 + [8.0] * 10, seed=1)
    (band,) = bands([load_curve(a), load_curve(b)], points=2)
    assert band.runs == 2
    np.testing.assert_allclose(band.step, [50, 150])
    np.testing.assert_allclose(band.mean, [1, 6])
    np.testing.assert_allclose(band.low, [0, 4])
    np.testing.assert_allclose(band.high, [2, 8])
    np.testing.assert_array_equal(band.episodes, [20, 20])


def watched(folder, looks):
    """Add looks at held-out episodes: step, mean, low, high."""
    with (folder / "curve.jsonl").open("a") as file:
        file.write("\n")
        for step, mean, low, high in looks:
            row = {"step": step, "watched_return": mean, "watched_low": low, "watched_high": high}
            file.write(json.dumps(row | {"seconds": 0, "watched": 50}) + "\n")
    return folder


def test_held_out_returns_of_one_run_keep_their_interval(tmp_path):
    a = watched(write_run(tmp_path / "a", [0.0] * 10), [(40, 2.0, 1.5, 3.0), (80, 4.0, 3.0, 4.5)])
    (band,) = bands([load_curve(a)], points=1)
    np.testing.assert_array_equal(band.looks.step, [40, 80])
    np.testing.assert_array_equal(band.looks.episodes, [50, 50])
    (line,) = [trace for trace in draw([band]).data if trace.name and "held-out" in trace.name]
    assert line.name == "held-out episodes, 95 % interval"
    assert (line.mode, list(line.x), list(line.y)) == ("lines+markers", [40, 80], [2.0, 4.0])
    assert list(line.error_y.array) == [1.0, 0.5]
    assert list(line.error_y.arrayminus) == [0.5, 1.0]
    assert "held-out" in draw([band]).layout.title.text


def test_held_out_returns_of_several_runs_are_their_mean_and_ends(tmp_path):
    a = watched(write_run(tmp_path / "a", [0.0] * 10), [(40, 2.0, 0, 9), (80, 4.0, 0, 9)])
    looks = [(20, 9.0, 0, 9), (80, 6.0, 0, 9)]
    b = watched(write_run(tmp_path / "b", [1.0] * 10, seed=1), looks)
    (band,) = bands([load_curve(a), load_curve(b)], points=1)
    got = band.looks
    assert [got.step.tolist(), got.mean.tolist(), got.low.tolist(), got.high.tolist()] == [
        [80], [5.0], [4.0], [6.0],
    ]  # fmt: skip
    assert got.episodes.tolist() == [100]


def test_a_run_that_was_not_watched_has_no_look(tmp_path):
    (band,) = bands([load_curve(write_run(tmp_path / "a", [0.0] * 10))], points=1)
    assert len(band.looks) == 0
    figure = draw([band])
    assert not [trace for trace in figure.data if trace.name and "held-out" in trace.name]
    assert "held-out" not in figure.layout.title.text


def test_held_out_returns_are_told_before_any_episode_of_training_is_finished(tmp_path):
    a = watched(write_run(tmp_path / "a", []), [(40, 2.0, 1.5, 3.0), (80, 4.0, 3.0, 4.5)])
    b = watched(write_run(tmp_path / "b", [1.0] * 10, seed=1), [(40, 4.0, 3.0, 4.5)])
    (alone,) = bands([load_curve(a)], points=3)
    assert [alone.looks.step.tolist(), alone.looks.mean.tolist()] == [[40, 80], [2.0, 4.0]]
    assert len(alone.step) == len(alone.mean) == len(alone.episodes) == 0
    assert "held-out" in draw([alone]).layout.title.text
    keep(tmp_path / "curve.json", [alone])
    (again,) = kept(tmp_path / "curve.json")
    assert (again.looks.high.tolist(), again.step.tolist()) == ([3.0, 4.5], [])
    (both,) = bands([load_curve(a), load_curve(b)], points=3)
    assert len(both.step) == 0, "windows are those in which every run has episodes"
    assert (both.looks.step.tolist(), both.looks.mean.tolist()) == ([40], [3.0])


def test_runs_of_another_recipe_are_another_band_named_by_what_differs(tmp_path):
    a = write_run(tmp_path / "a", [0.0] * 10)
    b = write_run(tmp_path / "b", [1.0] * 10, changes=["lr=0.01"])
    found = bands([load_curve(a), load_curve(b)], points=1)
    assert [band.group for band in found] == [
        "highway/intersection, dqn paper, 1,000 steps",
        "highway/intersection, dqn paper, lr=0.01, 1,000 steps",
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


def test_one_seed_twice_is_no_band(tmp_path):
    runs = [write_run(tmp_path / name, [0.0] * 10) for name in "ab"]
    with pytest.raises(PolicyscopeError, match="different seeds"):
        bands([load_curve(run) for run in runs])


def test_no_window_is_refused(tmp_path):
    with pytest.raises(PolicyscopeError, match="window"):
        bands([load_curve(write_run(tmp_path / "a", [0.0]))], points=0)

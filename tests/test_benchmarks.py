import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def measure():
    spec = importlib.util.spec_from_file_location("measure", BENCHMARKS / "measure.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_functions_take_turns(measure):
    calls = []
    functions = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    medians = measure.interleave(functions, repeats=20, warmup=1)
    turns = ["".join(calls[i : i + 2]) for i in range(0, len(calls), 2)]
    assert len(turns) == 1 + 20
    assert set(turns) == {"ab", "ba"}
    assert set(medians) == {"a", "b"}
    assert all(value >= 0 for value in medians.values())


@pytest.mark.parametrize(
    ("ours", "peer", "better", "goal_on", "goal", "ratio", "met"),
    [
        (2.0, 6.0, "lower", "ratio", 2, 3.0, True),
        (6.0, 2.0, "lower", "ratio", 1, 0.3333, False),
        (6.0, 2.0, "higher", "ratio", 2, 3.0, True),
        (5.0, 20.0, "lower", "ours", 10, 4.0, True),
        (15.0, 20.0, "lower", "ours", 10, 1.333, False),
        (15.0, 20.0, "higher", "ours", 10, 0.75, True),
        (-1.0, 20.0, "lower", "ours", 10, None, True),
        (5.0, None, "lower", "ratio", 2, None, False),
    ],
)
def test_ratio_and_goal(measure, capsys, ours, peer, better, goal_on, goal, ratio, met):
    line = measure.report("x", ours, peer, goal=goal, goal_on=goal_on, better=better, unit="s", n=3)
    assert json.loads(capsys.readouterr().out) == line
    assert line["ratio"] == ratio
    assert measure.met(line) is met


GOOD = """
print("noise")
print('{"name": "speed", "ours": 4.0, "peer": 2.0, "ratio": 2.0, "goal": 3.0, '
      '"better": "higher", "unit": "a|b", "n": 5}')
"""


def run_all(folder, *words):
    command = [sys.executable, BENCHMARKS / "run_all.py", "--folder", folder]
    command += ["--out", folder / "RESULTS.md", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = folder / "RESULTS.md"
    return done, report.read_text() if report.exists() else ""


def test_results_hold_a_table_for_each_script_and_the_error_of_a_broken_one(tmp_path):
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "broken.py").write_text(GOOD + "raise ValueError('out of luck')\n")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "measure.py").write_text("raise SystemExit(3)")
    done, text = run_all(tmp_path)
    assert done.returncode == 1
    row = "| speed | 4 | 2 | 2 | ratio >= 3.0 | NO | a\\|b | 5 |"
    assert text.count(row.replace("3.0", "3")) == 2
    assert "FAILED: exit code 1: ValueError: out of luck" in text
    assert "FAILED: printed no figure" in text
    assert "## measure" not in text
    assert " cores, " in text


def test_chosen_scripts_only(tmp_path):
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "broken.py").write_text("raise ValueError\n")
    done, text = run_all(tmp_path, "good")
    assert done.returncode == 0
    assert "## broken" not in text
    done, _ = run_all(tmp_path, "god")
    assert done.returncode == 2
    assert "no such benchmark: god; valid: broken, good" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_panels_benchmark_gives_all_its_figures(tmp_path):
    pytest.importorskip("playwright")
    few = "--episodes 8 --steps 400 --repeats 1 --rounds 1 --scrub 2 --changes 3 --walk 6"
    command = [sys.executable, BENCHMARKS / "panel.py", "--folder", tmp_path, *few.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    timed = "first_paint_ms tracks_paint_ms scrub_ms live_ms explain_highway_ms explain_coinrun_ms"
    kept = "page_memory_mb page_nodes server_memory_mb"
    named = [*timed.split(), "views_ms", *kept.split()]
    assert [*lines] == [f"panel_{name}" for name in named]
    assert lines["panel_live_ms"]["n"] == 6
    assert lines["panel_scrub_ms"]["peer"] > 0
    assert all(lines[f"panel_{name}"]["ours"] > 0 for name in [*timed.split(), "views_ms"])


@pytest.fixture
def returns(monkeypatch):
    pytest.importorskip("sb3_contrib")
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("ppo_returns")


def test_returns_miss_their_goal_where_they_are_worse_or_tell_too_little(returns, measure, capsys):
    """Ours may lie 25 of 500 below the peer, with 95 % confidence over the seeds."""
    draws = np.random.default_rng(0)
    near, wide = (draws.normal(450, spread, 10).tolist() for spread in (5, 90))
    lower = [x - 40 for x in near]
    for ours, peer, met in [(near, near, True), (lower, near, False), (wide, wide, False)]:
        returns.told("ppo_cartpole", "", "return", {"": ours, "peer": peer}, 100)
        line = json.loads(capsys.readouterr().out)
        assert measure.met(line) is met
        assert line["n"] == 10


def test_the_interval_of_a_difference_is_that_of_two_independent_means(returns):
    draws = np.random.default_rng(1)
    ours, peer = draws.normal(3, 1, 400), draws.normal(1, 2, 400)
    found = returns.difference(ours.tolist(), peer.tolist())
    error = (ours.var() / 400 + peer.var() / 400) ** 0.5
    assert found.mean == pytest.approx(ours.mean() - peer.mean())
    assert found.low == pytest.approx(found.mean - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(found.mean + 1.96 * error, abs=0.1 * error)


def test_a_run_that_learns_late_is_told_from_one_that_learns_early(returns):
    """At the end both hold the pole; the wrong variant, a mean of episodes, favours short ones."""
    late, early = ([10.0] * 50 + [500.0] * n for n in (5, 8))
    steps = [np.cumsum(np.array(x)).astype(int).tolist() for x in (late, early)]
    whole, end = returns.SPANS["return_whole"], returns.SPANS["return"]
    both = [list(zip(t, x, strict=True)) for t, x in zip(steps, (late, early), strict=True)]
    assert [returns.averaged(x, x[-1][0], end) for x in both] == [500.0, 500.0]
    slow, fast = (returns.averaged(x, x[-1][0], whole) for x in both)
    assert slow < fast - 20
    assert fast > 400 > np.mean(early) * 3


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_returns_of_both_sides_are_told_for_a_task(tmp_path):
    pytest.importorskip("sb3_contrib")
    asked = "ppo_recall --seeds 2 --steps 768"
    command = [sys.executable, BENCHMARKS / "ppo_returns.py", *asked.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (line,) = map(json.loads, done.stdout.splitlines())
    assert (line["name"], line["n"], line["goal"]) == ("ppo_recall_return", 2, -0.05)
    assert -1 <= line["ours"] <= 1

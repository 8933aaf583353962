"""``policyscope curve``: the table, the drawing, errors in one line."""

import json
from pathlib import Path

import pytest

from policyscope.cli.main import main
from policyscope.training.dqn.config import PRESETS
from policyscope.training.settings import configure


@pytest.fixture
def run(tmp_path) -> Path:
    """A training run of twenty episodes, ten of return 0 and ten of return 4."""
    folder = tmp_path / "run"
    folder.mkdir()
    plan = {
        "algorithm": "dqn",
        "env": {"id": "highway/intersection"},
        "config": configure(PRESETS, "paper", []).to_json(),
        "seed": 0,
        "steps": 200,
    }
    (folder / "run.json").write_text(json.dumps(plan))
    rows = [
        {
            "step": 10 * (i + 1),
            "seconds": i,
            "steps": 10,
            "return": 4.0 * (i >= 10),
            "outcome": "arrived",
        }
        for i in range(20)
    ]
    (folder / "curve.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_tabulates_each_window(run, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["curve", str(run), "--points", "2"]) == 0
    lines = [line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines()]
    assert any(line[:2] == ["highway/intersection,", "dqn"] for line in lines)
    assert ["50", "0.00", "0.00", "0.00", "10"] in lines
    assert ["150", "4.00", "4.00", "4.00", "10"] in lines


def test_tabulates_held_out_returns_where_there_are_any(run, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["curve", str(run)]) == 0
    assert "held-out" not in capsys.readouterr().out
    look = {"watched_return": 2.5, "watched_low": 2.0, "watched_high": 3.25, "watched": 40}
    with (run / "curve.jsonl").open("a") as file:
        file.write(json.dumps({"step": 150, "seconds": 0, **look}) + "\n")
    assert main(["curve", str(run)]) == 0
    out = capsys.readouterr().out
    assert "held-out episodes, 95 % interval" in out
    lines = [line.replace("│", " ").split() for line in out.splitlines()]
    assert ["150", "2.50", "2.00", "3.25", "40"] in lines


def test_held_out_returns_without_a_finished_episode(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    curve = run / "curve.jsonl"
    look = {"watched_return": 2.5, "watched_low": 2.0, "watched_high": 3.25, "watched": 40}
    curve.write_text(json.dumps({"step": 5, "seconds": 0, **look}) + "\n")
    out = tmp_path / "curve.html"
    assert main(["curve", str(run), "--out", str(out)]) == 0
    told = capsys.readouterr().out
    lines = [line.replace("│", " ").split() for line in told.splitlines()]
    assert ["5", "2.50", "2.00", "3.25", "40"] in lines
    assert "no episode of training is finished yet" in told
    assert "held-out episodes" in out.read_text(encoding="utf-8")
    curve.write_text(json.dumps({"step": 5, "seconds": 0, "loss": 1.0}) + "\n")
    assert main(["curve", str(run)]) == 2
    assert "has no finished episode yet" in capsys.readouterr().err


def test_draws_to_a_file_that_needs_no_network(run, tmp_path, capsys):
    out = tmp_path / "new" / "curve.html"
    assert main(["curve", str(run), "--out", str(out)]) == 0
    assert f"wrote {out}" in capsys.readouterr().err.replace("\n", "")
    page = out.read_text()
    assert page.rstrip().endswith("</html>")
    assert "intersection, dqn paper" in page  # its slash is escaped
    assert "<script src" not in page
    assert [p.name for p in out.parent.iterdir()] == ["curve.html"]


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["none"], "training run"),
        (["RUN", "--out", "RUN"], "Is a directory (name a file in it)"),
        (["RUN", "--out", "RUN/run.json/x.html"], "run.json: "),
    ],
)
def test_errors_are_one_line(run, capsys, argv, told):
    assert main(["curve", *(word.replace("RUN", str(run)) for word in argv)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert told in said
    assert said.count("\n") == 1


def test_kept_curves_are_told_and_drawn_without_the_run(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    look = {"watched_return": 2.5, "watched_low": 2.0, "watched_high": 3.25, "watched": 40}
    with (run / "curve.jsonl").open("a") as file:
        file.write(json.dumps({"step": 150, "seconds": 0, **look}) + "\n")
    agent = tmp_path / "agent"
    agent.mkdir()
    (agent / "agent.json").write_text("{}")
    assert main(["curve", str(agent)]) == 2
    error = capsys.readouterr().err
    assert "came without its training curves" in error
    assert main(["curve", str(run), "--points", "4", "--keep", str(agent / "curve.json")]) == 0
    told = capsys.readouterr().out
    assert main(["curve", str(agent), "--out", str(tmp_path / "drawn.html")]) == 0
    assert capsys.readouterr().out == told
    assert "held-out episodes" in (tmp_path / "drawn.html").read_text(encoding="utf-8")
    (agent / "curve.json").write_text('{"schema": 1, "bands": [{"group": "x"}]}')
    assert main(["curve", str(agent)]) == 2
    assert "holds no curves" in capsys.readouterr().err

"""An agent's card in lines: who taught it, how good it is, nothing without a name."""

import json

import pytest

from policyscope.agents.card import card_lines, runs
from policyscope.agents.store import load_agent, shipped_agents
from policyscope.cli.main import main

TAUGHT = {"lineage": "rl_clarity", "source": {"file": "clear.jd"}}


def run(steps, **more):
    return {"algorithm": "ppo", "steps": steps, "seed": 0, **more}


def learned(card):
    return dict(card_lines(card)).get("learned from")


def test_the_teachers_of_all_runs_are_named_and_what_came_after_them():
    first = run(10, teacher=TAUGHT)
    second = run(20, teacher=TAUGHT, start={"card": first})
    last = run(3000, start={"card": second})
    assert [one["steps"] for one in runs(last)] == [10, 20, 3000]
    told = "rl_clarity (clear.jd) in runs 1, 2 of 3; none in the last 3,000 steps"
    assert learned(last) == told
    assert learned(second) == "rl_clarity (clear.jd) in runs 1, 2 of 2"
    assert learned(first) == "rl_clarity (clear.jd)"
    assert learned(run(5)) is None


def test_what_is_not_known_by_name_is_told_under_dotted_names():
    lines = dict(card_lines({"lineage": "CleanRL", "evaluation": {"return": 4.56789}, "x": {}}))
    assert lines == {"lineage": "CleanRL", "evaluation.return": "4.56789", "x": "{}"}


@pytest.mark.parametrize("name", sorted(shipped_agents()))
def test_shipped_cards_show_return_rates_and_baselines_with_intervals_and_n(name):
    agent = load_agent(name)
    lines = dict(card_lines(agent.card))
    found = agent.card["evaluation"]["agent"]
    mean, low, high = (f"{found['return'][k]:.3g}" for k in ("mean", "low", "high"))
    assert lines["return"].startswith(f"{mean} [{low}, {high}], n {found['n']:,}")
    assert {f"  {k}" for k in agent.card["evaluation"]["baselines"]} <= set(lines)
    best = max(found["outcomes"], key=lambda k: found["outcomes"][k]["rate"])
    assert lines["outcomes"].startswith(f"{best} {100 * found['outcomes'][best]['rate']:.1f} % [")


def test_the_card_fits_into_eighty_columns_with_no_name_cut(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["show", "coinrun-gru"]) == 0
    out = capsys.readouterr().out
    assert "\N{HORIZONTAL ELLIPSIS}" not in out[out.index("learned from") - 2000 :]
    assert "constant:RIGHT_UP" in out
    assert len(out.splitlines()) < 150
    assert main(["show", "coinrun-gru", "--card"]) == 0
    assert json.loads(capsys.readouterr().out) == load_agent("coinrun-gru").card

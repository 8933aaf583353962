"""Shapley values of the steps of a window and the memory before it, against all coalitions."""

import json
from copy import deepcopy
from dataclasses import replace
from itertools import combinations
from math import comb

import numpy as np
import pytest
import torch

from policyscope.attribution import through_time as module
from policyscope.attribution.asking.windows import Windows, parts_of, windowed_score
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.methods.by_steps import steps_shapley
from policyscope.attribution.methods.shapley import exact_shapley
from policyscope.attribution.results.time_summary import all_values, through_time_report
from policyscope.attribution.through_time import through_time
from policyscope.attribution.time_config import TimeConfig
from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.result import Result
from policyscope.core.target_parser import parse_target

from .conftest import image_agent, images
from .test_through_time import rows_of, value

PAST = 5
CONFIG = TimeConfig(target="value", by="shapley", past=PAST, rows=12, trust=False)


def by_coalitions(game, players):
    """Shapley values by definition, from the worth of each set of players."""
    found = np.zeros(players)
    for i in range(players):
        others = [j for j in range(players) if j != i]
        for size in range(players):
            for some in combinations(others, size):
                brought = game({*some, i}) - game(set(some))
                found[i] += brought / (players * comb(players - 1, size))
    return found


def brute(recording, k, t, read=value):
    """Values of a decision's observations, the oldest first, and of the memory: a loop by hand."""
    net = deepcopy(recording.agent.net).double()
    steps = recording.episode(k)
    begin = max(t - PAST + 1, 0)
    obs = torch.from_numpy(steps["obs"].values[begin : t + 1]).double()
    kept = torch.from_numpy(steps["state_in"].values[begin]).double()[None]
    last = len(obs)

    def game(come):
        memory = kept if last in come else torch.full_like(kept, 0.3)
        with torch.no_grad():
            for i, seen in enumerate(obs):
                memory = net.cell((seen if i in come else torch.zeros_like(seen))[None], memory)
            return float(read(net, memory))

    found = by_coalitions(game, last + 1)
    return found[:last], found[last], game(set(range(last + 1))) - game(set())


def test_values_are_those_of_all_coalitions(lingering):
    data = through_time(lingering, CONFIG).data
    old = 0
    for row, k, t in rows_of(data):
        steps, memory, change = brute(lingering, k, t)
        there = min(t + 1, PAST)
        found = data["observation"].values[row]
        np.testing.assert_allclose(found[:there], steps[::-1], atol=1e-5)
        assert np.isnan(found[there:]).all()
        assert float(data["change"][row]) == pytest.approx(change, abs=1e-5)
        if t >= PAST:
            old += 1
            assert float(data["memory"][row]) == pytest.approx(memory, abs=1e-5)
        assert int(data["passes"][row]) == 2 ** (there + (t >= PAST))
    assert old >= 3
    assert not data["error"].values.any()
    assert np.nanmax(np.abs(all_values(data)[:, 1:])) > 0.05


def test_values_sum_to_the_change(lingering):
    for config in (CONFIG, replace(CONFIG, exact=3, samples=8)):
        data = through_time(lingering, config).data
        whole = np.nansum(all_values(data), 1)
        np.testing.assert_allclose(whole, data["change"].values, atol=1e-5)
    assert data["error"].values.any()


def test_one_step_for_another_is_noticed(lingering, monkeypatch):
    """Wrong variants: steps in the wrong order, and memory that is left as it is."""
    right = all_values(through_time(lingering, CONFIG).data)
    made = module.steps_shapley

    def turned(*given):
        found = made(*given)
        values = torch.cat([found.values[:, :-1].flip(1), found.values[:, -1:]], 1)
        return replace(found, values=values)

    monkeypatch.setattr(module, "steps_shapley", turned)
    data = through_time(lingering, CONFIG).data
    row, k, t = next(one for one in rows_of(data) if one[2] >= PAST)
    steps, _, _ = brute(lingering, k, t)
    assert np.abs(data["observation"].values[row] - steps[::-1]).max() > 0.01

    def forgetful(rest, start, *given):
        return made(rest, torch.cat([start[:, :-5], rest.activation[:, -5:]], 1), *given)

    monkeypatch.setattr(module, "steps_shapley", forgetful)
    wrong = all_values(through_time(lingering, CONFIG).data)
    assert np.nanmax(np.abs(wrong - right)) > 0.01
    assert np.nanmax(np.abs(wrong[:, -1])) == 0


def test_samples_come_near_with_honest_errors(lingering):
    exact = through_time(lingering, CONFIG).data
    drawn = through_time(lingering, replace(CONFIG, exact=0, samples=400)).data
    few = through_time(lingering, replace(CONFIG, exact=0, samples=8)).data
    away, error = (np.abs(all_values(drawn) - all_values(exact)), drawn["observation_error"].values)
    told = np.concatenate([error, drawn["memory_error"].values[:, None]], 1)
    known = np.isfinite(told)
    assert (away[known] <= 4 * told[known] + 1e-6).all()
    assert (away[known] <= 2 * told[known] + 1e-6).mean() > 0.85
    assert few["error"].mean() > 2 * drawn["error"].mean() > 0


def test_pasts_that_coalitions_share_are_gone_through_once():
    """The same as each coalition by itself, with some two steps of memory for each, not W."""
    agent = image_agent("impala_gru")
    first = torch.zeros(3, 7, dtype=torch.bool)
    first[1, 2] = first[2, 0] = True
    given = Windows(images(21).unflatten(0, (3, 7)), torch.randn(3, 6), first)
    for target in ("value", "logit[IDLE]", "site[embedder.relufc][3]"):
        rest = windowed_score(agent, parse_target(target), given)
        start = torch.zeros_like(rest.activation)
        alone = exact_shapley(rest, parts_of(rest), start)
        steps = []
        recall = agent.net.recall

        def counting(read, state, recall=recall, steps=steps):
            steps.append(len(read))
            return recall(read, state)

        agent.net.recall = counting
        try:
            found = steps_shapley(rest, start)
        finally:
            del agent.net.recall
        torch.testing.assert_close(found.values, alone.values, atol=1e-5, rtol=0)
        assert found.passes.tolist() == [2**8, 2**5, 2**7]
        assert sum(steps) < 3 * (2**8 + 2**5 + 2**7)


def test_the_taken_action_and_a_mean_baseline(lingering):
    k, t = 2, 7
    taken = int(lingering.episode(k)["action"].values[t])

    def read(net, memory):
        return torch.log_softmax(net.read(memory), 1)[:, taken]

    steps, memory, _ = brute(lingering, k, t, read)
    data = through_time(lingering, replace(CONFIG, target="logp[taken]"), k, t).data
    np.testing.assert_allclose(data["observation"].values[0], steps[::-1], atol=1e-5)
    assert float(data["memory"][0]) == pytest.approx(memory, abs=1e-5)
    other = through_time(lingering, replace(CONFIG, baseline="mean"), k).data
    assert np.abs(other["observation"].values[t] - data["observation"].values[0]).max() > 1e-3
    np.testing.assert_allclose(np.nansum(all_values(other), 1), other["change"], atol=1e-5)


def test_command_line_table_and_page_have_them(lingering, capsys, tmp_path):
    flags = ["--method", "through_time", "--target", "value", "--through-time.by", "shapley",
             "--through-time.past", "5", "--through-time.no-trust"]  # fmt: skip
    where, out = f"{lingering.path}:0:7", tmp_path / "found"
    assert main(["explain", where, *flags, "--out", str(out), "--json", "-"]) == 0
    told = json.loads(capsys.readouterr().out)
    same = through_time(lingering, replace(CONFIG, rows=32), 0, 7)
    report = through_time_report(same)
    assert told["past"] == report["past"]
    assert told["numbers"] == report["numbers"]
    assert told["numbers"]["passes"] == {"mean": 64, "p95": 64}
    assert Result.load(out).data.equals(same.data)
    assert "Exact: all coalitions" in (out / "figure.html").read_text(encoding="utf-8")
    drawn = [*flags, "--through-time.exact", "2", "--through-time.samples", "600"]
    assert main(["explain", where, *drawn, "--out", str(tmp_path / "drawn")]) in (0, 3)
    text = " ".join(capsys.readouterr().out.split())
    assert "value, Shapley values through time: 1 decision" in text
    assert "standard error" in text
    page = (tmp_path / "drawn" / "figure.html").read_text(encoding="utf-8")
    assert "Random orders were drawn" in page
    assert "2 standard errors" in page


def test_whole_recordings_have_a_trust_line(lingering):
    result = through_time(lingering, replace(CONFIG, trust=True))
    line = {one["name"]: one for one in result.data.attrs["trust"]}
    assert list(line) == ["deletion", "insertion", "infidelity", "untrained"]
    assert line["deletion"]["mean"] > 0
    assert result.passed
    drawn = through_time(lingering, replace(CONFIG, exact=0, samples=4))
    assert [check.name for check in drawn.checks][0] == "standard error / size of the values"


def test_what_cannot_be_is_told_with_its_mend():
    for options, told in [
        ({"exact": 18}, "0 to 17 steps.*got exact = 18"),
        ({"samples": 5}, "even number of 4 samples or more, got 5"),
    ]:
        with pytest.raises(PolicyscopeError, match=told):
            TimeConfig(by="shapley", **options)
    with pytest.raises(UnknownName, match="way to share a change out 'fair'"):
        TimeConfig(by="fair")
    with pytest.raises(PolicyscopeError, match="--method through_time --through-time.by shapley"):
        AttributionConfig(method="shapley", players="steps")

"""Attribution through time against loops and integrals written out by hand."""

import json
from copy import deepcopy

import numpy as np
import pytest
import torch

from policyscope.attribution import through_time as module
from policyscope.attribution.asking.windows import Windows
from policyscope.attribution.results.time_summary import (
    all_values,
    by_steps_ago,
    through_time_report,
)
from policyscope.attribution.through_time import through_time
from policyscope.attribution.time_config import TimeConfig
from policyscope.cli.explain import Args, found_name
from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.result import Result
from policyscope.figures.through_time import draw
from policyscope.panel.jobs.options import option_flags
from policyscope.recordings.read import open_recording

PAST = 6
EXACT = TimeConfig(target="value", past=PAST, tolerance=1e-4, rows=12)


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    out = tmp_path_factory.mktemp("road") / "rec"
    assert main(["record", "highway-ego-attention", "--episodes", "1", "--out", str(out)]) == 0
    return open_recording(out)


def by_hand(net, obs, memory, read):
    """The target at the end of rows of observations, (P, W, 4), by a loop."""
    for t in range(obs.shape[1]):
        memory = net.cell(obs[:, t], memory)
    return read(net, memory)


def value(net, memory):
    return net.value(memory)[:, 0]


def brute(recording, k, t, past, read=value, baseline=0.0, points=2000):
    """Integrated gradients of a decision by midpoints: observations, memory."""
    net = deepcopy(recording.agent.net).double()
    steps = recording.episode(k)
    begin = max(t - past + 1, 0)
    obs = torch.from_numpy(steps["obs"].values[begin : t + 1]).double()
    memory = torch.from_numpy(steps["state_in"].values[begin]).double()
    start, empty = torch.zeros_like(obs) + baseline, torch.full_like(memory, 0.3)
    at = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    seen = (start + at[:, None, None] * (obs - start)).requires_grad_()
    kept = (empty + at[:, None] * (memory - empty)).requires_grad_()
    slopes = torch.autograd.grad(by_hand(net, seen, kept, read).sum(), (seen, kept))
    per_step = (slopes[0].mean(0) * (obs - start)).sum(1)
    return per_step.numpy(), float((slopes[1].mean(0) * (memory - empty)).sum())


def rows_of(data):
    where = zip(data["episode"].values.tolist(), data["step"].values.tolist(), strict=True)
    return [(row, k, t) for row, (k, t) in enumerate(where)]


def test_each_step_has_what_the_integral_by_hand_gives_it(lingering):
    data = through_time(lingering, EXACT).data
    old = [row for row, _, t in rows_of(data) if t >= PAST]
    assert len(old) >= 3
    for row, k, t in rows_of(data):
        steps, memory = brute(lingering, k, t, PAST)
        found = data["observation"].values[row]
        there = min(t + 1, PAST)
        np.testing.assert_allclose(found[:there], steps[::-1], atol=2e-3)
        assert np.isnan(found[there:]).all()
        if t >= PAST:
            assert float(data["memory"][row]) == pytest.approx(memory, abs=2e-3)
        else:
            assert np.isnan(float(data["memory"][row]))
            assert memory == pytest.approx(0, abs=1e-6)
    assert np.abs(data["memory"].values[old]).max() > 0.05
    assert np.nanmax(np.abs(data["observation"].values[old][:, 1:])) > 0.05


def test_slopes_are_those_of_finite_differences(lingering):
    """The oracle itself: its gradient at the decision agrees with differences of the loop."""
    steps = lingering.episode(0)
    obs = torch.from_numpy(steps["obs"].values[1 : 1 + PAST]).double()[None]
    memory = torch.from_numpy(steps["state_in"].values[1]).double()[None]
    net = deepcopy(lingering.agent.net).double()
    seen = obs.clone().requires_grad_()
    slope = torch.autograd.grad(by_hand(net, seen, memory, value).sum(), seen)[0]
    for place in ((0, 0, 2), (0, 3, 1), (0, PAST - 1, 3)):
        nudge = torch.zeros_like(obs)
        nudge[place] = 1e-5
        with torch.no_grad():
            up, down = (by_hand(net, obs + s * nudge, memory, value) for s in (1, -1))
        assert float((up - down) / 2e-5) == pytest.approx(float(slope[place]), abs=1e-6)


def test_the_window_is_complete_with_its_memory_only(lingering):
    result = through_time(lingering, EXACT)
    data = result.data
    values = all_values(data)
    whole = np.nansum(values, 1)
    np.testing.assert_allclose(whole + data["gap"].values, data["change"].values, atol=1e-5)
    np.testing.assert_allclose(whole, data["change"].values, atol=2e-3)
    old = data["step"].values >= PAST
    assert np.abs(np.nansum(values[old, :-1], 1) - data["change"].values[old]).max() > 0.05
    assert result.passed
    assert [check.n for check in result.checks] == [12, 12]


def test_memory_that_is_reset_in_batches_fails(lingering, monkeypatch):
    """What captum does to a stateful model: the check sees it, and so does the oracle."""
    right = through_time(lingering, EXACT).data
    made = module.windows_of

    def forgetful(*given):
        found = made(*given)
        return Windows(found.obs, None, found.first, found.taken)

    monkeypatch.setattr(module, "windows_of", forgetful)
    wrong = through_time(lingering, EXACT)
    assert not wrong.passed
    assert [c.name for c in wrong.checks if not c.passed] == [
        "windows differ from the recorded decisions by"
    ]
    old = right["step"].values >= PAST
    apart = np.abs(wrong.data["observation"].values - right["observation"].values)[old]
    assert apart.max() > 0.01


def test_memory_of_another_step_fails(lingering, monkeypatch):
    made = module.windows_of

    def late(*given):
        found = made(*given)
        return Windows(found.obs, found.state.roll(1, 0), found.first, found.taken)

    monkeypatch.setattr(module, "windows_of", late)
    assert not through_time(lingering, EXACT).passed


def test_one_decision_says_what_it_says_among_others(lingering):
    data = through_time(lingering, EXACT).data
    row, k, t = rows_of(data)[-1]
    alone = through_time(lingering, EXACT, k, t).data
    np.testing.assert_allclose(
        alone["observation"].values[0], data["observation"].values[row], atol=1e-6
    )
    assert (int(alone["episode"][0]), int(alone["step"][0])) == (k, t)


def test_what_was_before_the_episode_does_not_matter(lingering):
    young = through_time(lingering, EXACT, 1, 2).data
    whole = through_time(lingering, TimeConfig("value", past=3, tolerance=1e-4), 1, 2).data
    np.testing.assert_allclose(
        young["observation"].values[0, :3], whole["observation"].values[0], atol=1e-6
    )
    assert np.isnan(young["observation"].values[0, 3:]).all()
    assert np.isnan(young["memory"].values).all()


def test_the_action_taken_is_that_of_the_last_row(lingering):
    config = TimeConfig("logp[taken]", past=PAST, tolerance=1e-4)
    k, t = 2, 7
    taken = int(lingering.episode(k)["action"].values[t])

    def read(net, memory):
        return torch.log_softmax(net.read(memory), 1)[:, taken]

    steps, memory = brute(lingering, k, t, PAST, read)
    data = through_time(lingering, config, k, t).data
    np.testing.assert_allclose(data["observation"].values[0], steps[::-1], atol=2e-3)
    assert float(data["memory"][0]) == pytest.approx(memory, abs=2e-3)
    assert data["memory"].attrs["unit"] == "nats"


def test_the_mean_is_that_over_the_decisions(lingering):
    config = TimeConfig("value", past=PAST, baseline="mean", tolerance=1e-4)
    k = 1
    obs = lingering.episode(k)["obs"].values
    mean = torch.from_numpy(obs.astype(np.float64).mean(0))
    data = through_time(lingering, config, k).data
    assert data.sizes["row"] == len(obs)
    row, t = len(obs) - 1, len(obs) - 1
    steps, memory = brute(lingering, k, t, PAST, baseline=mean)
    np.testing.assert_allclose(data["observation"].values[row], steps[::-1], atol=2e-3)
    assert float(data["memory"][row]) == pytest.approx(memory, abs=2e-3)


def test_shares_are_of_the_whole_decision_and_intervals_over_episodes(lingering):
    result = through_time(lingering, EXACT)
    lines = by_steps_ago(result)
    assert [line["ago"] for line in lines] == [*range(PAST), None]
    data, values = result.data, all_values(result.data)
    share = values / np.nansum(np.abs(values), 1, keepdims=True)
    episode = data["episode"].values
    for line, own in zip(lines, share.T, strict=True):
        means = [
            np.nanmean(np.abs(own[episode == k]))
            for k in np.unique(episode)
            if np.isfinite(own[episode == k]).any()
        ]
        assert line["absolute"].mean == pytest.approx(np.mean(means))
        assert line["absolute"].n == len(means)
        assert abs(line["signed"].mean) <= line["absolute"].mean + 1e-12
        assert line["decisions"] == np.isfinite(own).sum()
    single = by_steps_ago(through_time(lingering, EXACT, 0, 8))
    assert sum(line["absolute"].mean for line in single) == pytest.approx(1)


def test_an_agent_without_memory_is_told_what_to_take(road, capsys):
    with pytest.raises(PolicyscopeError, match="no memory.*take --method integrated_gradients"):
        through_time(road)
    assert main(["explain", str(road.path), "--method", "through_time"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"past": 0}, "past is 1 observation or more, got 0"),
        ({"rows": 0}, "at least 1 row"),
        ({"tolerance": 0.0}, "tolerance between 0 and 1"),
        ({"baseline": "nought"}, "unknown baseline 'nought'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, told):
    with pytest.raises(PolicyscopeError, match=told):
        TimeConfig(**options)


def test_the_command_line_gives_the_same_numbers(lingering, capsys, tmp_path):
    out = tmp_path / "found"
    given = ["--method", "through_time", "--target", "value", "--through_time.past", "5"]
    assert main(["explain", f"{lingering.path}:0:7", *given, "--out", str(out), "--json", "-"]) == 0
    told = json.loads(capsys.readouterr().out)
    same = through_time(lingering, TimeConfig("value", past=5), 0, 7)
    report = through_time_report(same)
    assert told["past"] == report["past"]
    assert told["numbers"] == report["numbers"]
    assert Result.load(out).data["observation"].equals(same.data["observation"])
    assert "steps ago" in (out / "figure.html").read_text(encoding="utf-8")


def test_the_table_has_memory_apart(lingering, capsys):
    given = ["--method", "through_time", "--target", "value", "--through_time.past", "4"]
    assert main(["explain", f"{lingering.path}:0", *given]) == 0
    told = capsys.readouterr().out
    assert "memory" in told
    assert "checks: 2 of 2 passed" in told
    assert [p.name[:18] for p in (lingering.path / "explain").iterdir()] == ["through_time-value"]


def test_the_gap_has_its_95th_percentile(lingering, capsys, tmp_path):
    result = through_time(lingering, EXACT)
    gap = np.abs(result.data["gap"].values)
    told = through_time_report(result)["numbers"]["gap"]
    assert told == {"mean": pytest.approx(gap.mean()), "p95": pytest.approx(np.quantile(gap, 0.95))}
    assert told["p95"] > told["mean"]
    given = ["--method", "through_time", "--target", "value", "--through_time.no-trust"]
    assert main(["explain", str(lingering.path), *given, "--out", str(tmp_path / "found")]) == 0
    assert "; gap " in (text := " ".join(capsys.readouterr().out.split()))
    assert "(95th percentile" in text.split("; gap ")[1][:40]
    page = (tmp_path / "found" / "figure.html").read_text(encoding="utf-8")
    assert "in the mean, 95th percentile" in page
    assert draw(result).layout.width <= 1000


def test_the_line_gives_it_again(lingering, monkeypatch):
    monkeypatch.chdir(lingering.path.parent)
    result = through_time(lingering, EXACT, 1, 3)
    space = {}
    exec(result.python, space)
    assert space["result"].data.equals(result.data)


def test_questions_have_names_of_their_own():
    def named(episode=None, step=None, **options):
        return found_name(
            Args("rec", "through_time", episode=episode, step=step,
                 through_time=TimeConfig(**options))
        )  # fmt: skip

    assert named() == "through_time"
    assert named(3, 4, target="value") == "through_time-value-e3s4"
    assert len({named(), named(past=4), named(target="value"), named(target="value", past=4)}) == 4


def test_a_job_of_the_panel_takes_its_options(lingering, tmp_path):
    flags = option_flags("through_time", {"past": 4, "target": "value", "episode": 0, "step": 6})
    command = ["explain", str(lingering.path), "--method", "through_time", *flags]
    assert main([*command, "--out", str(tmp_path / "job")]) == 0
    found = Result.load(tmp_path / "job").data
    assert found.sizes == {"row": 1, "past": 4}
    with pytest.raises(UnknownName, match="option of 'through_time'"):
        option_flags("through_time", {"horizon": 3})


def test_a_target_that_looks_ahead_is_refused(lingering):
    with pytest.raises(PolicyscopeError, match="looks ahead"):
        through_time(lingering, TimeConfig("value@t+2"), 0, 7)

"""Bars of untrained networks and of every action beside those of the trained one."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import xarray as xr

from policyscope.agents.build import build_network
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.attribution.results import initialisations as module
from policyscope.attribution.results.initialisations import action_targets, compared, untrained
from policyscope.attribution.results.summary import attribution_report, by_feature, by_unit
from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError
from policyscope.core.result import Result
from policyscope.core.target_parser import parse_target
from policyscope.recordings.read import open_recording

from .conftest import image_agent

Config = partial(
    AttributionConfig, trust=False, target="q[FASTER]-q[SLOWER]", initialisations=2,
    method="input_x_gradient",
)  # fmt: skip


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A recording of the shipped intersection agent."""
    out = tmp_path_factory.mktemp("road") / "rec"
    assert main(["record", "highway-ego-attention", "--episodes", "3", "--out", str(out)]) == 0
    return open_recording(out)


@pytest.fixture(scope="module")
def beside(road):
    return attribute(road, Config(per_action=True))


def as_if(road, monkeypatch, agent):
    """The recording as though another agent had been recorded."""
    monkeypatch.setitem(vars(road), "agent", agent)


def test_initial_values_are_those_of_an_agent_with_the_initial_weights(road, beside, monkeypatch):
    agent = road.agent
    as_if(road, monkeypatch, agent.with_weights(agent.initial))
    own = attribute(road, Config(initialisations=0)).data["attribution"].values
    assert np.abs(own).max() > 0
    np.testing.assert_allclose(beside.data["initial"].values, own, atol=1e-7)
    assert np.abs(beside.data["attribution"].values - own).max() > 0.1


def test_fresh_values_are_those_of_fresh_networks(road, beside, monkeypatch):
    agent = road.agent
    assert beside.data["fresh"].dims == ("initialisation", "row", "slot", "feature")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(module.AWAY + 1)
        net = build_network(*agent.network).eval()
    as_if(road, monkeypatch, replace(agent, net=net))
    own = attribute(road, Config(initialisations=0)).data["attribution"].values
    np.testing.assert_allclose(beside.data["fresh"].values[1], own, atol=1e-7)


def test_no_fresh_network_is_the_runs_own(road):
    """The run's own weights are those of a small seed: a fresh draw must not repeat it."""
    found = dict(untrained(road.agent, AttributionConfig(initialisations=5)))
    assert list(found) == ["initial", "0", "1", "2", "3", "4"]
    flat = [torch.cat([p.flatten() for p in a.net.parameters()]) for a in found.values()]
    for i, one in enumerate(flat):
        assert all(not torch.equal(one, other) for other in flat[:i])


def test_where_the_initial_weights_are_not_known_only_fresh_ones_stand_there(road, monkeypatch):
    as_if(road, monkeypatch, replace(road.agent, initial=None))
    result = attribute(road, Config(), 0)
    assert "initial" not in result.data
    assert result.data.sizes["initialisation"] == 2
    line = by_feature(result)[0]
    assert "initial" not in line
    assert set(line["fresh"]) == {"signed", "absolute", "part"}


def test_none_are_drawn_for_zero(road):
    data = attribute(road, Config(initialisations=0), 0).data
    assert not {"initial", "fresh", "actions"} & set(data)
    with pytest.raises(PolicyscopeError, match="initialisations and the seed are 0 or more"):
        Config(initialisations=-1)


def test_the_random_numbers_of_the_caller_are_left_alone(road):
    assert road.agent.initial is not None  # loaded: that draws a network
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    attribute(road, Config(), 0)
    torch.testing.assert_close(torch.rand(4), expected)


def test_each_action_has_what_asking_for_it_gives(road, beside):
    data = beside.data
    assert data["action"].values.tolist() == list(road.agent.space.actions)
    for i, name in enumerate(road.agent.space.actions):
        mean = "".join(f"-{1 / 3:.6g}*q[{other}]" for other in road.agent.space.actions)
        alone = attribute(road, Config(target=f"q[{name}]{mean}", initialisations=0))
        np.testing.assert_allclose(
            data["actions"].values[i], alone.data["attribution"].values, atol=1e-5
        )
    assert data["actions_initial"].dims == ("action", "row", "slot", "feature")
    assert data["actions_fresh"].sizes["initialisation"] == 2
    # What speaks for one action speaks against the others: their sum over actions is nothing.
    total = data["actions"].values.sum(0)
    assert np.abs(total).mean() < 0.02 * np.abs(data["actions"].values).mean()


def test_a_policy_is_asked_for_log_probabilities():
    found = action_targets(image_agent("clear_cnn"))
    assert {name: str(t) for name, t in found.items()} == {
        "SLOWER": "logp[0]", "IDLE": "logp[1]", "FASTER": "logp[2]",
    }  # fmt: skip
    with pytest.raises(PolicyscopeError, match="no separate actions"):
        action_targets(replace(image_agent("clear_cnn"), head="gaussian"))


def test_means_are_those_of_the_values(beside):
    data = beside.data
    who, episode = data["identity"].values, data["episode"].values
    numbers = np.unique(episode)

    def mean(values, mask):
        chosen = np.where(mask, values, np.nan)
        each = [chosen[episode == k] for k in numbers]
        return np.mean([np.nanmean(own) for own in each if np.isfinite(own).any()])

    for line in by_feature(beside):
        at = list(data["feature"].values).index(line["feature"])
        mask = who == 0 if line["who"] == "ego" else who > 0
        for kind, change in (("signed", lambda v: v), ("absolute", np.abs)):
            assert line["initial"][kind] == pytest.approx(
                mean(change(data["initial"].values[..., at]), mask), rel=1e-5
            )
            means = [mean(change(one[..., at]), mask) for one in data["fresh"].values]
            assert line["fresh"][kind] == pytest.approx((min(means), max(means)), rel=1e-5)
            for i, own in enumerate(line["actions"].values()):
                expected = mean(change(data["actions"].values[i, ..., at]), mask)
                assert own[kind].mean == pytest.approx(expected, rel=1e-4, abs=1e-6)
                assert own["initial"][kind] == pytest.approx(
                    mean(change(data["actions_initial"].values[i, ..., at]), mask), rel=1e-5
                )


def test_parts_make_up_the_whole(beside):
    lines = by_feature(beside)
    assert sum(line["part"].mean for line in lines) == pytest.approx(1)
    assert sum(line["initial"]["part"] for line in lines) == pytest.approx(1)


def test_untrained_agents_are_asked_about_some_decisions_only(road, monkeypatch):
    monkeypatch.setattr(module, "ASKED", 7)
    data = attribute(road, Config()).data
    known = np.isfinite(data["initial"].values).all((1, 2))
    assert known.sum() == 7
    assert known.size > 7
    np.testing.assert_array_equal(
        np.isfinite(data["fresh"].values).all((2, 3)), np.stack([known, known])
    )
    assert np.isfinite(data["attribution"].values).all()


def test_the_baseline_is_that_of_the_untrained_agents_own_activations(road, monkeypatch):
    """The mean at a hidden site: another network has another one."""
    config = Config(site="output_layer.relus.1", baseline="mean")
    found = attribute(road, config).data["initial"].values
    agent = road.agent
    as_if(road, monkeypatch, agent.with_weights(agent.initial))
    own = attribute(road, replace(config, initialisations=0)).data["attribution"].values
    np.testing.assert_allclose(found, own, atol=1e-7)


def test_few_units_have_bars_and_many_do_not(road):
    result = attribute(road, Config(site="output_layer.relus.1"), 0)
    lines = by_unit(result, most=5)
    values = result.data["attribution"].values
    sizes = np.abs(values).mean(0)
    assert [int(line["feature"]) for line in lines] == np.argsort(-sizes)[:5].tolist()
    top = int(lines[0]["feature"])
    assert lines[0]["absolute"].mean == pytest.approx(sizes[top], rel=1e-5)
    assert lines[0]["initial"]["signed"] == pytest.approx(
        result.data["initial"].values[:, top].mean(), rel=1e-4
    )
    assert by_feature(result) == []


def test_frames_have_no_bars(road):
    maps = xr.Dataset({"attribution": (("row", "y", "x"), np.ones((2, 4, 4)))})
    maps["map"] = (("row", "layer", "y", "x"), np.ones((2, 1, 4, 4)))

    def never(*given):
        raise AssertionError("an untrained agent was asked")

    agent, target = road.agent, parse_target("value")
    assert compared(maps, agent, target, AttributionConfig(), never) is maps
    with pytest.raises(PolicyscopeError, match="too many units"):
        compared(maps, agent, target, AttributionConfig(per_action=True), never)


def test_the_report_and_the_table_have_them(road, capsys, tmp_path):
    out = tmp_path / "found"
    flags = ["--method", "input_x_gradient", "--target", "q[FASTER]-q[SLOWER]",
             "--attribution.no-trust", "--attribution.initialisations", "2",
             "--attribution.per-action", "--out", str(out)]  # fmt: skip
    assert main(["explain", str(road.path), *flags, "--json", str(tmp_path / "told.json")]) == 0
    told = capsys.readouterr().out
    for word in ("untrained", "part", "each action", "SLOWER", "IDLE", "FASTER", "greatest"):
        assert word in told
    written = json.loads((tmp_path / "told.json").read_text())
    report = attribution_report(Result.load(out))
    assert written["features"] == report["features"]
    line = written["features"][0]
    assert len(line["fresh"]["part"]) == 2
    assert set(line["actions"]["IDLE"]) >= {"signed", "absolute", "initial", "fresh"}

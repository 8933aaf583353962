"""Attribution of recorded decisions: what is chosen, what lies where, what is told."""

import json
from functools import partial

import numpy as np
import pytest
import torch

from policyscope.attribution.asking.chosen import choose
from policyscope.attribution.asking.score import Decisions, score
from policyscope.attribution.asking.targets import default_target, unit_of
from policyscope.attribution.config import METHODS, AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.attribution.methods.paths import integrated_gradients
from policyscope.attribution.results.maps import arrays_of
from policyscope.attribution.results.summary import attribution_report, by_feature
from policyscope.attribution.trust.faithfulness import infidelity
from policyscope.cli.explain import Args, found_name
from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.result import Result
from policyscope.core.target_parser import parse_target
from policyscope.recordings.read import open_recording

from .conftest import image_agent, images

#: The trust line and fresh weights have tests of their own.
Config = partial(AttributionConfig, trust=False, initialisations=0)


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A recording of the shipped intersection agent."""
    out = tmp_path_factory.mktemp("road") / "rec"
    assert main(["record", "highway-ego-attention", "--episodes", "4", "--out", str(out)]) == 0
    return open_recording(out)


def test_all_an_episode_or_a_step_is_chosen(road):
    agent = road.agent
    lengths = road.episodes.set_index("episode")["steps"]
    everything = choose(road, agent)
    assert len(everything.decisions) == lengths.sum()
    data = road.episode(2)
    one = choose(road, agent, 2)
    np.testing.assert_array_equal(one.decisions.obs.numpy(), data["obs"].values)
    np.testing.assert_array_equal(one.decisions.taken.numpy(), data["action"].values)
    np.testing.assert_array_equal(one.identity, data["row_identity"].values)
    single = choose(road, agent, 2, 3)
    np.testing.assert_array_equal(single.decisions.obs[0].numpy(), data["obs"].values[3])
    assert (single.episode.tolist(), single.step.tolist()) == ([2], [3])


def test_many_are_thinned_out_in_order_and_alike(road):
    some = choose(road, road.agent, most=7, seed=1)
    again = choose(road, road.agent, most=7, seed=1)
    assert len(some.decisions) == 7
    order = some.episode * 10_000 + some.step
    assert (np.diff(order) > 0).all()
    np.testing.assert_array_equal(order, again.episode * 10_000 + again.step)
    other = choose(road, road.agent, most=7, seed=2)
    assert (other.episode * 10_000 + other.step != order).any()
    for row in range(7):
        data = road.episode(int(some.episode[row]))
        np.testing.assert_array_equal(
            some.decisions.obs[row].numpy(), data["obs"].values[some.step[row]]
        )


def test_what_is_not_there_is_refused(road):
    with pytest.raises(UnknownName, match="episode"):
        choose(road, road.agent, 77)
    with pytest.raises(PolicyscopeError, match="there is no step 999"):
        choose(road, road.agent, 0, 999)


def test_values_are_those_of_the_function_and_lie_on_whom_they_belong_to(road):
    config = Config(target="q[FASTER]-q[SLOWER]")
    result = attribute(road, config, episode=1)
    data, recorded = result.data, road.episode(1)
    decisions = Decisions(torch.from_numpy(recorded["obs"].values))
    rest = score(road.agent, parse_target(config.target), decisions)
    expected = integrated_gradients(rest).values.numpy()
    np.testing.assert_allclose(data["attribution"].values, expected, rtol=1e-3, atol=1e-5)
    names = [str(name) for name in recorded["action_name"].values]
    q = recorded["q"].values
    np.testing.assert_allclose(
        data["target"].values, q[:, names.index("FASTER")] - q[:, names.index("SLOWER")], atol=1e-4
    )
    identity = recorded["row_identity"].values
    np.testing.assert_array_equal(data["identity"].values, identity)
    total = data["vehicles"].sel(layer="sum").values
    np.testing.assert_allclose(
        total[identity >= 0], expected.sum(2)[identity >= 0], rtol=1e-3, atol=1e-4
    )
    assert np.isnan(total[identity < 0]).all()
    assert result.passed
    assert data["target"].attrs["unit"] == "return"


def test_features_of_ego_and_others_are_told_apart(road):
    """highway.md 5.8: a signed mean over all rows cancels and dilutes."""
    result = attribute(road, Config(target="q[FASTER]-q[SLOWER]"))
    lines = by_feature(result)
    assert [line["who"] for line in lines] == ["ego"] * 7 + ["others"] * 7
    values, who = result.data["attribution"].values, result.data["identity"].values
    episode = result.data["episode"].values
    for line in lines:
        feature = list(result.data["feature"].values).index(line["feature"])
        mask = who == 0 if line["who"] == "ego" else who > 0
        means = [
            np.abs(values[episode == k][..., feature][mask[episode == k]]).mean()
            for k in np.unique(episode)
            if mask[episode == k].any()
        ]
        assert line["absolute"].mean == pytest.approx(np.mean(means), rel=1e-4)
        assert abs(line["signed"].mean) <= line["absolute"].mean + 1e-9
    y = next(line for line in lines if (line["who"], line["feature"]) == ("ego", "y"))
    diluted = np.abs(values[..., 2].mean())
    assert y["absolute"].mean > 3 * diluted


def test_the_mean_is_that_over_all_decisions(road, monkeypatch):
    config = Config(target="q[FASTER]", baseline="mean", rule="gauss", steps=6)
    whole = attribute(road, config)
    agent, chosen = road.agent, choose(road, road.agent)
    rest = score(agent, parse_target("q[FASTER]"), chosen.decisions)
    mean = rest.activation.mean(0, keepdim=True).expand_as(rest.activation)
    expected = integrated_gradients(rest, mean, "gauss", 6).values
    np.testing.assert_allclose(whole.data["attribution"].values, expected, rtol=1e-3, atol=1e-4)
    monkeypatch.setattr("policyscope.attribution.methods.answering.BLOCK", 5)
    monkeypatch.setattr("policyscope.attribution.asking.baselines.BLOCK", 5)
    np.testing.assert_allclose(
        attribute(road, config).data["attribution"].values, expected, rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"grad_cam", "blur"}))
def test_every_method_gives_a_result_that_can_be_kept_and_drawn(road, method, tmp_path):
    hidden = method in ("curved", "conductance", "neuron_conductance")
    site = "output_layer.relus.0" if hidden else "preprocess"
    path = {"rule": "trapezoid", "steps": 4} if method == "neuron_conductance" else {"steps": 16}
    result = attribute(road, Config(method=method, site=site, initialisations=1, **path), 0)
    result.save(tmp_path / "kept")
    again = Result.load(tmp_path / "kept")
    assert again.data["attribution"].equals(result.data["attribution"])
    assert again.figure().data
    report = attribution_report(again)
    assert json.loads(json.dumps(report, allow_nan=False))["n"]["decisions"] > 0


def test_whom_shapley_takes_away_is_absent_and_the_values_are_complete(road):
    result = attribute(road, Config(method="shapley", target="q[FASTER]"), 0)
    data = result.data
    assert result.passed
    assert data["layer"].values.tolist() == ["sum"]
    who = data["identity"].values
    values = data["vehicles"].values[:, 0]
    assert np.isnan(values[who < 0]).all()
    total = np.nansum(values, 1)
    np.testing.assert_allclose(total, data["change"].values, atol=1e-6)
    obs = torch.from_numpy(road.episode(0)["obs"].values)
    alone = obs.clone()
    alone[:, 1:] = 0
    q = [road.agent.forward(x, None)[0]["q"][:, 2].detach().numpy() for x in (obs, alone)]
    np.testing.assert_allclose(data["change"].values, q[0] - q[1], atol=1e-4)


@pytest.mark.timeout(240)
def test_every_map_has_its_trust_line(road):
    figures = {}
    asked = partial(AttributionConfig, target="q[FASTER]-q[SLOWER]", initialisations=0)
    for method in ("integrated_gradients", "gradient"):
        result = attribute(road, asked(method=method))
        told = {line["name"]: line for line in result.data.attrs["trust"]}
        assert list(told) == [
            "deletion",
            "insertion",
            "infidelity",
            "untrained",
            "spread",
            "removal",
        ]
        assert all(line["low"] <= line["mean"] <= line["high"] for line in told.values())
        figures[method] = told
    path = figures["integrated_gradients"]
    assert path["insertion"]["mean"] > 0
    assert path["infidelity"]["high"] < 0.95
    assert path["deletion"]["n"] <= 32
    assert path["untrained"]["high"] < 0.8
    lines = attribute(road, asked(baseline="mean")).data.attrs["trust"]
    assert {line["name"]: line for line in lines}["untrained"]["high"] < 0.8  # nobody absent counts


def test_a_map_of_the_wrong_sign_foretells_nothing(road):
    chosen = choose(road, road.agent, most=16)
    rest = score(road.agent, parse_target("q[FASTER]-q[SLOWER]"), chosen.decisions)
    values = integrated_gradients(rest).values
    right, wrong = (infidelity(rest, sign * values, samples=64) for sign in (1, -1))
    assert float((right.scaled / right.changes).mean()) < 0.95
    torch.testing.assert_close(wrong.scaled[wrong.scale == 0], wrong.changes[wrong.scale == 0])
    assert (wrong.scale == 0).double().mean() > 0.7


def test_a_dead_unit_is_told_and_not_a_traceback(road, capsys):
    q = road.episode(0)["sites/output_layer.relus.1"].values
    dead = int(np.flatnonzero((q == 0).all(0))[0])
    target = f"site[output_layer.relus.1][{dead}]"
    assert main(["explain", f"{road.path}:0:1", "--method", "gradient", "--target", target]) == 0
    assert "–" in capsys.readouterr().out


def test_at_a_hidden_site_no_row_is_taken_for_the_ego(road):
    config = Config(method="shapley", target="q[FASTER]", site="attention_layer.head_outputs")
    result = attribute(road, config, 0)
    assert result.data["attribution"].shape[1:] == (4, 16) or result.data.sizes["row"] == 0


def test_several_sites_are_refused(road, capsys):
    flags = ["--method", "gradient", "--site", "output_layer.relus.*"]
    assert main(["explain", str(road.path), *flags]) == 2
    assert "matches several sites" in capsys.readouterr().err


def test_names_of_what_is_found_tell_questions_apart():
    def named(*episode, **options):
        where = dict(zip(("episode", "step"), episode, strict=False))
        return found_name(
            Args("rec", "attribution", attribution=AttributionConfig(**options), **where)
        )

    assert named(target="value") == "integrated_gradients-value"
    long = "+".join(["q[FASTER]"] * 30)
    names = [
        named(target="value"), named(target="-value"), named(target="value", baseline="mean"),
        named(target="value", steps=64), named(target=long), named(1, target=long),
        named(2, target=long), named(2, 3, target=long), named(target="value", site="a.b"),
    ]  # fmt: skip
    assert len(set(names)) == len(names)
    assert max(map(len, names)) < 120


def test_the_line_gives_it_again(road, monkeypatch):
    monkeypatch.chdir(road.path.parent)
    result = attribute(road, AttributionConfig(method="gradient", target="value"), 1, 2)
    space = {}
    exec(result.python, space)
    assert space["result"].data.equals(result.data)


def test_q_values_are_compared_and_policies_asked_why(road):
    assert default_target(road.agent) == (
        "q[taken]-0.333333*q[SLOWER]-0.333333*q[IDLE]-0.333333*q[FASTER]"
    )
    assert default_target(image_agent("clear_cnn")) == "logp[taken]"
    assert [unit_of(t) for t in ("value", "q[0]-q[1]", "value-entropy", "site[a][0]")] == [
        "return", "return", "", "",
    ]  # fmt: skip


def test_places_of_a_frame_are_laid_over_it():
    agent, values = image_agent("clear_cnn"), np.random.rand(4, 6, 16, 16).astype(np.float32)
    seen = Decisions(images(), None, torch.zeros(4, dtype=torch.long))
    from policyscope.attribution.asking.chosen import Chosen

    chosen = Chosen(seen, np.zeros(4, int), np.arange(4), None)
    data = arrays_of(agent, chosen, "2b.relu", values)
    np.testing.assert_allclose(data["map"].values[:, 0], values.sum(1), rtol=1e-5)
    assert data["map"].dims == ("row", "layer", "y", "x")
    assert data["map"].attrs["overlay"] == "frame"
    np.testing.assert_array_equal(data["frame"].values, images().numpy())


def test_the_panel_lays_the_vehicles_shares_over_them(road):
    from policyscope.panel.views.from_results import result_overlays, result_tracks

    found = {"ig": attribute(road, Config(), episode=0)}
    overlays = result_overlays(found)
    assert [(o.info.over, o.info.signed) for o in overlays] == [("entities", True)] * 2
    each, sums = sorted(overlays, key=lambda o: len(o.info.layers), reverse=True)
    assert (each.info.layers[:2], each.info.shown) == (["sum", "presence"], False)
    assert (sums.info.layers, sums.info.shown) == (["integrated_gradients"], True)
    tracks = {tuple(t.info.name.rsplit(": ", 1)) for t in result_tracks(found)}
    ours = "integrated_gradients of q[taken] - mean of q over 3 actions, episode 0"
    assert {(ours, "gap"), (ours, "target")} <= tracks


def test_the_command_line_gives_the_same_numbers(road, capsys, tmp_path):
    out = tmp_path / "found"
    given = ["--method", "integrated_gradients", "--target", "q[IDLE]-q[SLOWER]",
             "--attribution.no-trust"]  # fmt: skip
    code = main(["explain", f"{road.path}:1:2", *given, "--out", str(out), "--json", "-"])
    told = json.loads(capsys.readouterr().out)
    assert code == 0
    same = attribute(road, Config(target="q[IDLE]-q[SLOWER]"), 1, 2)
    assert told["numbers"] == attribution_report(same)["numbers"]
    assert Result.load(out).data["attribution"].equals(same.data["attribution"])
    assert (out / "figure.html").is_file()


def test_questions_lie_side_by_side(road, capsys):
    for target in ("value", "q[FASTER]-q[IDLE]"):
        assert main(["explain", f"{road.path}:0", "--method", "gradient", "--target", target]) == 0
    assert {p.name for p in (road.path / "explain").iterdir()} >= {
        "gradient-value-e0", "gradient-q.FASTER-q.IDLE-e0",
    }  # fmt: skip
    told = capsys.readouterr().out
    assert "value by gradient" in told
    assert "signed (one" in told


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--method", "integrated"], "Did you mean integrated_gradients"),
        (["--method", "gradient", "--site", "nowhere"], "unknown site 'nowhere'"),
        (["--method", "gradient", "--target", "q[LEFT]"], "unknown action 'LEFT'"),
        (["--method", "gradient", "--target", "value@t+2"], "looks ahead"),
        (["--method", "grad_cam"], "Grad-CAM needs channels and places"),
        (["--method", "gradient", "--step", "3"], "--step belongs to an --episode"),
        (
            ["--method", "attention", "--target", "value"],
            "--target belongs to --method attribution",
        ),
        (["--method", "gradient", "--attribution.baseline", "nought"], "unknown baseline"),
        (["--method", "gradient", "--attribution.rows", "0"], "at least 1 row"),
        (["--method", "gradient", "--attribution.steps", "0"], "at least 1 step"),
        (["--method", "gradient", "--attribution.seed", "-1"], "the seed are 0 or more"),
        (["--method", "gradient", "--attribution.method", "blur"], "the method is given twice"),
        (["--method", "captum:DeepLft"], "Did you mean captum:DeepLift"),
    ],
)
def test_what_cannot_be_asked_is_one_line(road, capsys, flags, told):
    assert main(["explain", str(road.path), *flags]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.strip().splitlines()) == 1


def test_a_number_given_twice_is_refused(road, capsys):
    assert main(["explain", f"{road.path}:1", "--method", "gradient", "--episode", "2"]) == 2
    assert "the episode is given twice" in capsys.readouterr().err

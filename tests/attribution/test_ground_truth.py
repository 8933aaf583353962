"""What an attribution says of entities against what taking them out of the scene changes."""

import numpy as np
import pytest
import torch
from torch import nn

from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.store import load_agent
from policyscope.attribution.asking.chosen import choose
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.attribution.results.entity_shares import box_sums, by_entity
from policyscope.attribution.results.maps import arrays_of
from policyscope.attribution.trust.removals import rank_correlation, removal_effects, removal_figure
from policyscope.core.errors import PolicyscopeError
from policyscope.core.registry import register
from policyscope.core.target_parser import parse_target
from policyscope.envs.make import make, versioned
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.record import record
from policyscope.recordings.replays.scenes import scene_at
from policyscope.recordings.replays.whatif import ask

WEIGHTS = (0.5, 3.0, -2.0, 1.5, 0.7, 0.2, -0.4)


class Summing(nn.Module):
    """Q-values that are sums over the vehicles: the share of each is known."""

    recurrent = False

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(WEIGHTS))
        self.out = nn.Identity()

    def forward(self, x):
        total = (x * self.weights).sum((1, 2))
        return {"q": self.out(torch.stack([torch.zeros_like(total), total / 2, total], 1))}


class Foremost(Summing):
    """Q-values that depend on one of the others alone: the one farthest to the east."""

    def forward(self, x):
        others = x[:, 1:]
        east = torch.where(others[..., 0] > 0, others[..., 1], -1.0).amax(1) + self.weights[0]
        return {"q": self.out(torch.stack([torch.zeros_like(east), -east, east], 1))}


def recorded(network, folder):
    """A short recording of a planted agent on the intersection."""
    register("network", network.__name__.lower(), f"{__name__}:{network.__name__}")
    spec = versioned(EnvSpec("highway/intersection", {"duration": 6}))
    stepper = make(spec, 1)
    agent = Agent(network(), (network.__name__.lower(), {}), "q", stepper.space, env=spec)
    stepper.close()
    return record(agent, None, 6, 3, [], folder / "rec")


@pytest.fixture(scope="module")
def summing(tmp_path_factory):
    return recorded(Summing, tmp_path_factory.mktemp("summing"))


@pytest.fixture(scope="module")
def foremost(tmp_path_factory):
    return recorded(Foremost, tmp_path_factory.mktemp("foremost"))


@pytest.fixture(scope="module")
def coinrun(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coinrun") / "rec"
    return record(load_agent("coinrun-gru"), None, 2, 8, [], folder)


def figure_of(recording, values, target="q[FASTER]", method="integrated_gradients", **more):
    chosen = choose(recording, recording.agent)
    config = AttributionConfig(method=method, target=target)
    return removal_figure(
        recording, parse_target(target), chosen, "preprocess", config, values, **more
    )


def shares(recording):
    """The true share of each number of each row of a summing agent."""
    obs = choose(recording, recording.agent).decisions.obs
    return obs * torch.tensor(WEIGHTS)


def test_shares_of_vehicles_are_theirs_by_identity(summing):
    result = attribute(summing, AttributionConfig(target="q[FASTER]", trust=False))
    table = by_entity(summing, result.data)
    total = (result.data["attribution"].values).sum(2)
    identity = result.data["identity"].values
    assert len(table) == (identity >= 0).sum()
    for line in table.to_dict("records"):
        (slot,) = np.flatnonzero(identity[line["row"]] == line["identity"])
        assert line["share"] == pytest.approx(total[line["row"], slot], abs=1e-5)
        assert line["kind"] == ("ego" if line["identity"] == 0 else "vehicle")
        assert line["episode"] == result.data["episode"].values[line["row"]]
        assert line["step"] == result.data["step"].values[line["row"]]


def test_a_removal_changes_a_sum_by_what_is_taken_away(summing):
    table = by_entity(
        summing, attribute(summing, AttributionConfig(target="q[FASTER]", trust=False)).data
    )
    for episode, step in ((0, 0), (2, 3)):
        found = removal_effects(summing, parse_target("q[FASTER]"), episode, step)
        mine = table[(table["episode"] == episode) & (table["step"] == step)]
        known = mine.set_index("identity")["share"]
        assert set(found.identity) >= set(known.index) - {0}
        assert 0 not in found.identity
        assert found.left_out == 0
        for who, effect in zip(found.identity, found.effect, strict=True):
            assert effect == pytest.approx(known.get(who, 0.0), abs=1e-4)


def test_only_the_one_that_matters_has_an_effect(foremost):
    found = removal_effects(foremost, parse_target("q[FASTER]-q[SLOWER]"), 1, 2)
    scene = foremost.entities(1).query("step == 2 and row > 0").set_index("identity")
    first, second = scene["x"].sort_values(ascending=False)[:2]
    (blamed,) = found.identity[found.effect != 0]
    assert blamed == scene["x"].idxmax()
    assert found.effect.max() == pytest.approx((first - second) / 100, abs=1e-4)
    assert len(found.effect) >= 3
    for who, effect in zip(found.identity, found.effect, strict=True):
        asked = ask(foremost, 1, 2, [SceneEdit("remove", int(who))])
        before, after = asked.target("q[FASTER]-q[SLOWER]")
        assert effect == pytest.approx(before - after, abs=1e-5)


def test_the_true_shares_rank_as_removals_do_and_wrong_ones_do_not(summing):
    true = shares(summing)
    figure = figure_of(summing, true)
    assert figure.name == "removal"
    assert figure.better == "higher"
    assert figure.mean == pytest.approx(1.0)
    assert figure.n > 10
    assert figure_of(summing, -true).mean == pytest.approx(-1.0)
    drawn, shuffled = torch.Generator().manual_seed(0), true.clone()
    shuffled[:, 1:] = shuffled[:, torch.randperm(true.shape[1] - 1, generator=drawn) + 1]
    assert figure_of(summing, shuffled).mean < 0.5
    late = figure_of(summing, true.roll(1, 0))  # another decision's
    assert late.mean < 0.9


def test_slopes_are_multiplied_with_what_there_is(summing):
    slopes = torch.tensor(WEIGHTS).expand_as(shares(summing)).clone()
    assert figure_of(summing, slopes, method="gradient").mean == pytest.approx(1.0)
    assert figure_of(summing, slopes).n == 0, "the same for all: no ranking"


@pytest.mark.parametrize("shape", ["number", "one for all", "one a decision"])
def test_slopes_are_multiplied_with_the_difference_to_the_baseline(summing, shape):
    obs, true = choose(summing, summing.agent).decisions.obs, shares(summing)
    drawn = torch.Generator().manual_seed(1)
    size = (1 if shape == "one for all" else len(obs), *obs.shape[1:])
    away = 3 + 4 * torch.rand(size, generator=drawn)  # nothing observed is that far from zero
    start = 7.0 if shape == "number" else away * torch.randn(size, generator=drawn).sign()
    slopes = true / (obs - start)
    figure = figure_of(summing, slopes, method="smooth_gradient", baseline=start)
    assert figure.mean == pytest.approx(1.0)
    assert figure.n > 10
    assert figure_of(summing, slopes, method="smooth_gradient").mean < 0.7
    assert figure_of(summing, true, baseline=start).mean == pytest.approx(1.0), "shares stay"
    if shape == "one a decision":
        others = start.roll(1, 0)
        mixed = figure_of(summing, slopes, method="smooth_gradient", baseline=others)
        assert mixed.mean < 0.7


def test_it_tells_how_much_removals_change(summing):
    reading = figure_of(summing, shares(summing)).reading
    told = float(reading.split("changes the target by ")[1].split()[0])
    sizes = []
    for k in summing.episodes["episode"]:
        for t in range(int(summing.line(k)["steps"])):
            effects = removal_effects(summing, parse_target("q[FASTER]"), int(k), t).effect
            sizes += np.abs(effects).tolist() if len(effects) >= 3 else []
    assert told == pytest.approx(np.mean(sizes), rel=0.15)


def test_targets_of_more_than_outputs_have_none(summing):
    values = shares(summing)
    for target in ("value@t+1", "site[out][0]"):
        assert figure_of(summing, values, target) is None
        with pytest.raises(PolicyscopeError, match="reads more than outputs"):
            removal_effects(summing, parse_target(target), 0, 0)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_it_tells_methods_of_the_shipped_agent_apart(tmp_path):  # 14 s
    rec = record(load_agent("highway-ego-attention"), None, 4, 0, [], tmp_path / "rec")
    told = {}
    for method in ("shapley", "input_x_gradient"):
        result = attribute(rec, AttributionConfig(method=method, target="q[FASTER]-q[SLOWER]"))
        told[method] = {line["name"]: line for line in result.data.attrs["trust"]}["removal"]
    assert told["shapley"]["low"] > max(0.5, told["input_x_gradient"]["high"])


def test_sums_over_boxes_are_those_of_fine_pixels():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(5, 8)).astype(np.float32)
    boxes = np.array([[0.1, 0.2, 0.6, 0.9], [-0.4, 0.5, 0.05, 1.7], [0.3, 0.3, 0.31, 0.32]])
    fine = 2000
    x = (np.arange(fine) + 0.5) / fine
    rows, columns = (x * 5).astype(int), (x * 8).astype(int)
    big = flat[rows][:, columns] * 40 / fine**2
    expected = [big[(x >= t) & (x < b)][:, (x >= left) & (x < r)].sum() for left, t, r, b in boxes]
    np.testing.assert_allclose(box_sums(flat, boxes), expected, atol=1e-3)


def test_boxes_of_a_frame_hold_the_pixels_of_their_entities(coinrun):
    """What changes in the frame when an entity is taken away lies in its box, and in no other."""
    agent, checked = coinrun.agent, 0
    chosen = choose(coinrun, agent)
    for row in range(4, len(chosen.step), 12):
        k, step = int(chosen.episode[row]), int(chosen.step[row])
        with scene_at(coinrun, k, step) as scene:
            seen = scene.course.value("obs", step).astype(float)
            shown = scene.lane.entities()
            for who, kind in zip(shown.identity, shown.kind, strict=True):
                if kind not in ("saw", "crate", "coin"):
                    continue
                changed = np.abs(scene.observe([SceneEdit("remove", int(who))]) - seen).sum(2)
                if changed.sum() < 100:
                    continue
                flat = changed[None] / changed.sum()
                one = choose(coinrun, agent, k, step)
                table = by_entity(coinrun, arrays_of(agent, one, "preprocess", flat))
                mine = table[table["identity"] == who]
                assert mine["kind"].tolist() == [kind]
                assert mine["share"].iloc[0] > 0.85  # the edge of a sprite is blended
                checked += 1
    assert checked >= 3


def test_a_map_of_few_places_is_stretched_to_the_frame(coinrun):
    one = choose(coinrun, coinrun.agent, 0, 5)
    fine = np.random.default_rng(1).normal(size=(1, 8, 8))
    coarse = by_entity(coinrun, arrays_of(coinrun.agent, one, "b", fine))
    same = fine.repeat(8, 1).repeat(8, 2) / 64
    stretched = by_entity(coinrun, arrays_of(coinrun.agent, one, "b", same))
    np.testing.assert_allclose(coarse["share"], stretched["share"], atol=1e-6)
    player = coarse[coarse["kind"] == "player"]["share"].iloc[0]
    assert player == pytest.approx(fine[0, 3:5, 3:5].sum(), abs=np.abs(fine[0, 2:6, 2:6]).sum())


def test_values_that_do_not_add_up_are_means_over_a_box(coinrun):
    one = choose(coinrun, coinrun.agent, 0, 5)
    data = arrays_of(coinrun.agent, one, "b", np.full((1, 64, 64), 2.0))
    sums = by_entity(coinrun, data)
    np.testing.assert_allclose(sums["share"], 2 * sums["places"])
    means = by_entity(coinrun, data.assign_attrs(method="occlusion"))
    np.testing.assert_allclose(means["share"], 2.0)
    assert sums["places"].nunique() > 1
    added = by_entity(coinrun, data.assign_attrs(method="input_x_gradient"))
    np.testing.assert_array_equal(added["share"], sums["share"])


def test_removals_of_coinrun_are_those_of_what_if(coinrun):
    found = removal_effects(coinrun, parse_target("value"), 0, 12)
    assert "wall" not in found.kind
    assert "player" not in found.kind
    assert (found.effect != 0).any()
    for who, effect in zip(found.identity, found.effect, strict=True):
        before, after = ask(coinrun, 0, 12, [SceneEdit("remove", int(who))]).target("value")
        assert effect == pytest.approx(before - after, abs=1e-4)


def test_an_agent_of_another_world_has_no_entities(tmp_path):
    spec = versioned(EnvSpec("gym:CartPole-v1"))
    stepper = make(spec, 1)
    network = "mlp", {"features": 4, "widths": [8], "actions": 2}

    agent = Agent(build_network(*network), network, "q", stepper.space, env=spec)
    stepper.close()
    rec = record(agent, None, 2, 0, [], tmp_path / "rec")
    result = attribute(rec, AttributionConfig(target="q[0]"))
    assert by_entity(rec, result.data).empty
    assert "removal" not in {line["name"] for line in result.data.attrs["trust"]}


def test_rank_correlation_is_that_of_scipy():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 4, (2, 9)).astype(float)
    assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic)
    assert np.isnan(rank_correlation(np.zeros(3), np.arange(3.0)))

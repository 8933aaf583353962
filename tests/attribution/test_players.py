"""Players of Shapley values: features of one vehicle, entities of a scene, groups that differ."""

from dataclasses import replace
from itertools import combinations
from math import comb

import numpy as np
import pytest
import torch

from policyscope.agents.store import load_agent
from policyscope.attribution.asking.baselines import Baseline
from policyscope.attribution.asking.chosen import choose
from policyscope.attribution.asking.groups import units, vehicles
from policyscope.attribution.asking.score import INPUT, Decisions, score
from policyscope.attribution.asking.windows import Windows, parts_of, windowed_score
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.methods.asked import ask
from policyscope.attribution.methods.by_perturbation import players
from policyscope.attribution.methods.by_scene import entity_shapley, without_entities
from policyscope.attribution.methods.shapley import (
    exact_shapley,
    sampled_shapley,
    shapley_values,
)
from policyscope.attribution.methods.table import explained
from policyscope.attribution.results.entity_shares import by_entity
from policyscope.attribution.results.maps import arrays_of
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.target_parser import parse_target
from policyscope.envs.scene import SceneEdit
from policyscope.recordings.record import record
from policyscope.recordings.replays.scenes import scene_at

from .conftest import image_agent, images, road_agent, roads
from .test_ground_truth import Foremost, Summing, recorded

Q = "q[FASTER]-q[SLOWER]"
NOTHING = Baseline({INPUT: torch.zeros(())})


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


def told(pair, site=INPUT, target=Q, **options):
    """What Shapley values say of a pair of agent and decisions."""
    agent, decisions = pair
    config = AttributionConfig(method="shapley", site=site, **options)
    start = Baseline({site: torch.zeros(())})
    return explained(ask(agent, parse_target(target), decisions, site, config, start))


@pytest.mark.parametrize(("players", "row"), [("features:ego", 0), ("features:2", 2)])
def test_features_of_a_vehicle_are_shared_out_with_its_presence_held(road, players, row):
    agent, decisions = road
    seen = decisions.obs.clone()
    seen[:, row, 0] = 1
    decisions = replace(decisions, obs=seen)
    found = told((agent, decisions), players=players)
    rest = {hold: score(agent, parse_target(Q), decisions, hold=hold) for hold in (None, ())}

    def game(hold):
        def worth(come):
            obs = seen[:1].clone()
            obs[0, row, [i for i in range(7) if i not in come]] = 0
            return float(rest[hold](obs, torch.tensor([0])).detach())

        return worth

    values = found["attribution"].numpy()
    assert values.shape == seen.shape
    np.testing.assert_allclose(values[0, row], by_coalitions(game(None), 7), atol=1e-5)
    others = [i for i in range(6) if i != row]
    assert not values[:, others].any()
    assert not found["error"].any()
    crossing = by_coalitions(game(()), 7)  # an own presence of 0 would leave the vehicle out
    assert np.abs(values[0, row] - crossing).max() > 1e-2


def test_features_are_those_of_vehicles_that_are_observed(road, clear):
    for make, said in [
        (lambda: told(road, players="features:9"), "there is no vehicle 9, valid are 0 to 5"),
        (lambda: told(clear, target="value", players="features:1"), "leave out --attribution.play"),
        (lambda: told(road, "output_layer.relus.0", players="features:1"), "vehicles that are obs"),
        (
            lambda: told(road, players="entities"),
            "drawn in recorded scenes.*by_scene.entity_shapley",
        ),
        (lambda: AttributionConfig(method="shapley", players="entities", baseline="mean"), "out"),
    ]:
        with pytest.raises(PolicyscopeError, match=said) as caught:
            make()
        assert "\n" not in str(caught.value)
    with pytest.raises(UnknownName, match=r"players 'feature:3'.*\n?.*features:ROW"):
        AttributionConfig(method="shapley", players="feature:3")


def test_rows_are_exact_by_how_many_of_their_groups_differ(road):
    """A site of many units of which few are awake is not sampled; each row is looked at alone."""
    x = torch.randn(4, 20, dtype=torch.float64)
    x[0, 5:], x[1, 3:], x[3, :] = 0, 0, 0

    class Rest:
        site, activation = "x", x

        def __call__(self, activation, rows):
            return (activation.sin().sum(1) + activation.prod(1)) ** 2

    groups = units((20,))
    found = shapley_values(Rest(), groups, 0.0, 8, 3)
    some, none = torch.tensor([0, 1, 3]), torch.tensor([2])
    whole = sampled_shapley(Rest(), groups, 0.0, 8, 3)
    torch.testing.assert_close(found.values[none], whole.values[none])
    assert found.passes.tolist() == [32, 8, 8 * 19 + 2, 0]
    assert not found.error[some].any()
    assert (found.error[2] > 0).all()
    Rest.activation = x[some]
    torch.testing.assert_close(found.values[some], exact_shapley(Rest(), groups).values)
    assert (whole.error[:2, :3] > 0).any(1).all()  # what they had when all groups were counted
    torch.testing.assert_close(found.change - found.gap, found.values.sum(1))


def test_an_odd_number_of_orders_is_refused_with_the_flag_and_a_number_that_works(seen_units):
    with pytest.raises(PolicyscopeError, match=r"not 5: take --attribution\.samples 6$"):
        shapley_values(seen_units, units((20,)), 0.0, 5)
    with pytest.raises(PolicyscopeError, match=r"--attribution\.samples 4$"):
        sampled_shapley(seen_units, units((20,)), 0.0, 1)
    few = replace_activation(seen_units, 5)
    assert not shapley_values(few, units((5,)), 0.0, 5).error.any()  # nothing is drawn


@pytest.fixture
def seen_units():
    class Rest:
        site, activation = "x", torch.ones(1, 20)

        def __call__(self, activation, rows):
            return activation.sum(1)

    return Rest()


def replace_activation(rest, units_left):
    rest.activation = torch.ones(1, units_left)
    return rest


@pytest.fixture(scope="module")
def summing(tmp_path_factory):
    return recorded(Summing, tmp_path_factory.mktemp("summing"))


@pytest.fixture(scope="module")
def foremost(tmp_path_factory):
    return recorded(Foremost, tmp_path_factory.mktemp("foremost"))


@pytest.fixture(scope="module")
def coinrun(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coinrun") / "rec"
    return record(load_agent("coinrun-gru"), None, 1, 8, [], folder)


def of_entities(recording, target, episode, step=None, **options):
    """Values by row and identity, and all that is told."""
    chosen = choose(recording, recording.agent, episode, step)
    config = AttributionConfig(method="shapley", players="entities", **options)
    found = entity_shapley(recording, recording.agent, parse_target(target), chosen, config)
    table = by_entity(recording, arrays_of(recording.agent, chosen, INPUT, found["attribution"]
                                           .numpy()))  # fmt: skip
    return table, found, chosen


def test_entities_of_a_sum_have_what_their_rows_add(summing):
    """Planted: each vehicle's share is known, whoever else is there."""
    table, found, chosen = of_entities(summing, "q[FASTER]", 1)
    own = (chosen.decisions.obs * summing.agent.net.weights.detach()).sum(2).double()
    others = table[table["kind"] == "vehicle"]
    assert len(others) > 10
    for line in others.to_dict("records"):
        (slot,) = np.flatnonzero(chosen.identity[line["row"]] == line["identity"])
        assert line["share"] == pytest.approx(float(own[line["row"], slot]), abs=1e-4)
    torch.testing.assert_close(found["change"], found["attribution"].sum((1, 2)))
    torch.testing.assert_close(found["target"], own.sum(1), atol=1e-4, rtol=0)


def scene_values(recording, target, episode, step, players):
    """By hand: the environment's own scenes, one for each coalition."""
    agent, known = recording.agent, {}
    chosen = choose(recording, agent, episode, step)
    with scene_at(recording, episode, step) as scene:

        def game(come):
            out = [SceneEdit("remove", who) for i, who in enumerate(players) if i not in come]
            name = tuple(edit.identity for edit in out)
            if name not in known:
                obs = torch.from_numpy(scene.changed(out))[None]
                state = chosen.decisions.state
                known[name] = agent.forward(obs, state)[0]
            outputs = known[name]
            return float(outputs["value"] if target == "value" else outputs["q"][0, 2])

        with torch.no_grad():
            return by_coalitions(game, len(players))


def test_the_one_who_decides_gets_everything(foremost):
    """Planted: Q-values that depend on the easternmost alone. The others have nothing of it but
    for what they would be worth without it, as the brute force over all coalitions says.
    """
    table, found, chosen = of_entities(foremost, "q[FASTER]", 0, 4)
    others = table[table["kind"] == "vehicle"].sort_values("identity")
    players = others["identity"].tolist()
    assert 3 <= len(players) <= 10
    by_hand = scene_values(foremost, "q[FASTER]", 0, 4, players)
    np.testing.assert_allclose(others["share"], by_hand, atol=1e-5)
    east = chosen.decisions.obs[0, :, 1].argmax()
    assert (
        others["share"].abs().idxmax()
        == others.index[others["identity"] == chosen.identity[0, int(east)]][0]
    )


def test_entities_of_a_frame_are_those_of_scenes_drawn_by_hand(coinrun):
    steps = int(coinrun.episodes["steps"].iloc[0])
    episode = int(coinrun.episodes["episode"].iloc[0])
    for step in range(0, steps, 4):
        table, found, _ = of_entities(coinrun, "value", episode, step)
        moving = table[~table["kind"].isin(["player", "wall", "lava"])]
        if len(moving) >= 2:
            break
    assert 2 <= len(moving) <= 10
    by_hand = scene_values(coinrun, "value", episode, step, moving["identity"].tolist())
    np.testing.assert_allclose(moving["share"], by_hand, atol=1e-4)
    assert np.abs(by_hand).max() > 1e-3
    still = table[table["kind"].isin(["player", "wall", "lava"])]
    assert np.abs(still["share"]).max() < 1e-4
    assert found["attribution"].shape == (1, 64, 64)


def test_scenes_with_many_entities_are_sampled(foremost):
    drawn = of_entities(foremost, "q[FASTER]", 0, 4, exact=2)[1]
    assert drawn["passes"].item() > 4
    assert drawn["error"].item() > 0
    torch.testing.assert_close(drawn["change"], drawn["attribution"].sum((1, 2)))


def test_blocks_of_a_map_are_exact_up_to_what_is_affordable(clear):
    """12 blocks: 1,024 passes at most unless more are asked for; vehicles are exact up to 16."""
    agent, decisions = clear
    decisions = decisions.rows(torch.arange(2))
    seen = torch.zeros_like(decisions.obs)
    seen[:, :24] = decisions.obs[:, :24]  # of 4 x 4 blocks the last row is black
    pair = agent, replace(decisions, obs=seen)
    usual = told(pair, target="value")
    asked = told(pair, target="value", exact=12)
    config = AttributionConfig(method="shapley")
    asked_of = ask(agent, parse_target("value"), pair[1], INPUT, config, NOTHING)
    exact = exact_shapley(asked_of.rest, players(asked_of)[0])
    assert usual["passes"].tolist() == [32 * 11 + 2] * 2
    assert (usual["error"] > 0).all()
    assert asked["passes"].tolist() == [2**12] * 2
    assert not asked["error"].any()
    torch.testing.assert_close(asked["attribution"].flatten(1), exact.values)
    with pytest.raises(PolicyscopeError, match=r"0 to 16 players.*got exact = 17"):
        AttributionConfig(exact=17)


def test_many_vehicles_are_exact_unless_fewer_are_asked_for(road):
    assert not told(road)["error"].any()
    assert told(road, exact=1)["error"].any()


def test_entities_are_of_the_observation(foremost):
    chosen, none = choose(foremost, foremost.agent, 0, 4), Baseline({INPUT: torch.zeros(())})
    config = AttributionConfig(method="shapley", players="entities")
    with pytest.raises(PolicyscopeError, match="not of site 'out'"):
        without_entities(foremost.agent, chosen, "out", config, none)
    found = without_entities(foremost.agent, chosen, INPUT, config, none)
    assert found.description == "the scene without the entities in sight"


def test_steps_of_a_window_and_the_memory_before_it_are_players():
    """Any players of a window, against the definition."""
    agent = image_agent("impala_gru")
    first = torch.zeros(2, 3, dtype=torch.bool)
    seen = images(6).unflatten(0, (2, 3))
    given = Windows(seen, torch.randn(2, 6), first)
    rest = windowed_score(agent, parse_target("value"), given)
    found = exact_shapley(rest, parts_of(rest))

    def game(come):
        obs = seen[1:].clone()
        obs[0, [k for k in range(3) if k not in come]] = 0
        state = given.state[1:] * (3 in come)
        some = Windows(obs, state, first[1:])
        alone = windowed_score(agent, parse_target("value"), some)
        return float(alone(alone.activation, torch.tensor([0])).detach())

    expected = by_coalitions(game, 4)
    assert parts_of(rest).names[-1] == "memory"
    np.testing.assert_allclose(found.values[1].numpy(), expected, atol=1e-5)
    assert np.abs(expected).min() > 1e-4


COALITIONS = [("ShapleyValueSampling", "n_samples=40"), ("KernelShap", "n_samples=400"),
              ("Lime", "n_samples=60")]  # fmt: skip


@pytest.mark.parametrize(("name", "option"), COALITIONS)
def test_captums_coalitions_give_a_number_for_each_vehicle(name, option):
    torch.manual_seed(0)
    agent, decisions = road_agent(), Decisions(roads(), taken=torch.tensor([0, 2, 1, 2]))
    config = AttributionConfig(method=f"captum:{name}", options=(option,))
    asked = ask(
        agent, parse_target(Q), decisions, INPUT, config, Baseline({INPUT: torch.zeros(())})
    )
    found = explained(asked)
    values = found["attribution"]
    assert values.shape == (4, 5, 1)
    exact = exact_shapley(asked.rest, vehicles((6, 7)))
    absent = decisions.obs[:, 1:, 0] == 0
    if name != "Lime":  # whose penalty moves all values
        assert values[..., 0][absent].abs().max() < 0.05 * exact.values.abs().max()
        gap = (values[..., 0] - exact.values).norm() / exact.values.norm()
        assert gap < 0.3
    if name == "ShapleyValueSampling":  # the ego stays: the change is that of the others
        torch.testing.assert_close(found["change"], exact.change, atol=1e-5, rtol=1e-4)
        assert found["gap"].abs().max() < 1e-4


def test_what_cannot_be_asked_is_told_with_its_mend(road):
    for method, said in [
        ("captum:LRP", r"LRP cannot work here.*take captum:DeepLift"),
        ("captum:GuidedGradCam", "GuidedGradCam cannot work here.*take grad_cam"),
        ("captum:LayerConductance", "LayerConductance looks for a layer itself: name it by --site"),
    ]:
        with pytest.raises(PolicyscopeError, match=said) as caught:
            AttributionConfig(method=method)
        assert "\n" not in str(caught.value)
    agent, decisions = road
    config, start = AttributionConfig(method="blur"), Baseline({INPUT: torch.zeros(())})
    with pytest.raises(PolicyscopeError, match=r"\(6, 7\): take --method occlusion or shapley$"):
        explained(ask(agent, parse_target(Q), decisions, INPUT, config, start))

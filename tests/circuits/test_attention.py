"""Planted truths: what the explanation must find, and what it must not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.networks.mlp import MLPNetwork
from policyscope.circuits import measures
from policyscope.circuits.attention import NO_INITIAL, analyse, explain
from policyscope.circuits.claims import CLAIMS, judge, judge_training
from policyscope.circuits.config import AttentionConfig
from policyscope.circuits.decisions import gather
from policyscope.circuits.heads import attention_forward
from policyscope.circuits.measures import entropy
from policyscope.circuits.relations import SECTORS, sector
from policyscope.circuits.report import report
from policyscope.core.errors import PolicyscopeError, UnknownName

QUICK = AttentionConfig(resamples=200)


def with_pattern(planted, agents, make, seed=0, **scene):
    """Explain a pattern made from the relations, without an agent to compare it to."""
    recording = planted(agents["random"](), seed=seed, **scene)
    decisions = gather(recording, [], 3.0)
    rng = np.random.default_rng(seed)
    scores = make(decisions, rng) + 0.3 * rng.normal(size=(len(decisions.q), 4, 15))
    scores = np.where((decisions.identity >= 0)[:, None], scores, -np.inf)
    pattern = np.exp(scores - scores.max(-1, keepdims=True))
    pattern /= pattern.sum(-1, keepdims=True)
    sites = {"attention_layer.pattern": pattern[:, :, None]}
    return analyse(replace(decisions, sites=sites), None, "attention_layer", QUICK)


def verdicts(result, claim):
    return result.data["verdict"].sel(claim=claim).values.tolist()


def test_hand_built_weights_that_look_at_the_nearest_vehicle(planted, agents):
    result = explain(planted(agents["nearest"](), episodes=40), QUICK)
    near = result.data.sel(measure="distance.rank", quantity="trained")
    assert near["estimate"].values[0] < -0.85
    assert (np.abs(near["estimate"].values[1:]) < 0.15).all()
    assert (near["low"].values[1:] < 0).all()
    assert (near["high"].values[1:] > 0).all()
    assert verdicts(result, "near") == ["supported"] + ["undecided"] * 3
    assert verdicts(result, "nearing")[0] == "supported"
    assert result.data["learned"].sel(claim="near").values[0] == "more"
    pooled = result.data.sel(measure="pooled.distance", quantity="trained")["estimate"].values
    assert pooled[0] < -0.6
    shift = result.data.sel(measure="distance.shift", quantity="trained")["estimate"].values
    assert shift[0] < -15, "metres nearer than the mean vehicle"
    assert result.passed, [str(c) for c in result.checks if not c.passed]


def test_random_attention_is_undecided(planted, agents):
    """Of verdicts at 95 % some one in twenty is wrong by design, and hardly more."""
    decided, total = 0, 0
    for seed in range(8):
        result = with_pattern(planted, agents, lambda d, rng: 0.0, seed)
        values = result.data["verdict"].values
        decided += int((values != "undecided").sum())
        total += values.size
    assert total == 8 * len(CLAIMS) * 4
    assert decided / total < 0.12


def test_pooling_vehicles_is_fooled_by_their_number_and_ranks_within_a_decision_are_not(
    planted, agents
):
    """Even attention, in crowds of near vehicles and few far ones: only 1/n tells near from far."""
    recording = planted(agents["random"](), episodes=40)
    decisions = gather(recording, [], 3.0)
    distance = decisions.relations["distance"] + 30.0 * (decisions.others.sum(-1) < 6)[:, None]
    decisions.relations["distance"] = distance
    shown = (decisions.identity >= 0)[:, None] * np.ones((1, 4, 1))
    even = shown + 1e-3 * np.random.default_rng(0).random(shown.shape) * shown
    sites = {"attention_layer.pattern": (even / even.sum(-1, keepdims=True))[:, :, None]}
    result = analyse(replace(decisions, sites=sites), None, "attention_layer", QUICK)
    pooled = result.data.sel(measure="pooled.distance", quantity="trained")
    assert (pooled["low"].values > 0.1).all()
    assert verdicts(result, "near").count("undecided") >= 3


def test_planted_collision_course_beyond_distance(planted, agents):
    def make(d, rng):
        closest = np.nan_to_num(d.relations["closest_approach"])
        return -0.15 * closest[:, None] * np.array([1, 0, 0, -1])[:, None]

    result = with_pattern(planted, agents, make)
    assert verdicts(result, "collision")[0] == "supported"
    assert verdicts(result, "collision beyond distance")[0] == "supported"
    assert verdicts(result, "collision beyond distance")[3] == "contradicted"
    only_near = with_pattern(
        planted, agents, lambda d, rng: -0.1 * np.nan_to_num(d.relations["distance"])[:, None]
    )
    assert verdicts(only_near, "collision") == ["supported"] * 4
    estimate = only_near.data["estimate"].sel(
        measure="closest_approach.rank_given_distance", quantity="trained"
    )
    assert (np.abs(estimate) < 0.15).all()


def test_planted_drop_when_a_vehicle_turns(planted, agents):
    def make(d, rng):
        turned = np.abs(np.nan_to_num(d.relations["heading_change"])) >= 0.15
        return -3.0 * turned[:, None] * np.array([1, 0, 0, -1])[:, None]

    result = with_pattern(planted, agents, make)
    assert verdicts(result, "intent") == ["supported", "undecided", "undecided", "contradicted"]
    drop = result.data["estimate"].sel(measure="turn.drop", quantity="trained").values
    assert drop[0] < -0.05
    assert drop[3] > 0.05


def test_planted_attention_to_the_ego_when_the_way_is_free(planted, agents):
    def make(d, rng):
        closest = np.where(d.others, d.relations["closest_approach"], np.inf).min(-1)
        scores = np.zeros((len(closest), 4, 15))
        scores[:, 0, 0] = np.where(closest > 10, 2.0, -2.0)
        return scores

    result = with_pattern(planted, agents, make)
    assert verdicts(result, "way free")[0] == "supported"
    gain = result.data.sel(measure="clear.gain", quantity="trained")
    assert gain["low"].values[0] > 0.2
    assert (np.abs(gain["estimate"].values[1:]) < 0.05).all()


def test_planted_directions(planted, agents):
    def make(d, rng):
        where = np.where(d.others, sector(d.relations["bearing"]), -1)
        return np.stack([2.0 * (where == h) for h in range(4)], axis=1)

    result = with_pattern(planted, agents, make)
    assert verdicts(result, "direction") == ["supported"] * 4
    for head, name in enumerate(SECTORS):
        means = (
            result.data["estimate"]
            .sel(measure=[f"sector.{s}" for s in SECTORS], quantity="trained")
            .values[:, head]
        )
        assert SECTORS[int(means.argmax())] == name


def bearing_correlations(planted, agents, make):
    def pattern(decisions, rng):
        bearing = np.nan_to_num(decisions.relations["bearing"])
        return np.repeat(make(bearing)[:, None], 4, axis=1)

    data = with_pattern(planted, agents, pattern, episodes=24).data.sel(quantity="trained")
    names = ("bearing.rank", "pooled.bearing", "side.rank", "pooled.side")
    return [data.sel(measure=name) for name in names]


def test_planted_bearing_and_side(planted, agents):
    """Attention to what is ahead says nothing of the side, and the other way round."""
    ahead = bearing_correlations(planted, agents, lambda b: -1.5 * np.abs(b))
    right = bearing_correlations(planted, agents, lambda b: 2 * np.sin(b))
    for found in ahead[:2]:
        assert (found["estimate"] < -0.4).all()
        assert (found["high"] < -0.3).all()
    for found in right[2:]:
        assert (found["estimate"] > 0.4).all()
        assert (found["low"] > 0.3).all()
    for found in (*ahead[2:], *right[:2]):
        assert (np.abs(found["estimate"]) < 0.2).all()


def test_bearing_without_its_size_is_blind_to_ahead(planted, agents, monkeypatch):
    """The wrong variant: a signed bearing has no rank correlation with looking straight ahead."""
    monkeypatch.setattr(measures, "ahead_and_side", lambda b: (b, np.sin(b)))
    found = bearing_correlations(planted, agents, lambda b: -1.5 * np.abs(b))
    assert (np.abs(found[0]["estimate"]) < 0.2).all()
    assert (np.abs(found[1]["estimate"]) < 0.2).all()


def test_right_of_an_ego_that_heads_north_is_east(planted, agents):
    """The screen's y grows to the south, so the sign of the side is easily turned."""
    decisions = gather(planted(agents["random"]()), [], 3.0)
    _, side = measures.ahead_and_side(decisions.relations["bearing"])
    known = ~np.isnan(side)
    assert np.array_equal(side[known] > 0, decisions.position[known][:, 0] > 0)


def test_the_favourite_quarter_is_not_chosen_where_it_is_measured(planted, agents):
    """Noise always has a favourite; measured where it was chosen it would look like a finding."""
    result = with_pattern(planted, agents, lambda d, rng: 0.0, episodes=16)
    contrast = result.data.sel(measure="direction.contrast", quantity="trained")
    assert (contrast["low"].values < 0).sum() >= 3
    assert int(contrast["n_episodes"]) == 8


def test_entropy_and_self_attention_are_what_they_say(planted, agents):
    recording = planted(agents["random"](scale=3.0))
    result = explain(recording, QUICK)
    attention = result.data["attention"].sel(weights="trained").values
    some = (recording.columns["row_identity"][:, 1:] >= 0).any(-1)
    own = result.data["estimate"].sel(measure="self.mean", quantity="trained").values
    assert own == pytest.approx(attention[some, :, 0].mean(0), abs=1e-6)
    spread = result.data["estimate"].sel(measure="entropy.mean", quantity="trained").values
    p = attention[some].astype(float)
    assert spread == pytest.approx(-np.where(p > 0, p * np.log(p + 1e-300), 0).sum(-1).mean(0))
    even = np.full((1, 5), 0.2)
    assert entropy(even) == pytest.approx(np.log(5))


def test_steps_without_another_vehicle_do_not_count_for_self_attention(planted, agents):
    recording = planted(agents["nearest"]())
    alone = recording.columns["episode"] % 2 == 0
    recording.columns["row_identity"][alone, 1:] = -1
    recording.columns["obs"][alone, 1:] = 0
    now = attention_forward(recording.agent, torch.from_numpy(recording.columns["obs"]))
    recording.columns["q"] = now["q"].numpy()
    result = explain(recording, QUICK)
    own = result.data.sel(measure="self.mean", quantity="trained")
    assert int(own["n_rows"]) == int((~alone).sum())
    assert int(own["n_episodes"]) == 10
    assert own["estimate"].values[0] < 0.5
    assert now["pattern"][alone, :, 0].min() == 1


def test_action_changes_carry_values_margin_and_outcome(planted, agents):
    recording = planted(agents["random"](scale=3.0, seed=5), episodes=6)
    data = explain(recording, QUICK).data
    action, episode = recording.columns["action"], recording.columns["episode"]
    pairs = range(1, len(action))
    expected = [
        i for i in pairs if action[i] != action[i - 1] and episode[i] == episode[i - 1]
    ]  # fmt: skip
    assert len(expected) > 3
    assert data["change_decision"].values.tolist() == expected
    q = np.sort(recording.columns["q"][expected], axis=-1)
    assert data["margin"].values == pytest.approx(q[:, -1] - q[:, -2])
    assert set(data["change_outcome"].values) == {"arrived"}
    assert (data["action_before"] != data["action_after"]).all()


def test_without_initial_weights_the_result_says_so(planted, agents):
    agent = agents["random"]()
    agent.initial = None
    result = explain(planted(agent), QUICK)
    assert NO_INITIAL in (result.unchecked or "")
    assert result.data["weights"].values.tolist() == ["trained"]
    assert set(result.data["learned"].values.ravel()) == {"unknown"}
    assert np.isnan(result.data["estimate"].sel(quantity="difference")).all()


def test_attention_that_was_not_recorded_is_computed_again_and_says_so(planted, agents):
    recording = planted(agents["nearest"]())
    again = explain(recording, QUICK)
    assert "computed again" in (again.unchecked or "")
    now = attention_forward(recording.agent, torch.from_numpy(recording.columns["obs"]))
    for part in ("scores", "pattern", "head_outputs", "residual"):
        value = now[part].numpy()
        site = f"attention_layer.{part}"
        recording.sites[site] = value.shape[1:]
        shaped = value[:, :, None] if part in ("scores", "pattern") else value
        recording.columns[f"sites/{site}"] = shaped
    recorded = explain(recording, QUICK)
    assert recorded.unchecked is None
    assert np.array_equal(recorded.data["attention"], again.data["attention"])
    assert len(recorded.checks) == len(again.checks) + 1


class WithoutAgent:
    """A recording whose agent's folder is gone."""

    def __init__(self, recording):
        self.__dict__.update(vars(recording))
        self.rows, self.entities = recording.rows, recording.entities
        del self.__dict__["agent"]

    @property
    def agent(self):
        raise UnknownName("agent", "rec/agent", ())


def test_neither_agent_nor_attention_names_the_flag_that_records_it(planted, agents):
    recording = WithoutAgent(planted(agents["random"]()))
    with pytest.raises(PolicyscopeError, match=r"--sites 'attention_layer\.\*'"):
        explain(recording, QUICK)


def test_an_agent_without_attention_is_refused(planted, agents):
    recording = planted(agents["random"]())
    net = MLPNetwork(7, (8,), 3)
    recording.agent = Agent(net, ("mlp", {}), "q", recording.agent.space)
    with pytest.raises(PolicyscopeError, match="'mlp' has no attention layer"):
        explain(recording, QUICK)


def test_a_recording_without_a_scene_is_refused(planted, agents):
    recording = planted(agents["random"]())
    recording.scene_table = recording.scene_table.iloc[:0]
    with pytest.raises(PolicyscopeError, match="holds no scene"):
        explain(recording, QUICK)


def test_a_vehicle_missing_from_the_scene_is_named(planted, agents):
    recording = planted(agents["random"]())
    scene = recording.scene_table
    gone = scene[(scene["episode"] == 2) & (scene["identity"] > 0)].index[0]
    recording.scene_table = scene.drop(index=gone)
    with pytest.raises(PolicyscopeError, match="of episode 2, step 0, is missing"):
        explain(recording, QUICK)


def test_same_seed_same_result_and_other_seed_same_estimates(planted, agents):
    recording = planted(agents["nearest"](), episodes=8)
    one, two = explain(recording, QUICK), explain(recording, QUICK)
    other = explain(recording, replace(QUICK, seed=1))
    assert one.data.identical(two.data)
    assert np.array_equal(one.data["estimate"], other.data["estimate"], equal_nan=True)
    assert not np.array_equal(one.data["low"], other.data["low"], equal_nan=True)


def test_a_result_survives_saving_and_reports_as_json(planted, agents, tmp_path):
    import json

    from policyscope.core.result import Result

    result = explain(planted(agents["nearest"](), episodes=8), QUICK)
    result.save(tmp_path / "result")
    loaded = Result.load(tmp_path / "result")
    assert report(loaded) == report(result)
    values = json.loads(json.dumps(report(result), allow_nan=False))
    assert [c["claim"] for c in values["claims"]] == [c.name for c in CLAIMS]
    for claim in values["claims"]:
        assert {claim["verdict_measure"], claim["effect_measure"]} <= set(values["measures"])
    assert values["measures"]["distance.shift"]["unit"] == "m"


@pytest.mark.parametrize("heads", [1, 2])
def test_other_numbers_of_heads(planted, agents, heads):
    result = explain(planted(agents["random"](heads=heads), episodes=8), QUICK)
    assert result.data.sizes["head"] == heads
    assert result.passed
    if heads == 1:
        assert verdicts(result, "direction") == ["not measurable"]


def test_verdicts_read_intervals_with_the_sign_of_the_claim():
    low, high = np.array([0.1, -0.3, -0.1, np.nan]), np.array([0.2, -0.1, 0.1, 0.3])
    expected = ["supported", "contradicted", "undecided", "not measurable"]
    assert judge(1, low, high).tolist() == expected
    flipped = ["contradicted", "supported", "undecided", "not measurable"]
    assert judge(-1, low, high).tolist() == flipped
    assert judge_training(-1, low, high).tolist() == ["less", "more", "undecided", "unknown"]

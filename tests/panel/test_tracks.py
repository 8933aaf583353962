"""Tracks are what the recording says, computed here anew with plain loops."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from policyscope.core import registry
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.target_parser import BadTarget
from policyscope.panel.views import quantities, tracks
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record
from policyscope.recordings.shards.store import ShardReader, shard_folder
from policyscope.recordings.shards.zarr_files import write_group

PATTERN = "attention_layer.pattern"


def numbers(recording, k, name):
    """Values of a track, NaN where the page gets null."""
    values = tracks.track(recording, k, name).values
    return np.array([np.nan if v is None else v for v in values])


@pytest.fixture(scope="session")
def sampled(agent, tmp_path_factory) -> Path:
    """Two episodes of a policy that draws its actions."""
    folder = tmp_path_factory.mktemp("sampled") / "rec"
    record(replace(agent, head="categorical"), None, 2, 5, [PATTERN], folder, act="sample")
    return folder


@pytest.fixture(scope="session")
def continuous(recorded, tmp_path_factory) -> Path:
    """The recording rewritten as if two continuous actions had been taken."""
    folder = tmp_path_factory.mktemp("continuous") / "rec"
    shutil.copytree(recorded, folder)
    header = json.loads((folder / "recording.json").read_text())
    header["space"] |= {"actions": [], "action_low": [-1, -1], "action_high": [1, 1]}
    header["outputs"] = {"mean": [2], "log_std": [2]}
    (folder / "recording.json").write_text(json.dumps(header))
    for number in range(len(list((folder / "shards").iterdir()))):
        shard = ShardReader(shard_folder(folder, number))
        arrays = {n: shard.array(n) for n in [*shard.names(), "final_obs", "has_final_obs"]}
        q = arrays.pop("outputs/q")
        arrays |= {"outputs/mean": q[:, :2], "outputs/log_std": np.zeros_like(q[:, :2])}
        arrays |= {"action": q[:, :2], "policy_action": q[:, :2].copy()}
        arrays["policy_action"][1, 1] += 1
        shutil.rmtree(shard.folder / "arrays.zarr")
        write_group(shard.folder / "arrays.zarr", arrays)
    return folder


def test_outputs_and_rewards_are_those_of_row_t(recording):
    for k in range(3):
        data = recording.episode(k)
        q = data["q"].values
        for i, action in enumerate(recording.space.actions):
            np.testing.assert_array_equal(numbers(recording, k, f"q[{action}]"), q[:, i])
        np.testing.assert_array_equal(numbers(recording, k, "value"), q.max(1))
        margin = [sorted(row)[-1] - sorted(row)[-2] for row in q.astype(float).tolist()]
        np.testing.assert_array_equal(numbers(recording, k, "margin"), margin)
        reward = data["reward"].values
        np.testing.assert_array_equal(numbers(recording, k, "reward"), reward)
        to_go = [reward[t:].sum() for t in range(len(reward))]
        np.testing.assert_allclose(numbers(recording, k, "return to go"), to_go, atol=1e-9)
        assert numbers(recording, k, "return to go")[0] == pytest.approx(data.attrs["return"])
        assert numbers(recording, k, "forced action").sum() == 0
        assert numbers(recording, k, "not the greedy action").sum() == 0
        for name in ("terminated", "truncated"):
            np.testing.assert_array_equal(numbers(recording, k, name), data[name])


def test_what_stands_around_the_ego(recording):
    for k in range(3):
        speed, nearest = [], []
        for _, scene in recording.entities(k).groupby("step"):
            ego = scene[scene["identity"] == 0].iloc[0]
            others = scene[scene["identity"] != 0]
            speed.append(ego["speed"])
            apart = [math.dist((ego["x"], ego["y"]), (x, y)) for x, y in others[["x", "y"]].values]
            nearest.append(min(apart, default=np.nan))
        np.testing.assert_array_equal(numbers(recording, k, "ego speed"), speed)
        np.testing.assert_allclose(numbers(recording, k, "nearest entity"), nearest)
        assert np.ptp(nearest) > 1


def test_entropy_of_attention(recording):
    pattern = recording.episode(1)[f"sites/{PATTERN}"].values
    for head in range(2):
        wanted = [
            -sum(w * math.log(w) for w in row if w > 0) for row in pattern[:, head, 0].tolist()
        ]
        found = numbers(recording, 1, f"attention entropy[{head}]")
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert not np.allclose(found, numbers(recording, 1, "attention entropy[0]"))


def test_targets_are_tracks(recording):
    data = recording.episode(1)
    q, pattern = data["q"].values, data[f"sites/{PATTERN}"].values
    found = tracks.track(recording, 1, "q[FASTER]-q[SLOWER]")
    np.testing.assert_array_equal(found.values, q[:, 2] - q[:, 0])
    assert (found.unit, found.group) == ("return", "q[FASTER]-q[SLOWER]")
    assert tracks.track(recording, 1, "q[1]").group == "q"
    unit = numbers(recording, 1, f"site[{PATTERN}][1,0,3]")
    np.testing.assert_array_equal(unit, pattern[:, 1, 0, 3])
    taken = np.take_along_axis(q, data["action"].values[:, None], 1)[:, 0]
    np.testing.assert_array_equal(numbers(recording, 1, "q[taken]"), taken)
    later = tracks.track(recording, 1, "value@t+2").values
    assert later == [*q.max(1)[2:].tolist(), None, None]


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        ("valu", UnknownName, "unknown target 'valu'. Did you mean value"),
        ("q[FASTR]", UnknownName, "Did you mean FASTER"),
        ("q[7]", PolicyscopeError, "number 7 does not exist, valid are 0 to 2"),
        ("site[nowhere][0]", UnknownName, PATTERN),
        (f"site[{PATTERN}][0,0]", PolicyscopeError, "give one index for each axis"),
        ("logp[0]", PolicyscopeError, "a Q agent acts greedily"),
        ("direction[ica/3]", UnknownName, "unknown direction"),
        ("value value", BadTarget, r"expected \+ or -, at 'value'"),
        ("", BadTarget, "Valid: value, entropy"),
    ],
)
def test_other_names_are_answered_by_the_grammar_of_targets(recording, name, error, told):
    with pytest.raises(error, match=told):
        tracks.track(recording, 0, name)


def test_unknown_episodes(recording):
    with pytest.raises(UnknownName, match=r"no episode 3 .* it holds 0\.\.2"):
        tracks.track(recording, 3, "value")


def test_only_q_and_reward_are_shown_from_the_start(recording):
    infos = tracks.listed(recording, {})
    assert {i.name for i in infos if i.shown} == {"q[SLOWER]", "q[IDLE]", "q[FASTER]", "reward"}
    assert len({i.name for i in infos}) == len(infos)
    units = {i.name: (i.unit, i.group, i.kind) for i in infos}
    assert units["q[IDLE]"] == units["value"] == ("return", "q", "line")
    assert units["ego speed"] == ("m/s", "ego speed", "line")
    assert units["truncated"][2] == "event"
    assert "entropy" not in units


def test_a_policy_has_probabilities_logits_and_entropy(sampled):
    recording = open_recording(sampled)
    infos = {i.name: i for i in tracks.listed(recording, {})}
    assert {n for n, i in infos.items() if i.shown and i.group == "probability"} == {
        "p[SLOWER]", "p[IDLE]", "p[FASTER]",
    }  # fmt: skip
    assert not infos["logit[IDLE]"].shown
    drawn = 0
    for k in range(2):
        data = recording.episode(k)
        logits = data["logits"].values.astype(float)
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        for i, action in enumerate(recording.space.actions):
            np.testing.assert_allclose(numbers(recording, k, f"p[{action}]"), p[:, i], rtol=1e-6)
            np.testing.assert_array_equal(
                numbers(recording, k, f"logit[{action}]"), data["logits"][:, i]
            )
        entropy = -(p * np.log(p)).sum(1)
        np.testing.assert_allclose(numbers(recording, k, "entropy"), entropy, rtol=1e-5)
        greedy = data["action"].values != logits.argmax(1)
        np.testing.assert_array_equal(numbers(recording, k, "not the greedy action"), greedy)
        drawn += greedy.sum()
    assert drawn > 0


def test_continuous_actions(continuous):
    recording = open_recording(continuous)
    infos = {i.name: i for i in tracks.listed(recording, {})}
    assert {"mean[0]", "mean[1]", "action[0]", "action[1]", "entropy"} <= set(infos)
    assert "margin" not in infos
    assert infos["mean[1]"].group == infos["action[1]"].group == "action"
    data = recording.episode(0)
    for name in ("mean", "action"):
        np.testing.assert_array_equal(numbers(recording, 0, f"{name}[1]"), data[name].values[:, 1])
    assert numbers(recording, 0, "forced action").tolist() == [0, 1, *[0] * (len(data["step"]) - 2)]
    assert {n for n, i in infos.items() if i.shown} == {"mean[0]", "mean[1]", "reward"}
    normal = 2 * 0.5 * math.log(2 * math.pi * math.e)
    np.testing.assert_allclose(numbers(recording, 0, "entropy"), normal, rtol=1e-6)


def test_what_is_not_finite_has_no_value(recording):
    masked = quantities.Quantity(
        tracks.TrackInfo(name="masked", unit="", group=""),
        lambda steps: np.array([-np.inf, np.nan, 1]),
    )
    found = tracks._values(masked, tracks.of_episode(recording, 0), "line")
    assert found.values == [None, None, 1.0]
    assert json.loads(found.model_dump_json())["values"] == [None, None, 1.0]


def across(column, recording):
    """How many steps of a column over all steps differ from ``value@t+2`` within their episode."""
    wrong = at = 0
    for k in recording.episodes["episode"]:
        value = recording.episode(k)["q"].values.max(1)
        right = np.append(value, [np.nan, np.nan])[2:]
        mine = column[at : at + len(value)]
        wrong += int((~((mine == right) | (np.isnan(mine) & np.isnan(right)))).sum())
        at += len(value)
    return wrong


def test_offsets_end_with_the_episode(recording):
    target = quantities.target_quantity("value@t+2", recording)
    assert across(quantities.over_all([target], recording)[0], recording) == 0


def test_offsets_that_reach_into_the_next_episode_are_noticed(recording):
    def forgetful(steps):
        value = steps.column("q").max(1)
        return np.append(value, [np.nan, np.nan])[2:]

    mistaken = quantities.Quantity(tracks.TrackInfo(name="m", unit="", group=""), forgetful)
    assert across(quantities.over_all([mistaken], recording)[0], recording) == 4


def test_a_return_to_go_that_runs_on_is_noticed(recording):
    """The episode's own return stands at its first step, over all episodes at once."""
    known = tracks.quantities(recording, {})
    column = quantities.over_all([known["return to go"]], recording)[0]
    first = np.append(0, recording.episodes["steps"].cumsum())[:-1]
    np.testing.assert_allclose(column[first], recording.episodes["return"], rtol=1e-5)
    rewards = quantities.over_all([known["reward"]], recording)[0]
    run_on = rewards[::-1].cumsum()[::-1]
    assert not np.allclose(run_on[first], recording.episodes["return"])


class Functions:
    """Functions that a user might register, good and bad."""

    calls = 0

    @staticmethod
    def two(recording, k):
        Functions.calls += 1
        steps = recording.episode(k).sizes["step"]
        pair = tracks.Track("ahead", np.arange(steps) + 100 * k, "m", group="gaps")
        return [pair, tracks.Track("two", np.full(steps, np.nan), kind="event", shown=True)]

    @staticmethod
    def broken(recording, k):
        Functions.calls += 1
        raise ZeroDivisionError("no\nway")

    @staticmethod
    def short(recording, k):
        return [tracks.Track("short", np.zeros(2))]

    @staticmethod
    def wrong(recording, k):
        return {"speed": np.zeros(2)}

    @staticmethod
    def twice(recording, k):
        return [tracks.Track("a", np.zeros(recording.episode(k).sizes["step"]))] * 2

    @staticmethod
    def sometimes(recording, k):
        steps = recording.episode(k).sizes["step"]
        return [tracks.Track("sometimes" if k == 0 else "else", np.zeros(steps))]

    @staticmethod
    def none(recording, k):
        return []

    @staticmethod
    def reward(recording, k):
        return [tracks.Track("reward", np.full(recording.episode(k).sizes["step"], 7.0))]


@pytest.fixture
def registered(monkeypatch):
    """Registers one of the functions as a track, for one test."""
    Functions.calls = 0
    monkeypatch.setattr(registry, "_ENTRIES", {**registry._ENTRIES, "track": {}})
    monkeypatch.setattr(registry, "import_module", lambda name: Functions)
    return lambda name: registry.register("track", name, f"mine:{name}")


def test_registered_functions_are_called_once_an_episode(recording, registered):
    assert "two" not in {i.name for i in tracks.listed(recording, {})}
    registered("two")
    infos = {i.name: i for i in tracks.listed(recording, {})}
    assert tracks.listed(recording, {}) == list(infos.values())
    assert Functions.calls == 1
    ahead, two = infos["two: ahead"], infos["two"]
    assert (ahead.unit, ahead.group, ahead.kind, ahead.shown) == ("m", "gaps", "line", False)
    assert (two.group, two.kind, two.shown, two.source) == ("two", "event", True, "mine:two")
    assert numbers(recording, 2, "two: ahead")[:3].tolist() == [200, 201, 202]
    assert np.isnan(numbers(recording, 2, "two")).all()
    assert Functions.calls == 2


@pytest.mark.parametrize(
    ("name", "asked", "told"),
    [
        ("broken", "broken", r"track function 'broken' \(mine:broken\) failed on episode 1: "
         "ZeroDivisionError: no way"),
        ("short", "short", r"'short' has 2 steps, episode 1 has \d"),
        ("wrong", "wrong", "gave a str, expected Track"),
        ("twice", "twice", "two views of one name: a, a"),
        ("sometimes", "sometimes", "gave no 'sometimes' for episode 1; it gave sometimes: else"),
        ("missing", "missing", "failed on episode 1: AttributeError"),
    ],
)  # fmt: skip
def test_bad_functions_are_named_and_do_no_harm(recording, registered, name, asked, told):
    registered(name)
    infos = {i.name: i for i in tracks.listed(recording, {})}
    assert (infos[name].unit, infos[name].shown) == ("", False)
    assert "reward" in infos
    assert len(numbers(recording, 1, "value")) > 0
    with pytest.raises(PolicyscopeError, match=told):
        tracks.track(recording, 1, asked)


def test_a_failing_function_is_not_called_for_every_listing(recording, registered):
    registered("broken")
    for _ in range(3):
        tracks.listed(recording, {})
    assert Functions.calls == 1


def test_a_function_may_have_no_tracks(recording, registered):
    before = tracks.listed(recording, {})
    registered("none")
    assert tracks.listed(recording, {}) == before


def test_a_name_that_is_taken_gets_a_number(recording, registered):
    registered("reward")
    names = [i.name for i in tracks.listed(recording, {})]
    assert names.count("reward") == 1
    assert (numbers(recording, 0, "reward (2)") == 7).all()
    np.testing.assert_array_equal(numbers(recording, 0, "reward"), recording.episode(0)["reward"])


def test_the_python_lines_make_the_same_numbers(recording, monkeypatch):
    found = tracks.track(recording, 1, "q[FASTER]-q[SLOWER]")
    monkeypatch.chdir(recording.path.parent)
    *first, last = found.python.splitlines()
    names: dict = {}
    exec("\n".join(first), names)
    assert eval(last, names) == found.values

"""Forks: both futures begin at the recorded step and part by nothing but the change."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.heads import RowNoise
from policyscope.agents.networks.mlp import MLPNetwork
from policyscope.agents.store import load_agent
from policyscope.core.edits import Edit, edited
from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.result import Result
from policyscope.envs.make import make_lane, versioned
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record
from policyscope.recordings.replays import futures
from policyscope.recordings.replays.chance import draws
from policyscope.recordings.replays.fork import ForkConfig, fork, unwritten
from policyscope.recordings.replays.fork_clip import fork_frames

FEW = ForkConfig(seeds=2, null=2)
LATE = -12


@pytest.fixture(scope="module")
def coinrun(tmp_path_factory):
    """Four levels of an agent that remembers and draws its actions."""
    agent = load_agent("coinrun-gru")
    return record(agent, None, 4, 5, None, tmp_path_factory.mktemp("coinrun") / "rec")


def rest(recording, episode, step, name):
    return recording.episode(episode)[name].values[step:]


@pytest.mark.parametrize(("episode", "step"), [(0, 0), (1, 1), (2, 9)])
def test_without_changes_pair_0_is_the_recording_and_the_others_agree(coinrun, episode, step):
    result = fork(coinrun, episode, step, (), FEW)
    assert result.passed
    assert result.checks[0].n == len(rest(coinrun, episode, step, "action"))
    data = result.data
    steps = int(data["steps"].values[0, 0])
    played = data["action"].values[0, 0, :steps, 0]
    np.testing.assert_array_equal(played, rest(coinrun, episode, step, "action"))
    np.testing.assert_array_equal(
        data["value"].values[0, 0, :steps].astype(np.float32),
        rest(coinrun, episode, step, "value"),
    )
    assert data["return"].values[0, 0] == rest(coinrun, episode, step, "reward").sum()
    assert set(data["diverges"].values) == {-1}
    np.testing.assert_array_equal(data["return"].values[0], data["return"].values[1])
    assert data["difference"].values.tolist() == [0, 0, 0]


def test_other_pairs_draw_other_actions(coinrun):
    data = fork(coinrun, 0, 3, (), FEW).data
    first, second = (data["action"].values[0, p, :20, 0] for p in range(2))
    assert not np.array_equal(first, second)


def test_a_fork_without_the_recorded_memory_is_found_out(coinrun, monkeypatch):
    monkeypatch.setattr(
        futures.Origin, "episodes",
        lambda self, moments, right=futures.Origin.episodes: [
            replace(episode, memory=None) for episode in right(self, moments)
        ],
    )  # fmt: skip
    assert not all(fork(coinrun, k, 12, (), ForkConfig(seeds=1)).passed for k in range(2))


def test_noise_that_is_not_keyed_by_the_recorded_step_is_found_out(coinrun, monkeypatch):
    monkeypatch.setattr(
        futures.Origin, "episodes",
        lambda self, moments, right=futures.Origin.episodes: [
            replace(episode, step=0) for episode in right(self, moments)
        ],
    )  # fmt: skip
    assert not fork(coinrun, 0, 12, (), ForkConfig(seeds=1)).passed


def test_a_scene_without_the_coin_never_ends_in_it(coinrun):
    result = fork(coinrun, 0, 5, ["remove coin"], FEW)
    assert result.passed
    kept, changed = result.data["outcome"].values
    assert "coin" in kept
    assert "coin" not in changed
    assert (result.data["return"].values[1] == 0).all()
    difference = result.data["difference"].values
    assert difference[0] == pytest.approx((result.data["return"].values * [[-1], [1]]).sum() / 2)
    assert difference[1] <= difference[0] <= difference[2]


def test_an_edit_acts_as_in_a_loop_by_hand(coinrun):
    """The oracle: one lane, one forward a step, the edit in force in the first two decisions."""
    episode, step, edit = 1, 4, Edit("clamp", "gru.gru.memory", (3,), 0.9)
    result = fork(coinrun, episode, step, [edit], ForkConfig(seeds=1, during=2, null=0))
    data = coinrun.episode(episode)
    agent, lanes = coinrun.agent, coinrun.plan.lanes
    lane = make_lane(coinrun.env)
    obs = lane.start(Start(seed=int(coinrun.line(episode)["seed"])))
    for action in data["action"].values[:step]:
        obs = lane.step(int(action)).obs
    state = torch.from_numpy(data["state_in"].values[step]).expand(lanes, -1).clone()
    actions, over, t = [], False, step
    while not over:
        noise = RowNoise(coinrun.plan.seed, np.full(lanes, episode), np.full(lanes, t))
        edits = [edit] if t < step + 2 else []
        with torch.no_grad(), edited(agent.modules(), edits):
            decision = agent.act(np.repeat(obs[None], lanes, 0), state, generator=noise)
        state = decision.state
        actions.append(int(decision.action[0]))
        answer = lane.step(actions[-1])
        obs, over, t = answer.obs, answer.terminated or answer.truncated, t + 1
    lane.close()
    steps = int(result.data["steps"].values[1, 0])
    assert result.data["action"].values[1, 0, :steps, 0].tolist() == actions
    longer = fork(coinrun, episode, step, [edit], ForkConfig(seeds=1, null=0))
    values = [r.data["value"].values[1, 0, :4] for r in (result, longer)]
    assert np.array_equal(values[0][:2], values[1][:2])
    assert not np.array_equal(values[0], values[1])


def test_the_null_of_an_edit_is_played_too(coinrun):
    step = len(rest(coinrun, 0, 0, "action")) + LATE
    result = fork(coinrun, 0, step, ["zero gru.gru.memory[5]"], FEW)
    assert result.data["null"].shape == (2,)
    assert "null" not in fork(coinrun, 0, step, ["remove crate"], FEW).data


def test_the_null_holds_nothing_of_the_edits_themselves(coinrun):
    site = "gru.gru.memory"
    pair = [Edit("zero", site, (5,)), Edit("zero", site, (6,))]
    for one, two in draws(coinrun, coinrun.agent, pair, 60, 0):
        assert not {one.index[0], two.index[0]} & {(5,), (6,)}
        assert one.index != two.index
    added = [
        draw for (draw,) in draws(coinrun, coinrun.agent, [Edit("add", site, (5,), 3.0)], 8, 0)
    ]
    directions = np.array([draw.values for draw in added])
    assert directions.shape == (8, 64)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 3)
    assert (np.abs(directions[:, 5]) < 2.5).all()


def test_new_chances_change_what_follows_and_nothing_of_now(recording):
    """The intersection goes on drawing: the order of rows, who comes, who drives how."""
    lane = make_lane(recording.env)
    first = lane.start(Start(seed=3))
    moment = lane.snapshot()
    later = {}
    for seed in (1, 1, 2):
        lane.start(Start(snapshot=moment))
        np.testing.assert_array_equal(
            lane.apply(SceneEdit("reseed", None, {"seed": float(seed)})), first
        )
        again = make_lane(recording.env)
        again.start(Start(snapshot=replace(lane.snapshot(), live=None)))
        after = [lane.step(1).obs for _ in range(3)]
        np.testing.assert_array_equal(after, [again.step(1).obs for _ in range(3)])
        np.testing.assert_array_equal(later.setdefault(seed, after), after)
        again.close()
    lane.close()
    assert not np.array_equal(later[1], later[2])
    with pytest.raises(PolicyscopeError, match="seed must be a whole number >= 0, not -1"):
        make_and_apply(recording, SceneEdit("reseed", None, {"seed": -1.0}))


def make_and_apply(recording, edit):
    lane = make_lane(recording.env)
    try:
        lane.start(Start(seed=3))
        lane.apply(edit)
    finally:
        lane.close()


def test_pairs_of_a_greedy_agent_have_chances_of_their_own(recording):
    result = fork(recording, 0, 0, [SceneEdit("speed", 0, {"speed": 1.0})], ForkConfig(seeds=3))
    assert result.passed
    assert result.data.sizes["pair"] == 3
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr("policyscope.envs.highway.lane.HighwayLane.reseeds")
        alone = fork(recording, 0, 0, (), ForkConfig(seeds=3))
    assert alone.data.sizes["pair"] == 1


def test_where_nothing_is_random_there_is_one_pair(tmp_path):
    spec = versioned(EnvSpec("gym:CartPole-v1"))
    arguments = {"features": 4, "widths": [8], "actions": 2}
    lane = make_lane(spec)
    agent = Agent(
        MLPNetwork(4, (8,), 2), ("mlp", arguments), "categorical", lane.space, "greedy", env=spec
    )
    lane.close()
    recording = record(agent, spec, 2, 0, None, tmp_path / "rec")
    result = fork(recording, 1, 4, (), ForkConfig(seeds=20))
    assert result.passed
    assert result.data.sizes["pair"] == 1
    assert result.data.attrs["chance"].startswith("the agent draws nothing and the world draws")
    with pytest.raises(PolicyscopeError, match="takes no scene edits"):
        fork(recording, 1, 4, ["remove 1"])


def test_what_cannot_be_forked(coinrun):
    with pytest.raises(PolicyscopeError, match="episode 0 has no step 9999; it holds 0.."):
        fork(coinrun, 0, 9999)
    with pytest.raises(UnknownName, match="there is no episode 7"):
        fork(coinrun, 7, 0)
    with pytest.raises(UnknownName, match="unknown site 'nowhere'"):
        fork(coinrun, 0, 3, ["zero nowhere[1]"], FEW)
    with pytest.raises(PolicyscopeError, match="seeds must be at least 1"):
        ForkConfig(seeds=0)
    with pytest.raises(PolicyscopeError, match="during must be at least 1"):
        ForkConfig(during=0)
    with pytest.raises(PolicyscopeError, match="seed must be at least 0"):
        ForkConfig(seed=-1)


def test_a_fork_is_saved_and_shown(coinrun, tmp_path):
    result = fork(coinrun, 0, 5, ["remove crate"], FEW)
    result.save(tmp_path / "fork")
    again = Result.load(tmp_path / "fork")
    assert [unwritten(c) for c in again.parameters["changes"]] == [
        SceneEdit("remove", result.parameters["changes"][0]["identity"])
    ]
    assert again.parameters["told"][0].startswith("remove crate ")
    frames = []
    for frame in fork_frames(open_recording(coinrun.path), again, 1, 128):
        frames.append(frame)
        if len(frames) == 4:
            break
    assert all(frame.dtype == np.uint8 and frame.shape == frames[0].shape for frame in frames)
    left, right = frames[0][-128:, :128], frames[0][-128:, -128:]
    assert left.std() > 10
    assert right.std() > 10
    names = {trace.name for trace in again.figure().data}
    assert {"kept", "changed"} <= names
    with pytest.raises(PolicyscopeError, match=r"the fork has pairs 0\.\.1, not 2"):
        next(fork_frames(coinrun, again, 2))


def test_the_line_of_python_makes_it_again(coinrun, monkeypatch):
    result = fork(coinrun, 0, 20, ["remove crate", "zero gru.gru.memory[5]"], FEW)
    monkeypatch.chdir(coinrun.path.parent)
    found: dict = {}
    exec(result.python, found)
    assert found["result"].data.equals(result.data)

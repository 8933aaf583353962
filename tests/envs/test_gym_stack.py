"""Observations joined as Stable-Baselines3 joins them."""

import gymnasium as gym
import numpy as np
import pytest

from policyscope.agents.importers.recognise import import_agent
from policyscope.cli.main import main
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.gym_lane import make_lane
from policyscope.envs.gym_stack import Stacked
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start

FOUR = EnvSpec("gym:CartPole-v1", {"frame_stack": 4})


def played(lane, actions, seed=3):
    """Observations from a seed on, a new episode where one ended."""
    seen = [lane.start(Start(seed=seed))]
    for action in actions:
        step = lane.step(action)
        seen.append(step.obs)
        if step.terminated or step.truncated:
            seen.append(lane.start(Start(seed=seed)))
    return np.array(seen)


def test_joined_observations_are_those_of_the_library():
    vectors = pytest.importorskip("stable_baselines3.common.vec_env")
    lane = make_lane(FOUR)
    stack = vectors.VecFrameStack(vectors.DummyVecEnv([lambda: gym.make("CartPole-v1")]), 4)
    stack.seed(3)
    theirs, ours = stack.reset()[0], lane.start(Start(seed=3))
    np.testing.assert_array_equal(ours, theirs)
    assert not ours[:12].any()
    for action in np.random.default_rng(0).integers(0, 2, 100):
        found, _, done, info = stack.step([action])
        step = lane.step(int(action))
        if done[0]:
            np.testing.assert_array_equal(step.obs, info[0]["terminal_observation"])
            break
        np.testing.assert_array_equal(step.obs, found[0])
    assert done[0]


def test_a_new_episode_begins_with_nothing_behind_it():
    seen = played(make_lane(FOUR), [1] * 30)
    begun = [i for i, obs in enumerate(seen) if not obs[:12].any()]
    assert len(begun) >= 3
    for i in begun:
        np.testing.assert_array_equal(seen[i], seen[0])


def test_a_snapshot_keeps_what_was_joined():
    lane = make_lane(FOUR)
    played(lane, [0, 1, 1, 0, 1])
    kept = lane.snapshot()
    ahead = lane.step(1).obs
    other = make_lane(FOUR)
    other.start(Start(snapshot=kept))
    np.testing.assert_array_equal(other.step(1).obs, ahead)


def test_frames_are_joined_along_their_channels():
    class Frames(gym.Env):
        observation_space = gym.spaces.Box(0, 255, (4, 5, 3), np.uint8)
        action_space = gym.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            return np.full((4, 5, 3), 7, np.uint8), {}

        def step(self, action):
            return np.full((4, 5, 3), 9, np.uint8), 0.0, False, False, {}

    env = Stacked(Frames(), 2)
    assert env.observation_space.shape == (4, 5, 6)
    assert env.reset()[0][0, 0].tolist() == [0, 0, 0, 7, 7, 7]
    assert env.step(0)[0][0, 0].tolist() == [7, 7, 7, 9, 9, 9]


@pytest.mark.parametrize("count", [1, 0, "4", 2.5])
def test_a_stack_that_makes_no_sense_is_refused(count):
    with pytest.raises(PolicyscopeError, match="at least 2"):
        make_lane(EnvSpec("gym:CartPole-v1", {"frame_stack": count}))


@pytest.mark.filterwarnings("ignore")
def test_an_agent_trained_behind_a_stack_is_imported_and_acts(tmp_path, capsys):
    library = pytest.importorskip("stable_baselines3")
    vectors = pytest.importorskip("stable_baselines3.common.vec_env")
    stack = vectors.VecFrameStack(vectors.DummyVecEnv([lambda: gym.make("CartPole-v1")]), 4)
    model = library.PPO("MlpPolicy", stack, n_steps=16, batch_size=16, n_epochs=1, seed=0)
    model.learn(16)
    file = tmp_path / "ppo.zip"
    model.save(file)
    with pytest.raises(PolicyscopeError, match=r"--env-set frame_stack=4"):
        import_agent(file, env=EnvSpec("gym:CartPole-v1"))
    agent = str(tmp_path / "agent")
    wanted = ["--env", "gym:CartPole-v1", "--env-set", "frame_stack=4", "--out", agent]
    assert main(["import", str(file), *wanted]) == 0
    assert main(["evaluate", agent, "--episodes", "4", "--baselines", "random"]) == 0
    assert "return" in capsys.readouterr().out
    seen = played(make_lane(FOUR), [0, 1, 0, 1])
    theirs = model.predict(seen, deterministic=True)[0]
    from policyscope.agents.store import load_agent

    assert load_agent(agent).act(seen, sample=False).action.tolist() == theirs.tolist()

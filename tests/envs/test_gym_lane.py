"""Gymnasium environments as lanes."""

import json
import os
import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.gym_lane import make_lane
from policyscope.envs.gym_spaces import describe, to_native
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Snapshot, Start


class Unseeded(gym.Env):
    """Ignores its seed."""

    observation_space = spaces.Box(0, 1, (1,), np.float64)
    action_space = spaces.Discrete(2, start=5)

    def reset(self, *, seed=None, options=None):
        return np.random.default_rng().random(1), {}

    def step(self, action):
        assert action in (5, 6)
        return np.random.default_rng().random(1), 0.0, False, False, {}


class Absent(gym.Env):
    """Needs a package nobody has."""

    def __init__(self):
        import a_package_nobody_has  # noqa: F401


gym.register("PolicyscopeUnseeded-v0", Unseeded)
gym.register("PolicyscopeAbsent-v0", Absent)


@pytest.mark.parametrize(
    ("name", "options"),
    [("CartPole-v1", {}), ("Pendulum-v1", {"g": 5.0}), ("FrozenLake-v1", {"is_slippery": False})],
)
def test_every_answer_is_gymnasiums_own(name, options):
    lane, own = make_lane(EnvSpec(f"gym:{name}", options)), gym.make(name, **options)
    expected, _ = own.reset(seed=3)
    assert np.array_equal(lane.start(Start(seed=3)), expected)
    own.action_space.seed(0)
    while not lane.outcome():
        action = own.action_space.sample()
        expected, *rest, _ = own.step(action)
        step = lane.step(action)
        assert np.array_equal(step.obs, expected)
        assert [step.reward, step.terminated, step.truncated] == rest
    assert lane.outcome() == (("terminated",) if step.terminated else ("truncated",))
    with pytest.raises(PolicyscopeError, match="has ended"):
        lane.step(action)


def test_space_is_described():
    cartpole = make_lane(EnvSpec("gym:CartPole-v1")).space
    assert (cartpole.obs_shape, cartpole.obs_dtype, cartpole.actions) == (
        (4,),
        "float32",
        ("0", "1"),
    )
    pendulum = make_lane(EnvSpec("gym:Pendulum-v1")).space
    assert (pendulum.actions, pendulum.action_low, pendulum.action_high) == ((), (-2.0,), (2.0,))
    frozen = make_lane(EnvSpec("gym:FrozenLake-v1")).space
    assert (frozen.obs_shape, frozen.obs_dtype) == ((), "int64")


def test_combined_actions_become_one_list():
    observations, actions = spaces.Box(0, 1, (3,)), spaces.MultiDiscrete([2, 3], start=[0, 4])
    space = describe(observations, actions)
    assert space.actions == ("0,4", "0,5", "0,6", "1,4", "1,5", "1,6")
    natives = [to_native(i, actions, space)[0] for i in range(6)]
    assert [",".join(map(str, n)) for n in natives] == list(space.actions)
    assert all(actions.contains(n) for n in natives)


def test_continuous_actions_keep_their_shape():
    actions = spaces.Box(-1, 1, (2, 2))
    space = describe(spaces.Discrete(3), actions)
    native, plain = to_native([0.5, -1, 0, 1], actions, space)
    assert native.tolist() == [[0.5, -1.0], [0.0, 1.0]]
    assert plain == (0.5, -1.0, 0.0, 1.0)
    for wrong in ([0.5], [0, 0, 0, np.nan]):
        with pytest.raises(PolicyscopeError, match="4 finite numbers"):
            to_native(wrong, actions, space)


@pytest.mark.parametrize(
    ("observations", "actions", "message"),
    [
        (spaces.Dict({"a": spaces.Discrete(2)}), spaces.Discrete(2), "kind Dict"),
        (spaces.Discrete(2), spaces.MultiBinary(2), "kind MultiBinary"),
        (spaces.Discrete(2), spaces.MultiDiscrete([70, 70]), "4900 combinations"),
    ],
)
def test_other_spaces_are_refused(observations, actions, message):
    with pytest.raises(PolicyscopeError, match=message):
        describe(observations, actions)


def test_unseeded_environment_is_not_restored():
    lane = make_lane(EnvSpec("gym:PolicyscopeUnseeded-v0"))
    assert lane.space.actions == ("5", "6")
    lane.start(Start(seed=0))
    lane.step(1)
    taken = Snapshot.from_json(json.loads(json.dumps(lane.snapshot().to_json())))
    with pytest.raises(PolicyscopeError, match="replaying its actions gives other observations"):
        lane.start(Start(snapshot=taken))
    with pytest.raises(PolicyscopeError, match="has not begun"):
        lane.step(0)


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        (EnvSpec("gym:CartPol-v1"), UnknownName, "Did you mean.*CartPole-v1"),
        (EnvSpec("gym:CartPole-v7"), UnknownName, "CartPole-v1"),
        (EnvSpec("gym:not an id"), PolicyscopeError, "cannot be made"),
        (EnvSpec("gym:PolicyscopeAbsent-v0"), PolicyscopeError, "missing.*a_package_nobody_has"),
        (EnvSpec("gym:CartPole-v1", {"wings": 2}), PolicyscopeError, "wings"),
        (EnvSpec("gym:CartPole-v1", {"render_mode": "human"}), PolicyscopeError, "render_mode"),
        (EnvSpec("gym:Blackjack-v1"), PolicyscopeError, "kind Tuple"),
    ],
)
def test_environment_that_cannot_be_had_is_refused_in_one_line(spec, kind, message):
    with pytest.raises(kind, match=message) as caught:
        make_lane(spec)
    assert "\n" not in str(caught.value)


def test_frames_are_square_and_change_nothing():
    lane, twin = (make_lane(EnvSpec("gym:CartPole-v1")) for _ in range(2))
    lane.start(Start(seed=1)), twin.start(Start(seed=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pygame's own, on import
        frame = lane.render(90)
    assert (frame.shape, frame.dtype) == ((90, 90, 3), np.dtype("uint8"))
    assert frame.mean() > 10
    assert not frame[:10].any(), "bars of black keep the 3:2 shape"
    assert np.array_equal(lane.step(1).obs, twin.step(1).obs)
    assert not np.array_equal(frame, lane.render(90))


def test_what_gymnasium_cannot_tell_is_empty_or_refused():
    lane = make_lane(EnvSpec("gym:PolicyscopeUnseeded-v0"))
    for act in (lane.snapshot, lambda: lane.render(50)):
        with pytest.raises(PolicyscopeError, match="call start first"):
            act()
    lane.start(Start(seed=0))
    assert (len(lane.entities()), lane.scene(), lane.outcome()) == (0, {}, ())
    with pytest.raises(PolicyscopeError, match="no scene edits"):
        lane.apply(SceneEdit("remove", 1))
    with pytest.raises(PolicyscopeError, match="no render mode"):
        lane.render(50)
    with pytest.raises(PolicyscopeError, match="starts from a seed"):
        lane.start(Start(level=2))


def test_drawing_prints_nothing_where_no_session_has_its_folder():
    script = (
        "from policyscope.envs.make import make_lane, parse_env\n"
        "from policyscope.envs.stepper import Start\n"
        "lane = make_lane(parse_env('gym:CartPole-v1'))\n"
        "lane.start(Start(seed=0))\n"
        "print(lane.render(64).std() > 1)\n"
    )
    bare = {k: v for k, v in os.environ.items() if k not in ("XDG_RUNTIME_DIR", "SDL_VIDEODRIVER")}
    done = subprocess.run(
        [sys.executable, "-c", script], env=bare, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "True"
    assert "XDG_RUNTIME_DIR" not in done.stderr + done.stdout

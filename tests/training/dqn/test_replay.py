import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policyscope.training.dqn.replay import NStep, Replay


def brute_force(rewards: list[float], terminated: bool, n: int, gamma: float):
    """(reward, discount, index of next observation) of every step of one finished episode."""
    out = []
    for t in range(len(rewards)):
        window = rewards[t : t + n]
        end = t + len(window)
        reaches_end = end == len(rewards)
        bootstrap = not (terminated and reaches_end)
        total = sum(r * gamma**i for i, r in enumerate(window))
        out.append((total, gamma ** len(window) if bootstrap else 0.0, end))
    return out


def run(rewards: list[float], terminated: bool, n: int, gamma: float) -> Replay:
    replay = Replay(100, (1,), "float32")
    lane = NStep(n, gamma)
    for t, reward in enumerate(rewards):
        last = t == len(rewards) - 1
        bootstrap = not (last and terminated)
        obs, following = np.array([t], "float32"), np.array([t + 1], "float32")
        lane.add(replay, obs, t % 3, reward, following, bootstrap, last)
    assert lane.pending == []
    return replay


@settings(max_examples=60, deadline=None)
@given(
    rewards=st.lists(st.floats(-5, 5), min_size=1, max_size=13),
    terminated=st.booleans(),
    n=st.integers(1, 5),
)
def test_n_step_transitions_equal_brute_force(rewards, terminated, n):
    replay = run(rewards, terminated, n, 0.9)
    wanted = brute_force(rewards, terminated, n, 0.9)
    assert replay.size == len(rewards)
    for t, (reward, discount, end) in enumerate(wanted):
        assert replay.arrays["obs"][t, 0] == t
        assert replay.arrays["action"][t] == t % 3
        assert replay.arrays["reward"][t] == pytest.approx(reward, abs=1e-4)
        assert replay.arrays["discount"][t] == pytest.approx(discount, abs=1e-6)
        assert replay.arrays["next_obs"][t, 0] == end


def test_ring_overwrites_the_oldest_and_samples_without_replacement():
    replay = Replay(4, (1,), "float32")
    for t in range(6):
        replay.push(np.array([t], "float32"), 0, float(t), np.array([t + 1], "float32"), 1.0)
    assert sorted(replay.arrays["reward"]) == [2, 3, 4, 5]
    drawn = replay.sample(4, np.random.default_rng(0))
    assert sorted(drawn.reward) == [2, 3, 4, 5]


def test_sampling_is_uniform():
    replay = Replay(10, (1,), "float32")
    for t in range(10):
        replay.push(np.zeros(1, "float32"), 0, float(t), np.zeros(1, "float32"), 1.0)
    random = np.random.default_rng(0)
    counts = np.bincount(
        np.concatenate([replay.sample(2, random).reward.astype(int) for _ in range(5000)]),
        minlength=10,
    )
    assert np.abs(counts / counts.sum() - 0.1).max() < 0.01

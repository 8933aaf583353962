"""What lanes did, and when states are due."""

import numpy as np
import pytest

from policyscope.envs.procgen.history import KEYFRAME_STEPS, History


def test_actions_are_those_of_the_running_episode_also_after_many_rounds_of_the_ring():
    history, random = History(3, 50), np.random.default_rng(0)
    expected: list[list[int]] = [[], [], []]
    for lane in range(3):
        history.begin(lane, [], KEYFRAME_STEPS)
    for _ in range(400):
        actions = random.integers(0, 15, 3)
        history.add(actions)
        for lane, action in enumerate(actions.tolist()):
            expected[lane].append(action)
            if len(expected[lane]) == 50 or random.random() < 0.02:
                earlier = random.integers(0, 15, int(random.integers(0, 30))).tolist()
                history.begin(lane, earlier, KEYFRAME_STEPS)
                expected[lane] = list(earlier)
            assert history.count(lane) == len(expected[lane])
            assert history.actions(lane) == expected[lane]


@pytest.mark.parametrize("every", [KEYFRAME_STEPS, 300])
@pytest.mark.parametrize(("longest", "earlier"), [(1000, 0), (1000, 130), (500, 498), (500, 499)])
def test_states_are_due_at_every_keyframe_and_before_the_last_step(longest, earlier, every):
    history = History(2, longest)
    history.begin(1, [0] * earlier, every)
    kept = []
    for _ in range(longest - earlier):
        history.add(np.zeros(2, int))
        for lane in history.due():
            assert lane == 1
            kept.append(history.count(1))
            history.kept(1)
    steps = range(earlier + every, longest - 1, every)
    assert kept == [*steps, *([longest - 1] if earlier < longest - 1 else [])]


def test_no_state_of_an_ended_episode_is_due():
    history = History(1, 300)
    history.begin(0, [], KEYFRAME_STEPS)
    history.end(0)
    for _ in range(299):
        history.add(np.zeros(1, int))
        assert history.due() == []

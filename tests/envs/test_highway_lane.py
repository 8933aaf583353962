"""The intersection against highway-env itself: same bytes, rows, names, reasons."""

from functools import cache

import numpy as np
import pytest
from highway_env.envs.intersection_env import IntersectionEnv

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.highway import observation
from policyscope.envs.highway.lane import HighwayLane, make_lane
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start

SPEC = EnvSpec("highway/intersection")
SLOWER, IDLE, FASTER = range(3)
X, Y, VX, VY = 1, 2, 3, 4


@cache
def lane_of(engine):
    return make_lane(EnvSpec("highway/intersection", {"engine": engine}))


def stock_env():
    """Highway-env's own, configured by hand as the study did."""
    defaults = IntersectionEnv.default_config()["observation"]
    changes = {"order": "shuffled", "observe_intentions": True}
    return IntersectionEnv({"observation": defaults | changes, "destination": "o1"})


def random_actions(seed):
    return np.random.default_rng(seed).integers(0, 3, 20).tolist()


def play(lane, seed, actions=None):
    """Observation and entities of each moment of an episode."""
    actions = actions or random_actions(seed)
    moments = [(lane.start(Start(seed=seed)).copy(), lane.entities())]
    while not lane.outcome():
        moments.append((lane.step(actions[len(moments)]).obs.copy(), lane.entities()))
    return moments


@pytest.mark.parametrize("engine", ["fast", "stock"])
def test_every_answer_is_highway_envs_own(engine):
    stock, lane, compared = stock_env(), lane_of(engine), 0
    for seed in range(5):
        expected, _ = stock.reset(seed=seed)
        assert np.array_equal(lane.start(Start(seed=seed)), expected)
        for action in random_actions(seed):
            if lane.outcome():
                break
            lane.entities(), lane.scene(), lane.snapshot()
            expected, *rest, _ = stock.step(action)
            step = lane.step(action)
            assert np.array_equal(step.obs, expected)
            assert [step.reward, step.terminated, step.truncated] == rest
            compared += 1
    assert compared > 30


def rows_disagree(lane, seeds):
    """How many shown vehicles stand elsewhere than their row says, and how many are shown."""
    wrong = shown = 0
    for seed in seeds:
        for obs, cars in play(lane, seed):
            assert sorted(cars.row[cars.row >= 0]) == np.flatnonzero(obs[:, 0] > 0.5).tolist()
            for i in np.flatnonzero(cars.row >= 0):
                velocity = cars.speed[i] * np.array(
                    [np.cos(cars.heading[i]), np.sin(cars.heading[i])]
                )
                expected = [*np.clip([cars.x[i] / 100, cars.y[i] / 100], -1, 1), *velocity / 20]
                wrong += not np.allclose(obs[cars.row[i], [X, Y, VX, VY]], expected, atol=1e-6)
                shown += 1
    return wrong, shown


def test_rows_of_entities_are_the_rows_that_show_them(monkeypatch):
    wrong, shown = rows_disagree(lane_of("fast"), range(6))
    assert wrong == 0
    assert shown > 200

    class Guessing(observation.Watch):
        def observe(self):
            obs = super().observe()
            self.present = np.flatnonzero(obs[1:, 0] > 0.5).tolist()
            return obs

        def rows(self):
            rows = dict(zip(self.present, self.candidates, strict=True))
            return [self.env.vehicle, *(rows.get(k) for k in range(14))]

    monkeypatch.setattr(observation, "Watch", Guessing)
    assert rows_disagree(make_lane(SPEC), range(2))[0] > 20


def jumps(episodes):
    """Vehicles that moved farther in a second than they can, or came back under a used name."""
    found = 0
    for moments in episodes:
        gone: set[int] = set()
        for (_, before), (_, after) in zip(moments, moments[1:], strict=False):
            old = {k: i for i, k in enumerate(before.identity)}
            found += len(gone & set(after.identity))
            gone |= old.keys() - set(after.identity)
            for j, k in enumerate(after.identity):
                if k in old:
                    i = old[k]
                    moved = np.hypot(after.x[j] - before.x[i], after.y[j] - before.y[i])
                    found += moved > max(abs(before.speed[i]), abs(after.speed[j])) + 6.5
                    found += before.kind[i] != after.kind[j]
    return found


def test_identities_follow_the_vehicles_however_rows_are_shuffled():
    episodes = [play(lane_of("fast"), seed, [SLOWER] * 20) for seed in range(6)]
    assert jumps(episodes) == 0
    for moments in episodes:
        for _, cars in moments:
            assert len(set(cars.identity)) == len(cars)
            assert (cars.kind == "ego").tolist() == (cars.identity == 0).tolist()
            assert cars.row[cars.identity == 0].tolist() == [0]
    assert max(cars.identity.max() for m in episodes for _, cars in m) > 8
    by_row = [
        [(obs, type(cars)(**{**cars.columns(), "identity": cars.row})) for obs, cars in moments]
        for moments in episodes
    ]
    assert jumps(by_row) > 20


def test_unseen_vehicles_are_listed_without_a_row():
    hidden = [(cars.row < 0).sum() for seed in range(5) for _, cars in play(lane_of("fast"), seed)]
    assert max(hidden) >= 1


def ending(seed, action):
    lane = lane_of("fast")
    lane.start(Start(seed=seed))
    while not lane.outcome():
        step = lane.step(action)
    return lane.outcome(), step


def test_outcome_names_why_an_episode_ended():
    outcome, step = ending(0, SLOWER)
    assert outcome == ("timed_out",)
    assert step.truncated
    assert not step.terminated
    endings = {ending(seed, FASTER)[0] for seed in range(8)}
    assert endings == {("arrived",), ("crashed",)}


def test_outcome_names_both_where_a_car_crashes_on_the_step_it_arrives():
    outcome, step = ending(71, FASTER)
    assert outcome == ("arrived", "crashed")
    assert step.terminated
    assert step.reward == 1.0


def test_other_settings_in_between_leave_an_episode_as_it_was():
    lane = make_lane(SPEC)
    first = play(lane, 3)
    aggressive = {"other_vehicles_type": "highway_env.vehicle.behavior.AggressiveVehicle"}
    play(make_lane(EnvSpec("highway/intersection", {**aggressive, "duration": 4})), 3)
    for (obs, cars), (obs_again, cars_again) in zip(first, play(lane, 3), strict=True):
        assert np.array_equal(obs, obs_again)
        for name, column in cars.columns().items():
            assert np.array_equal(column, cars_again.columns()[name])


def test_space_names_rows_features_and_actions():
    space = lane_of("fast").space
    assert space.rows[:2] == ("ego", "vehicle 1")
    assert len(space.rows) == space.obs_shape[0] == 15
    assert space.features == ("presence", "x", "y", "vx", "vy", "cos_h", "sin_h")
    assert space.actions == ("SLOWER", "IDLE", "FASTER")


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda lane: lane.step(0), "has not begun"),
        (lambda lane: lane.snapshot(), "call start first"),
        (lambda lane: lane.start(Start(level=3)), "starts from a seed"),
        (lambda lane: lane.start(Start(seed=-1)), "starts from a seed"),
        (lambda lane: [lane.start(Start(seed=1)), lane.step(3)], "not one of 0..2"),
        (lambda lane: [lane.start(Start(seed=1)), lane.step(0.5)], "not one of 0..2"),
        (lambda lane: [lane.start(Start(seed=1)), *[lane.step(0) for _ in range(14)]], "has ended"),
    ],
)
def test_misuse_is_refused_in_one_line(act, message):
    with pytest.raises(PolicyscopeError, match=message) as caught:
        act(HighwayLane(SPEC))
    assert "\n" not in str(caught.value)

"""Scene edits: what they change, what they leave alone, what they refuse."""

import numpy as np
import pytest

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.highway.lane import HighwayLane
from policyscope.envs.highway.observation import Watch
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start

SPEC = EnvSpec("highway/intersection")
SLOWER, IDLE, FASTER = range(3)


def lane_at(seed, steps=3):
    lane = HighwayLane(SPEC)
    lane.start(Start(seed=seed))
    for _ in range(steps):
        lane.step(SLOWER)
    return lane


def car(lane, identity):
    cars = lane.entities()
    i = cars.identity.tolist().index(identity)
    return {name: column[i] for name, column in cars.columns().items()}


def shown_other(lane):
    cars = lane.entities()
    return int(cars.identity[(cars.row > 0)][0])


def generator(lane):
    return lane._env.np_random.bit_generator.state


@pytest.mark.parametrize("seed", range(6))
def test_edit_without_effect_leaves_the_observation_and_the_future_alone(seed):
    lane, twin = lane_at(seed), lane_at(seed)
    other = shown_other(lane)
    before = lane.step(SLOWER).obs.copy()
    twin.step(SLOWER)
    other = shown_other(lane)
    obs = lane.apply(SceneEdit("speed", other, {"speed": float(car(lane, other)["speed"])}))
    assert np.array_equal(obs, before)
    while not lane.outcome():
        step, expected = lane.step(IDLE), twin.step(IDLE)
        assert np.array_equal(step.obs, expected.obs)
        assert step.reward == expected.reward
    assert twin.outcome() == lane.outcome()


def test_observing_the_road_as_it_now_is_would_show_more_than_the_edit(monkeypatch):
    def naive(self, added, removed):
        source = self.env.np_random.bit_generator
        now, source.state = source.state, self.before
        obs = self.observe()
        source.state = now
        return obs

    monkeypatch.setattr(Watch, "observe_again", naive)
    differing = 0
    for seed in range(6):
        lane = lane_at(seed)
        before = lane._obs.copy()
        speed = float(car(lane, 0)["speed"])
        differing += not np.array_equal(lane.apply(SceneEdit("speed", 0, {"speed": speed})), before)
    assert differing > 0


def test_move_puts_a_vehicle_elsewhere_and_finds_its_lane():
    lane = lane_at(2)
    other = shown_other(lane)
    row = car(lane, other)["row"]
    obs = lane.apply(SceneEdit("move", other, {"x": -60.0, "y": 2.0, "heading": 0.0}))
    moved = car(lane, other)
    assert (moved["x"], moved["y"], moved["heading"]) == (-60.0, 2.0, 0.0)
    assert obs[row, 1:3] == pytest.approx([-0.6, 0.02])
    vehicle = next(v for v in lane._env.road.vehicles if v.identity == other)
    assert vehicle.lane_index == vehicle.target_lane_index == vehicle.route[0] == ("o1", "ir1", 0)
    lane.step(SLOWER)
    assert abs(car(lane, other)["y"] - 2.0) < 0.5


def test_moved_ego_still_drives_to_its_destination():
    lane = lane_at(2)
    lane.apply(SceneEdit("move", 0, {"x": 2.0, "y": 30.0, "heading": -np.pi / 2}))
    assert car(lane, 0)["y"] == 30.0
    assert lane._env.vehicle.route[-1][1] == "o1"


def test_remove_takes_a_vehicle_off_the_road_and_out_of_the_observation():
    lane = lane_at(2)
    other, shown = shown_other(lane), int(lane._obs[:, 0].sum())
    obs = lane.apply(SceneEdit("remove", other))
    assert other not in lane.entities().identity
    assert int(obs[:, 0].sum()) == shown - 1


@pytest.mark.parametrize(
    ("values", "goal"),
    [
        ({"x": 40.0, "y": -2.0, "heading": np.pi}, "o1"),
        ({"x": 40.0, "y": -2.0, "destination": 2, "heading": np.pi}, "o2"),
        ({"x": -60.0, "y": -2.0, "heading": np.pi}, "o1"),
        ({"x": -40.0, "y": 2.0}, "o3"),
    ],
)
def test_added_vehicle_drives_to_where_its_lane_leads(values, goal):
    lane = lane_at(1)
    names = set(lane.entities().identity)
    obs = lane.apply(SceneEdit("add", values={**values, "speed": 5.0}))
    (new,) = set(lane.entities().identity) - names
    assert new == max(names) + 1
    added = car(lane, new)
    assert (added["x"], added["y"], added["speed"]) == (values["x"], values["y"], 5.0)
    assert obs[added["row"], 1] == pytest.approx(values["x"] / 100)
    assert lane._env.road.vehicles[-1].route[-1][1] == goal
    before = added["x"]
    lane.step(SLOWER)
    ahead = -1 if abs(added["heading"]) > 1 else 1
    assert (car(lane, new)["x"] - before) * ahead > 2


def test_speed_changes_speed_alone():
    lane = lane_at(2)
    other = shown_other(lane)
    before = car(lane, other)
    lane.apply(SceneEdit("speed", other, {"speed": 1.5}))
    after = car(lane, other)
    assert after.pop("speed") == 1.5
    assert after == {k: v for k, v in before.items() if k != "speed"}


def test_edited_world_and_its_twin_draw_alike_until_a_spawn_differs():
    """The twin's generator stays equal step by step unless one world refuses a spawn."""
    equal = parted = 0
    for seed in range(12):
        lane, twin = lane_at(seed), lane_at(seed)
        lane.apply(SceneEdit("remove", shown_other(lane)))
        assert generator(lane) == generator(twin)
        while not (lane.outcome() or twin.outcome()):
            cars, cars_twin = len(lane._env.road.vehicles), len(twin._env.road.vehicles)
            named, named_twin = lane._named, twin._named
            lane.step(SLOWER), twin.step(SLOWER)
            spawned, spawned_twin = lane._named - named, twin._named - named_twin
            if generator(lane) != generator(twin):
                assert spawned != spawned_twin, (cars, cars_twin)
                parted += 1
                break
            assert spawned == spawned_twin
            equal += 1
    assert equal > 100
    assert parted < 6


def test_edit_that_draws_would_part_the_twins():
    lane, twin = lane_at(1), lane_at(1)
    lane.apply(SceneEdit("remove", shown_other(lane)))
    lane._env.observation_type.observe()
    assert generator(lane) != generator(twin)


@pytest.mark.parametrize(
    ("edit", "kind", "message"),
    [
        (SceneEdit("mve", 1), UnknownName, "Did you mean move.*add, move, remove, reseed, speed"),
        (SceneEdit("remove", 99), PolicyscopeError, "no vehicle 99 is on the road; valid: 0, "),
        (SceneEdit("speed", None, {"speed": 1.0}), PolicyscopeError, "no vehicle None"),
        (SceneEdit("remove", 0), PolicyscopeError, "ego .* cannot be removed"),
        (SceneEdit("move", 1, {"x": 1.0}), PolicyscopeError, "needs x, y; missing: y"),
        (SceneEdit("add", None, {"x": 1.0}), PolicyscopeError, "missing: y, speed"),
        (SceneEdit("speed", 1, {"sped": 1.0}), UnknownName, "Did you mean speed"),
        (SceneEdit("speed", 1, {"speed": float("nan")}), PolicyscopeError, "finite"),
        (SceneEdit("add", 3, {"x": 1.0, "y": 1.0, "speed": 1.0}), PolicyscopeError, "no identity"),
        (
            SceneEdit("add", None, {"x": 1.0, "y": 1.0, "speed": 1.0, "destination": 7.0}),
            PolicyscopeError,
            "must be 0, 1, 2 or 3",
        ),
    ],
)
def test_impossible_edit_is_refused_in_one_line_and_changes_nothing(edit, kind, message):
    lane, twin = lane_at(2, 1), lane_at(2, 1)
    with pytest.raises(kind, match=message) as caught:
        lane.apply(edit)
    assert "\n" not in str(caught.value)
    assert lane.snapshot().digest == twin.snapshot().digest
    assert lane.snapshot().edits == ()


def test_ended_episode_takes_no_edit():
    lane = lane_at(2, 13)
    with pytest.raises(PolicyscopeError, match="has ended"):
        lane.apply(SceneEdit("remove", 1))

"""Scene edits of CoinRun and Maze act in the game, and impossible ones are refused."""

import numpy as np
import pytest

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.make import make
from policyscope.envs.procgen import codes
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start

LANES = 24
COINRUN = EnvSpec("procgen/coinrun")
IDLE = [4] * LANES


@pytest.fixture
def coinrun():
    stepper = make(COINRUN, LANES)
    stepper.start([Start(level=k) for k in range(LANES)])
    yield stepper
    stepper.close()


def objects(stepper, lane, kind):
    shown = stepper.call(lane, "entities")
    return [
        (int(i), float(x), float(y))
        for i, x, y, k in zip(shown.identity, shown.x, shown.y, shown.kind, strict=True)
        if k == kind
    ]


def onto(stepper, lane, kind):
    """Put the player onto the first object of a kind; its identity, or None without one."""
    found = objects(stepper, lane, kind)
    if not found:
        return None
    identity, x, y = found[0]
    stepper.call(lane, "apply", SceneEdit("move", 0, {"x": x, "y": y - 0.0787}))
    return identity


@pytest.mark.parametrize("kind", ["saw", "enemy"])
def test_player_dies_on_a_saw_or_an_enemy_and_lives_where_it_was_removed(coinrun, kind):
    dead = [i for i in range(LANES) if onto(coinrun, i, kind) is not None]
    assert len(dead) >= 4
    step = coinrun.step(IDLE)
    ended = np.flatnonzero(step.terminated).tolist()
    assert ended == dead
    outcomes = {coinrun.call(i, "outcome")[0] for i in dead}
    expected = {"saw"} if kind == "saw" else {"enemy_left", "enemy_right"}
    assert outcomes <= expected | {"saw", "coin"}
    assert outcomes & expected

    coinrun.start([Start(level=k) for k in range(LANES)])
    for i in dead:
        identity = onto(coinrun, i, kind)
        before = coinrun.call(i, "render", 512)
        coinrun.call(i, "apply", SceneEdit("remove", identity))
        assert not np.array_equal(coinrun.call(i, "render", 512), before)
        assert identity not in coinrun.call(i, "entities").identity
    step = coinrun.step(IDLE)
    lived = [i for i in dead if not step.terminated[i]]
    assert len(lived) >= 0.7 * len(dead)  # two objects may share a place


def test_coin_can_be_moved_to_the_player_and_removed(coinrun):
    for i in range(LANES):
        _, x, y = objects(coinrun, i, "player")[0]
        coinrun.call(i, "apply", SceneEdit("move", 1, {"x": x, "y": y}))
    step = coinrun.step(IDLE)
    assert (step.reward == 10).all()
    assert step.terminated.all()
    coinrun.start([Start(level=k) for k in range(LANES)])
    for i in range(LANES):
        onto(coinrun, i, "coin")
        coinrun.call(i, "apply", SceneEdit("remove", 1))
        assert not objects(coinrun, i, "coin")
    step = coinrun.step(IDLE)
    assert not step.reward.any()
    with pytest.raises(PolicyscopeError, match="no coin to remove"):
        coinrun.call(int(np.flatnonzero(coinrun.running)[0]), "apply", SceneEdit("remove", 1))


def test_saw_can_be_moved_into_the_way(coinrun):
    moved = []
    for i in range(LANES):
        if saws := objects(coinrun, i, "saw"):
            _, x, y = objects(coinrun, i, "player")[0]
            coinrun.call(i, "apply", SceneEdit("move", saws[0][0], {"x": x + 3, "y": y + 0.07}))
            moved.append(i)
    assert len(moved) >= 4
    ended = np.zeros(LANES, bool)
    for _ in range(14):
        step = coinrun.step([7] * LANES)
        ended |= step.terminated
    killed = [i for i in moved if ended[i] and coinrun.call(i, "outcome") == ("saw",)]
    assert len(killed) >= len(moved) - 1


def test_edit_of_one_lane_leaves_the_others_alone(coinrun):
    twin = make(COINRUN, LANES)
    twin.start([Start(level=k) for k in range(LANES)])
    _, x, y = objects(coinrun, 5, "player")[0]
    answer = coinrun.call(5, "apply", SceneEdit("move", 0, {"x": x + 1, "y": y}))
    for t in range(6):
        a, b = coinrun.step([t] * LANES), twin.step([t] * LANES)
        others = np.arange(LANES) != 5
        assert np.array_equal(a.obs[others], b.obs[others])
        assert t > 0 or not np.array_equal(a.obs[5], b.obs[5])
    assert answer.shape == (64, 64, 3)
    twin.close()


def test_invisible_saw_still_kills(coinrun):
    """Observation edit: the frame comes from an edited copy, the scene plays on."""
    lane = next(i for i in range(LANES) if objects(coinrun, i, "saw"))
    saw = onto(coinrun, lane, "saw")
    real = coinrun.call(lane, "render", 64)
    state = coinrun.state(lane)
    seen = coinrun.observe_edited(lane, [SceneEdit("remove", saw)])
    assert not np.array_equal(seen, real)
    assert np.array_equal(coinrun.observe_edited(lane, []), real)
    assert np.array_equal(coinrun.state(lane).entities, state.entities)
    assert coinrun.step(IDLE).terminated[lane]
    assert coinrun.call(lane, "outcome") == ("saw",)


@pytest.mark.parametrize("mode", ["easy", "hard", "memory"])
def test_mouse_and_cheese_can_stand_on_any_free_cell(mode):
    stepper = make(EnvSpec("procgen/maze", {"mode": mode}), 8)
    stepper.start([Start(level=k) for k in range(8)])
    random = np.random.default_rng(0)
    for i in range(8):
        grid = stepper.state(i).grid
        rows, columns = np.nonzero(grid == codes.EMPTY)
        beside = (columns < grid.shape[1] - 1) & (
            grid[rows, np.minimum(columns + 1, grid.shape[1] - 1)] == codes.EMPTY
        )
        at = int(random.choice(np.flatnonzero(beside)))
        x, y = columns[at] + 0.3, grid.shape[0] - rows[at] - 0.4
        stepper.call(i, "apply", SceneEdit("move", 0, {"x": x, "y": y}))
        stepper.call(i, "apply", SceneEdit("move", 1, {"x": x + 1, "y": y}))
        assert objects(stepper, i, "mouse")[0][1] == columns[at] + 0.5
        assert len(objects(stepper, i, "cheese")) == 1
    assert not stepper.step([4] * 8).terminated.any()
    step = stepper.step([7] * 8)
    assert (step.reward == 10).all()
    assert [stepper.call(i, "outcome") for i in range(8)] == [("cheese",)] * 8
    stepper.close()


def test_edits_survive_a_snapshot_that_is_replayed():
    stepper, other = make(COINRUN, 1), make(COINRUN, 1)
    stepper.start([Start(level=4)])
    stepper.step([7])
    found = [o for kind in ("saw", "enemy", "crate") for o in objects(stepper, 0, kind)]
    stepper.call(0, "apply", SceneEdit("remove", found[0][0]))
    stepper.step([8])
    _, x, y = objects(stepper, 0, "player")[0]
    stepper.call(0, "apply", SceneEdit("move", 0, {"x": x, "y": y - 2}))
    taken = stepper.call(0, "snapshot")
    read = type(taken).from_json(taken.to_json())
    obs = other.start([Start(snapshot=read)])
    assert np.array_equal(obs[0], stepper.call(0, "render", 64))
    assert np.array_equal(other.call(0, "entities").identity, stepper.call(0, "entities").identity)
    for action in (7, 8, 1):
        assert np.array_equal(stepper.step([action]).obs, other.step([action]).obs)


def test_impossible_edits_are_refused_in_one_line(coinrun):
    wall = objects(coinrun, 0, "wall")[0]
    cases = [
        (SceneEdit("paint", 0), "unknown scene edit of procgen 'paint'"),
        (SceneEdit("remove", 0), "the player cannot be removed"),
        (SceneEdit("remove", 900), "there is no object 900"),
        (SceneEdit("remove", wall[0]), "walls and lava cannot be changed"),
        (SceneEdit("move", 0, {"x": 3.0}), "takes the values x and y"),
        (SceneEdit("move", 0, {"x": -3.0, "y": 2.0}), "outside of the world"),
        (SceneEdit("move", 0, {"x": float("nan"), "y": 2.0}), "outside of the world"),
        (SceneEdit("move", 0, {"x": wall[1], "y": wall[2]}), "player cannot stand at"),
        (SceneEdit("move", 1, {"x": 30.0, "y": 63.5}), "cannot stand there: that cell is wall"),
    ]
    before = coinrun.call(0, "snapshot").digest
    for edit, message in cases:
        with pytest.raises((PolicyscopeError, UnknownName), match=message) as caught:
            coinrun.call(0, "apply", edit)
        assert "\n" not in str(caught.value)
    assert coinrun.call(0, "snapshot").digest == before


def test_whose_feet_would_be_in_the_ground_is_told_where_it_stands(coinrun):
    """The middle of a cell is too low for the player, who is taller than a tile."""
    _, x, y = objects(coinrun, 0, "player")[0]
    for lower in (np.floor(y) + 0.5, y + 0.05):
        with pytest.raises(PolicyscopeError, match="its feet would be in the ground") as caught:
            coinrun.call(0, "apply", SceneEdit("move", 0, {"x": x, "y": lower}))
        assert "\n" not in str(caught.value)
        told = float(str(caught.value).split()[-1])
        coinrun.call(0, "apply", SceneEdit("move", 0, {"x": x, "y": told}))
        assert objects(coinrun, 0, "player")[0][2] == pytest.approx(y, abs=1e-3)
    assert not coinrun.step(IDLE).terminated[0]
    with pytest.raises(PolicyscopeError, match="a wall is there"):  # too near the wall beside it
        coinrun.call(0, "apply", SceneEdit("move", 0, {"x": x - 0.4, "y": lower}))

"""Procgen's stepper: levels, ends of episodes, snapshots, options, errors."""

import importlib.metadata
import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs import make as making
from policyscope.envs.make import make, make_lane, parse_env
from policyscope.envs.procgen import engine as native
from policyscope.envs.procgen import layout
from policyscope.envs.procgen.engine import Engine, MissingEngine
from policyscope.envs.procgen.options import engine_options, level_of
from policyscope.envs.procgen.state import BadState, parse
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Lane, Start, Stepper

COINRUN = EnvSpec("procgen/coinrun")
MAZE = EnvSpec("procgen/maze", {"mode": "easy"})


def bare(game, level, actions, **options):
    """Frames and rewards of the engine alone, made for one level."""
    engine = Engine(game, 1, engine_options(options))
    at = layout.LEVEL_SEEDS + len(game)
    data = engine.get_state(0)
    seeds = np.array([level, level + 1], "<i4").tobytes()
    engine.set_state(0, data[:at] + seeds + data[at + 8 :])
    engine.act(np.array([-1]))
    frames, rewards, firsts = [engine.observe()[0][0].copy()], [], []
    for action in actions:
        engine.act(np.array([action]))
        frame, reward, first = engine.observe()
        frames.append(frame[0].copy())
        rewards.append(float(reward[0]))
        firsts.append(bool(first[0]))
    engine.close()
    return frames, rewards, firsts


def test_stepper_and_lane_are_what_the_contract_asks_for():
    assert isinstance(make(COINRUN, 2), Stepper)
    assert isinstance(make_lane(COINRUN), Lane)


@pytest.mark.parametrize("spec", [COINRUN, MAZE], ids=["coinrun", "maze"])
def test_lane_shows_what_the_bare_engine_shows_until_the_end(spec):
    """And after the end its last frame, never that of the next level."""
    game, levels = spec.id.removeprefix("procgen/"), range(300, 308)
    random = np.random.default_rng(2)
    actions = np.where(random.random((520, 8)) < 0.5, 7, random.integers(0, 15, (520, 8)))
    stepper = make(spec, 8)
    seen = [stepper.start([Start(level=k) for k in levels])]
    rewards, ends = [], []
    for row in actions:
        step = stepper.step(row.tolist())
        seen.append(step.obs)
        rewards.append(step.reward)
        ends.append(step.terminated | step.truncated)
    leaks = ended = 0
    for i, level in enumerate(levels):
        frames, expected, firsts = bare(game, level, actions[:, i], **spec.options)
        end = firsts.index(True) if True in firsts else len(firsts)
        assert [bool(e[i]) for e in ends] == [t == end for t in range(len(firsts))]
        for t in range(min(end + 1, len(firsts))):
            assert rewards[t][i] == expected[t]
            assert np.array_equal(seen[t][i], frames[t])
        for t in range(end + 1, len(firsts)):
            assert np.array_equal(seen[t][i], frames[end]), "the last frame before the end"
            assert rewards[t][i] == 0
        if end < len(firsts):
            ended += 1
            leaks += not np.array_equal(frames[end + 1], frames[end])
    assert ended >= 3
    assert leaks >= 3, "the engine shows another frame there, which the lane must not"
    stepper.close()


def test_what_was_given_stays_through_steps_edits_starts_and_ends():
    stepper, random = make(COINRUN, 6), np.random.default_rng(4)
    given = [stepper.start([Start(level=400 + k) for k in range(6)])]
    kept, ended = [given[0].copy()], 0
    for t in range(250):
        step = stepper.step(np.where(random.random(6) < 0.5, 8, 7).tolist())
        given.append(step.obs)
        over = np.flatnonzero(step.terminated | step.truncated)
        ended += len(over)
        if t % 2 and len(over):
            given.append(stepper.start([Start(level=t) if i in over else None for i in range(6)]))
        kept += [shown.copy() for shown in given[len(kept) :]]
        for lane in np.flatnonzero(stepper.running).tolist() if t % 50 == 0 else ():
            edited = stepper.call(lane, "apply", SceneEdit("move", 0, {"x": 8.0, "y": 50.0}))
            assert not np.array_equal(edited, given[-1][lane])
    assert ended > 4
    assert all(np.array_equal(a, b) for a, b in zip(given, kept, strict=True))
    stepper.close()


def test_frame_of_an_edit_is_repeated_where_the_next_step_ends_the_episode():
    stepper = make(COINRUN, 2)
    stepper.start([Start(level=3), Start(level=5)])
    for _ in range(999):
        step = stepper.step([4, 4])
    edited = stepper.call(1, "apply", SceneEdit("move", 0, {"x": 6.0, "y": 40.0}))
    last = stepper.step([4, 4]).obs
    assert np.array_equal(last[1], edited)
    assert not np.array_equal(last[1], step.obs[1])
    assert np.array_equal(last[0], step.obs[0])
    stepper.close()


def test_who_writes_to_what_was_given_changes_no_lane_that_goes_on_or_has_ended():
    stepper, twin = make(COINRUN, 2), make(COINRUN, 2)
    for world in (stepper, twin):
        world.start([Start(level=3), Start(level=5)])
        for _ in range(998):
            world.step([4, 4])
        world.start([None, Start(level=5)])
    for _ in range(4):  # lane 0 ends with the second of these steps
        shown, expected = stepper.step([4, 7]).obs, twin.step([4, 7]).obs
        assert np.array_equal(shown, expected)
        if not stepper.running[0]:
            shown[:] = 0
        else:
            shown[1] = 0
        for lane in range(2):
            picture = stepper.call(lane, "render", 64)
            assert np.array_equal(picture, twin.call(lane, "render", 64))
    assert np.array_equal(stepper.start([None, None])[0], expected[0])
    assert stepper.running.tolist() == [False, True]


def test_level_of_a_seed_counts_from_the_start_level_and_repeats():
    assert level_of(3, {}) == 200_003
    assert level_of(3, {"start_level": 7, "num_levels": 2}) == 8
    stepper = make(EnvSpec("procgen/coinrun", {"start_level": 7, "num_levels": 2}), 3)
    obs = stepper.start([Start(seed=3), Start(level=8), Start(seed=2)])
    assert np.array_equal(obs[0], obs[1])
    assert not np.array_equal(obs[0], obs[2])
    assert [parse(stepper._moment(i)).progress["current_level_seed"] for i in range(3)] == [8, 8, 7]


def test_options_change_the_picture():
    frames = {}
    for name, value in {
        "mode": "easy", "use_backgrounds": False, "paint_vel_info": True, "center_agent": False,
        "restrict_themes": True, "use_monochrome_assets": True, "threads": 2,
    }.items():  # fmt: skip
        stepper = make(EnvSpec("procgen/coinrun", {name: value}), 1)
        frames[name] = stepper.start([Start(level=11)])[0].tobytes()
        stepper.close()
    plain = make(COINRUN, 1).start([Start(level=11)])[0].tobytes()
    assert frames.pop("threads") == plain
    assert plain not in frames.values()
    assert len(set(frames.values())) == len(frames)


def test_time_limit_truncates_after_a_thousand_steps():
    stepper = make(COINRUN, 2)
    stepper.start([Start(level=3), Start(level=5)])
    for _ in range(999):
        step = stepper.step([1, 1])
        assert not (step.terminated | step.truncated).any()
    step = stepper.step([1, 1])
    assert step.truncated.all()
    assert not step.terminated.any()
    assert stepper.call(0, "outcome") == ("timed_out",)


def test_snapshot_of_an_ended_episode_stays_ended():
    stepper, other = make(MAZE, 1), make(MAZE, 1)
    stepper.start([Start(level=2)])
    _put_beside_the_cheese(stepper)
    step = stepper.step([7])
    assert step.terminated[0]
    taken = stepper.call(0, "snapshot")
    values = json.loads(json.dumps(Start(snapshot=taken).to_json()))
    for start in (Start(snapshot=taken), Start.from_json(values)):
        obs = other.start([start])
        assert np.array_equal(obs, step.obs)
        assert not other.running[0]
        assert other.call(0, "outcome") == ("cheese",)
        assert other.call(0, "snapshot").digest == taken.digest


def _put_beside_the_cheese(stepper):
    grid = stepper.state(0).grid
    rows, columns = np.nonzero((grid[:, :-1] == 100) & (grid[:, 1:] == 100))
    x, y = columns[0] + 0.5, grid.shape[0] - rows[0] - 0.5
    stepper.call(0, "apply", SceneEdit("move", 0, {"x": x, "y": y}))
    stepper.call(0, "apply", SceneEdit("move", 1, {"x": x + 1, "y": y}))


def test_snapshot_goes_on_in_another_slot_and_its_state_is_the_same_to_the_byte():
    stepper = make(COINRUN, 5)
    stepper.start([Start(level=k) for k in range(5)])
    for t in range(70):
        stepper.step([7, 8, 7, 8, 7] if t % 3 else [1, 2, 0, 5, 8])
    taken = [stepper.call(i, "snapshot") for i in range(5)]
    states = [stepper._moment(i) for i in range(5)]
    order = [3, 4, 0, 2, 1]
    stepper.start([Start(snapshot=taken[k]) for k in order])
    assert [stepper._moment(i) for i in range(5)] == [states[k] for k in order]


def test_picture_is_the_observation_at_64_and_drawn_at_512():
    stepper = make(COINRUN, 2)
    obs = stepper.start([Start(level=3), Start(level=5)])
    for t in range(5):
        obs = stepper.step([7, t]).obs
        stepper.call(0, "entities")
        stepper.call(1, "snapshot")
        stepper.observe_edited(0, [SceneEdit("remove", 1)])
    assert all(np.array_equal(stepper.call(i, "render", 64), obs[i]) for i in range(2))
    assert stepper._spare._large is None, "nobody has asked for a large picture"
    for i in range(2):
        large = stepper.call(i, "render", 512)
        assert large.shape == (512, 512, 3)
        small = large.reshape(64, 8, 64, 8, 3).mean(axis=(1, 3))
        assert np.abs(small - obs[i]).mean() < 12
        assert np.array_equal(stepper.call(i, "render", 256), large[1::2, 1::2])
    after = stepper.step([4, 4]).obs
    twin = make(COINRUN, 2)
    twin.start([Start(level=3), Start(level=5)])
    for t in range(5):
        twin.step([7, t])
    assert np.array_equal(twin.step([4, 4]).obs, after)


def test_state_made_with_other_options_is_refused_by_name():
    easy = make(EnvSpec("procgen/coinrun", {"mode": "easy"}), 1)
    easy.start([Start(level=3)])
    taken = easy.call(0, "snapshot")
    with pytest.raises(BadState, match="made with other options"):
        make(COINRUN, 1)._spare.require_fitting(taken.live.state)
    with pytest.raises(BadState, match="is of coinrun, not of maze"):
        make(MAZE, 1)._spare.require_fitting(taken.live.state)
    with pytest.raises(PolicyscopeError, match="cannot be restored"):
        make(COINRUN, 1).start([Start(snapshot=taken)])


@pytest.mark.parametrize("game", layout.GAMES)
def test_every_game_plays(game):
    stepper = make(EnvSpec(f"procgen/{game}"), 4)
    first = stepper.start([Start(seed=k) for k in range(4)])
    random = np.random.default_rng(0)
    for _ in range(60):
        step = stepper.step(random.integers(0, 9, 4).tolist())
    assert not np.array_equal(first, step.obs)
    taken = stepper.call(0, "snapshot")
    after = stepper.step([7] * 4).obs[0]
    stepper.start([Start(snapshot=taken), None, None, None])
    assert np.array_equal(stepper.step([7] * 4).obs[0], after)
    known = game in layout.TAILS
    assert (len(stepper.call(0, "entities")) > 0) == known
    assert stepper.call(0, "scene")["game"] == game
    assert stepper.call(0, "render", 512).shape == (512, 512, 3)
    stepper.close()


CASES = [
    ("procgen/coinrum", {}, "Did you mean procgen/coinrun"),
    ("procgen/coinrun", {"mode": "memory"}, "unknown mode of procgen/coinrun 'memory'"),
    ("procgen/coinrun", {"mode": "extreme"}, "Valid: easy, hard"),
    ("procgen/coinrun", {"mode": "hart"}, "Did you mean hard"),
    ("procgen/coinrun", {"use_background": True}, "Did you mean use_backgrounds"),
    ("procgen/coinrun", {"use_backgrounds": 1}, "use_backgrounds is true or false"),
    ("procgen/coinrun", {"start_level": -1}, "start_level is a whole number"),
    ("procgen/coinrun", {"threads": True}, "threads is a whole number"),
    (
        "procgen/coinrun",
        {"actions": 7},
        "option actions is 15, or 9 for those that move .LEFT_DOWN",
    ),
    ("procgen/coinrun", {"actions": "9"}, "not '9'"),
]


@pytest.mark.parametrize(("name", "options", "message"), CASES)
def test_wrong_option_is_refused_in_one_line(name, options, message):
    with pytest.raises((PolicyscopeError, UnknownName), match=message) as caught:
        make(EnvSpec(name, options), 2)
    assert "\n" not in str(caught.value)


def test_user_errors_have_one_line_and_change_nothing():
    stepper, lane = make(MAZE, 2), make_lane(MAZE)
    with pytest.raises(PolicyscopeError, match="no episode is running"):
        lane.step(0)
    with pytest.raises(PolicyscopeError, match="lane 1 has no episode"):
        stepper.call(1, "snapshot")
    obs = stepper.start([Start(level=1), Start(level=2)])
    cases = [
        (lambda: stepper.step([0, 15]), "action 15 is not one of 0..14"),
        (lambda: stepper.step([0, -1]), "action -1 is not one of 0..14"),
        (lambda: stepper.start([Start(level=2**31 - 1), None]), "is not one of 0..2147483646"),
        (lambda: stepper.start([Start(seed=-3), None]), "seed >= 0"),
        (lambda: stepper.call(1, "render", 0), "1 to 4096 pixels"),
        (lambda: stepper.finish_step(), "needs a begin_step"),
    ]
    for act, message in cases:
        with pytest.raises(PolicyscopeError, match=message) as caught:
            act()
        assert "\n" not in str(caught.value)
    stepper.begin_step([4, 4])
    with pytest.raises(PolicyscopeError, match="finish_step first"):
        stepper.call(1, "entities")
    assert np.array_equal(stepper.finish_step().obs[1], obs[1])
    assert lane.start(Start(level=2)).tobytes() == obs[1].tobytes()


def test_missing_engine_is_said_in_one_line(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(native, "distribution", missing)
    monkeypatch.setattr(making, "version", missing)
    for act in (lambda: make(COINRUN, 2), lambda: make_lane(parse_env("procgen/maze"))):
        with pytest.raises(MissingEngine, match="pip install --no-deps procgen-mirror") as caught:
            act()
        assert "\n" not in str(caught.value)
    with pytest.raises(PolicyscopeError, match="procgen environments need an engine that"):
        make(COINRUN, 2, workers=0)


DROPPED = """
import gc
import numpy as np
from policyscope.envs.procgen.engine import Engine
from policyscope.envs.procgen.options import engine_options
for k in range(60):
    engine = Engine("coinrun", 4, engine_options({}), threads=k % 3)
    engine.act(np.full(4, 7))
    if k % 2:
        engine.close()
    engine.itself = engine
    if k % 7 == 6 and k < 50:
        gc.collect()
"""


def test_engines_dropped_in_cycles_neither_end_nor_hang_the_process():
    """Left to the collector they did both, by turns."""
    done = subprocess.run([sys.executable, "-c", DROPPED], timeout=50, check=False)
    assert done.returncode == 0

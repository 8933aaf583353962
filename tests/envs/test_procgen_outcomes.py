"""Why episodes of CoinRun and Maze end."""

import json

import numpy as np
import pytest

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.envs.make import make
from policyscope.envs.procgen import codes
from policyscope.envs.procgen.engine import Engine
from policyscope.envs.procgen.options import engine_options
from policyscope.envs.procgen.outcomes import CAUSES, armed, causes, disarmed, may_end_badly, unseen
from policyscope.envs.procgen.state import parse, serialize
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Snapshot, Start


def run(game, mode, episodes, lanes, bias=0.0, seed=0):
    """Outcome, reward, flags and length of random episodes, each level once."""
    stepper = make(EnvSpec(f"procgen/{game}", {"mode": mode}), lanes)
    random = np.random.default_rng(seed)
    waiting = list(range(episodes))[::-1]
    stepper.start([Start(seed=waiting.pop()) for _ in range(lanes)])
    found, length = [], np.zeros(lanes, int)
    while stepper.running.any():
        actions = random.integers(0, 15, lanes)
        actions = np.where(random.random(lanes) < bias, random.choice([7, 8], lanes), actions)
        step = stepper.step(actions.tolist())
        length += 1
        starts = [None] * lanes
        for i in np.flatnonzero(step.terminated | step.truncated).tolist():
            flags = bool(step.terminated[i]), bool(step.truncated[i])
            found.append((stepper.call(i, "outcome"), step.reward[i], *flags, int(length[i])))
            length[i] = 0
            starts[i] = Start(seed=waiting.pop()) if waiting else None
        if any(starts):
            stepper.start(starts)
    stepper.close()
    assert len(found) == episodes
    return found


def check(found, game):
    goal, limit = ("coin", 1000) if game == "coinrun" else ("cheese", 500)
    for outcome, reward, terminated, truncated, length in found:
        assert terminated != truncated
        assert truncated == (outcome == ("timed_out",))
        assert (outcome == (goal,)) == (reward == 10)
        assert not truncated or length == limit
        assert length <= limit
        assert set(outcome) <= {*CAUSES[game], "unknown"}
    return {name: sum(name in o for o, *_ in found) for name in (*CAUSES[game], "unknown")}


def ends(game, mode, lanes=16, steps=420):
    """Episodes of a random player that ended without a reward, and the stepper's spare engine."""
    stepper = make(EnvSpec(f"procgen/{game}", {"mode": mode}), lanes)
    random = np.random.default_rng(1)
    stepper.start([Start(level=400 + k) for k in range(lanes)])
    for _ in range(steps):
        right = random.random(lanes) < 0.4
        stepper.step(np.where(right, 8, random.integers(0, 15, lanes)).tolist())
    episodes = [e for e in stepper._episodes if e.over and e.reward == 0]
    return [e for e in episodes if len(e.actions) > e.kept_at + 1], stepper._spare


def physics(state):
    """Everything but what the view is made of."""
    motion = state.motion.copy()
    motion["center_x"] = motion["center_y"] = 0
    entities = state.entities.copy()
    entities["render_z"] = 0
    parts = state.progress, entities, motion, state.grid, state.tail
    texts = [g.text for g in (state.level_rng, state.rng, state.asset_rng)]
    return [part.tobytes() for part in parts] + texts


def replayed_alike(episodes, spare, change=unseen):
    """Whether a replay from a changed keyframe comes to the exact last state of each episode."""
    for episode in episodes:
        before = parse(episode.keyframe)
        missing = episode.actions[episode.kept_at : -1]
        quick = parse(spare.replay(serialize(change(disarmed(before))), missing))
        exact = episode.last_state(spare)
        if physics(armed(quick, before)) != physics(parse(exact)):
            return False
        outcome = spare.causes(episode.keyframe, episode.actions[episode.kept_at :])
        assert outcome == spare.causes(exact, episode.actions[-1:])
    return True


def moved(state):
    wrong = unseen(state)
    wrong.entities["x"][wrong.player] += np.float32(1e-3)
    return wrong


@pytest.mark.parametrize(("game", "mode"), [("coinrun", "hard"), ("coinrun", "easy")])
def test_ends_found_without_drawing_are_those_found_with_it(game, mode):
    episodes, spare = ends(game, mode)
    assert len(episodes) >= 2
    assert replayed_alike(episodes, spare)
    assert not replayed_alike(episodes, spare, moved)
    view = unseen(parse(episodes[0].keyframe))
    assert view.view["visibility"] < 1
    assert not view.options["use_backgrounds"]
    assert not np.isin(view.entities["render_z"], (-1, 0, 1)).any()


def test_episodes_without_danger_end_by_goal_or_time_and_others_keep_states_often():
    stepper = make(EnvSpec("procgen/coinrun", {"mode": "easy"}), 24)
    stepper.start([Start(level=900 + k) for k in range(24)])
    begun = [stepper._engine.get_state(lane) for lane in range(24)]
    random = np.random.default_rng(5)
    for _ in range(1000):
        stepper.step(np.where(random.random(24) < 0.4, 8, random.integers(0, 15, 24)).tolist())
    ends = [stepper.call(lane, "outcome") for lane in range(24)]
    badly = [may_end_badly(data) for data in begun]
    assert {"saw", "coin"} <= {name for outcome in ends for name in outcome}
    for lane, (outcome, danger) in enumerate(zip(ends, badly, strict=True)):
        assert danger or set(outcome) <= {"coin", "timed_out"}, lane
        types = parse(begun[lane]).entities["type"]
        assert danger or not np.isin(types, (codes.SAW, codes.ENEMY)).any()
    assert 0 < sum(badly) < 24


def test_cause_of_an_end_is_found_after_a_replay_from_its_file():
    stepper = make(EnvSpec("procgen/coinrun"), 16)
    stepper.start([Start(level=400 + k) for k in range(16)])
    random, found = np.random.default_rng(1), 0
    for _ in range(300):
        stepper.step(np.where(random.random(16) < 0.4, 8, random.integers(0, 15, 16)).tolist())
    other = make(EnvSpec("procgen/coinrun"), 1)
    for lane in np.flatnonzero(~stepper.running).tolist():
        outcome = stepper.call(lane, "outcome")
        values = json.loads(json.dumps(stepper.call(lane, "snapshot").to_json()))
        other.start([Start(snapshot=Snapshot.from_json(values))])
        assert other.call(0, "outcome") == outcome
        found += outcome != ("coin",)
    assert found > 1


def test_hundred_random_coinrun_episodes_end_for_known_reasons():
    counts = check(run("coinrun", "hard", 100, 25, bias=0.4), "coinrun")
    assert counts["unknown"] < 1
    assert min(counts["coin"], counts["saw"], counts["enemy_left"]) > 0


def test_random_maze_episodes_end_at_the_cheese_or_in_time():
    counts = check(run("maze", "easy", 40, 20), "maze")
    assert counts["unknown"] == 0
    assert min(counts["cheese"], counts["timed_out"]) > 0


@pytest.mark.parametrize("kind", ["saw", "lava", "enemy"])
def test_cause_is_the_thing_that_the_player_was_put_onto(kind):
    lanes = 60
    stepper = make(EnvSpec("procgen/coinrun"), lanes)
    stepper.start([Start(level=k) for k in range(lanes)])
    expected = {}
    for i in range(lanes):
        shown = stepper.call(i, "entities")
        rows = np.flatnonzero(shown.kind == kind)
        if len(rows):
            row = rows[0]
            top = shown.y[row] - shown.width[row] / 2
            stepper.call(i, "apply", SceneEdit("move", 0, {"x": shown.x[row], "y": top + 0.4}))
            left = np.cos(shown.heading[row]) < 0
            expected[i] = kind if kind != "enemy" else "enemy_left" if left else "enemy_right"
    assert len(expected) >= 4
    stepper.step([4] * lanes)
    stepper.step([4] * lanes)
    for i, cause in expected.items():
        assert cause in stepper.call(i, "outcome"), (i, cause)


def test_disarmed_copy_moves_as_the_state_does(make_play):
    """All that differs is what would have ended the episode."""
    play = make_play("coinrun", "hard", seed=5)
    safe = Engine("coinrun", play.slots, engine_options({}))
    play.go(40)
    for slot, data in enumerate(play.states()):
        safe.set_state(slot, serialize(disarmed(parse(data))))
    actions = play.actions()
    play.engine.act(actions)
    safe.act(actions)
    first = play.engine.observe()[2]
    assert not safe.observe()[2].any()
    for slot in np.flatnonzero(~first).tolist():
        real, copy = parse(play.engine.get_state(slot)), parse(safe.get_state(slot))
        for name in ("x", "y", "vx", "vy", "type"):
            assert np.array_equal(real.entities[name], copy.entities[name])
        # Nothing ended this episode, so no cause may be found.
        assert causes(parse(play.engine.get_state(slot)), real) == ("unknown",)

"""Why episodes of CoinRun and Maze end."""

import numpy as np
import pytest

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.envs.make import make
from policyscope.envs.procgen.engine import Engine
from policyscope.envs.procgen.options import engine_options
from policyscope.envs.procgen.outcomes import CAUSES, causes, disarmed
from policyscope.envs.procgen.state import parse, serialize
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start


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


def test_hundred_random_coinrun_episodes_end_for_known_reasons():
    counts = check(run("coinrun", "hard", 100, 25, bias=0.4), "coinrun")
    assert counts["unknown"] < 1
    assert min(counts["coin"], counts["saw"], counts["enemy_left"]) > 0


@pytest.mark.slow  # 90 s alone on two cores
@pytest.mark.timeout(1200)
def test_two_thousand_random_coinrun_episodes_end_for_known_reasons():
    counts = check(run("coinrun", "hard", 2000, 64), "coinrun")
    assert counts["unknown"] < 20
    assert all(counts[name] > 5 for name in CAUSES["coinrun"] if name != "fell"), counts


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

"""States: read and written bit for bit, refused by name, restored exactly."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gym3", reason="the Procgen engine has no wheel for this machine")

from policyscope.core.errors import PolicyscopeError
from policyscope.core.registry import names
from policyscope.envs.procgen import layout
from policyscope.envs.procgen.engine import Engine
from policyscope.envs.procgen.options import engine_options
from policyscope.envs.procgen.state import (
    BadState,
    Generator,
    game_of,
    parse,
    parse_head,
    serialize,
    with_level,
)
from policyscope.envs.procgen.validate import require_valid, require_writable

FUZZ = Path(__file__).with_name("fuzz_procgen.py")


def round_trips(procgen, count):
    for data in procgen.meet(count):
        state = require_writable(data)
        assert serialize(state) == data
        assert serialize(state.copy()) == data


def test_states_are_read_and_written_bit_for_bit(procgen):
    round_trips(procgen, 200)


@pytest.mark.slow  # 5 s for each game and mode
@pytest.mark.timeout(300)
def test_two_thousand_states_are_read_and_written_bit_for_bit(procgen):
    round_trips(procgen, 2000)


def replays(procgen, rounds):
    """States written into other slots go on as the originals did, over ends of episodes."""
    game, slots = procgen.engine.game, procgen.slots
    ended = 0
    others = Engine(game, slots, procgen.options)
    for _ in range(rounds):
        procgen.go(int(procgen.random.integers(5, 90)))
        states = procgen.states()
        place = procgen.random.permutation(slots)
        for slot, data in zip(place, states, strict=True):
            others.set_state(int(slot), data)
        shown = others.observe()[0][place]
        assert np.array_equal(shown, procgen.engine.observe()[0])
        for _ in range(100):
            actions = procgen.actions()
            procgen.engine.act(actions)
            elsewhere = np.empty_like(actions)
            elsewhere[place] = actions
            others.act(elsewhere)
            answers = zip(procgen.engine.observe(), others.observe(), strict=True)
            assert all(np.array_equal(a, b[place]) for a, b in answers)
            ended += int(procgen.engine.observe()[2].sum())
        assert procgen.states() == [others.get_state(int(slot)) for slot in place]
    others.close()
    return ended


def test_fifty_states_replay_a_hundred_steps_in_other_slots(procgen):
    replays(procgen, 2)


@pytest.mark.slow  # 8 s for each game and mode
@pytest.mark.timeout(300)
def test_five_hundred_states_replay_a_hundred_steps_in_other_slots(procgen):
    assert replays(procgen, 20) > 0


def test_one_changed_value_is_noticed_by_the_replay(procgen):
    """The comparison above can fail: a player moved by half a tile, or a cell, shows."""
    procgen.go(20)
    state = parse(procgen.engine.get_state(0))
    state.entities["x"][state.player] += 1 if procgen.engine.game == "maze" else 0.5
    before = procgen.engine.observe()[0][0].copy()
    procgen.engine.set_state(0, serialize(state))
    assert not np.array_equal(procgen.engine.observe()[0][0], before)


def test_state_of_another_layout_is_refused_by_name(procgen):
    data = procgen.engine.get_state(0)
    game = procgen.engine.game.encode()
    more = 8 + len(game) + 9 * 4  # behind use_sequential_levels
    cases = {
        "of procgenAISC's layout": data[:more] + bytes(20) + data[more:],
        "has other options than those of Procgen": data[:more] + bytes(4) + data[more:],
        "layout 3 is not known; layout 0 is": b"\3" + data[1:],
        "a game 'xxxx.*' that Procgen does not have": data.replace(game, b"x" * len(game), 1),
        "ends within its level generator": data[:300],
        "ends within its name": data[:6],
        "ends within its end marker": data[:-1],
        "does not end where its layout ends": data + b"0",
        "ends within its generator": data[: 8_000],
    }  # fmt: skip
    for message, wrong in cases.items():
        with pytest.raises(BadState, match=message) as caught:
            require_writable(wrong)
        assert "\n" not in str(caught.value)


def test_value_out_of_range_is_refused_by_name(procgen):
    good = parse(procgen.engine.get_state(0))
    good.options["level_seed_high"] = 2**31 - 2
    require_valid(good)

    def change(record, name, value):
        state = good.copy()
        getattr(state, record)[name] = value
        return state

    cases = [
        (change("progress", "timeout", 0), "progress: timeout is 0"),
        (change("options", "use_generated_assets", 1), "options: use_generated_assets is 1"),
        (change("options", "level_seed_low", 2**31 - 2), "level_seed_low is not below"),
        (change("entities", "x", np.nan), "x is nan"),
        (change("entities", "y", 1e9), "y is 1000000000.0"),
        (change("entities", "image_theme", 77), "image_theme is 77"),
        (change("motion", "background_index", 99), "motion: background_index is 99"),
        (change("entities", "type", 4), "one player, not 0"),
        (change("view", "main_width", 16), "sides"),
    ]
    for state, message in cases:
        with pytest.raises(BadState, match=message):
            require_valid(state)
    cells = good.copy()
    cells.grid[3, 3] = 7
    with pytest.raises(BadState, match="grid: 7 is no code"):
        require_valid(cells)
    for text, message in ((b"1 2 3", "mt19937"), (b"9" * 11 + good.rng.text, "mt19937")):
        wrong = type(good)(**{**vars(good), "rng": Generator(1, text)})
        with pytest.raises(BadState, match=message):
            require_valid(wrong)


def test_text_of_a_generator_is_judged_in_linear_time(procgen):
    """One wrong letter near the end once made the check go on for ever."""
    good = parse(procgen.engine.get_state(0))
    text = good.rng.text[:-9] + b"x" + good.rng.text[-8:]
    wrong = type(good)(**{**vars(good), "rng": Generator(1, text)})
    with pytest.raises(BadState, match="generator"):
        require_valid(wrong)


def fuzz(count, *more):
    command = [sys.executable, str(FUZZ), str(count), "1", *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)


def test_thousand_mutated_states_never_kill_the_process():
    done = fuzz(1000)
    assert done.returncode == 0, done.stderr
    written, refused = map(int, done.stdout.split())
    assert written > 100
    assert refused > 500


@pytest.mark.slow  # 20 s
@pytest.mark.timeout(300)
def test_ten_thousand_mutated_states_never_kill_the_process():
    done = fuzz(10_000)
    assert done.returncode == 0, done.stderr
    assert sum(map(int, done.stdout.split())) >= 10_000


def test_without_validation_mutated_states_kill_the_process():
    assert fuzz(1000, "unchecked").returncode != 0


@pytest.mark.parametrize("game", layout.GAMES)
def test_head_is_read_and_levels_are_placed_in_every_game(game):
    assert f"procgen/{game}" in names("environment")
    engine = Engine(game, 2, engine_options({}))
    data = engine.get_state(1)
    assert game_of(data) == game
    engine.set_state(1, with_level(data, 4321))
    engine.act(np.array([4, -1]))
    placed = engine.get_state(1)
    require_writable(placed)
    assert parse_head(placed).progress["current_level_seed"] == 4321
    if game not in layout.TAILS:
        with pytest.raises(BadState, match=f"'{game}' are not read"):
            parse(data)
    engine.close()


@pytest.mark.parametrize("level", [-1, 2**31 - 1])
def test_level_that_does_not_exist_is_refused(level, make_play):
    data = make_play("maze", "easy", slots=1).engine.get_state(0)
    with pytest.raises(PolicyscopeError, match=f"level {level} is not one of 0..2147483646"):
        with_level(data, level)

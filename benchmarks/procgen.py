"""CPU and wall time of a CoinRun step: our stepper against the bare engine, action by action.

All play the same levels with the same random actions, so the same games to the end. Ours places a
level for each episode, keeps keyframes and finds why each episode ended; the bare engine draws its
next level by itself and copies its frames. A second figure has the entities of every lane read
before each step, as a recording does.

    python benchmarks/procgen.py --lanes 64 --steps 1000 --repeats 11
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from measure import report
from policyscope.envs.make import make
from policyscope.envs.procgen.engine import Engine
from policyscope.envs.procgen.layout import LEVEL_SEEDS
from policyscope.envs.procgen.options import engine_options
from policyscope.envs.procgen.state import parse_head, with_level
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start

SPEC = EnvSpec("procgen/coinrun")
GAME = "coinrun"
TURN = 25
"""Steps of a player before it is the next one's turn."""

Player = Callable[[np.ndarray], None]
CLOCKS = {"CPU": time.process_time, "wall": time.perf_counter}


def engine_in_play(lanes: int) -> Engine:
    """An engine whose game k is at level k and goes on to levels drawn from all."""
    engine = Engine(GAME, lanes, engine_options({}))
    for slot in range(lanes):
        engine.set_state(slot, with_level(engine.get_state(slot), slot))
    engine.act(np.full(lanes, -1))
    at, all_levels = LEVEL_SEEDS + len(GAME), np.array([0, 2**31 - 1], "<i4").tobytes()
    for slot in range(lanes):
        data = engine.get_state(slot)
        engine.set_state(slot, data[:at] + all_levels + data[at + 8 :])
    return engine


def bare_engine(lanes: int) -> Player:
    """A function that steps the engine alone."""
    engine = engine_in_play(lanes)

    def step(actions: np.ndarray) -> None:
        engine.act(actions)
        frames, _, _ = engine.observe()
        frames.copy()

    return step


def scout(lanes: int) -> tuple[Player, list[list[int]]]:
    """A function that steps another engine, not timed, and the levels that each lane comes to."""
    engine = engine_in_play(lanes)
    levels = [[k] for k in range(lanes)]

    def step(actions: np.ndarray) -> None:
        engine.act(actions)
        for slot in np.flatnonzero(engine.observe()[2]).tolist():
            progress = parse_head(engine.get_state(slot)).progress
            levels[slot].append(int(progress["current_level_seed"]))

    return step, levels


def our_stepper(lanes: int, levels: list[list[int]], entities: bool) -> Player:
    """A function that steps ours, asks for outcomes and starts the next levels of each lane."""
    stepper = make(SPEC, lanes)
    everyone, following = range(lanes), [iter(of_lane) for of_lane in levels]
    stepper.start([Start(level=next(of_lane)) for of_lane in following])
    if entities:
        print(f"entities come from {stepper.entity_path}", file=sys.stderr)

    def step(actions: np.ndarray) -> None:
        if entities:
            stepper.entities_of(everyone)
        answer = stepper.step(actions.tolist())
        over = answer.terminated | answer.truncated
        if over.any():
            starts: list[Start | None] = [None] * lanes
            for i in np.flatnonzero(over).tolist():
                stepper.call(i, "outcome")
                starts[i] = Start(level=next(following[i]))
            stepper.start(starts)

    return step


def rates(players: dict[str, Player], ahead: Player, lanes: int, steps: int, repeats: int) -> dict:
    """Steps per second of each player by clock and repeat; in short turns, in a drawn order."""
    actions, order = np.random.default_rng(0), random.Random(0)
    found: dict = {clock: {name: [] for name in players} for clock in CLOCKS}
    for _ in range(repeats):
        spent = {clock: dict.fromkeys(players, 0.0) for clock in CLOCKS}
        for _ in range(steps // TURN):
            given = actions.integers(0, 15, (TURN, lanes)).astype(np.int32)
            for row in given:
                ahead(row)
            for name in order.sample(list(players), len(players)):
                begun = {clock: now() for clock, now in CLOCKS.items()}
                for row in given:
                    players[name](row)
                for clock, now in CLOCKS.items():
                    spent[clock][name] += now() - begun[clock]
        for clock in CLOCKS:
            for name, seconds in spent[clock].items():
                found[clock][name].append(steps // TURN * TURN * lanes / seconds)
    return found


def measure(lanes: int, steps: int, repeats: int) -> None:
    """Print ours, the bare engine's and their ratio, medians over the repeats."""
    ahead, levels = scout(lanes)
    players = {
        "bare": bare_engine(lanes),
        "outcomes": our_stepper(lanes, levels, entities=False),
        "entities": our_stepper(lanes, levels, entities=True),
    }
    found = rates(players, ahead, lanes, steps, repeats)
    for clock in CLOCKS:
        bare = statistics.median(found[clock]["bare"])
        for name, goal in (("outcomes", 0.9), ("entities", 0.6)):
            ours, unit = statistics.median(found[clock][name]), f"steps per {clock} second"
            figure = f"procgen_{name}_{clock.lower()}"
            report(figure, ours, bare, goal=goal, better="higher", unit=unit, n=repeats)


def main() -> None:
    """Print one JSON line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lanes", type=int, default=64)
    parser.add_argument("--steps", type=int, default=1000, help="steps of each lane in a repeat")
    parser.add_argument("--repeats", type=int, default=11)
    options = parser.parse_args()
    measure(options.lanes, options.steps, options.repeats)


if __name__ == "__main__":
    main()

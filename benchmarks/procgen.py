"""CPU time of a CoinRun step: our stepper against the bare engine, with the same random actions.

Ours places a level for each episode, keeps keyframes and finds why each episode ended; the bare
engine goes on to a random level by itself. A second figure has the entities of every lane read
before each step.

    python benchmarks/procgen.py --lanes 64 --steps 1000 --repeats 5
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from measure import report
from policyscope.envs.make import make
from policyscope.envs.procgen.engine import Engine
from policyscope.envs.procgen.layout import LEVEL_SEEDS
from policyscope.envs.procgen.options import engine_options
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start

SPEC = EnvSpec("procgen/coinrun")
GAME = "coinrun"


def bare_engine(lanes: int) -> Callable[[np.ndarray], None]:
    """A function that steps the engine alone, on levels drawn from all."""
    engine = Engine(GAME, lanes, engine_options({}))
    at = LEVEL_SEEDS + len(GAME)
    for slot in range(lanes):
        data = engine.get_state(slot)
        seeds = np.array([0, 2**31 - 1], "<i4").tobytes()
        engine.set_state(slot, data[:at] + seeds + data[at + 8 :])
    engine.act(np.full(lanes, -1))

    def step(actions: np.ndarray) -> None:
        engine.act(actions)
        frames, _, _ = engine.observe()
        frames.copy()

    return step


def our_stepper(lanes: int, entities: bool) -> Callable[[np.ndarray], None]:
    """A function that steps ours, asks for outcomes and starts the next levels."""
    stepper = make(SPEC, lanes)
    level = lanes
    stepper.start([Start(level=k) for k in range(lanes)])

    def step(actions: np.ndarray) -> None:
        nonlocal level
        if entities:
            for i in range(lanes):
                stepper.call(i, "entities")
        answer = stepper.step(actions.tolist())
        over = answer.terminated | answer.truncated
        if over.any():
            starts: list[Start | None] = [None] * lanes
            for i in np.flatnonzero(over).tolist():
                stepper.call(i, "outcome")
                starts[i], level = Start(level=level), level + 1
            stepper.start(starts)

    return step


def measure(lanes: int, steps: int, repeats: int) -> None:
    """Take turns of 50 steps and print the medians over the repeats."""
    players = {
        "bare": bare_engine(lanes),
        "outcomes": our_stepper(lanes, entities=False),
        "entities": our_stepper(lanes, entities=True),
    }
    random = np.random.default_rng(0)
    rates: dict[str, list[float]] = {name: [] for name in players}
    for _ in range(repeats):
        seconds = dict.fromkeys(players, 0.0)
        for _ in range(steps // 50):
            actions = random.integers(0, 15, (50, lanes)).astype(np.int32)
            for name, step in players.items():
                begun = time.process_time()
                for row in actions:
                    step(row)
                seconds[name] += time.process_time() - begun
        for name, spent in seconds.items():
            rates[name].append(steps * lanes / spent)
    bare = float(np.median(rates["bare"]))
    for name, goal in (("outcomes", 0.9), ("entities", 0.6)):
        ours = float(np.median(rates[name]))
        unit = "steps per CPU-second"
        report(f"procgen_{name}", ours, bare, goal=goal, better="higher", unit=unit, n=repeats)


def main() -> None:
    """Print one JSON line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lanes", type=int, default=64)
    parser.add_argument("--steps", type=int, default=1000, help="steps of each lane in a repeat")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    measure(options.lanes, options.steps, options.repeats)


if __name__ == "__main__":
    main()

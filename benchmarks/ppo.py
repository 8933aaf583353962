"""Speed of our PPO beside Stable-Baselines3's and beside a bare training loop.

All play the same environment with the same lanes, horizon, epochs and rows in a minibatch and the
same threads of torch, and take turns of one iteration. Speed is told by the wall and by the CPU.

- PPO with IMPALA on CoinRun (preset `procgen`, a shorter horizon) against the forward and backward
  passes of an iteration alone, and against Stable-Baselines3's PPO with our encoder.
- PPO through time (preset `procgen-recurrent`, fewer lanes) against the passes alone, with torch's
  own GRU, and against sb3-contrib's, whose LSTM has the width of our GRU.

`ppo_returns.py` has what they return after equal steps.

    python benchmarks/ppo.py --repeats 3 --horizon 32 --lanes 16
"""

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace

# Threads that wait for work must not spin: read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from measure import report
from policyscope.envs.spec import EnvSpec
from policyscope.training.ppo.config import PRESETS, PPOConfig
from ppo_peers import bare_loop, bare_recurrent, sb3_impala, sb3_recurrent
from ppo_sides import THREADS, Iteration, ours, planned, their_lanes

COINRUN = EnvSpec("procgen/coinrun")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def rates(sides: Mapping[str, Iteration], steps: int, repeats: int) -> dict[str, dict[str, float]]:
    """Median environment steps a second of each clock and side, after one turn that warms up."""
    order = random.Random(0)
    found: dict = {clock: {name: [] for name in sides} for clock in CLOCKS}
    for turn in range(repeats + 1):
        for name in order.sample(list(sides), len(sides)):
            begun = {clock: now() for clock, now in CLOCKS.items()}
            sides[name]()
            for clock, now in CLOCKS.items():
                if turn:
                    found[clock][name].append(steps / (now() - begun[clock]))
    return {c: {k: statistics.median(v) for k, v in found[c].items()} for c in CLOCKS}


def speed(config: PPOConfig, peers: Mapping[str, tuple], repeats: int) -> None:
    """Print our speed beside each peer's.

    Args:
        config: hyperparameters of all.
        peers: by figure: what makes a side from worlds (or None) and the configuration, the goal,
            and what is compared.
        repeats: timed iterations of each side.
    """
    with ExitStack() as stack:
        sides = {"ours": ours(planned(COINRUN, config, 10**9, 0, stack), stack)}
        for name, (made, *_) in peers.items():
            sides[name] = made(config, stack)
        found = rates(sides, config.batch, repeats)
    shape = f"{config.lanes} lanes x {config.horizon} steps, {config.epochs} epochs"
    for name, (_, goal, what) in peers.items():
        for clock, words in (("wall", "second"), ("cpu", "CPU second")):
            unit = f"environment steps a {words}, {shape}, {THREADS} threads; {what}"
            one, other = found[clock]["ours"], found[clock][name]
            figure = f"ppo_{name}_{clock}"
            report(figure, one, other, goal=goal, better="higher", unit=unit, n=repeats)


def theirs(build: Callable) -> Callable[[PPOConfig, ExitStack], Iteration]:
    """A peer's side: one iteration of its training each time it is called."""

    def made(config: PPOConfig, stack: ExitStack) -> Iteration:
        model = build(their_lanes(COINRUN, config, 0, stack), config)
        return lambda: model.learn(config.batch, reset_num_timesteps=False)

    return made


def shortened(config: PPOConfig, *, lanes: int, horizon: int) -> PPOConfig:
    """The same minibatches, fewer of them."""
    rows = config.batch // config.minibatches
    if lanes * horizon % rows:
        raise SystemExit(f"{lanes} lanes x {horizon} steps are no whole minibatches of {rows} rows")
    return replace(config, lanes=lanes, horizon=horizon, minibatches=lanes * horizon // rows)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="timed iterations of each side")
    parser.add_argument("--horizon", type=int, default=32, help="without memory; preset 128")
    parser.add_argument("--lanes", type=int, default=16, help="with memory; preset 64")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    plain, recurrent = PRESETS["procgen"], PRESETS["procgen-recurrent"]
    speed(
        shortened(plain, lanes=plain.lanes, horizon=options.horizon),
        {
            "bare": (lambda c, _: bare_loop(c), 0.85, "peer: forward and backward passes alone"),
            "sb3": (theirs(sb3_impala), 2.0, "peer: Stable-Baselines3, same encoder"),
        },
        options.repeats,
    )
    speed(
        shortened(recurrent, lanes=options.lanes, horizon=recurrent.horizon),
        {
            "bare_recurrent": (
                lambda c, _: bare_recurrent(c),
                0.85,
                "GRU; peer: forward and backward passes alone",
            ),
            "sb3_recurrent": (theirs(sb3_recurrent), 3.0, "GRU; peer: sb3-contrib, LSTM"),
        },
        options.repeats,
    )


if __name__ == "__main__":
    main()

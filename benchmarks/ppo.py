"""Speed and returns of our PPO beside Stable-Baselines3's and beside a bare training loop.

All play the same environment with the same lanes, horizon, epochs and rows in a minibatch and the
same threads of torch, and take turns of one iteration. Speed is told by the wall and by the CPU.

- PPO with IMPALA on CoinRun (preset `procgen`, a shorter horizon) against the forward and backward
  passes of an iteration alone, and against Stable-Baselines3's PPO with our encoder.
- PPO through time (preset `procgen-recurrent`, fewer lanes) against sb3-contrib's, whose LSTM has
  the width of our GRU.
- Returns on CartPole after equal steps (preset `classic`), over some seeds. The goal is the
  lowest of the peer's seeds, for the mean of ours.

    python benchmarks/ppo.py --repeats 3 --horizon 32 --lanes 16 --steps 30000 --seeds 3
"""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

# Threads that wait for work must not spin: read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from measure import report
from policyscope.envs.make import make
from policyscope.envs.spec import EnvSpec
from policyscope.training.log import CurveLog, read_curve
from policyscope.training.ppo.actor import Actor
from policyscope.training.ppo.config import PRESETS, PPOConfig
from policyscope.training.ppo.learner import Learner
from policyscope.training.ppo.network import fresh_agent
from policyscope.training.ppo.train import Plan, advance
from policyscope.training.starts import make_starts
from ppo_peers import Lanes, bare_loop, sb3_flat, sb3_impala, sb3_recurrent

COINRUN = EnvSpec("procgen/coinrun")
CARTPOLE = EnvSpec("gym:CartPole-v1")
THREADS = 2
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
LATE = 0.8
"""Share of the steps after which returns count."""

Iteration = Callable[[], object]
Returns = list[tuple[int, float]]
"""Environment steps at which episodes ended, and what they returned."""


def ours(plan: Plan, stack: ExitStack) -> Iteration:
    """One iteration of our training as `policyscope train ppo` does it, its log included."""
    stepper = make(plan.env, plan.config.lanes)
    stack.callback(stepper.close)
    starts = make_starts(plan.env, plan.seed, plan.levels)
    agent = fresh_agent(stepper.space, plan.env, plan.config, plan.seed)
    learner = Learner(agent, plan.config, plan.seed)
    actor = Actor.begin(stepper, starts, plan.config.gamma)
    log = CurveLog(plan.out, 0, plan.steps)
    stack.push(log)
    return lambda: advance(plan, learner, actor, log)


def planned(env: EnvSpec, config: PPOConfig, steps: int, seed: int, stack: ExitStack) -> Plan:
    """A plan of training in a folder that is gone afterwards."""
    out = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return Plan(env, config, steps, seed, out, threads=THREADS)


def their_lanes(env: EnvSpec, config: PPOConfig, seed: int, stack: ExitStack) -> Lanes:
    """The same worlds and episodes for the peer."""
    lanes = Lanes(make(env, config.lanes), make_starts(env, seed, None))
    stack.callback(lanes.close)
    return lanes


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


def our_returns(config: PPOConfig, steps: int, seed: int) -> Returns:
    """Train on CartPole."""
    with ExitStack() as stack:
        plan = planned(CARTPOLE, config, steps, seed, stack)
        iteration = ours(plan, stack)
        for _ in range(-(-steps // config.batch)):
            iteration()
        rows = read_curve(plan.out / "curve.jsonl")
    return [(row["step"], row["return"]) for row in rows if "return" in row]


def their_returns(config: PPOConfig, steps: int, seed: int) -> Returns:
    """The same with Stable-Baselines3."""
    with ExitStack() as stack:
        lanes = their_lanes(CARTPOLE, config, seed, stack)
        sb3_flat(lanes, config, seed).learn(-(-steps // config.batch) * config.batch)
    return lanes.finished


def equal_steps(config: PPOConfig, steps: int, seeds: int) -> None:
    """Print mean returns over the last steps, and whether the ranges over seeds overlap."""
    sides = {"ours": our_returns, "peer": their_returns}
    means: dict[str, list[float]] = {name: [] for name in sides}
    late = LATE * -(-steps // config.batch) * config.batch
    for seed in range(seeds):
        for name, run in sides.items():
            ended = [earned for step, earned in run(config, steps, seed) if step > late]
            means[name].append(statistics.fmean(ended))
    low, high = ({k: f(v) for k, v in means.items()} for f in (min, max))
    apart = low["ours"] > high["peer"] or low["peer"] > high["ours"]
    spans = ", ".join(f"{name} {low[name]:.1f}-{high[name]:.1f}" for name in sides)
    unit = (
        f"mean return in the last 20 % of {steps} steps, CartPole-v1; seeds: {spans}, "
        f"{'apart' if apart else 'overlapping'}"
    )
    one, other = (statistics.fmean(v) for v in means.values())
    goal = float(f"{low['peer']:.4g}")
    report(
        "ppo_cartpole_return", one, other,
        goal=goal, goal_on="ours", better="higher", unit=unit, n=seeds,
    )  # fmt: skip


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
    parser.add_argument("--steps", type=int, default=30_000, help="of CartPole")
    parser.add_argument("--seeds", type=int, default=3, help="of CartPole")
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
        {"sb3_recurrent": (theirs(sb3_recurrent), 3.0, "GRU; peer: sb3-contrib, LSTM")},
        options.repeats,
    )
    equal_steps(PRESETS["classic"], options.steps, options.seeds)


if __name__ == "__main__":
    main()

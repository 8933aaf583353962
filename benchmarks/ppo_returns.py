"""Returns of our PPO beside Stable-Baselines3's after equal steps: nothing is given up for speed.

Both sides of a task have the same lanes, schedule, loss, widths and episodes. A figure is the
lower end of the 95 % interval of a difference: our mean return less the peer's, seeds resampled on
each side (bootstrap). The margin was set beforehand: no more than 5 % of the largest return below.
Figures are of the episodes that ended in the last fifth of the steps, where both have learned, and
with `_whole`, where the networks are the same, of all: the mean of ten means, one for each tenth
of the steps, which tells how fast one learns and does not stop at the largest return.

- ppo_cartpole: CartPole (preset `classic`), their perceptrons of twice 64 units and ours;
  ppo_cartpole_bfloat16: the same with our products in bfloat16, as in the figures of speed.
- ppo_recall: a colour is shown and asked for after four dark frames, so that only memory tells.
  Our IMPALA and GRU in bfloat16, as in the figures of speed, and theirs with an LSTM as wide.

    python benchmarks/ppo_returns.py --seeds 10 --processes 2
"""

import argparse
import multiprocessing
import os
import statistics
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import product

# Threads that wait for work must not spin: read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import gymnasium as gym
import numpy as np
import torch

from measure import report
from policyscope.core.stats import Interval
from policyscope.envs.spec import EnvSpec
from policyscope.training.log import read_curve
from policyscope.training.ppo.config import PRESETS, PPOConfig
from ppo_peers import Lanes, sb3_flat, sb3_recurrent
from ppo_sides import ours, planned, their_lanes

SPANS = {"return": [(0.8, 1.0)], "return_whole": [(i / 10, (i + 1) / 10) for i in range(10)]}
"""Shares of the steps whose mean returns are averaged, by part of a run."""
WORDS = {"return": "last 20 %", "return_whole": "mean of ten tenths"}
MARGIN = 0.05
"""How far below the peer our mean may lie, as a share of the largest return."""
RESAMPLES = 20_000

Returns = list[tuple[int, float]]
"""Environment steps at which episodes ended, and what they returned."""


class Recall(gym.Env):
    """One of two colours is shown at first and asked for at the sixth of six frames."""

    observation_space = gym.spaces.Box(0, 255, (16, 16, 3), np.uint8)
    action_space = gym.spaces.Discrete(2)
    colours = np.array([[255, 0, 0], [0, 0, 255]], np.uint8)

    def reset(self, *, seed=None, options=None):
        """Show a colour."""
        super().reset(seed=seed)
        self.cue, self.time = int(self.np_random.integers(2)), 0
        return np.broadcast_to(self.colours[self.cue], (16, 16, 3)).copy(), {}

    def step(self, action):
        """Show nothing, ask, and end."""
        self.time += 1
        asked, over = self.time == 5, self.time == 6
        right = float(over and action == self.cue)
        return np.full((16, 16, 3), 255 * asked, np.uint8), right, over, False, {}


gym.register("PolicyscopeColours-v0", Recall)


@dataclass(frozen=True)
class Task:
    """What both sides train on.

    Args:
        env: the environment.
        steps: of a run.
        most: the largest return.
        sides: configurations of ours by name; the first is the peer's too.
        peer: makes the peer's model of lanes, configuration and seed.
        parts: of the run whose returns are compared.
        what: said of the task in words.
    """

    env: EnvSpec
    steps: int
    most: float
    sides: dict[str, PPOConfig]
    peer: Callable[[Lanes, PPOConfig, int], object]
    parts: tuple[str, ...]
    what: str


CLASSIC = PRESETS["classic"]
WIDTHS = (4, 8, 8)
TASKS = {
    "ppo_cartpole": Task(
        EnvSpec("gym:CartPole-v1"), 100_000, 500.0,
        {"": CLASSIC, "_bfloat16": replace(CLASSIC, precision="bfloat16")},
        sb3_flat, ("return", "return_whole"), "CartPole-v1",
    ),
    "ppo_recall": Task(
        EnvSpec("gym:PolicyscopeColours-v0"), 36_000, 1.0,
        {"": replace(
            PRESETS["procgen-recurrent"], widths=WIDTHS, lanes=32, horizon=24, epochs=6,
            minibatches=4, gamma=0.99, lr=2e-3, value_clip=0.0, normalise_reward=False,
        )},
        lambda lanes, config, seed: sb3_recurrent(lanes, config, seed, WIDTHS),
        ("return",), "a colour recalled from five frames before (chance 0.5)",
    ),
}  # fmt: skip


def run(name: str, side: str, seed: int, steps: int) -> dict[str, float]:
    """Train once; mean returns by part of the run."""
    torch.set_num_threads(1)
    task = TASKS[name]
    with ExitStack() as stack:
        if side == "peer":
            config = task.sides[""]
            lanes = their_lanes(task.env, config, seed, stack)
            task.peer(lanes, config, seed).learn(-(-steps // config.batch) * config.batch)
            ended = lanes.finished
        else:
            config = task.sides[side]
            plan = planned(task.env, config, steps, seed, stack)
            iteration = ours(plan, stack)
            for _ in range(-(-steps // config.batch)):
                iteration()
            rows = read_curve(plan.out / "curve.jsonl")
            ended = [(row["step"], row["return"]) for row in rows if "return" in row]
    return {part: averaged(ended, steps, SPANS[part]) for part in task.parts}


def averaged(ended: Returns, steps: int, spans: list[tuple[float, float]]) -> float:
    """Mean of the mean returns of some spans of a run; a span where no episode ended is left out.

    Example:
        >>> averaged([(1, 10.0), (2, 20.0), (4, 35.0)], 4, [(0.0, 0.5), (0.5, 1.0)])
        25.0
    """
    told = ([x for t, x in ended if a * steps < t <= b * steps] for a, b in spans)
    return statistics.fmean(statistics.fmean(returns) for returns in told if returns)


def difference(ours: list[float], peer: list[float]) -> Interval:
    """Mean of ours less mean of the peer's; both sides' seeds are resampled.

    Example:
        >>> difference([2.0, 2.0], [1.0, 1.0]).low
        1.0
    """
    draws = np.random.default_rng(0)
    means = [
        np.asarray(side)[draws.integers(0, len(side), (RESAMPLES, len(side)))].mean(1)
        for side in (ours, peer)
    ]
    low, high = np.quantile(means[0] - means[1], [0.025, 0.975])
    apart = statistics.fmean(ours) - statistics.fmean(peer)
    return Interval(apart, float(low), float(high), len(ours))


def told(name: str, side: str, part: str, found: dict[str, list[float]], steps: int) -> None:
    """Print a figure of a part of the runs."""
    task, apart = TASKS[name], difference(found[side], found["peer"])
    means = ", ".join(
        f"{who} {statistics.fmean(found[key]):.4g} (seeds {min(found[key]):.4g} to "
        f"{max(found[key]):.4g})"
        for who, key in (("ours", side), ("peer", "peer"))
    )
    unit = (
        f"lower end of the 95 % interval of the difference in mean return, {WORDS[part]} of "
        f"{steps} steps, {task.what}: {means}, difference {apart.mean:.3g} "
        f"[{apart.low:.3g}, {apart.high:.3g}]; n seeds a side"
    )
    report(
        f"{name}{side}_{part}", apart.low, None,
        goal=-MARGIN * task.most, goal_on="ours", better="higher", unit=unit, n=apart.n,
    )  # fmt: skip


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"of {', '.join(TASKS)}")
    parser.add_argument("--seeds", type=int, default=10, help="runs of each side")
    parser.add_argument("--steps", type=int, help="of each run; default is each task's own")
    parser.add_argument("--processes", type=int, default=2, help="runs at the same time")
    options = parser.parse_args()
    if unknown := set(options.tasks) - set(TASKS):
        parser.error(f"no such task: {', '.join(sorted(unknown))}; valid: {', '.join(TASKS)}")
    if options.seeds < 2:
        parser.error("one seed has no interval; give --seeds 2 or more, 10 to tell a margin of 5 %")
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=spawned) as pool:
        for name in options.tasks or TASKS:
            steps = options.steps or TASKS[name].steps
            sides = [*TASKS[name].sides, "peer"]
            # seeds of all sides side by side: what happens on the machine meets all alike
            asked = [(side, seed) for seed in range(options.seeds) for side in sides]
            runs = [pool.submit(run, name, *one, steps) for one in asked]
            found = {side: [] for side in sides}
            for (side, seed), done in zip(asked, runs, strict=True):
                found[side].append(done.result())
                got = ", ".join(f"{part} {x:.4g}" for part, x in found[side][-1].items())
                print(f"{name} {side or 'ours'}, seed {seed}: {got}", file=sys.stderr)
            for side, part in product(TASKS[name].sides, TASKS[name].parts):
                told(name, side, part, {s: [x[part] for x in found[s]] for s in sides}, steps)


if __name__ == "__main__":
    main()

"""CPU time of one decision at the intersection: our fast road against highway-env's own.

Both play the same seeds and random actions, turn by turn; resets are timed apart.

    python benchmarks/highway.py --episodes 20 --repeats 5
"""

import argparse
import time

import numpy as np
from highway_env.envs.intersection_env import IntersectionEnv

from measure import report
from policyscope.envs.highway.config import configuration
from policyscope.envs.highway.fast import make_fast_intersection


def play(env: IntersectionEnv, seed: int) -> tuple[int, float, float]:
    """Play one episode; return decisions, CPU seconds in steps, CPU seconds in the reset."""
    actions = np.random.default_rng(seed).integers(3, size=100)
    start = time.process_time()
    env.reset(seed=seed)
    begun = time.process_time()
    count, done = 0, False
    while not done:
        _, _, terminated, truncated, _ = env.step(int(actions[count]))
        count, done = count + 1, terminated or truncated
    return count, time.process_time() - begun, begun - start


def measure(episodes: int, repeats: int) -> None:
    """Interleave both environments episode by episode and print medians over the repeats."""
    config = configuration({})
    ours, peer = make_fast_intersection(config), IntersectionEnv(config=config)
    steps: list[np.ndarray] = []
    resets: list[np.ndarray] = []
    decisions = 0
    for repeat in range(repeats):
        totals = np.zeros((2, 3))
        for seed in range(repeat * episodes, (repeat + 1) * episodes):
            totals += [play(env, seed) for env in (ours, peer)]
        count, step_seconds, reset_seconds = totals.T
        if count[0] != count[1]:
            raise SystemExit("the two environments played episodes of different lengths")
        decisions += int(count[0])
        steps.append(count / step_seconds)
        resets.append(episodes / reset_seconds)
    for name, rates, n in (("step", steps, decisions), ("reset", resets, episodes * repeats)):
        fast, stock = np.median(rates, axis=0)
        unit = f"{name}s per CPU-second"
        report(f"highway_{name}", fast, stock, goal=2.0, better="higher", unit=unit, n=n)


def main() -> None:
    """Print one JSON line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=20, help="episodes in a repeat")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    measure(options.episodes, options.repeats)


if __name__ == "__main__":
    main()

"""CPU time of one decision at the intersection: our fast road against highway-env's own.

Both play the same seeds and random actions, turn by turn; resets are timed apart.

    python benchmarks/highway.py --episodes 20 --repeats 5
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np
from highway_env.envs.intersection_env import IntersectionEnv

from policyscope.envs.highway.fast import make_fast_intersection

CONFIG = {
    "observation": {
        "type": "Kinematics",
        "vehicles_count": 15,
        "features": ["presence", "x", "y", "vx", "vy", "cos_h", "sin_h"],
        "features_range": {"x": [-100, 100], "y": [-100, 100], "vx": [-20, 20], "vy": [-20, 20]},
        "absolute": True,
        "order": "shuffled",
    },
    "destination": "o1",
}


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


def measure(episodes: int, repeats: int) -> list[dict]:
    """Interleave both environments episode by episode; medians over the repeats."""
    ours, peer = make_fast_intersection(CONFIG), IntersectionEnv(config=CONFIG)
    rates: dict[str, list[tuple[float, float]]] = {"highway_step": [], "highway_reset": []}
    decisions = 0
    for repeat in range(repeats):
        totals = np.zeros((2, 3))
        for seed in range(repeat * episodes, (repeat + 1) * episodes):
            totals += [play(env, seed) for env in (ours, peer)]
        count, step_seconds, reset_seconds = totals.T
        if count[0] != count[1]:
            raise SystemExit("the two environments played episodes of different lengths")
        decisions += int(count[0])
        rates["highway_step"].append(tuple(count / step_seconds))
        rates["highway_reset"].append(tuple(episodes / reset_seconds))
    lines = []
    for name, pairs in rates.items():
        fast, stock = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        lines.append(
            {
                "name": name,
                "ours": round(fast, 1),
                "peer": round(stock, 1),
                "ratio": round(ratio, 2),
                "goal": 2.0,
                "better": "higher",
                "unit": f"{name.removeprefix('highway_')}s per CPU-second, one core",
                "n": decisions if name == "highway_step" else episodes * repeats,
            }
        )
    return lines


def main() -> None:
    """Print one JSON line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=20, help="episodes in a repeat")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    for line in measure(options.episodes, options.repeats):
        print(json.dumps(line))


if __name__ == "__main__":
    main()

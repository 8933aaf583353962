"""What is asked at a recorded step: the policy field of a maze, a fork, a why-not.

There is no peer that does the same; the goals are on our own seconds. The world of the step is kept
from the question before, as in a session of the panel.

    python benchmarks/replays.py --repeats 7
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import report
from policyscope.agents.agent import Agent
from policyscope.agents.networks.impala import ImpalaNetwork
from policyscope.agents.store import load_agent
from policyscope.core.threads import one_thread
from policyscope.envs.make import make_lane, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.recordings.read import Recording
from policyscope.recordings.record import record
from policyscope.recordings.replays.field import policy_field
from policyscope.recordings.replays.fork import ForkConfig, fork
from policyscope.recordings.replays.why_not import why_not
from policyscope.recordings.replays.worlds import Worlds


def maze(folder: Path) -> Recording:
    """One episode of an untrained agent of IMPALA's usual widths in a maze of 25 x 25."""
    spec = versioned(EnvSpec("procgen/maze", {"mode": "hard"}))
    lane = make_lane(spec)
    arguments = {"widths": [16, 32, 32]}
    agent = Agent(
        ImpalaNetwork(**arguments), ("impala", arguments), "categorical", lane.space, "sample",
        preprocess=load_agent("coinrun-gru").preprocess, env=spec,
    )  # fmt: skip
    lane.close()
    return record(agent, None, 1, full_maze(), [], folder)


def full_maze() -> int:
    """The first level whose maze fills its world."""
    lane = make_lane(EnvSpec("procgen/maze", {"mode": "hard"}))
    from policyscope.envs.stepper import Start

    try:
        for seed in range(500):
            lane.start(Start(seed=seed))
            if (lane.state().grid == 100).sum() > 250:
                return seed
    finally:
        lane.close()
    raise SystemExit("no level's maze fills its world")


def seconds(question: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Median seconds, and the last answer."""
    times = []
    answer = question()
    for _ in range(repeats):
        began = time.perf_counter()
        answer = question()
        times.append(time.perf_counter() - began)
    return statistics.median(times), answer


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    worlds = Worlds()
    with tempfile.TemporaryDirectory() as place, one_thread():
        mazes, coins = maze(Path(place) / "maze"), Path(place) / "coins"
        coinrun = record(load_agent("coinrun-gru"), None, 4, 0, None, coins)
        field, answer = seconds(lambda: policy_field(mazes, 0, 0, worlds=worlds), options.repeats)
        places = answer.data.sizes["place"]
        report("maze_field_seconds", field, None, goal=1.0, goal_on="ours", n=options.repeats,
               unit=f"seconds, {places} places of 25 x 25, IMPALA 16, 32, 32")  # fmt: skip
        one, _ = seconds(
            lambda: fork(coinrun, 0, 10, ["remove crate"], ForkConfig(seeds=1), worlds=worlds),
            options.repeats,
        )
        report("coinrun_fork_seconds", one, None, goal=1.0, goal_on="ours", n=options.repeats,
               unit="seconds, one pair to the end of the episode")  # fmt: skip
        why, answer = seconds(
            lambda: why_not(coinrun, 0, 10, "LEFT", worlds=worlds), options.repeats
        )
        report("coinrun_why_not_seconds", why, None, goal=3.0, goal_on="ours", n=options.repeats,
               unit=f"seconds, {answer.data.attrs['entities']} entities")  # fmt: skip
    worlds.close()


if __name__ == "__main__":
    main()

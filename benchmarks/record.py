"""Overhead of recording: CPU time of a decision that is recorded against one that is only made.

Ours is `record()` of whole episodes with the default sites and the entities of each scene, from the
plan to the last file; the peer is the bare rollout loop of the same agent in the same episodes and
lanes. Both make their worlds anew and take turns in one process. Goal: at most 15 % more.

    python benchmarks/record.py --agent highway-ego-attention --episodes 40 --repeats 7
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measure import report
from policyscope.agents.agent import Agent
from policyscope.agents.store import load_agent
from policyscope.core.threads import one_thread
from policyscope.envs.make import make
from policyscope.recordings.plan import LANES
from policyscope.recordings.record import record
from policyscope.recordings.show import size_on_disk
from policyscope.rollouts.loop import rollout, seeded_episodes


def bare(agent: Agent, episodes: int) -> int:
    """Run the episodes and keep nothing; how many decisions were made."""
    with one_thread():
        stepper = make(agent.env, LANES)
        decisions = sum(1 for _ in rollout(agent, stepper, seeded_episodes(0, episodes)))
        stepper.close()
    return decisions


def cpu(work: Callable[[], int]) -> tuple[float, int]:
    """CPU seconds of this process, and what the work returned."""
    start = time.process_time()
    answer = work()
    return time.process_time() - start, answer


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agent", default="highway-ego-attention")
    parser.add_argument("--episodes", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    agent = load_agent(options.agent)
    seconds: dict[str, list[float]] = {"recorded": [], "bare": []}
    with tempfile.TemporaryDirectory() as folder:

        def recorded(turn: int) -> int:
            made = record(agent, None, options.episodes, 0, None, Path(folder) / f"{turn}")
            return int(made.episodes["steps"].sum())

        bare(agent, 8)
        recorded(-1)
        for turn in range(options.repeats):
            names = ("recorded", "bare") if turn % 2 else ("bare", "recorded")
            decisions = {}
            for name in names:
                taken, decisions[name] = cpu(
                    (lambda turn=turn: recorded(turn))
                    if name == "recorded"
                    else (lambda: bare(agent, options.episodes))
                )
                seconds[name].append(taken)
            if decisions["recorded"] != decisions["bare"]:
                raise SystemExit("the recording and the bare rollout made other decisions")
        written = record(agent, None, options.episodes, 0, None, Path(folder) / "0")
        size = size_on_disk(written) / decisions["bare"]
    each = {k: 1e3 * statistics.median(v) / decisions["bare"] for k, v in seconds.items()}
    report(
        "record_cpu_ms_a_decision",
        each["recorded"],
        each["bare"],
        goal=round(1 / 1.15, 3),
        unit=f"CPU ms a decision, {options.episodes} episodes, {len(written.sites)} sites",
        n=options.repeats,
    )
    report(
        "record_bytes_a_decision",
        size,
        None,
        goal=10_000,
        goal_on="ours",
        unit="bytes on disk a decision, agent included",
        n=1,
    )


if __name__ == "__main__":
    main()

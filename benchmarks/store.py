"""Recordings: speed beside line C's files, the budget, and memory of long ones.

`coinrun` runs the same CoinRun episodes three ways in turns: recorded with the default sites, the
memory and the entities of each scene; kept as line C keeps them (one ob.npy, hx.npy, lp.npy and CSV
an episode, no video); and only played. All three run all episodes in one go in as many lanes, so
that they decide alike. Times are CPU seconds of this process, which other programs disturb least,
and wall seconds. `budget` is what the probe says before a recording against what came of it, in
wall seconds: on a machine that does something else, they say little.

`--long` makes a recording of 1,000,000 steps of an untrained agent with a memory of 256 and two
256-wide sites: one shard is recorded, and its files are linked under new numbers, so that neither
time nor disk is spent on the others. Peaks are resident memory of a process of its own.

    python benchmarks/store.py --episodes 128 --repeats 4
    python benchmarks/store.py --long
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from long_recording import STEPS, long_recording, wide_agent
from measure import report
from policyscope.agents.agent import Agent
from policyscope.agents.store import load_agent
from policyscope.core.threads import one_thread
from policyscope.envs.make import make
from policyscope.recordings.arrays.steps import blocks
from policyscope.recordings.budget import estimate
from policyscope.recordings.find.search import find
from policyscope.recordings.plan import LANES, make_plan
from policyscope.recordings.read import open_recording
from policyscope.recordings.record import record, record_plan
from policyscope.recordings.show import size_on_disk
from policyscope.rollouts.loop import Row, rollout, seeded_episodes


def coinrun(options: argparse.Namespace) -> None:
    """Steps a second of a recording, of line C's files and of playing alone."""
    agent, episodes = load_agent("coinrun-gru"), options.episodes
    ways: dict[str, Callable[[Path], int]] = {
        "recorded": lambda place: int(
            record(agent, None, episodes, 0, None, place / "rec").episodes["steps"].sum()
        ),
        "npy": lambda place: played(agent, episodes, place),
        "played": lambda place: played(agent, episodes, None),
    }
    clocks = {"": time.process_time, "_wall": time.perf_counter}
    rates: dict[str, dict[str, list[float]]] = {
        clock: {name: [] for name in ways} for clock in clocks
    }
    order = list(ways)
    played(agent, 8, None)
    for turn in range(options.repeats):
        for name in order[turn % 3 :] + order[: turn % 3]:
            with tempfile.TemporaryDirectory() as place:
                began = {clock: read() for clock, read in clocks.items()}
                steps = ways[name](Path(place))
                for clock, read in clocks.items():
                    rates[clock][name].append(steps / (read() - began[clock]))
    for clock, found in rates.items():
        each = {name: statistics.median(values) for name, values in found.items()}
        unit = f"steps a {'second' if clock else 'CPU second'}, {episodes} episodes"
        for figure, peer, goal in (("", "played", 0.85), ("_beside_npy", "npy", 0.85)):
            report(f"record_coinrun{figure}{clock}", each["recorded"], each[peer], goal=goal,
                   better="higher", unit=unit, n=options.repeats)  # fmt: skip


def played(agent: Agent, episodes: int, place: Path | None) -> int:
    """Play episodes straight through, and keep them as line C does if there is a place."""
    steps, index = 0, []
    with one_thread():
        stepper = make(agent.env, LANES)
        open_rows: dict[int, list[Row]] = {}
        for row in rollout(agent, stepper, seeded_episodes(0, episodes)):
            steps += 1
            if place is not None:
                open_rows.setdefault(row.episode, []).append(row)
                if row.last:
                    index.append(keep(open_rows.pop(row.episode), place, steps))
        stepper.close()
    if place is not None:
        pd.concat(index).to_csv(place / "idx_to_episode.csv", index=False)
    return steps


def keep(rows: list[Row], place: Path, first: int) -> pd.DataFrame:
    """Write one episode as line C does (its record.py); the frames it numbers."""
    number = rows[0].episode
    folder = place / f"data/episode_{number:05d}"
    folder.mkdir(parents=True)
    frames = np.stack([row.obs for row in rows]).transpose(0, 3, 1, 2)
    np.save(folder / "ob.npy", np.ascontiguousarray(frames))
    np.save(folder / "hx.npy", np.stack([r.state_in for r in [*rows, rows[-1]]]))
    logits = np.stack([row.outputs["logits"] for row in rows])
    np.save(folder / "lp.npy", logits - np.log(np.exp(logits).sum(1, keepdims=True)))
    table = pd.DataFrame({
        "level_seed": number, "episode": number, "global_step": np.arange(len(rows)) + first,
        "episode_step": np.arange(len(rows)), "done": [row.last for row in rows],
        "reward": [row.reward for row in rows],
        "value": [float(row.outputs["value"]) for row in rows],
        "action": [int(row.action) for row in rows],
    })  # fmt: skip
    table.to_csv(place / f"data/data_gen_model_{number:05d}.csv", index=False)
    return table[["global_step", "episode"]]


def budget(options: argparse.Namespace) -> None:
    """The larger over the smaller of what was said before a recording and what came of it."""
    episodes = options.budget_episodes
    for name in ("highway-ego-attention", "coinrun-gru"):
        agent = load_agent(name)
        plan = make_plan(agent, agent.env, episodes, 0, None)
        said = estimate(agent, plan)
        with tempfile.TemporaryDirectory() as place:
            began = time.perf_counter()
            made = record_plan(agent, plan, Path(place) / "rec")
            spent = time.perf_counter() - began
            true = {"bytes": size_on_disk(made), "steps": int(made.episodes["steps"].sum())}
        for what, told, came in (
            ("steps", said.steps, true["steps"]), ("bytes", said.bytes, true["bytes"]),
            ("seconds", said.seconds, spent),
        ):  # fmt: skip
            report(f"budget_{what}_{name}", max(told / came, came / told), None, goal=1.2,
                   goal_on="ours", unit=f"times off, {episodes} episodes, {what}", n=1)  # fmt: skip


def long(options: argparse.Namespace) -> None:
    """Peaks of recording, and of opening, searching and streaming 1,000,000 steps."""
    with tempfile.TemporaryDirectory(dir=options.place) as place:
        for shards in (1, options.shards):
            found = apart("recorder", Path(place) / f"of-{shards}", shards)
            report(f"recorder_peak_{shards}_shards", found["peak"], None, goal=2.0, goal_on="ours",
                   unit=f"GB resident, {found['steps']} steps of 256 + 2 x 256", n=1)  # fmt: skip
        steps = long_recording(Path(place) / "of-1", Path(place) / "long", options.steps)
        for what, goal in (("open", 2.0), ("find", 120.0), ("stream", 600.0)):
            found = apart(what, Path(place) / "long", 0)
            report(f"long_{what}_seconds", found["seconds"], None, goal=goal, goal_on="ours",
                   unit=f"s, {steps} steps", n=1)  # fmt: skip
            report(f"long_{what}_peak", found["peak"], None, goal=4.0, goal_on="ours",
                   unit=f"GB resident, {steps} steps", n=1)  # fmt: skip


def apart(what: str, folder: Path, shards: int) -> dict[str, float]:
    """Do something in a process of its own: seconds, steps and its peak of memory."""
    command = [sys.executable, __file__, "--apart", what, str(folder), str(shards)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{what}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def inside(what: str, folder: Path, shards: int) -> None:
    """What ``apart`` starts."""
    began = time.perf_counter()
    if what == "recorder":
        agent = wide_agent()
        sites = ["embedder.relufc", "gru.gru.memory"]
        steps = len(record(agent, None, 16 * shards, 0, sites, folder).rows(["reward"])["reward"])
    else:
        recording = open_recording(folder)
        steps = int(recording.episodes["steps"].sum())
        if what == "find":
            find(recording, "abs(advantage) top 20")
        if what == "stream":
            names = ("obs", "state_in", "sites/embedder.relufc", "sites/gru.gru.memory")
            for part in blocks(recording):
                for name in names:
                    part.column(name).mean(dtype=np.float64)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({"seconds": seconds, "steps": steps, "peak": peak}))


#: Each prints its figures; those of training windows are in windows.py.
FIGURES: dict[str, Callable[[argparse.Namespace], None]] = {"coinrun": coinrun, "budget": budget}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures", nargs="*", help=f"default: {', '.join(FIGURES)}")
    parser.add_argument("--episodes", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--budget-episodes", type=int, default=200)
    parser.add_argument("--long", action="store_true", help="1,000,000 steps, minutes")
    parser.add_argument("--shards", type=int, default=4, help="that the recorder makes in --long")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--place", type=Path, help="where --long writes some hundred MB")
    parser.add_argument("--apart", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.apart:
        inside(options.apart[0], Path(options.apart[1]), int(options.apart[2]))
    elif options.long:
        long(options)
    else:
        if unknown := set(options.figures) - set(FIGURES):
            parser.error(
                f"no such figure: {', '.join(sorted(unknown))}; valid: {', '.join(FIGURES)}"
            )
        for name in options.figures or FIGURES:
            FIGURES[name](options)


if __name__ == "__main__":
    main()

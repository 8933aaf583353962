"""How fast the panel is: its server as a process, its page in a real Chromium.

Two recordings are made first: 1,000 highway episodes of the shipped agent, and 100,000 steps of an
untrained network on CartPole. Then the page is opened, scrubbed and changed; ``panel_browser.py``
tells how times are taken. The scrub step takes turns with plotly.js, which draws the same tracks
and moves the same band at the step. Single figures of the views go to standard error.

    python benchmarks/panel.py --folder /tmp/panel-benchmark      # goes on with what is there
    python benchmarks/panel.py --episodes 40 --steps 5000 --repeats 3
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from measure import report
from panel_browser import explain, first_paint, live, percentile, scrub, views, walk
from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.store import load_agent
from policyscope.circuits.traces import traces
from policyscope.envs.make import make, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.panel.browser import chromium
from policyscope.recordings.read import Recording
from policyscope.recordings.record import record

SHIPPED, HIGHWAY_SITE = "highway-ego-attention", "attention_layer.pattern"
PLAYER = "coinrun-gru"
NETWORK = {"features": 4, "widths": [32, 32], "actions": 2}
STEPS_AN_EPISODE = {"cartpole": 38, "highway": 10}
CLOCK = "painted; a frame comes every 16.7 ms"


def leaning() -> Agent:
    """Untrained but for one path: it pushes to where the pole leans, for about 39 steps."""
    torch.manual_seed(0)
    spec = versioned(EnvSpec("gym:CartPole-v1"))
    net = build_network("mlp", NETWORK)
    with torch.no_grad():
        for layer in (*net.layers, net.predict):
            layer.bias.zero_()
        net.predict.weight *= 0.01
        net.layers[0].weight[:2] = torch.tensor([[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, -1.0, 0.0]])
        net.layers[1].weight[:2] = torch.eye(32)[:2]
        net.predict.weight[:, :2] = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    stepper = make(spec, 1)
    space = stepper.space
    stepper.close()
    return Agent(net, ("mlp", NETWORK), "q", space, env=spec)


#: Of explanations: what is told where nothing is asked for, and the value.
TARGETS = ("", "value")


def made(agent: Agent, episodes: int, folder: Path, name: str) -> Recording:
    """A recording, or the rest of one that is there; how far it is stands on standard error."""

    def told(done: int, total: int) -> None:
        if done == total or done % max(total // 10, 1) == 0:
            print(f"recording {name}: {done} of {total} shards", file=sys.stderr, flush=True)

    workers = 2 if name == "highway" else 0
    return record(agent, None, episodes, 0, None, folder / name, workers=workers, progress=told)


def make_all(folder: Path, episodes: int, steps: int, long: str) -> str:
    """Make the recordings and a result of the long one; gives a site of the long one."""
    shipped = load_agent(SHIPPED)
    made(shipped, episodes, folder, "highway")
    if find_spec("gym3"):
        made(load_agent(PLAYER), 2, folder, "coinrun")
    agent = leaning() if long == "cartpole" else shipped
    recording = made(agent, -(-steps // STEPS_AN_EPISODE[long]), folder, "long")
    taken = int(recording.episodes["steps"].sum())
    print(f"long: {len(recording.episodes)} episodes, {taken} steps", file=sys.stderr)
    if taken < steps:
        raise SystemExit(f"the long recording has {taken} steps, not {steps}")
    site = "relus.1" if long == "cartpole" else HIGHWAY_SITE
    if not (folder / "traces").exists():
        traces(recording, site, 0).save(folder / "traces")
    return site


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, Callable[[], float]]]:
    """The panel as a process: its address, and what reads its memory in MB."""
    command = [sys.executable, "-m", "policyscope", "panel", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip().rsplit(" ", 1)[-1]
            if not address.startswith("http"):
                raise SystemExit("the panel does not start")

            def memory() -> float:
                lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
                resident = next(line for line in lines if line.startswith("VmRSS"))
                return int(resident.split()[1]) / 1024

            yield address, memory
        finally:
            process.terminate()


def told(name: str, times: Sequence[float]) -> None:
    """Put what is no figure of its own to standard error."""
    median = sorted(times)[len(times) // 2]
    print(
        f"{name}: median {median:.0f} ms, 95% {percentile(times):.0f} ms, "
        f"largest {max(times):.0f} ms, n {len(times)}",
        file=sys.stderr,
        flush=True,
    )


def figure(name: str, times: Sequence[float], goal: float, unit: str) -> None:
    """Report the 95th percentile of times in the page."""
    told(name, times)
    report(name, percentile(times), None, goal=goal, goal_on="ours", unit=unit, n=len(times))


def measure(options: argparse.Namespace, folder: Path, site: str) -> None:
    """Print the figures."""
    of = f"ms, 95th percentile, {options.episodes} highway episodes"
    with chromium() as browser, served(folder) as (base, memory):
        room = f"{base}#/recordings/highway/episodes"
        firsts = [
            first_paint(browser, f"{room}/{k * options.episodes // options.repeats}")
            for k in range(options.repeats)
        ]
        print(f"new server: {firsts[0]['view']:.0f} ms", file=sys.stderr)
        told("first content", [first["content"] for first in firsts])
        each = "an episode in a new browser context"
        figure("panel_first_paint_ms", [f["view"] for f in firsts], 1000, f"{of}, {each}")
        figure("panel_tracks_paint_ms", [f["tracks"] for f in firsts], 1000, f"{of}, with tracks")

        ours, peer, enters = scrub(browser, base, "highway", options.scrub)
        told("plotly's scrub step", peer)
        told("next episode", enters)
        told("scrub step", ours)
        report(
            "panel_scrub_ms",
            percentile(ours),
            percentile(peer),
            goal=50,
            goal_on="ours",
            unit=f"{of}, from key to {CLOCK}; peer plotly.js, tracks alone",
            n=len(ours),
        )

        moved, typed = live(browser, base, "highway", options.changes)
        print(f"first live change of a new server: {moved[0]:.0f} ms", file=sys.stderr)
        told("vehicle moved", moved)
        told("number changed", typed)
        figure("panel_live_ms", [*moved, *typed], 100, f"{of}, event to answer {CLOCK}")

        explaining(browser, base, options.explained)

        rounds = [views(browser, base, "long", "traces", site) for _ in range(options.rounds)]
        for name in rounds[0]:
            told(f"view: {name}", [times[name] for times in rounds])
        slowest = max(max(times.values()) for times in rounds)
        report(
            "panel_views_ms", slowest, None, goal=2000, goal_on="ours",
            unit=f"ms, slowest of {len(rounds[0])} views, {options.steps} steps", n=options.rounds,
        )  # fmt: skip

        readings = walk(browser, f"{room}/0", options.walk, memory)
        for name in readings[0]:
            values = " ".join(f"{reading[name]:.1f}" for reading in readings)
            print(f"while scrubbing, {name}: {values}", file=sys.stderr)
        growth = {k: readings[-1][k] - readings[1][k] for k in readings[0]}
        after = f"grown in the last two thirds of {options.walk} episodes scrubbed through"
        for name, key, goal, unit in (
            ("panel_page_memory_mb", "page MB", 5, "MB after garbage collection"),
            ("panel_page_nodes", "nodes", 500, "DOM nodes after garbage collection"),
            ("panel_server_memory_mb", "server MB", 10, "MB resident"),
        ):
            report(
                name, growth[key], None, goal=goal, goal_on="ours", unit=f"{unit}, {after}",
                n=options.walk,
            )  # fmt: skip


def explaining(browser: Any, base: str, steps: int) -> None:
    """Report the time of a step while it is explained, of both agents and two targets."""
    agents = [("highway", 8, 100, "a vector agent")]
    if find_spec("gym3"):
        agents.append(("coinrun", 2, 300, "a CoinRun frame"))
    for rec, episodes, goal, what in agents:
        times = [
            each
            for target in TARGETS
            for each in explain(browser, base, rec, target, episodes, steps)
        ]
        unit = f"ms, 95th percentile, {what} of {SHIPPED if rec == 'highway' else PLAYER}"
        figure(f"panel_explain_{rec}_ms", times, goal, f"{unit}, from key to {CLOCK}")


def main() -> None:
    """Make the recordings and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="where recordings are, or are put and kept")
    parser.add_argument("--episodes", type=int, default=1000, help="of the highway recording")
    parser.add_argument("--steps", type=int, default=100_000, help="of the long recording")
    parser.add_argument("--long", choices=sorted(STEPS_AN_EPISODE), default="cartpole")
    parser.add_argument("--repeats", type=int, default=20, help="first paints")
    parser.add_argument("--rounds", type=int, default=3, help="of all views")
    parser.add_argument("--scrub", type=int, default=40, help="episodes to take times of steps in")
    parser.add_argument("--explained", type=int, default=40, help="steps of an episode explained")
    parser.add_argument("--changes", type=int, default=60, help="live changes of each kind")
    parser.add_argument("--walk", type=int, default=180, help="episodes while memory is read")
    options = parser.parse_args()
    if options.episodes < 4 or options.walk < 2:
        parser.error("--episodes must be 4 or more, --walk 2 or more")
    options.scrub = min(options.scrub, options.episodes - 1)
    options.walk = min(options.walk, options.episodes - 1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        site = make_all(folder, options.episodes, options.steps, options.long)
        measure(options, folder, site)


if __name__ == "__main__":
    main()

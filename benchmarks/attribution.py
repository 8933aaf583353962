"""Attribution against its peers, in CPU seconds on one thread.

Both sides look at the same targets; what ought to be equal is held to be. `layer_integrated` and
`frames` take the network of "Understanding RL Vision" with fresh weights on CoinRun's frames, the
others the agents that come along. `completeness` is the mean gap over the mean change from the
baseline at default settings, beside 10 points of a right sum, as that article has it.

    python benchmarks/attribution.py --repeats 3 --also runs/clear
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from captum.attr import LayerIntegratedGradients, NeuronConductance

from measure import report
from policyscope.agents.agent import Agent
from policyscope.agents.build import build_network
from policyscope.agents.memory import flat_row, from_flat_rows
from policyscope.agents.preprocess import Pixels
from policyscope.agents.store import load_agent
from policyscope.attribution.asking.groups import Groups, vehicles
from policyscope.attribution.asking.score import Decisions, score
from policyscope.attribution.methods.conductance import neuron_conductance
from policyscope.attribution.methods.paths import integrated_gradients
from policyscope.attribution.methods.shapley import exact_shapley
from policyscope.core.tails import Tail
from policyscope.core.target_parser import parse_target
from policyscope.envs.make import make
from policyscope.envs.stepper import Space
from policyscope.rollouts.loop import rollout, seeded_episodes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import shap

KERNEL_SAMPLES = (512, 2048, 8192)


def first_seconds(functions: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """CPU seconds of the first call of each function in this process."""
    seconds = {}
    for name, function in functions.items():
        start = time.process_time()
        function()
        seconds[name] = time.process_time() - start
    return seconds


def cpu_seconds(functions: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median CPU seconds of functions that take turns; call each once before."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.process_time()
            function()
            times[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def crowded_roads(rows: int) -> torch.Tensor:
    """Scenes in which all 15 vehicles are there; their features are drawn at random."""
    obs = torch.randn(rows, 15, 7, generator=torch.Generator().manual_seed(0)) / 3
    obs[..., 0] = 1
    return obs


def of_players(rest: Tail, groups: Groups) -> Callable[[np.ndarray], np.ndarray]:
    """The target of one scene as shap takes it: 0/1 vectors of players to numbers."""

    def function(vectors: np.ndarray) -> np.ndarray:
        held = torch.from_numpy(vectors > 0.5)
        scene = rest.activation.expand(len(held), *rest.activation.shape[1:])
        rows = torch.zeros(len(held), dtype=torch.long)
        with torch.no_grad():
            return rest(groups.mix(scene, torch.zeros_like(scene), held), rows).double().numpy()

    return function


def frames(count: int) -> torch.Tensor:
    """Frames of CoinRun that the agent that comes along meets, (N, 64, 64, 3)."""
    agent = load_agent("coinrun-gru")
    stepper = make(agent.env, 8)
    rows = rollout(agent, stepper, seeded_episodes(0, 64))
    seen = [row.obs for row in islice(rows, 0, 3 * count, 3)]
    stepper.close()
    return torch.from_numpy(np.stack(seen))


def clear_agent() -> Agent:
    """The article's network with fresh weights."""
    torch.manual_seed(0)
    network = "clear_cnn", {"actions": 15}
    space = Space((64, 64, 3), "uint8", actions=tuple(str(i) for i in range(15)))
    net = build_network(*network).eval()
    return Agent(net, network, "categorical", space, preprocess=Pixels())


class Values(torch.nn.Module):
    """An agent's values of preprocessed frames, as captum takes them."""

    def __init__(self, agent: Agent):
        super().__init__()
        self.net = agent.net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Values, (N,)."""
        return self.net(x)["value"]


def layer_integrated(repeats: int) -> None:
    """Integrated gradients at 2b, 64 frames, 16 points, and 512 frames alone."""
    agent, obs = clear_agent(), frames(512)
    layer, x = agent.net.get_submodule("2b.relu"), agent.preprocess(obs[:64])
    theirs = LayerIntegratedGradients(Values(agent), layer)
    target, black = parse_target("value"), Decisions(0 * obs[:64])
    start = score(agent, target, black, "2b.relu").activation

    def ours() -> torch.Tensor:
        rest = score(agent, target, Decisions(obs[:64]), "2b.relu")
        return integrated_gradients(rest, start, "right", 16).values

    def peer() -> torch.Tensor:
        return theirs.attribute(x, baselines=0 * x, n_steps=16, method="riemann_right")

    apart = float((ours() - peer()).abs().max() / peer().abs().max())
    seconds = cpu_seconds({"ours": ours, "peer": peer}, repeats)
    report(
        "layer_integrated_gradients", seconds["ours"], seconds["peer"], goal=4,
        unit=f"CPU seconds, 64 frames, 16 points, at 2b of the clear network; peer captum; "
        f"largest difference {apart:.1g} of the largest value", n=repeats,
    )  # fmt: skip

    def many() -> None:
        for some in torch.arange(512).split(64):
            rest = score(agent, target, Decisions(obs[some]), "2b.relu")
            integrated_gradients(rest, 0.0, "right", 16)

    torch.set_num_threads(2)
    began = time.perf_counter()
    many()
    seconds_taken = time.perf_counter() - began
    torch.set_num_threads(1)
    report("frames_512", seconds_taken, None, goal=6, goal_on="ours",
           unit="seconds, 512 frames, value, 16 points at 2b, 2 threads", n=1)  # fmt: skip


def peak_mb(most: int) -> float:
    """What paths of so many points add to a process's peak memory, 32 coarse frames at 1a."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_walked, most).result()


def _walked(most: int) -> float:
    torch.set_num_threads(1)
    agent, draws = clear_agent(), torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (32, 8, 8, 3), dtype=torch.uint8, generator=draws)
    obs = coarse.repeat_interleave(8, 1).repeat_interleave(8, 2)
    rest = score(agent, parse_target("value"), Decisions(obs), "1a.relu")
    before = _most_resident()
    integrated_gradients(rest, tolerance=1e-9, most=most)
    return (_most_resident() - before) / 2**10


def _most_resident() -> int:
    """Peak of this process alone in KiB; getrusage hands a parent's on to its children."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def memory() -> None:
    """Whether what adaptive paths hold grows with their points."""
    few, many = peak_mb(16), peak_mb(256)
    report(
        "adaptive_path_memory", many / few, None, goal=1.25, goal_on="ours",
        unit=f"what adaptive integrated gradients add to peak memory at 256 points ({many:.0f} MB)"
        f" / at 16 ({few:.0f} MB), 32 frames at 1a of the clear network", n=1,
    )  # fmt: skip


def neuron(repeats: int) -> None:
    """Conductance of all 64 units of the decoder's first layer, 32 scenes, 20 points."""
    agent, obs = load_agent("highway-ego-attention"), crowded_roads(32)
    start = torch.zeros_like(obs)
    start[..., 0] = 1
    site, action = "output_layer.layers.0", agent.space.actions.index("FASTER")
    rest = score(agent, parse_target("q[FASTER]"), Decisions(obs))
    theirs = NeuronConductance(agent.net, agent.net.get_submodule(site))

    def peer() -> torch.Tensor:
        units = [
            theirs.attribute(obs, unit, baselines=start, target=action, n_steps=20,
                             method="gausslegendre")
            for unit in range(64)
        ]  # fmt: skip
        return torch.stack(units, 1)

    def ours() -> torch.Tensor:
        return neuron_conductance(rest, site, start, steps=20)

    apart = float((ours() - peer()).abs().max() / peer().abs().max())
    seconds = cpu_seconds({"ours": ours, "peer": peer}, repeats)
    report(
        "neuron_conductance", seconds["ours"], seconds["peer"], goal=3,
        unit="CPU seconds, 64 units, 32 scenes, 20 points; peer captum in a loop; largest "
        f"difference {apart:.1g} of the largest value", n=repeats,
    )  # fmt: skip


def completeness(others: Sequence[str]) -> None:
    """What a path misses at default settings, 512 decisions of each agent that comes along.

    Args:
        others: folders of further agents with a value.
    """
    for name, target, site in (
        ("coinrun-gru", "value", "embedder.block2.conv"),
        ("coinrun-gru", "value", "preprocess"),
        ("coinrun-clear", "value", "2b.relu"),
        ("coinrun-clear", "value", "preprocess"),
        ("highway-ego-attention", "q[FASTER]-q[SLOWER]", "preprocess"),
        *((other, "value", "preprocess") for other in others),
    ):
        agent = load_agent(name)
        stepper = make(agent.env, 8)
        rows = list(islice(rollout(agent, stepper, seeded_episodes(0, 200)), 512))
        stepper.close()
        gaps, changes, points, evenly = [], [], [], []
        for some in range(0, 512, 64):
            part = rows[some : some + 64]
            obs = torch.from_numpy(np.stack([row.obs for row in part]))
            memory = None
            if agent.recurrent:
                flat = np.stack([flat_row(row.state_in) for row in part])
                memory = from_flat_rows(flat, agent.initial_state(1))
            rest = score(agent, parse_target(target), Decisions(obs, memory), site)
            found = integrated_gradients(rest)
            gaps.append(found.gap.abs())
            changes.append(found.change.abs())
            points.append(found.steps.double())
            evenly.append(integrated_gradients(rest, rule="right", steps=10).gap.abs())
        gap, change, steps, even = (torch.cat(parts) for parts in (gaps, changes, points, evenly))
        report(
            f"completeness_{Path(name).name}_{site}", float(gap.mean() / change.mean()),
            float(even.mean() / change.mean()), goal=0.02, goal_on="ours",
            unit=f"mean gap / mean change of {target}; 95th percentile "
            f"{float(gap.quantile(0.95)):.2g} of {float(change.mean()):.2g}; points on the mean "
            f"{float(steps.mean()):.0f}, 95th percentile {float(steps.quantile(0.95)):.0f}; peer: "
            "right sum of 10 points", n=512,
        )  # fmt: skip


def shapley(repeats: int) -> None:
    """Exact values over 14 vehicles, and how far those from samples are from them."""
    agent = load_agent("highway-ego-attention")
    rest = score(agent, parse_target("q[FASTER]-q[SLOWER]"), Decisions(crowded_roads(1)), hold=())
    groups = vehicles(agent.space.obs_shape, agent.space.rows)
    players = len(groups)
    function = of_players(rest, groups)
    nobody, everybody = np.zeros((1, players)), np.ones((1, players))
    masker = shap.maskers.Independent(nobody, max_samples=1)
    explainer = shap.explainers.Exact(function, masker)
    kernel = shap.KernelExplainer(function, nobody)

    def ours() -> np.ndarray:
        return exact_shapley(rest, groups).values[0].numpy()

    def theirs() -> np.ndarray:
        evaluations = 2**players + 1
        return explainer(everybody, max_evals=evaluations, silent=True).values[0]

    def sampled(samples: int) -> np.ndarray:
        np.random.seed(0)  # noqa: NPY002 (it draws from here)
        found = kernel.shap_values(everybody, nsamples=samples, l1_reg=False, silent=True)
        return np.asarray(found).reshape(players)

    both = {"ours": ours, "theirs": theirs}
    first, seconds = first_seconds(both), cpu_seconds(both, repeats)
    unit = f"CPU seconds for {players} vehicles, peer shap ExactExplainer at equal values"
    report(
        "shapley_exact_first_scene",
        first["ours"],
        first["theirs"],
        goal=20,
        unit=f"{unit}, first call in a process (it compiles)",
        n=1,
    )
    report(
        "shapley_exact_next_scene",
        seconds["ours"],
        seconds["theirs"],
        goal=1,
        unit=f"{unit}, later calls (nearly all of it the network's)",
        n=repeats,
    )
    exact = theirs()
    largest = float(np.abs(exact).max())

    def error(values: np.ndarray) -> float:
        return float(np.abs(values - exact).max()) / largest

    for samples in KERNEL_SAMPLES:
        sampled(samples)
        seconds = cpu_seconds({"theirs": lambda n=samples: sampled(n)}, repeats)
        report(
            f"shapley_error_kernel_{samples}",
            error(ours()),
            error(sampled(samples)),
            goal=1e-6,
            goal_on="ours",
            unit="largest error / largest value by ExactExplainer, peer shap KernelExplainer "
            f"({seconds['theirs']:.2g} CPU seconds)",
            n=repeats,
        )


def main() -> None:
    """Print one JSON line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--also",
        nargs="*",
        default=[],
        metavar="AGENT",
        help="agents whose paths are looked at too",
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    layer_integrated(options.repeats)
    memory()
    neuron(options.repeats)
    completeness(options.also)
    shapley(options.repeats)


if __name__ == "__main__":
    main()

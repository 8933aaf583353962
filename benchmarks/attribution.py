"""Attribution against its peers, in CPU seconds on one thread.

Both sides look at the same targets of the agent that comes along; what ought to be equal is held
to be.

    python benchmarks/attribution.py --repeats 3
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from measure import report
from policyscope.agents.store import load_agent
from policyscope.attribution.groups import Groups, vehicles
from policyscope.attribution.score import Decisions, score
from policyscope.attribution.shapley import exact_shapley
from policyscope.core.tails import Tail
from policyscope.core.target_parser import parse_target

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
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    shapley(options.repeats)


if __name__ == "__main__":
    main()

"""Cost of capturing every activation of the ego-attention network, against nnsight.

A site's cost is the time of a forward pass that keeps all sites, less that of a bare pass, by the
number of sites. nnsight has two ways to do so (saving each output in a trace, and its cache); the
faster one is the peer.

    python benchmarks/hooks.py --repeats 1000
"""

import argparse
import statistics
import warnings

import torch

from measure import interleave, report
from policyscope.agents.networks.ego_attention import EgoAttentionNetwork
from policyscope.core.hooks import capture
from policyscope.core.sites import leaf_modules, list_sites

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecations inside nnsight's own imports
    from nnsight import NNsight

BLOCKS = 5


def forms(net: EgoAttentionNetwork, x: torch.Tensor) -> dict:
    """Functions that make one pass of ``x``, by what they keep."""
    modules = leaf_modules(net)
    sites = list(list_sites(modules, lambda: net(x)))
    model = NNsight(net)
    envoys = {site: model.get(site) for site in sites}

    def bare():
        net(x)

    def ours():
        with capture(modules, sites) as seen:
            net(x)
        return seen

    def ours_none():
        with capture(modules, []):
            net(x)

    def trace():
        with model.trace(x):
            saved = dict().save()  # noqa: C408 (a display has no save)
            for site in sites:
                saved[site] = envoys[site].output
        return saved

    def cache():
        with model.trace(x) as tracer:
            kept = tracer.cache(modules=list(envoys.values())).save()
        return {site: kept[f"model.{site}"].output for site in sites}

    def trace_none():
        with model.trace(x):
            pass

    for peer in (trace(), cache()):
        for site, value in ours().items():
            torch.testing.assert_close(peer[site], value, rtol=0, atol=0)
    return {f.__name__: f for f in (bare, ours, ours_none, trace, cache, trace_none)}, len(sites)


def added(functions: dict, repeats: int) -> tuple[float, dict[str, float]]:
    """Microseconds of a bare pass, and what each way of keeping adds to it.

    Each way takes turns with the bare pass alone, block by block: what one library leaves behind in
    the allocator would otherwise be paid by the next.
    """
    ways = [name for name in functions if name != "bare"]
    blocks: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(BLOCKS):
        for name in ways:
            pair = {"bare": functions["bare"], name: functions[name]}
            seconds = interleave(pair, repeats // BLOCKS, warmup=20)
            blocks["bare"].append(1e6 * seconds["bare"])
            blocks[name].append(1e6 * (seconds[name] - seconds["bare"]))
    medians = {name: statistics.median(values) for name, values in blocks.items()}
    return medians.pop("bare"), medians


def main() -> None:
    """Print the figures for batches of 1 and 64."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    net = EgoAttentionNetwork().eval()
    for batch in (1, 64):
        with torch.no_grad():
            functions, sites = forms(net, torch.rand(batch, 15, 7))
            bare, extra = added(functions, repeats)
        report(
            f"hooks_capture_us_per_site_b{batch}",
            extra["ours"] / sites,
            min(extra["trace"], extra["cache"]) / sites,
            goal=10,
            goal_on="ours",
            unit=f"microseconds a site and pass, {sites} sites",
            n=repeats,
        )
        report(
            f"hooks_nothing_captured_us_b{batch}",
            extra["ours_none"],
            extra["trace_none"],
            goal=10,
            goal_on="ours",
            unit=f"microseconds a pass (a bare pass takes {bare:.0f})",
            n=repeats,
        )


if __name__ == "__main__":
    main()

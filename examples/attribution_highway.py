"""Two methods on one agent: how far each holds, and whether the scene agrees.

Records the shipped intersection agent, asks why it preferred FASTER to SLOWER, and takes each
vehicle out of a recorded scene to see whether the attribution said so.

python examples/attribution_highway.py runs/attribution
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from policyscope.agents.store import load_agent
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.attribution.results.entity_shares import by_entity
from policyscope.attribution.trust.removals import removal_effects
from policyscope.core.target_parser import parse_target
from policyscope.figures.attribution_page import write_attribution_page
from policyscope.recordings.record import record

TARGET = "q[FASTER]-q[SLOWER]"
METHODS = ("integrated_gradients", "input_x_gradient")


def trust_table(results):
    """Figures of each method's trust line, a column a method."""
    lines = {
        method: {line["name"]: line["mean"] for line in result.data.attrs["trust"]}
        for method, result in results.items()
    }
    return pd.DataFrame(lines)


def scene_table(recording, result, episode, step):
    """What a method says of each vehicle of a scene, beside what its removal takes away."""
    shares = by_entity(recording, result.data.isel(row=[step]))
    removed = removal_effects(recording, parse_target(TARGET), episode, step)
    effects = pd.DataFrame({"identity": removed.identity, "removal": removed.effect})
    return shares.merge(effects, on="identity")[["identity", "share", "removal"]]


def crowded(recording, episode):
    """The step of an episode at which the agent sees most vehicles."""
    return int(np.argmax((recording.episode(episode)["row_identity"].values > 0).sum(1)))


def main(folder):
    """Record, attribute twice, compare, and save a page."""
    recording = record(load_agent("highway-ego-attention"), episodes=4, out=folder / "rec")
    results = {}
    for method in METHODS:
        config = AttributionConfig(target=TARGET, method=method, initialisations=0)
        results[method] = attribute(recording, config)
    print(f"How far they hold, over {results[METHODS[0]].data.sizes['row']} decisions:")
    print(trust_table(results).round(2).to_string())

    episode, step = 0, crowded(recording, 0)
    config = AttributionConfig(target=TARGET, trust=False, initialisations=0)
    one = attribute(recording, config, episode)
    print(f"\nEach vehicle of episode {episode}, step {step}, and the scene without it:")
    table = scene_table(recording, one, episode, step)
    print(table.round(2).to_string(index=False))
    print(f"rank correlation: {table['share'].corr(table['removal'], method='spearman'):.2f}")

    page = folder / "attribution.html"
    write_attribution_page(results[METHODS[0]], page)
    print(f"\nwritten: {page}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/attribution"))

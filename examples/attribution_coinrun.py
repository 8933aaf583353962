"""Two methods on an agent that sees frames: do they agree, and does the scene agree with them?

Records the shipped CoinRun agent, asks what its value is owed to, judges both maps by blocks of the
frame, and takes the coin, enemies and saws out of recorded scenes.

python examples/attribution_coinrun.py runs/attribution_coinrun
"""

import sys
from pathlib import Path

import pandas as pd

from policyscope.agents.store import load_agent
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.explain import attribute
from policyscope.attribution.results.entity_shares import by_entity
from policyscope.attribution.trust.removals import removal_effects
from policyscope.core.target_parser import parse_target
from policyscope.figures.attribution_page import write_attribution_page
from policyscope.recordings.record import record

TARGET = "value"
METHODS = {"integrated_gradients": "preprocess", "grad_cam": "embedder.relu3"}
#: Decisions that are explained: few, so that this takes seconds.
ROWS = 8


def trust_table(results):
    """Figures of each method's trust line, a column a method."""
    lines = {
        method: {line["name"]: line["mean"] for line in result.data.attrs["trust"]}
        for method, result in results.items()
    }
    return pd.DataFrame(lines)


def by_kind(recording, result):
    """What a map says of each kind of entity, beside what its removal takes from the value."""
    target, lines = parse_target(TARGET), []
    shares = by_entity(recording, result.data)
    for (episode, step), scene in shares.groupby(["episode", "step"]):
        removed = removal_effects(recording, target, int(episode), int(step))
        effects = dict(zip(removed.identity.tolist(), removed.effect, strict=True))
        scene = scene[scene["identity"].isin(effects)]
        lines.append(scene.assign(removal=scene["identity"].map(effects)))
    table = pd.concat(lines).groupby("kind")[["share", "removal"]]
    return table.agg(["mean", "count"]).drop(columns=("removal", "count"))


def main(folder):
    """Record, attribute twice, compare, and save a page for each method."""
    recording = record(load_agent("coinrun-gru"), episodes=2, out=folder / "rec")
    results = {}
    for method, site in METHODS.items():
        config = AttributionConfig(
            target=TARGET, method=method, site=site, rows=ROWS, window=2, initialisations=0
        )
        results[method] = attribute(recording, config)
        write_attribution_page(results[method], folder / f"{method}.html")
    print(f"How far they hold, over {ROWS} frames:")
    print(trust_table(results).round(2).to_string())
    for method, result in results.items():
        print(f"\n{method}: what each kind of entity accounts for, and what its removal takes:")
        print(by_kind(recording, result).round(4).to_string())
    print(f"\nwritten: {', '.join(str(folder / f'{m}.html') for m in METHODS)}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/attribution_coinrun"))

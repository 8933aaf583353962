"""Where a report comes from: agent, weights, world, versions, and the commands of its parts."""

import shlex
from typing import TYPE_CHECKING, Any

import pandas as pd

from policyscope.attribution.config import AttributionConfig
from policyscope.core.errors import PolicyscopeError
from policyscope.core.provenance import provenance, without_paths
from policyscope.core.result import Result
from policyscope.recordings.read import Recording
from policyscope.recordings.subject import subject
from policyscope.reports.parts import Nearest, Without

if TYPE_CHECKING:
    from policyscope.reports.config import ReportConfig


def origin_of(recording: Recording, episode: int) -> dict[str, str]:
    """Facts by title: what was recorded, with what, when the report was made.

    Args:
        recording: an opened recording.
        episode: number of the episode.
    """
    told, made, env = subject(recording), provenance(), recording.env
    options = ", ".join(f"{k}={v}" for k, v in env.options.items())
    versions = ", ".join(f"{k} {v}" for k, v in env.versions.items())
    line = recording.line(episode)
    seed, level = line["seed"], line.get("level")
    packages = ", ".join(f"{k} {v}" for k, v in made["packages"].items() if v)
    facts = {
        "agent": _agent(recording),
        "weights": f"SHA-256 {told['weights']}" if told["weights"] else "unknown",
        "environment": " ".join(
            part for part in (env.id, f"({options})" if options else "", versions) if part
        ),
        "recording": f"{told['name']}, {told['episodes']} episodes, acting {recording.act}",
        "seed of the episode": "unknown" if pd.isna(seed) else str(int(seed)),
        "level of the episode": "" if pd.isna(level) else str(int(level)),
        "made with": f"policyscope {made['policyscope']}, Python {made['python']}, {packages}",
        "commit": str(made["commit"] or ""),
        "date": str(made["date"]),
    }
    return {title: text for title, text in facts.items() if text}


def _agent(recording: Recording) -> str:
    """The line of an agent's card."""
    try:
        agent = recording.agent
    except PolicyscopeError as error:
        return without_paths(str(error))
    card, size = agent.card, sum(p.numel() for p in agent.net.parameters())
    parts = [f"{agent.network[0]}, {size:,} parameters"]
    if "algorithm" in card:
        parts.append(f"trained by {card['algorithm']}")
    if "steps" in card:
        parts.append(f"{int(card['steps']):,} steps")
    if "lineage" in card and "source" in card:
        parts.append(f"imported from {card['source']['file']} ({card['lineage']})")
    if returns := _evaluated(card):
        parts.append(returns)
    return ", ".join(parts)


def _evaluated(card: dict[str, Any]) -> str:
    found = card.get("evaluation", {}).get("agent", {})
    if not {"mean", "low", "high"} <= set(found.get("return", {})):
        return ""
    told = found["return"]
    return (
        f"mean return {told['mean']:.2f} [{told['low']:.2f}, {told['high']:.2f}] over "
        f"{found.get('n', '?')} episodes"
    )


def commands_of(
    place: str,
    asked: AttributionConfig,
    config: "ReportConfig",
    nearest: Nearest | None,
    without: Without | None,
    forked: Result | None,
) -> dict[str, str]:
    """Commands that make each part again, without absolute paths.

    Args:
        place: the step as it is typed.
        asked: the attribution.
        config: of the report; its size and seed are told where they are not the default.
        nearest: the counterfactual scene.
        without: what was removed.
        forked: what came of playing on.
    """
    target = ["--target", asked.target] if asked.target else []
    how = ["--method", asked.method, *target, "--site", asked.site]
    seeds = ["--seeds", str(config.seeds)]
    seed = ["--seed", str(config.seed)] if config.seed != type(config).seed else []
    size = ["--size", str(config.size)] if config.size != type(config).size else []
    given = [*size, *seed, *([] if config.fork else ["--no-fork"])]
    drawn = ["--attribution.seed", str(asked.seed)] if asked.seed != AttributionConfig.seed else []
    lines = {
        "report": ["report", place, *how, *seeds, *given],
        "attribution": ["explain", place, *how, *drawn],
    }
    if nearest and nearest.result is not None:
        lines["why not"] = ["why-not", place, nearest.result.data.attrs["action"]]
    if without:
        edit = ["--edit", f"remove {without.identity}"]
        if forked:
            lines["fork"] = ["fork", place, *edit, *seeds, *seed]
    return {
        name: without_paths(shlex.join(["policyscope", *words])) for name, words in lines.items()
    }

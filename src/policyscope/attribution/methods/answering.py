"""What a method says of many decisions, a block of them at a time."""

import numpy as np
import torch
from jaxtyping import Int

from policyscope.agents.agent import Agent
from policyscope.attribution.asking.baselines import BLOCK, Baseline
from policyscope.attribution.asking.chosen import Chosen
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.methods.asked import ask, fitted
from policyscope.attribution.methods.table import explained
from policyscope.attribution.methods.told import Told
from policyscope.core.progress import tell_progress
from policyscope.core.target_parser import Target


def answered(
    agent: Agent,
    target: Target,
    chosen: Chosen,
    site: str,
    config: AttributionConfig,
    start: Baseline,
    rows: Int[np.ndarray, " M"],
) -> tuple[Told, bool]:
    """What a method says of some decisions, and whether all of the target flows through its site.

    Args:
        agent: whose decisions they are.
        target: what is attributed.
        chosen: N decisions.
        site: what it is attributed to.
        config: method and options.
        start: the baseline of the N decisions, or of those alone that are asked about.
        rows: (M,) which of the decisions.
    """
    factors = fitted(agent, chosen.decisions, site, config)
    parts: list[Told] = []
    whole = True
    for some in torch.as_tensor(rows).split(BLOCK):
        tell_progress(len(parts) * BLOCK, len(rows), "decisions")
        decisions, own = chosen.decisions.rows(some), start.rows(some)
        asked = ask(agent, target, decisions, site, config, own, factors)
        parts.append(explained(asked))
        whole &= asked.whole
    return {name: torch.cat([p[name].detach().cpu() for p in parts]) for name in parts[0]}, whole

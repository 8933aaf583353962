"""The trust line: how far the values of an attribution hold, in figures with intervals."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.attribution.chosen import Chosen
from policyscope.attribution.config import SLOPES, AttributionConfig
from policyscope.attribution.faithfulness import deletion, infidelity, insertion
from policyscope.attribution.methods import explained, held
from policyscope.attribution.randomised import randomised
from policyscope.attribution.score import score
from policyscope.core.stats import Interval, bootstrap_mean
from policyscope.core.target_parser import Target

#: Decisions that are looked at, and steps of a curve.
ROWS, STEPS = 32, 20


@dataclass(frozen=True)
class Figure:
    """One figure of a trust line.

    Args:
        name: what was measured.
        mean: over episodes, of the means over their decisions.
        low: lower end of the 95 % bootstrap interval over episodes.
        high: upper end.
        n: decisions.
        better: higher or lower.
        reading: what the numbers 0 and 1 mean.
    """

    name: str
    mean: float
    low: float
    high: float
    n: int
    better: str
    reading: str

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is unbounded or unknown is None."""
        ends = {k: finite(getattr(self, k)) for k in ("mean", "low", "high")}
        return {**asdict(self), **ends}


def finite(number: float | np.floating) -> float | None:
    """A number for a JSON file; None where it is not finite."""
    return float(number) if np.isfinite(number) else None


def trust_line(
    agent: Agent,
    target: Target,
    chosen: Chosen,
    site: str,
    config: AttributionConfig,
    baseline: Float[Tensor, "1 ..."] | float = 0.0,
) -> list[Figure]:
    """Figures by which one can tell whether to believe an attribution.

    Args:
        agent: whose decisions they are.
        target: what is attributed.
        chosen: N decisions; at most 32, drawn at random, are looked at.
        site: what it is attributed to.
        config: method and options.
        baseline: what the activation is compared with.

    Returns:
        ``deletion`` and ``insertion``: area between the target's curves as the units with the
        largest values are set to the baseline, or put back, first, and those of random orders, as
        a share of the range. ``infidelity``: the error with which sums of values foretell what
        random sets of units change, as a share of that of no values. ``untrained``: rank
        correlation of the values' sizes with those of the agent before training, over units that
        differ from the baseline. Slopes are multiplied with the difference to the baseline for all
        but the last. Empty for methods whose values are not those of single units.

    Raises:
        UnknownName, PolicyscopeError: as ``score`` does.

    Cost: the method 2 to 6 times, and some 700 forward passes from the site on, for 32 decisions.
    """
    count = len(chosen.decisions)
    drawn = np.random.default_rng(config.seed).choice(count, min(count, ROWS), replace=False)
    drawn = np.sort(drawn)
    some, episode = chosen.decisions.rows(torch.as_tensor(drawn)), chosen.episode[drawn]
    rest = score(agent, target, some, site, held(config))
    values = explained(rest, config, baseline)["attribution"].float()
    if values.shape != rest.activation.shape:
        return []

    def of(other: Agent) -> Tensor:
        theirs = score(other, target, some, site, held(config))
        return explained(theirs, config, baseline)["attribution"].float()

    start = torch.as_tensor(baseline).to(rest.activation).expand_as(rest.activation)
    # An absent vehicle has no share before training either: all would look alike.
    differ = (rest.activation != start) & (values != 0)
    shares = values * (rest.activation - start) if config.method in SLOPES else values
    missed = infidelity(rest, shares, start, seed=config.seed)
    alike = randomised(agent, of, seed=config.seed, among=differ)
    found = {
        "deletion": deletion(rest, shares, start, STEPS, seed=config.seed).score,
        "insertion": insertion(rest, shares, start, STEPS, seed=config.seed).score,
        "infidelity": missed.scaled / missed.changes,
        "untrained": alike.per_row,
    }
    return [_figure(name, rows, episode, config.seed) for name, rows in found.items()]


_READING = {
    "deletion": ("higher", "0: no better than a random order"),
    "insertion": ("higher", "0: no better than a random order"),
    "infidelity": ("lower", "1: no better than no attribution"),
    "untrained": ("lower", "1: ranks units as the agent before training does, 0: unlike it"),
}


def _figure(
    name: str, rows: Float[Tensor, " N"], episode: Int[np.ndarray, " N"], seed: int
) -> Figure:
    """Mean with an interval over episodes: steps of one are alike."""
    better, reading = _READING[name]
    values = rows.double().cpu().numpy()
    known = np.isfinite(values)
    means = [values[known & (episode == k)].mean() for k in np.unique(episode[known])]
    found = Interval(np.nan, -np.inf, np.inf, 0)
    if means:
        found = bootstrap_mean(np.array(means), seed)
    return Figure(name, found.mean, found.low, found.high, int(known.sum()), better, reading)

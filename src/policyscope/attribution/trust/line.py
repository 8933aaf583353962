"""The trust line: how far the values of an attribution hold, in figures with intervals."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.attribution.asking.baselines import Baseline, activations
from policyscope.attribution.asking.chosen import Chosen
from policyscope.attribution.asking.score import INPUT, score
from policyscope.attribution.config import (
    CAPTUM,
    SAMPLED,
    SLOPES,
    STEPPED,
    UNSIGNED,
    AttributionConfig,
)
from policyscope.attribution.methods.asked import Asked, ask, fitted
from policyscope.attribution.methods.by_captum import GROUPED
from policyscope.attribution.methods.captum_names import COALITIONS
from policyscope.attribution.methods.table import explained
from policyscope.attribution.methods.told import Told
from policyscope.attribution.trust.faithfulness import deletion, infidelity, insertion
from policyscope.attribution.trust.levels import at_level, level_of
from policyscope.attribution.trust.randomised import randomised
from policyscope.attribution.trust.stability import NOISE, ratio_of_sums, sensitivity
from policyscope.core.stats import Interval, bootstrap_mean
from policyscope.core.tails import Tail
from policyscope.core.target_parser import Target

#: Decisions that are looked at, and steps of a curve.
ROWS, STEPS = 32, 20
#: Copies with noise, and seeds, that values are compared over.
COPIES = 4


@dataclass(frozen=True)
class Figure:
    """One figure of a trust line.

    Args:
        name: what was measured.
        mean: over episodes, of the means over their decisions; of a spread over all decisions.
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


#: In the place of figures for which units are covered.
NO_UNITS = Figure(
    "deletion", np.nan, -np.inf, np.inf, 0, "higher",
    "not measured: entities are taken out of whole scenes, no units are covered",
)  # fmt: skip


def finite(number: float | np.floating) -> float | None:
    """A number for a JSON file; None where it is not finite."""
    return float(number) if np.isfinite(number) else None


def interval_values(interval: Interval) -> dict[str, Any]:
    """An interval as JSON values; ends that are not finite are None."""
    ends = {k: finite(getattr(interval, k)) for k in ("mean", "low", "high")}
    return {**ends, "n": interval.n}


def trust_line(
    agent: Agent,
    target: Target,
    chosen: Chosen,
    site: str,
    config: AttributionConfig,
    compared: Baseline,
    common: bool = False,
) -> list[Figure]:
    """Figures by which one can tell whether to believe an attribution.

    Values of single units are judged unit by unit, those of places by blocks of ``window`` places,
    those of vehicles by vehicles, where whoever is set to the baseline of zero is absent.

    Args:
        agent: whose decisions they are.
        target: what is attributed.
        chosen: N decisions; at most 32, drawn at random, are looked at.
        site: what it is attributed to.
        config: method and options.
        compared: the baseline of the N decisions, at the site and, for conductance, at the
            observation. Units are set to that of the site, whatever the method.
        common: judge at the level at which all methods of the site have values.

    Returns:
        ``deletion`` and ``insertion``: area between the target's curves as the units with the
        largest values are set to the baseline, or put back, first, and those of random orders, as
        a share of the range. ``infidelity``: the error with which sums of values foretell what
        random sets of units change, as a share of that of no values. ``untrained``: rank
        correlation of the values' sizes with those of the agent before training, over units that
        differ from the baseline. ``spread``: of a method that draws random numbers, the standard
        deviation of its values over seeds; of others their largest change under noise of 0.2 % of
        the range, see ``stability.NOISE``; both summed over all decisions, as shares of the summed
        size of the values. Slopes are multiplied with the difference to the baseline for deletion,
        insertion and infidelity.

    Raises:
        UnknownName, PolicyscopeError: as ``score`` does.

    Cost: the method 6 to 10 times, and some 700 forward passes from the site on, for 32 decisions.
    """
    count = len(chosen.decisions)
    drawn = np.random.default_rng(config.seed).choice(count, min(count, ROWS), replace=False)
    drawn = np.sort(drawn)
    some, episode = chosen.decisions.rows(torch.as_tensor(drawn)), chosen.episode[drawn]
    compared = compared.rows(torch.as_tensor(drawn))
    factors = fitted(agent, chosen.decisions, site, config)
    asked = ask(agent, target, some, site, config, compared, factors)
    told = explained(asked)
    values = told["attribution"].float()
    seen = activations(agent, some, [site])[site]
    groups = None
    if common or values.shape != seen.shape or _is_of_groups(config.method, seen.dim()):
        groups = level_of(tuple(seen.shape[1:]), site, config.window)[1]
    # Whom a vehicle-wise question takes away is absent: its row may not stay attended to.
    hold = () if groups is not None and seen.dim() == 3 else None
    rest = score(agent, target, some, site, hold)
    start = compared.at(site, rest.activation)
    shares = _shares(asked, values)
    judged = at_level(shares, groups) if groups is not None else shares

    def of(other: Agent) -> Tensor:
        theirs = ask(
            other, target, some, site, config, compared.of(other, chosen.decisions, some),
            fitted(other, chosen.decisions, site, config),
        )  # fmt: skip
        found = explained(theirs)["attribution"].float()
        return found if groups is None else at_level(_shares(theirs, found), groups)

    missed = infidelity(rest, judged, start, groups=groups, seed=config.seed)
    signed = config.method not in UNSIGNED or "abs=False" in config.options
    curves = [
        curve(rest, judged, start, STEPS, groups, signed, seed=config.seed)
        for curve in (deletion, insertion)
    ]
    # An absent vehicle has no share before training either: all would look alike.
    if groups is None:
        among = (rest.activation != start) & (values != 0)
    else:
        among = groups.differing(rest.activation, start) & (judged != 0)
    alike = randomised(agent, of, seed=config.seed, among=among)
    found = {
        "deletion": curves[0].score,
        "insertion": curves[1].score,
        "infidelity": missed.scaled / missed.changes,
        "untrained": alike.per_row,
    }
    line = [figure_over_episodes(name, rows, episode, config.seed) for name, rows in found.items()]
    reading = _SPREAD[spread_over(config, told)]
    return [*line, _spread_figure(*_spread(asked, told), episode, config.seed, reading)]


_READING = {
    "deletion": ("higher", "0: no better than a random order"),
    "insertion": ("higher", "0: no better than a random order"),
    "infidelity": ("lower", "1: no better than no attribution"),
    "untrained": ("lower", "1: ranks units as the agent before training does, 0: unlike it"),
}
_SPREAD = {
    "seeds": "0: every seed gives the same, 1: seeds differ by as much as the values are large",
    "noise": f"0: noise of {100 * NOISE:.1f} % of the range changes nothing, 1: as much as the "
    "values are large",
}


def spread_over(config: AttributionConfig, told: Told) -> str:
    """What the spread of a method's values is over: ``seeds`` where it draws, else ``noise``.

    Args:
        config: names the method.
        told: what it said.
    """
    drew = config.method == "shapley" and bool(told["error"].any())
    return "seeds" if drew or config.method in SAMPLED else "noise"


def _is_of_groups(method: str, axes: int) -> bool:
    """Whether values that stand at single units are those of groups, shared out evenly."""
    name = method.removeprefix(CAPTUM)
    if not method.startswith(CAPTUM):
        return False
    return name in COALITIONS or (axes == 4 and name in (*GROUPED, "Occlusion"))


def _shares(asked: Asked, values: Float[Tensor, "N ..."]) -> Float[Tensor, "N ..."]:
    """Slopes as shares of the change from the baseline, to first order."""
    if asked.config.method not in SLOPES:
        return values
    away = asked.rest.activation - asked.start
    return values * (away.abs() if asked.config.method in UNSIGNED else away)


def _spread(asked: Asked, told: Told) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
    """By how much the values of each decision change, and how large they are."""
    config = asked.config
    if spread_over(config, told) == "noise":
        if config.method in STEPPED and config.rule == "adaptive":  # noise moves finer paths alike
            asked = replace(asked, config=replace(config, rule="trapezoid"))
        found = sensitivity(
            asked.rest, lambda moved: explained(replace(asked, rest=moved))["attribution"],
            samples=COPIES, seed=config.seed, among=_there(asked.rest),
        )  # fmt: skip
        return found.change, found.size
    if "error" in told:
        size = _size(told["attribution"])
        return told["error"].double() * size, size
    seeds = [replace(config, seed=config.seed + copy) for copy in range(1, COPIES)]
    others = [explained(replace(asked, config=own))["attribution"] for own in seeds]
    values = torch.stack([told["attribution"], *others])
    return _size(values.std(0)), _size(values.mean(0))


def _size(values: Float[Tensor, "N ..."]) -> Float[Tensor, " N"]:
    return values.double().flatten(1).norm(dim=1)


def _there(rest: Tail) -> Bool[Tensor, "N ..."] | None:
    """Units of vehicles that are there: noise may not bring others in."""
    if rest.site != INPUT or rest.activation.dim() != 3:
        return None
    return (rest.activation != 0).any(2, keepdim=True).expand_as(rest.activation)


def figure_over_episodes(
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


def _spread_figure(
    changes: Float[Tensor, " N"],
    sizes: Float[Tensor, " N"],
    episode: Int[np.ndarray, " N"],
    seed: int,
    reading: str,
) -> Figure:
    """One ratio over all decisions: of those whose values nearly vanish shares have no bound."""
    change, size = (each.double().cpu().numpy() for each in (changes, sizes))
    known = np.isfinite(change) & np.isfinite(size) & (change + size > 0)
    found = ratio_of_sums(change[known], size[known], episode[known], seed)
    n = int(known.sum()) if found.n else 0
    return Figure("spread", found.mean, found.low, found.high, n, "lower", reading)

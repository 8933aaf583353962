"""Conductance per unit and action, and from which inputs it comes: means over decisions."""

from collections.abc import Callable

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.attribution.asking.baselines import Baseline
from policyscope.attribution.asking.chosen import Chosen
from policyscope.attribution.asking.score import INPUT, score
from policyscope.attribution.asking.targets import against_mean
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.methods.conductance import layer_conductance, neuron_conductance
from policyscope.attribution.methods.refining import (
    FINEST,
    Refined,
    missed_by,
    of_rows,
    row_by_row,
)
from policyscope.core.checks import Check
from policyscope.core.errors import PolicyscopeError
from policyscope.core.progress import tell_progress
from policyscope.core.stats import bootstrap_mean
from policyscope.core.tails import Tail
from policyscope.core.target_parser import Target, parse_target

#: Share of the units' conductance that the sums over inputs may miss.
SUMS = 0.1
#: Decisions whose inputs are looked at.
LOOKED_AT = 32
#: Passes of units for the inputs of a decision, beyond which its points become no more.
MOST_PASSES = 2**16
#: Numbers of (row, unit, input) that are kept at once.
MOST = 2**24


def contrasts(agent: Agent) -> dict[str, Target]:
    """For each action its Q-value or logit minus the mean over actions: what sets it apart.

    Raises:
        PolicyscopeError: actions are continuous.

    Example:
        >>> str(contrasts(agent)["UP"])  # doctest: +SKIP
        'logit[0] - 0.5*logit[0] - 0.5*logit[1]'
    """
    kind = {"q": "q", "categorical": "logit"}.get(agent.head)
    if kind is None or not agent.space.actions:
        raise PolicyscopeError(
            "the agent has no separate actions to set apart; take --method conductance with a "
            "target such as mean[0]"
        )
    numbers = range(len(agent.space.actions))
    named = enumerate(agent.space.actions)
    return {name: parse_target(against_mean(kind, i, numbers)) for i, name in named}


def unit_actions(
    agent: Agent,
    target: Target,
    chosen: Chosen,
    site: str,
    config: AttributionConfig,
    baseline: Baseline,
    steps: int,
) -> xr.Dataset:
    """What flows through each unit of a hidden site to each action, and from which inputs.

    Args:
        agent: whose decisions they are; its actions are discrete.
        target: whose conductance is split up by inputs.
        chosen: N decisions.
        site: the hidden site; its U units are counted along all its axes.
        config: rule of the path.
        baseline: of the observations.
        steps: points at which a path of an action stops that begins with ``config.steps`` and is
            made finer where it misses much; of a rule that is not adaptive, those of each path.

    Returns:
        ``conductance``, ``conductance_low`` and ``conductance_high`` (unit, action): mean over
        episodes of the means over their decisions, with a 95 % bootstrap interval over episodes,
        for targets of ``contrasts``. ``by_input`` (unit, input axes): mean over up to 32 of the
        decisions, ``looked_at``, of neuron conductance for the target; summed over the inputs, it
        is that of the unit: to within ``SUMS``, as far as 2^16 backward passes for a decision
        reach (1,024 points for 64 units, ``config.steps`` for thousands).

    Raises:
        PolicyscopeError: continuous actions, or the site lies not behind the observation.

    Cost: a forward and backward pass for each decision, step and action; for ``by_input`` a
    backward pass for each open unit, decision and step.
    """
    targets = contrasts(agent)

    def asked(one: Target, rows: Int[Tensor, " M"]) -> tuple[Tail, str, Tensor]:
        rest = score(agent, one, chosen.decisions.rows(rows))
        return rest, site, baseline.rows(rows).at(INPUT, rest.activation)

    found = []
    for i, one in enumerate(targets.values()):
        tell_progress(i, len(targets) + 1, "actions")
        parts = []
        for rows in torch.arange(len(chosen.decisions)).split(64):
            parts.append(_by_unit(*asked(one, rows), config, steps))
        found.append(torch.cat(parts).cpu().numpy())
    mean, low, high = _over_episodes(np.stack(found, 2), chosen, config.seed)
    tell_progress(len(targets), len(targets) + 1, "inputs")
    count = len(chosen.decisions)
    rng = np.random.default_rng(config.seed)
    drawn = np.sort(rng.choice(count, min(count, LOOKED_AT), replace=False))
    by_input = _by_input(lambda rows: _shares(*asked(target, rows), config, steps), drawn)
    axes = [f"input_{i}" for i in range(by_input.dim() - 1)]
    names = list(targets)
    return xr.Dataset(
        {
            "conductance": (("unit", "action"), mean),
            "conductance_low": (("unit", "action"), low),
            "conductance_high": (("unit", "action"), high),
            "by_input": (("unit", *axes), by_input.cpu().numpy()),
            "looked_at": ("decision", drawn),
        },
        {"action": names},
    )


def _by_unit(
    rest: Tail, site: str, start: Tensor, config: AttributionConfig, most: int
) -> Float[Tensor, "M U"]:
    """Conductance of each unit, in finer steps where a row's sum misses much."""
    through = "left" if config.rule == "left" else "trapezoid"

    def at(rows: Int[Tensor, " R"], steps: int) -> Refined:
        found = layer_conductance(of_rows(rest, rows), site, start[rows], through, steps)
        return {"units": found.values.flatten(1)}, missed_by(found, config.tolerance)

    first = min(config.steps, most) if config.rule == "adaptive" else most
    return row_by_row(at, len(start), first, most)[0]["units"]


def _shares(
    rest: Tail, site: str, start: Tensor, config: AttributionConfig, steps: int
) -> Float[Tensor, "M U ..."]:
    """What flows through each unit from each input, with more points where sums miss much."""
    if config.rule != "adaptive":
        return neuron_conductance(rest, site, start, config.rule, steps)
    whole = _by_unit(rest, site, start, config, steps)

    def at(rows: Int[Tensor, " R"], points: int) -> Refined:
        found = neuron_conductance(of_rows(rest, rows), site, start[rows], "gauss", points)
        units = whole[rows]
        missed = (units - found.flatten(2).sum(2)).abs().mean(1)
        return {"shares": found}, missed / (SUMS / 2 * units.abs().mean(1)).clamp(min=1e-12)

    most = min(max(MOST_PASSES // whole.shape[1], config.steps), FINEST)
    return row_by_row(at, len(start), config.steps, most)[0]["shares"]


def _over_episodes(
    values: Float[np.ndarray, "N U A"], chosen: Chosen, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of the episodes' means, with the ends of its interval, for each unit and action."""
    means = np.stack([values[chosen.episode == k].mean(0) for k in np.unique(chosen.episode)])
    flat = means.reshape(len(means), -1)
    intervals = [bootstrap_mean(column, seed) for column in flat.T]
    parts = ([getattr(one, end) for one in intervals] for end in ("mean", "low", "high"))
    mean, low, high = (np.array(p).reshape(values.shape[1:]) for p in parts)
    return mean, low, high


def _by_input(
    flow: Callable[[Int[Tensor, " R"]], Float[Tensor, "R U ..."]], drawn: Int[np.ndarray, " M"]
) -> Float[Tensor, "U ..."]:
    """Mean over the drawn decisions, as many at once as memory has room for."""
    total, together, first = torch.zeros(()), 1, 0
    while first < len(drawn):
        rows = torch.as_tensor(drawn[first : first + together])
        found = flow(rows)
        total = total + found.double().sum(0)
        first += len(rows)
        together = min(max(MOST // found[0].numel(), 1), 64)
    return (total / len(drawn)).float()


def inputs_check(data: xr.Dataset) -> Check:
    """Whether the inputs' shares of each unit sum to the unit's conductance.

    Args:
        data: with ``attribution`` (row, ...), the units' conductance, ``by_input`` and
            ``looked_at``.
    """
    values = data["attribution"].values[data["looked_at"].values]
    units = values.reshape(len(values), -1).mean(0)
    inputs = data["by_input"].values.reshape(len(units), -1).sum(1)
    size = float(np.abs(units).mean())
    missed = float(np.abs(units - inputs).mean()) / size if size else 0.0
    return Check.at_most("inputs' shares: mean gap / mean conductance", missed, SUMS, len(units))

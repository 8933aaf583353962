"""The same attribution of agents that learned nothing, and of every action.

Bars of a trained agent mean little alone: networks with random weights have large ones too.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int

from policyscope.agents.agent import Agent
from policyscope.attribution.asking.targets import against_mean
from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.trust.randomised import AWAY
from policyscope.core.errors import PolicyscopeError
from policyscope.core.progress import tell_progress
from policyscope.core.target_parser import Target, parse_target
from policyscope.envs.stepper import Start
from policyscope.rollouts.baselines import baseline
from policyscope.rollouts.loop import Episode

#: Units of a site up to which bars can be told apart, where they are not those of vehicles.
MOST_UNITS = 256

#: Decisions that untrained agents are asked about at most.
ASKED = 128

#: What the targets of actions are, by head.
ACTIONS = {
    "q": "Q-value minus the mean over actions",
    "categorical": "log-probability of the action",
}

#: Values (M, ...) that an agent's activations account for, of a target at some decisions.
ValuesOf = Callable[[Agent, Target, Int[np.ndarray, " M"]], Float[np.ndarray, "M ..."]]


def compared(
    data: xr.Dataset,
    agent: Agent,
    target: Target,
    config: AttributionConfig,
    values_of: ValuesOf,
) -> xr.Dataset:
    """An attribution with the same one of untrained agents and of every action beside it.

    Args:
        data: with ``attribution`` (row, ...), as ``maps.arrays_of`` gives it.
        agent: the trained one.
        target: what is attributed.
        config: method and options; ``initialisations`` fresh ones are drawn, none for 0.
        values_of: attributes another target, or for another agent, with its own baseline.

    Returns:
        The data with ``initial`` (row, ...), the values with the run's own initial weights where
        they are known, and ``fresh`` (initialisation, row, ...). Untrained agents are asked about
        128 decisions at most, the values of others are NaN. With ``config.per_action`` also
        ``actions`` (action, row, ...), ``actions_initial`` and ``actions_fresh`` (initialisation,
        action, row, ...), each action against the mean over actions. Frames and large sites have
        no bars and are left as they are.

    Raises:
        PolicyscopeError: ``per_action`` where there are no bars or no separate actions.

    Cost: that of the attribution for each initialisation, the run's own, and each action.
    """
    if not has_bars(data):
        if config.per_action:
            raise PolicyscopeError(
                "values of every action are drawn as bars, and this site has too many units; "
                "take one action, such as --target logp[0], or a smaller --site"
            )
        return data
    asked = {"": target, **(action_targets(agent) if config.per_action else {})}
    dims = tuple(map(str, data["attribution"].dims))
    actions = [name for name in asked if name]
    count = data.sizes["row"]
    some = _some(count, config.seed)
    runs = [("", agent), *(untrained(agent, config) if config.initialisations else ())]
    found: dict[tuple[str, str], np.ndarray] = {}
    for i, (who, one) in enumerate(runs):
        tell_progress(i, len(runs), "initial weights" if who else "every action")
        for name in asked if who else actions:
            rows = some if who else np.arange(count)
            told = values_of(one, asked[name], rows)
            found[who, name] = np.full((count, *told.shape[1:]), np.nan, np.float32)
            found[who, name][rows] = told

    def every(who: str) -> np.ndarray:
        return np.stack([found[who, name] for name in actions])

    fresh = [who for who, _ in runs if who not in ("", "initial")]
    own = any(who == "initial" for who, _ in runs)
    more: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    if own:
        more["initial"] = dims, found["initial", ""]
    if fresh:
        more["fresh"] = ("initialisation", *dims), np.stack([found[who, ""] for who in fresh])
    if actions:
        data = data.assign_coords(action=actions).assign_attrs(actions=ACTIONS[agent.head])
        more["actions"] = ("action", *dims), every("")
        if own:
            more["actions_initial"] = ("action", *dims), every("initial")
        if fresh:
            stacked = np.stack([every(who) for who in fresh])
            more["actions_fresh"] = ("initialisation", "action", *dims), stacked
    return data.assign(more)


def _some(count: int, seed: int) -> Int[np.ndarray, " M"]:
    return np.sort(np.random.default_rng(seed).choice(count, min(count, ASKED), replace=False))


def has_bars(data: xr.Dataset) -> bool:
    """Whether an attribution's units can be drawn as bars: those of vehicles, or few.

    Args:
        data: with ``attribution`` (row, ...).
    """
    if "vehicles" in data:
        return True
    return "map" not in data and data["attribution"][0].size <= MOST_UNITS


def untrained(agent: Agent, config: AttributionConfig) -> Iterator[tuple[str, Agent]]:
    """The agent with the run's own initial weights, where they are known, and with fresh ones.

    Args:
        agent: the trained one; its device and all but its weights are kept.
        config: how many fresh ones, and the seed of the first.

    Returns:
        ``initial`` and the number of each fresh initialisation, with the agent that has it.
    """
    if agent.initial is not None:
        with torch.random.fork_rng(devices=[]):  # a network is drawn before it is filled
            own = agent.with_weights(agent.initial)
        yield "initial", own
    drawn = range(config.seed + AWAY, config.seed + AWAY + config.initialisations)
    policy = baseline("untrained", replace(agent, initial=None))
    for i, (one, _) in enumerate(policy.parts([Episode(k, Start(seed=k)) for k in drawn])):
        yield str(i), replace(one, net=one.net.to(agent.device))


def action_targets(agent: Agent) -> dict[str, Target]:
    """Why each action rather than the others: its Q-value minus their mean, or its log-probability.

    Args:
        agent: with a head of separate actions.

    Raises:
        PolicyscopeError: actions are continuous.

    Example:
        >>> {name: str(t) for name, t in action_targets(agent).items()}  # doctest: +SKIP
        {'GO': 'logp[GO]', 'STAY': 'logp[STAY]'}
    """
    names = agent.space.actions
    if agent.head not in ("q", "categorical") or not names:
        raise PolicyscopeError("the agent has no separate actions; give a --target such as mean[0]")
    if agent.head == "categorical":
        return {name: parse_target(f"logp[{i}]") for i, name in enumerate(names)}
    numbers = range(len(names))
    return {name: parse_target(against_mean("q", i, numbers)) for i, name in enumerate(names)}

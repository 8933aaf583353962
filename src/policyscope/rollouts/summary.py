"""Numbers of an evaluation with their intervals, and paired differences to baselines."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from policyscope.core.errors import PolicyscopeError
from policyscope.core.files import json_number
from policyscope.core.stats import (
    Interval,
    bootstrap_mean,
    minimum_detectable_effect,
    paired_bootstrap,
    permutation,
    wilson,
)
from policyscope.envs.procgen.outcomes import CAUSES

LEVEL = 0.95
OUTCOMES = {
    "highway/": ("arrived", "crashed", "timed_out"),
    **{f"procgen/{game}": causes for game, causes in CAUSES.items()},
    "procgen/": ("completed", "ended", "timed_out"),
}
"""Outcomes by how the environment's name begins; the first that fits holds."""

_SELDOM = {
    "highway/": ("left_road",),
    "procgen/": ("unknown",),
    "gym:": ("terminated", "truncated"),
}
"""Others that episodes can have, likewise."""

_SEED = 0


def summary(table: pd.DataFrame, outcomes: Iterable[str] = ()) -> dict[str, Any]:
    """What a table of episodes says about its policy.

    Args:
        table: one row an episode, from ``evaluate``.
        outcomes: outcomes to give a rate even if no episode had them.

    Returns:
        JSON values: return and length as ``mean``, ``low``, ``high`` (bootstrap over episodes),
        outcomes as ``rate``, ``low``, ``high`` (Wilson), the share of each action among all
        decisions, n and the acting mode. An episode can have several outcomes (a car may crash on
        the step on which it arrives), so rates may add up to more than 1.

    Raises:
        PolicyscopeError: the table has no episode.
    """
    n = len(table)
    if not n:
        raise PolicyscopeError("an evaluation of no episode has no summary")
    rates = {}
    for name in outcome_names([table], outcomes):
        interval = wilson(sum(name in o.split("+") for o in table["outcome"]), n, LEVEL)
        rates[name] = {"rate": interval.mean, "low": interval.low, "high": interval.high}
    counts = table.filter(regex="^action_").sum()
    return {
        "return": _plain(bootstrap_mean(table["return"].to_numpy(), _SEED, level=LEVEL)),
        "length": _plain(bootstrap_mean(table["steps"].to_numpy(), _SEED, level=LEVEL)),
        "outcomes": rates,
        "actions": {
            name.removeprefix("action_"): float(count / counts.sum())
            for name, count in counts.items()
        },
        "act": table.attrs["act"],
        "n": n,
    }


def compare(table: pd.DataFrame, other: pd.DataFrame) -> dict[str, Any]:
    """Difference in return between two policies on the same episodes, ``table`` minus ``other``.

    Returns:
        JSON values: ``difference`` (mean, low, high: bootstrap over pairs), ``p`` (two-sided
        sign-flip permutation), ``n`` pairs and ``minimum_detectable_effect``: a true difference of
        that size is found four times out of five; a smaller one that is not found is undecided.

    Raises:
        PolicyscopeError: the tables are of different episodes.
    """
    if table["seed"].tolist() != other["seed"].tolist():
        raise PolicyscopeError("a paired comparison needs the same episode seeds in both tables")
    a, b = table["return"].to_numpy(), other["return"].to_numpy()
    spread = float(np.std(a - b, ddof=1)) if len(a) > 1 else float("inf")
    effect = minimum_detectable_effect(spread, len(a), level=LEVEL)
    return {
        "difference": _plain(paired_bootstrap(a, b, _SEED, level=LEVEL)),
        "p": permutation(a, b, seed=_SEED),
        "n": len(a),
        "minimum_detectable_effect": json_number(effect),
    }


def report(table: pd.DataFrame, baselines: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """The agent, its baselines and the paired differences to each, as JSON values.

    Args:
        table: episodes of the agent.
        baselines: episodes of each baseline, on the same seeds or on the first of them; the paired
            difference is of those that both have.

    Returns:
        JSON values: ``agent`` and ``baselines`` as ``summary`` gives them, each with its own n;
        ``paired`` as ``compare`` does; ``n`` and ``seeds`` of the agent; environment, unit, level.

    Raises:
        PolicyscopeError: a baseline has an episode that the agent has not.
    """
    tables = [table, *baselines.values()]
    env = table.attrs["env"]
    names = outcome_names(tables, _of(env["id"], OUTCOMES))
    return {
        "agent": summary(table, names),
        "baselines": {name: summary(other, names) for name, other in baselines.items()},
        "paired": {name: compare(table[: len(other)], other) for name, other in baselines.items()},
        "n": len(table),
        "seeds": [int(table["seed"].min()), int(table["seed"].max())],
        "env": env,
        "unit": "return: undiscounted sum of rewards of an episode; length: decisions",
        "level": LEVEL,
    }


def possible_outcomes(env: str) -> tuple[str, ...]:
    """Outcomes that episodes of an environment can have; none where they are not known.

    Args:
        env: its name.

    Example:
        >>> possible_outcomes("procgen/maze")
        ('cheese', 'timed_out', 'unknown')
    """
    return (*_of(env, OUTCOMES), *_of(env, _SELDOM))


def _of(env: str, table: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return next((names for start, names in table.items() if env.startswith(start)), ())


def outcome_names(tables: Iterable[pd.DataFrame], usual: Iterable[str] = ()) -> list[str]:
    """Names of the outcomes in tables: the usual ones first, then others as they occur."""
    names = dict.fromkeys(usual)
    for table in tables:
        for outcome in table["outcome"]:
            names.update(dict.fromkeys(part for part in outcome.split("+") if part))
    return list(names)


def _plain(interval: Interval) -> dict[str, Any]:
    ends = {"low": json_number(interval.low), "high": json_number(interval.high)}
    return {"mean": interval.mean, **ends}

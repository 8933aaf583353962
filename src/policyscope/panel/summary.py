"""Return and outcomes of a recording, each with its interval and sample size."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from policyscope.core.stats import Interval, bootstrap_mean, wilson


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% interval.

    Args:
        name: what it is.
        value: the estimate, in the unit of the return or as a share.
        low: lower end; None where one sample tells nothing of the spread.
        high: upper end; None likewise.
        n: episodes it rests on.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Summary:
    """Return and outcomes over all episodes of a recording.

    Args:
        episodes: how many.
        mean_return: mean undiscounted return, bootstrap interval.
        mean_steps: mean length, bootstrap interval.
        outcomes: share of each outcome, Wilson interval, the most frequent first. An episode that
            arrived and crashed at once counts in both.
    """

    episodes: int
    mean_return: Estimate
    mean_steps: Estimate
    outcomes: list[Estimate]


def summarise(episodes: pd.DataFrame) -> Summary:
    """Summarise the table of episodes of a recording.

    Args:
        episodes: columns return, steps and outcome; one line an episode, at least one.
    """
    count = len(episodes)
    names = [str(outcome).split("+") for outcome in episodes["outcome"]]
    tally = pd.Series([name for each in names for name in each if name]).value_counts()
    rates = [_estimate(str(name), wilson(int(k), count)) for name, k in tally.items()]
    return Summary(
        episodes=count,
        mean_return=_estimate("mean return", bootstrap_mean(episodes["return"].to_numpy(), seed=0)),
        mean_steps=_estimate("mean steps", bootstrap_mean(episodes["steps"].to_numpy(), seed=0)),
        outcomes=rates,
    )


def _estimate(name: str, interval: Interval) -> Estimate:
    low, high = (
        round(end, 5) if np.isfinite(end) else None for end in (interval.low, interval.high)
    )
    return Estimate(name, round(interval.mean, 5), low, high, interval.n)

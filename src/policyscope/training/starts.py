"""Where the episodes of a training run begin, and those that it is watched by."""

from dataclasses import dataclass

import numpy as np

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.seeds import RUN_SEEDS, training_seed
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start

EVALUATION_LEVELS = (200_000, 210_000)
"""Levels kept for evaluation: no run may train on them or be watched by them."""

WATCHED_LEVELS = 210_000
"""First of the levels that a run is watched by."""

MOST_WATCHED = 10_000
"""Episodes that a run can be watched by."""


@dataclass(frozen=True)
class Starts:
    """Starts of the episodes of one run.

    Args:
        seed: seed of the run.
        levels: first level and the one after the last; None where episodes start from seeds.
    """

    seed: int
    levels: tuple[int, int] | None = None

    def training(self, index: int) -> Start:
        """Start of the index-th episode; levels are drawn with equal probability.

        Example:
            >>> 5 <= Starts(0, (5, 8)).training(3).level < 8
            True
        """
        if self.levels is None:
            return Start(seed=training_seed(self.seed, index))
        draw = np.random.default_rng([self.seed, 2, index])
        return Start(level=int(draw.integers(*self.levels)))

    def watched(self, index: int) -> Start:
        """Start of the index-th episode that is only looked at; never one that is learned from."""
        if self.levels is None:
            return Start(seed=training_seed(self.seed, RUN_SEEDS - 1 - index))
        return Start(level=WATCHED_LEVELS + index)


def make_starts(env: EnvSpec, seed: int, levels: tuple[int, int] | None) -> Starts:
    """Starts for an environment; one with levels trains on 0..199999 where none are given.

    Raises:
        PolicyscopeError: the environment has no levels, there are none between the two, or some
            of them are kept for evaluation.
    """
    leveled = env.id.startswith("procgen/")
    if not leveled:
        if levels is not None:
            raise PolicyscopeError(f"{env.id} has no levels; leave out --levels")
        return Starts(seed)
    first, end = levels or (0, EVALUATION_LEVELS[0])
    kept = (EVALUATION_LEVELS[0], WATCHED_LEVELS + MOST_WATCHED)
    if not 0 <= first < end:
        raise PolicyscopeError(f"levels A:B need 0 <= A < B, got {first}:{end}")
    if first < kept[1] and end > kept[0]:
        raise PolicyscopeError(
            f"levels {first}:{end} meet those kept for evaluation, {kept[0]}:{kept[1]}"
        )
    return Starts(seed, (first, end))

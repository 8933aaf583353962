"""The level of each episode, where the environment has levels."""

from collections.abc import Sequence

import pandas as pd

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.levels import level_of_seed
from policyscope.envs.spec import EnvSpec

LEVEL = "level"


def levels(env: EnvSpec, seeds: Sequence[int | None]) -> list[int | None]:
    """Levels of episodes by their seeds; None where the seed or the environment tells none.

    Args:
        env: where.
        seeds: that the episodes began from, None where they are not known.

    Example:
        >>> levels(EnvSpec("procgen/maze"), [3, None])
        [200003, None]
    """
    return [None if seed is None else level_of_seed(env, seed) for seed in seeds]


def with_levels(table: pd.DataFrame, env: EnvSpec) -> pd.DataFrame:
    """A table of episodes with their levels, also where it was written without them.

    Args:
        table: one line an episode, with its seed.
        env: where.

    Returns:
        The table as it is where it tells the levels, or where none of them is known, as of an
        environment whose options this version does not offer.
    """
    if LEVEL in table and not table[LEVEL].isna().any():
        return table
    seeds = [None if pd.isna(seed) else int(seed) for seed in table["seed"]]
    try:
        found = levels(env, seeds)
    except PolicyscopeError:
        return table
    if all(level is None for level in found):
        return table
    kind = "Int64" if None in found else "int64"
    told = table.drop(columns=LEVEL, errors="ignore")
    told.insert(list(told).index("seed") + 1, LEVEL, pd.Series(found, told.index, kind))
    return told

"""Which level a seed stands for, in worlds that have levels."""

from policyscope.envs.procgen.options import level_of
from policyscope.envs.spec import EnvSpec


def level_of_seed(env: EnvSpec, seed: int) -> int | None:
    """The level that ``Start(seed=...)`` plays; None where the environment has no levels.

    Args:
        env: which environment, and its options.
        seed: of an episode.

    Example:
        >>> level_of_seed(EnvSpec("procgen/coinrun", {"start_level": 500}), 7)
        507
        >>> level_of_seed(EnvSpec("highway/intersection"), 7) is None
        True
    """
    return level_of(seed, env.options) if env.id.startswith("procgen/") else None

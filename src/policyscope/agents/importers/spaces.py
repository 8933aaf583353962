"""What an imported agent sees and does: from the environment it is for, else from its weights."""

from dataclasses import replace
from math import prod

from policyscope.core.errors import MissingPart, PolicyscopeError, UnknownName
from policyscope.envs.make import make_lane, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space

#: Observations that a training joins at most; a larger ratio of sizes is chance.
MOST_STACKED = 32
PROCGEN = (
    "LEFT_DOWN", "LEFT", "LEFT_UP", "DOWN", "IDLE", "UP", "RIGHT_DOWN", "RIGHT", "RIGHT_UP",
    "D", "A", "W", "S", "Q", "E",
)  # fmt: skip
"""The engine's actions where the environment is not there to be asked; the last six are keys."""

MOVING = PROCGEN[:9]
"""Those that move, which forks of the lineages keep where they leave the others out."""


def space_of(wanted: Space, env: EnvSpec | None) -> tuple[Space, EnvSpec | None]:
    """Names and shapes of an environment, if they are those that the weights ask for.

    Args:
        wanted: what the weights ask for; its names stand where there is no environment.
        env: the environment the agent is for, or None.

    Returns:
        The space and the environment with its versions.

    Raises:
        UnknownName: no such environment.
        PolicyscopeError: the environment gives or takes something else; of flat observations only
            the count of numbers must fit.

    Cost: makes one world.
    """
    if env is None:
        return wanted, None
    space, env = made_space(env)
    pixels = wanted.obs_dtype == "uint8"
    pairs = (
        ("observations of shape", wanted.obs_shape, space.obs_shape, pixels),
        ("observations of type", wanted.obs_dtype, space.obs_dtype, pixels),
        ("numbers in an observation:", prod(wanted.obs_shape), prod(space.obs_shape), True),
        ("actions:", len(wanted.actions), len(space.actions), True),
        ("continuous actions:", len(wanted.action_low), len(space.action_low), True),
    )
    for what, mine, theirs, counts in pairs:
        if counts and mine != theirs:
            mend = _mend(wanted, space, env)
            raise PolicyscopeError(
                f"the weights ask for {what} {mine}, {env.id} has {theirs}; {mend}"
            )
    return space, env


def _mend(wanted: Space, space: Space, env: EnvSpec) -> str:
    """What to do where an environment has something else than the weights ask for."""
    stack = _stacked(wanted, space) if env.id.startswith("gym:") else 0
    if stack:
        return f"were {stack} joined? then --env-set frame_stack={stack}"
    if env.id.startswith("procgen/") and len(wanted.actions) == len(MOVING):
        return f"were they {MOVING[0]} to {MOVING[-1]}? then --env-set actions={len(MOVING)}"
    return "name the environment of the training (--env, --env-set)"


def _stacked(wanted: Space, space: Space) -> int:
    """How many observations of a space make the wanted ones; 0 where no likely number does."""
    times, rest = divmod(prod(wanted.obs_shape), max(prod(space.obs_shape), 1))
    alike = len(wanted.obs_shape) == len(space.obs_shape)
    return times if 1 < times <= MOST_STACKED and not rest and alike else 0


def made_space(env: EnvSpec) -> tuple[Space, EnvSpec]:
    """Names and shapes of an environment, and the environment with its versions.

    Raises:
        UnknownName: no such environment.

    Cost: makes one world.
    """
    env = versioned(env)
    lane = make_lane(env)
    space = lane.space
    lane.close()
    return space, env


def image_space(wanted: Space, env: EnvSpec | None) -> tuple[Space, EnvSpec | None, bool]:
    """The same for images whose channels the environment may have first or last.

    Args:
        wanted: with images (C, H, W).
        env: as above.

    Returns:
        The space, the environment, and whether its channels are last.

    Raises:
        UnknownName: no such environment.
        PolicyscopeError: it gives or takes something else.
    """
    if env is None:
        return wanted, None, False
    channels, *extent = wanted.obs_shape
    last = made_space(env)[0].obs_shape == (*extent, channels)
    shape = (*extent, channels) if last else wanted.obs_shape
    return *space_of(replace(wanted, obs_shape=shape), env), last


def pixel_space(actions: int, env: EnvSpec | None) -> tuple[Space, EnvSpec | None]:
    """The same for images of 64 x 64 pixels, three colours.

    Args:
        actions: how many the weights choose among; 15 have the engine's names, and 9 those of the
            actions that move.
        env: as above; a procgen environment that is not installed keeps the engine's names.
    """
    known = {len(names): names for names in (PROCGEN, MOVING)}
    named = known.get(actions, tuple(str(i) for i in range(actions)))
    wanted = Space((64, 64, 3), "uint8", actions=named)
    try:
        return space_of(wanted, env)
    except (UnknownName, MissingPart, ImportError):
        if env is None or not env.id.startswith("procgen/"):
            raise
        return wanted, env

"""What recorded episodes saw and did: from the environment they are of, else from the numbers."""

import numpy as np

from policyscope.agents.importers.spaces import made_space
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space


def seen_space(
    wanted: Space, env: EnvSpec | None, action: np.ndarray
) -> tuple[Space, EnvSpec | None]:
    """Names and shapes of an environment, if the numbers of a file are of it.

    Args:
        wanted: what the file says; stands where there is no environment.
        env: the environment, or None.
        action: all actions of the file, numbers of actions or (T, D); a file need not hold every
            action that there is.

    Raises:
        UnknownName: no such environment.
        PolicyscopeError: its observations or actions are others.
    """
    if env is None:
        return wanted, None
    space, env = made_space(env)
    if space.obs_shape != wanted.obs_shape:
        raise PolicyscopeError(
            f"the file holds observations of shape {wanted.obs_shape}, {env.id} gives "
            f"{space.obs_shape}; name the environment they are of (--env, --env-set)"
        )
    most = int(action.max()) if action.ndim == 1 else action.shape[1]
    fits = most < len(space.actions) if action.ndim == 1 else most == len(space.action_low)
    if not fits:
        held = f"action {most}" if action.ndim == 1 else f"actions of {most} numbers"
        took = len(space.actions) or f"{len(space.action_low)} continuous"
        raise PolicyscopeError(f"the file holds {held}, {env.id} takes {took} actions")
    return Space(
        wanted.obs_shape, wanted.obs_dtype, space.rows, space.features, space.actions,
        space.action_low, space.action_high,
    ), env  # fmt: skip

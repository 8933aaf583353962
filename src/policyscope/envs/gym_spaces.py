"""Gymnasium's spaces in the terms of a ``Space``."""

from typing import Any

import numpy as np
from gymnasium import spaces

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.stepper import Space

_MOST_ACTIONS = 4096


def describe(observations: spaces.Space[Any], actions: spaces.Space[Any]) -> Space:
    """Describe what goes in and out of a Gymnasium environment.

    The actions of a MultiDiscrete space become one list of all combinations, named ``0,1``.

    Args:
        observations: Box, Discrete, MultiDiscrete or MultiBinary.
        actions: Discrete, MultiDiscrete or Box.

    Raises:
        PolicyscopeError: another kind of space, or too many combinations of actions.

    Example:
        >>> describe(spaces.Box(0, 1, (3,)), spaces.Discrete(2)).actions
        ('0', '1')
    """
    known = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
    if not isinstance(observations, known):
        raise PolicyscopeError(
            f"observations of kind {type(observations).__name__} are not supported; valid: "
            + ", ".join(kind.__name__ for kind in known)
        )
    shape, dtype = tuple(observations.shape or ()), np.dtype(observations.dtype).name
    if isinstance(actions, spaces.Discrete):
        named = tuple(str(actions.start + i) for i in range(int(actions.n)))
        return Space(shape, dtype, actions=named)
    if isinstance(actions, spaces.MultiDiscrete):
        sizes = actions.nvec.ravel()
        if sizes.prod() > _MOST_ACTIONS:
            raise PolicyscopeError(
                f"{sizes.prod()} combinations of actions are more than {_MOST_ACTIONS}"
            )
        first = actions.start.ravel().tolist()
        combinations = np.ndindex(*sizes.tolist())
        named = tuple(
            ",".join(str(i + k) for i, k in zip(chosen, first, strict=True))
            for chosen in combinations
        )
        return Space(shape, dtype, actions=named)
    if isinstance(actions, spaces.Box):
        low, high = (tuple(b.ravel().astype(float).tolist()) for b in (actions.low, actions.high))
        return Space(shape, dtype, action_low=low, action_high=high)
    raise PolicyscopeError(
        f"actions of kind {type(actions).__name__} are not supported;"
        " valid: Discrete, MultiDiscrete, Box"
    )


def to_native(
    action: Any, actions: spaces.Space[Any], space: Space
) -> tuple[Any, int | tuple[float, ...]]:
    """Turn an action into the one the environment takes and the one a history keeps.

    Args:
        action: index of a named action, or D numbers.
        actions: the environment's space.
        space: its description.

    Raises:
        PolicyscopeError: there is no such action.
    """
    if isinstance(actions, spaces.Box):
        values = np.asarray(action, dtype=actions.dtype).ravel()
        if values.shape != (len(space.action_low),) or not np.isfinite(values).all():
            raise PolicyscopeError(
                f"an action is {len(space.action_low)} finite numbers, not {action!r}"
            )
        return values.reshape(actions.shape), tuple(values.astype(float).tolist())
    if int(action) != action or not 0 <= action < len(space.actions):
        raise PolicyscopeError(f"action {action} is not one of 0..{len(space.actions) - 1}")
    index = int(action)
    if isinstance(actions, spaces.MultiDiscrete):
        chosen = np.unravel_index(index, tuple(actions.nvec.ravel().tolist()))
        return np.array(chosen, dtype=actions.dtype).reshape(actions.shape) + actions.start, index
    return index + int(getattr(actions, "start", 0)), index

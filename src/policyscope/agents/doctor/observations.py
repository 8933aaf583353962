"""Observations to examine an agent on: real ones of its environment, else drawn ones."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.agents.fit import check_fit
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.make import make
from policyscope.envs.stepper import Space, Start, Stepper

LANES = 8


@dataclass(frozen=True)
class Observed:
    """What an agent is examined on.

    Args:
        obs: (T, B, ...) as the environment gives them, those of a column in order of time.
        source: where they come from, in words.
        real: whether an environment gave them.
        misfit: why the agent's environment is none for it; None where it fits or is not there.
    """

    obs: Tensor
    source: str
    real: bool
    misfit: str | None = None

    @property
    def rows(self) -> int:
        """How many observations there are."""
        return self.obs.shape[0] * self.obs.shape[1]


def observe(agent: Agent, rows: int, seed: int = 0) -> Observed:
    """Observations of the agent's environment under random actions, seeded.

    Where the environment cannot be made, numbers are drawn in the observation's shape and type.

    Args:
        agent: whose environment.
        rows: at least how many observations; they come in columns of equal length.
        seed: seed of the first episode and of the actions.

    Raises:
        PolicyscopeError: too few rows to compare anything, or a negative seed.

    Cost: that many steps of the environment.

    Example:
        >>> from policyscope.agents.store import load_agent
        >>> seen = observe(load_agent("highway-ego-attention"), 32)
        >>> tuple(seen.obs.shape), seen.real
        ((4, 8, 15, 7), True)
    """
    if rows < 4 * LANES:
        raise PolicyscopeError(f"--rows must be at least {4 * LANES}, got {rows}")
    if seed < 0:
        raise PolicyscopeError(f"--seed must be 0 or more, got {seed}")
    steps, misfit = -(-rows // LANES), None
    if agent.env is None:
        cause = "the agent names no environment"
    else:
        try:
            stepper = make(agent.env, LANES)
        except (PolicyscopeError, ImportError) as error:
            cause = f"its environment cannot be made: {error}"
        else:
            try:
                check_fit(agent, stepper.space)
                obs = _walk(stepper, steps, seed)
                source = f"{agent.env.id}, random actions, seeds from {seed}"
                return Observed(torch.from_numpy(obs).to(agent.device), source, True)
            except PolicyscopeError as error:
                cause = misfit = str(error)
            finally:
                stepper.close()
    obs = _drawn(agent.space, steps, seed)
    source = f"drawn numbers, seed {seed} ({cause})"
    return Observed(torch.from_numpy(obs).to(agent.device), source, False, misfit)


def _walk(stepper: Stepper, steps: int, seed: int) -> np.ndarray:
    draw, seeds = np.random.default_rng(seed), iter(range(seed, seed + 1_000_000))
    obs = stepper.start([Start(seed=next(seeds)) for _ in range(LANES)])
    seen = []
    for _ in range(steps):
        seen.append(obs.copy())
        step = stepper.step([_action(stepper.space, draw) for _ in range(LANES)])
        ended = step.terminated | step.truncated
        anew = [Start(seed=next(seeds)) if over else None for over in ended]
        obs = stepper.start(anew) if ended.any() else step.obs
    return np.stack(seen)


def _action(space: Space, draw: np.random.Generator) -> int | np.ndarray:
    if space.actions:
        return int(draw.integers(len(space.actions)))
    low, high = (
        np.nan_to_num(b, posinf=1, neginf=-1) for b in (space.action_low, space.action_high)
    )
    return draw.uniform(low, high)


def _drawn(space: Space, steps: int, seed: int) -> np.ndarray:
    draw, shape = np.random.default_rng(seed), (steps, LANES, *space.obs_shape)
    kind = np.dtype(space.obs_dtype)
    if kind.kind == "f":
        return draw.normal(size=shape).astype(kind)
    return draw.integers(0, 256 if kind == np.uint8 else 2, shape).astype(kind)

"""Observations of the last decisions joined into one, the newest last."""

from typing import Any

import gymnasium as gym
import numpy as np

from policyscope.core.errors import PolicyscopeError

OPTION = "frame_stack"


class Stacked(gym.Wrapper):
    """Join the last observations along their last axis, as Stable-Baselines3's VecFrameStack does.

    Before an episode's first observation there is nothing: zeros.

    Args:
        env: its observations are a Box.
        count: how many are joined.

    Raises:
        PolicyscopeError: fewer than 2, or observations that are no Box.

    Example:
        >>> env = Stacked(gym.make("CartPole-v1"), 4)
        >>> env.observation_space.shape
        (16,)
    """

    def __init__(self, env: gym.Env[Any, Any], count: int):
        super().__init__(env)
        if not isinstance(count, int) or count < 2:
            raise PolicyscopeError(f"{OPTION} joins at least 2 observations, got {count}")
        space = env.observation_space
        if not isinstance(space, gym.spaces.Box) or not space.shape:
            raise PolicyscopeError(f"{OPTION} joins observations of numbers, not {space}")
        low, high = (np.concatenate([end] * count, axis=-1) for end in (space.low, space.high))
        self.observation_space = gym.spaces.Box(low, high, dtype=space.dtype)
        self._new = space.shape[-1]
        self._seen = np.zeros(low.shape, space.dtype)

    def reset(self, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode: zeros, then its first observation."""
        obs, info = self.env.reset(**options)
        self._seen = np.zeros_like(self._seen)
        return self._join(obs), info

    def step(self, action: Any) -> tuple[np.ndarray, Any, bool, bool, dict[str, Any]]:
        """Take an action; the oldest observation goes."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        return self._join(obs), reward, terminated, truncated, info

    def _join(self, obs: np.ndarray) -> np.ndarray:
        self._seen = np.concatenate([self._seen[..., self._new :], obs], axis=-1)
        return self._seen

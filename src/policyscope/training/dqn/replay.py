"""Uniform replay with n-step returns, kept in plain arrays so that it can be saved exactly."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Transitions:
    """A batch of n-step transitions.

    Args:
        obs: (N, ...) observations.
        action: (N,) int64.
        reward: (N,) float32, discounted sum of up to n rewards.
        next_obs: (N, ...) observations to bootstrap from.
        discount: (N,) float32, factor of the bootstrap; 0 where the episode ended.
    """

    obs: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    next_obs: np.ndarray
    discount: np.ndarray


class Replay:
    """A ring of transitions.

    Args:
        capacity: transitions kept.
        obs_shape: shape of an observation.
        dtype: type of an observation.
    """

    def __init__(self, capacity: int, obs_shape: tuple[int, ...], dtype: str):
        self.capacity, self.size, self.position = capacity, 0, 0
        self.arrays = {
            "obs": np.zeros((capacity, *obs_shape), dtype),
            "action": np.zeros(capacity, np.int64),
            "reward": np.zeros(capacity, np.float32),
            "next_obs": np.zeros((capacity, *obs_shape), dtype),
            "discount": np.zeros(capacity, np.float32),
        }

    def push(
        self, obs: np.ndarray, action: int, reward: float, next_obs: np.ndarray, discount: float
    ) -> None:
        """Store one transition over the oldest."""
        row = (obs, action, reward, next_obs, discount)
        for array, value in zip(self.arrays.values(), row, strict=True):
            array[self.position] = value
        self.position = (self.position + 1) % self.capacity
        self.size = min(self.size + 1, self.capacity)

    def sample(self, count: int, random: np.random.Generator) -> Transitions:
        """Draw transitions uniformly without replacement."""
        index = random.choice(self.size, count, replace=False, shuffle=False)
        return Transitions(**{k: v[index] for k, v in self.arrays.items()})


class NStep:
    """Turns the steps of one lane into n-step transitions.

    Args:
        n: steps of reward before the bootstrap.
        gamma: discount per step.
    """

    def __init__(self, n: int, gamma: float):
        self.n, self.gamma = n, gamma
        self.pending: list[tuple[np.ndarray, int, float]] = []

    def add(
        self,
        replay: Replay,
        obs: np.ndarray,
        action: int,
        reward: float,
        next_obs: np.ndarray,
        bootstrap: bool,
        over: bool,
    ) -> None:
        """Take one step and store what is complete.

        Args:
            replay: where complete transitions go.
            obs: observation before the step.
            action: executed action.
            reward: reward of the step.
            next_obs: observation after the step.
            bootstrap: whether value is expected beyond ``next_obs``.
            over: the episode ended, so nothing may wait for later rewards.
        """
        self.pending.append((obs, action, reward))
        while self.pending and (over or len(self.pending) == self.n):
            total = sum(r * self.gamma**i for i, (_, _, r) in enumerate(self.pending))
            discount = self.gamma ** len(self.pending) if bootstrap else 0.0
            first_obs, first_action, _ = self.pending.pop(0)
            replay.push(first_obs, first_action, total, next_obs, discount)

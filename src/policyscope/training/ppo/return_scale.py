"""The running standard deviation of discounted returns: the unit of rewards and values."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class ReturnScale:
    """Spread of the discounted sum of rewards so far, over all lanes and steps.

    Args:
        lanes: number of lanes.
        gamma: discount per step.

    Reference: OpenAI Baselines ``VecNormalize``.
    """

    lanes: int
    gamma: float
    count: float = 0.0
    mean: float = 0.0
    variance: float = 0.0
    sums: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.sums = np.zeros(self.lanes)

    def add(self, reward: np.ndarray, over: np.ndarray) -> None:
        """Take the (B,) rewards of a step and whether it ended the episodes."""
        self.sums = self.sums * self.gamma + reward
        n, mean, variance = len(reward), float(self.sums.mean()), float(self.sums.var())
        total, off = self.count + n, mean - self.mean
        within = self.variance * self.count + variance * n
        self.variance = (within + off**2 * self.count * n / total) / total
        self.mean += off * n / total
        self.count = total
        self.sums[over] = 0.0

    @property
    def value(self) -> float:
        """One standard deviation; 1 while all returns were the same."""
        return float(np.sqrt(self.variance)) if self.variance > 1e-8 else 1.0

    def to_json(self) -> dict[str, Any]:
        """JSON values, for a saved state."""
        numbers = {"count": self.count, "mean": self.mean, "variance": self.variance}
        return {**numbers, "sums": self.sums.tolist()}

    def restore(self, values: dict[str, Any]) -> None:
        """Inverse of ``to_json``."""
        self.count, self.mean = values["count"], values["mean"]
        self.variance, self.sums = values["variance"], np.array(values["sums"])

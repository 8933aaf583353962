"""Hyperparameters of DQN and its presets; imports no torch."""

from dataclasses import asdict, dataclass
from typing import Any

from policyscope.core.errors import PolicyscopeError
from policyscope.training.settings import require_bounds


@dataclass(frozen=True)
class DQNConfig:
    """Hyperparameters of double DQN with uniform replay.

    Args:
        gamma: discount per step.
        n_step: steps of reward before the bootstrap.
        batch: transitions in an update.
        memory: transitions kept in the replay ring.
        learn_start: transitions stored before the first update.
        updates_per_step: updates for each environment step.
        lr: learning rate of Adam at the start.
        lr_final: learning rate at the last step; the decay is linear over the second half.
        target_every: updates between hard copies into the target network.
        clip: bound on each element of the gradient.
        huber: Huber loss in place of the mean squared error.
        epsilon_start: probability of a random action at step 0.
        epsilon_end: probability that exploration decays to.
        epsilon_tau: steps in which the difference falls by a factor e.
        truncation_bootstraps: a time-out continues in the target's mind; otherwise it ends there.
        average: decay of the running mean of the weights that is acted with in the end; 0 keeps
            the last weights.
        lanes: environments in lockstep.
        overlap: learn while the environments step, so that actions lag one round of updates.
        heads: heads of an ego-attention network.
    """

    gamma: float = 0.95
    n_step: int = 1
    batch: int = 64
    memory: int = 15_000
    learn_start: int = 64
    updates_per_step: float = 1.0
    lr: float = 5e-4
    lr_final: float = 5e-4
    target_every: int = 512
    clip: float = 1.0
    huber: bool = False
    epsilon_start: float = 1.0
    epsilon_end: float = 0.05
    epsilon_tau: float = 15_000
    truncation_bootstraps: bool = True
    average: float = 0.0
    lanes: int = 1
    overlap: bool = False
    heads: int = 4

    def __post_init__(self) -> None:
        bounds = {
            "gamma": (0, 1), "n_step": (1, None), "batch": (1, None), "memory": (1, None),
            "learn_start": (1, None), "updates_per_step": (0, None), "lr": (0, None),
            "lr_final": (0, None), "target_every": (1, None), "clip": (0, None),
            "epsilon_start": (0, 1), "epsilon_end": (0, 1), "epsilon_tau": (1e-9, None),
            "average": (0, 1), "lanes": (1, None), "heads": (1, None),
        }  # fmt: skip
        require_bounds(self, bounds)
        if self.memory < max(self.batch, self.learn_start):
            raise PolicyscopeError(
                f"training setting memory ({self.memory}) must hold a batch ({self.batch}) and "
                f"learn_start ({self.learn_start}) transitions"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)


PRESETS = {
    "paper": DQNConfig(),
    "fast": DQNConfig(
        gamma=0.97,
        n_step=3,
        batch=128,
        memory=200_000,
        learn_start=1_000,
        updates_per_step=0.5,
        lr=1e-3,
        lr_final=5e-5,
        target_every=500,
        huber=True,
        epsilon_end=0.02,
        epsilon_tau=6_000,
        average=0.999,
        lanes=16,
        overlap=True,
    ),
}

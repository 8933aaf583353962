"""The learning half of DQN: networks, optimiser and one update."""

import math
from copy import deepcopy

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from policyscope.training.dqn.config import DQNConfig
from policyscope.training.dqn.replay import Transitions
from policyscope.training.weights import from_arrays, to_arrays


class Learner:
    """Online and target network, optimiser and one update.

    Args:
        net: online network.
        config: hyperparameters.
        steps: environment steps of the whole run, for the learning-rate schedule.
    """

    def __init__(self, net: nn.Module, config: DQNConfig, steps: int):
        self.net, self.config, self.total_updates = net, config, steps * config.updates_per_step
        self.target = deepcopy(net).requires_grad_(False)
        self.mean = deepcopy(net).requires_grad_(False) if config.average else None
        self.optimizer = torch.optim.Adam(net.parameters(), lr=config.lr, foreach=True)
        self.updates = 0
        self.loss = math.nan

    def update(self, batch: Transitions) -> None:
        """One gradient step on double-Q targets."""
        c = self.config
        device = next(self.net.parameters()).device
        obs, next_obs = (torch.from_numpy(x).to(device) for x in (batch.obs, batch.next_obs))
        action = torch.from_numpy(batch.action).to(device)[:, None]
        reward, discount = (torch.from_numpy(x).to(device) for x in (batch.reward, batch.discount))
        with torch.no_grad():
            best = self.net(next_obs).argmax(-1, keepdim=True)
            goal = reward + discount * self.target(next_obs).gather(1, best)[:, 0]
        q = self.net(obs).gather(1, action)[:, 0]
        loss = functional.smooth_l1_loss(q, goal) if c.huber else functional.mse_loss(q, goal)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_value_(self.net.parameters(), c.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.step()
        self.updates += 1
        self.loss = float(loss.detach())
        if self.mean is not None:
            self._average(self.mean, min(c.average, 1 - 1 / self.updates))
        if self.updates % c.target_every == 0:
            self.target.load_state_dict(self.net.state_dict())

    def learning_rate(self) -> float:
        """Constant over the first half of the run, then linear to its final value."""
        late = max(0.0, 2 * self.updates / self.total_updates - 1)
        return self.config.lr + min(late, 1.0) * (self.config.lr_final - self.config.lr)

    @torch.no_grad()
    def _average(self, mean: nn.Module, decay: float) -> None:
        for old, new in zip(mean.parameters(), self.net.parameters(), strict=True):
            old.lerp_(new, 1 - decay)

    @property
    def best(self) -> nn.Module:
        """The network to keep: the averaged one where there is one."""
        return self.net if self.mean is None else self.mean

    def arrays(self) -> dict[str, np.ndarray]:
        """Networks and optimiser as arrays."""
        return to_arrays(self._nets(), self.optimizer)

    def restore(self, arrays: dict[str, np.ndarray], updates: int) -> None:
        """Inverse of ``arrays``."""
        from_arrays(arrays, self._nets(), self.optimizer)
        self.updates = updates

    def _nets(self) -> dict[str, nn.Module]:
        nets = {"net": self.net, "target": self.target}
        return nets if self.mean is None else {**nets, "mean": self.mean}

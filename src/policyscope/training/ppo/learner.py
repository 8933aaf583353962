"""The learning half of PPO: epochs of minibatches over one rollout."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
import torch
from torch import Tensor, nn

from policyscope.agents.agent import Agent
from policyscope.agents.heads import Outputs
from policyscope.agents.memory import tree_map
from policyscope.core.errors import PolicyscopeError
from policyscope.rollouts.advantage import advantages
from policyscope.training.ppo.actor import Rollout
from policyscope.training.ppo.config import PPOConfig
from policyscope.training.ppo.kickstart import Teacher, decided
from policyscope.training.ppo.losses import Targets, Weights, losses
from policyscope.training.ppo.precision import computed
from policyscope.training.weights import from_arrays, to_arrays

REWARD_BOUND = 10.0
"""Rewards are learned from up to this many standard deviations of the return."""


@dataclass(frozen=True)
class Moment:
    """Where in the run an iteration stands.

    Args:
        step: environment steps before it.
        fraction: of the whole run.
        scale: unit of rewards and values.
    """

    step: int
    fraction: float
    scale: float


class Learner:
    """Network, optimiser and the updates of one iteration.

    Args:
        agent: whose network learns; it is computed as the configuration says.
        config: hyperparameters.
        seed: seed of the order of minibatches.
        teacher: who is imitated at first; None for nobody.
    """

    def __init__(self, agent: Agent, config: PPOConfig, seed: int, teacher: Teacher | None = None):
        self.net, self.config, self.teacher = agent.net, config, teacher
        self.agent = computed(agent, config)
        self.weights = list(agent.net.parameters())
        self.optimizer = torch.optim.Adam(
            self.weights, lr=config.lr, eps=1e-5, fused=agent.device.type != "mps"
        )
        self.order = torch.Generator().manual_seed(seed)
        self.updates = 0

    def update(self, rollout: Rollout, moment: Moment) -> dict[str, float]:
        """Every epoch over one rollout.

        Returns:
            Means over rows and epochs of what ``losses`` gives, the learning rate, and the share
            of the returns' variance that the values explain.

        Raises:
            PolicyscopeError: the loss is no longer finite.
        """
        c, weights = self.config, self._weights(moment)
        lr = c.lr + moment.fraction * (c.lr_final - c.lr)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        targets, explained = self._targets(rollout, weights)
        if targets.teacher is not None and "value" in targets.teacher:
            size = float(targets.teacher["value"].square().mean().sqrt())
            weights = replace(weights, teacher_scale=max(size, 1e-8))
        sums: dict[str, float] = defaultdict(float)
        for _ in range(c.epochs):
            for rows in self._minibatches():
                self.optimizer.zero_grad(set_to_none=True)
                for outputs, part in self._pieces(rollout, targets, rows):
                    terms = losses(outputs, part, weights)
                    (terms["loss"] / self._count(rows)).backward()
                    told = torch.stack([*terms.values()]).tolist()  # one wait for the device
                    for name, value in zip(terms, told, strict=True):
                        sums[name] += value
                nn.utils.clip_grad_norm_(self.weights, c.max_grad)
                if not np.isfinite(sums["loss"]):
                    raise PolicyscopeError(
                        f"the loss is not finite after {moment.step:,} steps; lower lr, or "
                        "give precision=float32"
                    )
                self.optimizer.step()
                self.updates += 1
        total = c.epochs * c.batch
        means = {name: value / total for name, value in sums.items()}
        return {**means, "lr": lr, "explained_variance": explained}

    def _weights(self, moment: Moment) -> Weights:
        c = self.config
        return Weights(
            clip=c.clip,
            value_clip=c.value_clip,
            value=c.value_coef,
            entropy=c.entropy + moment.fraction * (c.entropy_final - c.entropy),
            teacher=self.teacher.weight_at(moment.step) if self.teacher else 0.0,
            teacher_value=c.teacher_value,
            scale=moment.scale if c.normalise_reward else 1.0,
        )

    def _targets(self, rollout: Rollout, weights: Weights) -> tuple[Targets, float]:
        """Targets with leading axes (T, B), and the explained variance."""
        c = self.config
        bound = REWARD_BOUND * weights.scale if c.normalise_reward else np.inf
        reward = rollout.reward.clip(-bound, bound)
        gain = advantages(reward, rollout.value, rollout.next_value, rollout.over, c.gamma, c.lam)
        goal = gain + rollout.value
        spread = goal.var()
        explained = 1 - (goal - rollout.value).var() / spread if spread else 0.0
        normal = (gain - gain.mean()) / (gain.std() + 1e-8)
        device = self.agent.device
        value, normal, goal = (
            torch.from_numpy(x).float().to(device) for x in (rollout.value, normal, goal)
        )
        taught = self._taught(rollout, weights.teacher)
        targets = Targets(rollout.action, rollout.logp, value, normal, goal, taught)
        return targets, float(explained)

    def _taught(self, rollout: Rollout, weight: float) -> Outputs | None:
        """What the teacher puts out, (T, B, ...), while it is listened to."""
        if self.teacher is None or not weight:
            return None
        outputs = self.teacher.follow(rollout.obs, rollout.first, self.config.microbatch)
        if self.config.teacher_focus:
            outputs["counts"] = decided(outputs["logits"], self.config.teacher_focus)
        return outputs

    def _minibatches(self) -> tuple[Tensor, ...]:
        """Rows of every minibatch in a new order: lanes for a network with memory."""
        c = self.config
        count = c.lanes if self.agent.recurrent else c.batch
        return torch.randperm(count, generator=self.order).chunk(c.minibatches)

    def _count(self, rows: Tensor) -> int:
        return len(rows) * (self.config.horizon if self.agent.recurrent else 1)

    def _pieces(
        self, rollout: Rollout, targets: Targets, rows: Tensor
    ) -> Iterator[tuple[Outputs, Targets]]:
        """Outputs and targets of a minibatch, flat, in pieces that are passed backward alone."""
        if self.agent.recurrent:
            yield self._unrolled(rollout, rows), targets.map(lambda x: x[:, rows].flatten(0, 1))
            return
        obs = rollout.obs.reshape(-1, *rollout.obs.shape[2:])
        flat = targets.map(lambda x: x.flatten(0, 1))
        for part in rows.split(self.config.microbatch):
            seen = torch.from_numpy(obs[part.numpy()]).to(self.agent.device)
            outputs, _ = self.agent.forward(seen, None)
            yield outputs, flat.map(itemgetter(part.to(self.agent.device)))

    def _unrolled(self, rollout: Rollout, lanes: Tensor) -> Outputs:
        """Outputs of some lanes over the whole rollout, gradients going back through its time."""
        device = self.agent.device
        obs = torch.from_numpy(rollout.obs[:, lanes.numpy()]).to(device)
        first = torch.from_numpy(rollout.first)[:, lanes]
        state = tree_map(lambda leaf: leaf[lanes], rollout.state)
        outputs, _ = self.agent.unroll(obs, state, first)
        return {k: v.flatten(0, 1) for k, v in outputs.items()}

    def arrays(self) -> dict[str, np.ndarray]:
        """Network, optimiser, the order's state and the teacher's memory as arrays."""
        return {
            **to_arrays({"net": self.net}, self.optimizer),
            **(self.teacher.arrays() if self.teacher else {}),
            "order": self.order.get_state().numpy(),
        }

    def restore(self, arrays: dict[str, np.ndarray], updates: int) -> None:
        """Inverse of ``arrays``."""
        from_arrays(arrays, {"net": self.net}, self.optimizer)
        self.order.set_state(torch.from_numpy(arrays["order"].copy()))
        self.updates = updates
        if self.teacher:
            self.teacher.restore(arrays)

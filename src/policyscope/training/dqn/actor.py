"""The acting half of DQN: lanes of environments and what they have collected."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from policyscope.envs.seeds import training_seed
from policyscope.envs.stepper import Snapshot, Start, Step, Stepper
from policyscope.training.dqn.config import DQNConfig
from policyscope.training.dqn.replay import NStep, Replay


@dataclass
class Actor:
    """Lanes of environments, their running episodes and what they have collected."""

    stepper: Stepper
    config: DQNConfig
    seed: int
    random: np.random.Generator
    replay: Replay
    obs: np.ndarray
    waiting: list[NStep]
    returns: list[float]
    lengths: list[int]
    episode: int = 0
    step: int = 0
    finished: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def begin(cls, stepper: Stepper, config: DQNConfig, seed: int) -> "Actor":
        """Start an episode in every lane."""
        space, n = stepper.space, stepper.lanes
        starts = [Start(seed=training_seed(seed, i)) for i in range(n)]
        return cls(
            stepper,
            config,
            seed,
            np.random.default_rng([seed, 1]),
            Replay(config.memory, space.obs_shape, space.obs_dtype),
            stepper.start(starts),
            [NStep(config.n_step, config.gamma) for _ in range(n)],
            [0.0] * n,
            [0] * n,
            episode=n,
        )

    @property
    def ended(self) -> int:
        """Episodes that have ended; every lane is in one more."""
        return self.episode - self.stepper.lanes

    def epsilon(self) -> float:
        """Probability of a random action now; the schedule ticks before the action."""
        c = self.config
        return c.epsilon_end + (c.epsilon_start - c.epsilon_end) * math.exp(
            -(self.step + 1) / c.epsilon_tau
        )

    def act(self, net: nn.Module) -> np.ndarray:
        """Greedy actions, some replaced by random ones."""
        n = self.stepper.lanes
        explore = self.random.random(n) < self.epsilon()
        random = self.random.integers(len(self.stepper.space.actions), size=n)
        with torch.no_grad():
            device = next(net.parameters()).device
            greedy = net(torch.from_numpy(self.obs).to(device)).argmax(-1).cpu().numpy()
        return np.where(explore, random, greedy)

    def take(self, actions: np.ndarray, step: Step) -> None:
        """Store what came of the actions and begin new episodes where one ended."""
        over = step.terminated | step.truncated
        starts: list[Start | None] = [None] * self.stepper.lanes
        for i in range(self.stepper.lanes):
            self.returns[i] += float(step.reward[i])
            self.lengths[i] += 1
            bootstrap = not step.terminated[i] and (
                self.config.truncation_bootstraps or not step.truncated[i]
            )
            self.waiting[i].add(
                self.replay,
                self.obs[i].copy(),
                int(actions[i]),
                float(step.reward[i]),
                step.obs[i].copy(),
                bootstrap,
                bool(over[i]),
            )
            if over[i]:
                self.finished.append(
                    {
                        "return": self.returns[i],
                        "length": self.lengths[i],
                        "outcome": "+".join(self.stepper.call(i, "outcome")),
                    }
                )
                self.returns[i], self.lengths[i] = 0.0, 0
                starts[i] = Start(seed=training_seed(self.seed, self.episode))
                self.episode += 1
        self.step += self.stepper.lanes
        self.stepper.begin_start(starts)

    def look(self) -> None:
        """Wait for the new episodes and see where every lane stands."""
        self.obs = self.stepper.finish_start()

    def arrays(self) -> dict[str, np.ndarray]:
        """Replay and rewards that wait, as arrays."""
        out = {f"replay/{k}": v[: self.replay.size] for k, v in self.replay.arrays.items()}
        for i, lane in enumerate(self.waiting):
            for j, (obs, action, reward) in enumerate(lane.pending):
                out[f"waiting/{i}/{j}/obs"] = obs
                out[f"waiting/{i}/{j}/rest"] = np.array([action, reward], np.float64)
        return out

    def values(self) -> dict[str, Any]:
        """Counters, random state and where every lane stands, as JSON values."""
        lanes = range(self.stepper.lanes)
        return {
            "episode": self.episode,
            "returns": self.returns,
            "lengths": self.lengths,
            "random": self.random.bit_generator.state,
            "position": self.replay.position,
            "size": self.replay.size,
            "lanes": [self.stepper.call(i, "snapshot").to_json() for i in lanes],
        }

    def restore(self, arrays: dict[str, np.ndarray], values: dict[str, Any]) -> None:
        """Inverse of ``arrays`` and ``values``."""
        self.step, self.episode = values["step"], values["episode"]
        self.returns, self.lengths = list(values["returns"]), list(values["lengths"])
        self.random.bit_generator.state = values["random"]
        self.replay.position, self.replay.size = values["position"], values["size"]
        for k, array in self.replay.arrays.items():
            array[: self.replay.size] = arrays[f"replay/{k}"]
        for i, lane in enumerate(self.waiting):
            lane.pending = []
            while (key := f"waiting/{i}/{len(lane.pending)}") + "/obs" in arrays:
                action, reward = arrays[f"{key}/rest"]
                lane.pending.append((arrays[f"{key}/obs"], int(action), float(reward)))
        snapshots = [Snapshot.from_json(lane) for lane in values["lanes"]]
        self.obs = self.stepper.start([Start(snapshot=s) for s in snapshots])

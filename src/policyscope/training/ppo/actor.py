"""The acting half of PPO: lanes of environments and the rollout they collect."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.agents.heads import choose
from policyscope.agents.memory import begin_anew, tree_map
from policyscope.envs.stepper import Snapshot, Start, Step, Stepper
from policyscope.training.ppo.return_scale import ReturnScale
from policyscope.training.starts import Starts
from policyscope.training.weights import memory_from_arrays, memory_to_arrays


@dataclass(frozen=True)
class Rollout:
    """What B lanes did in T steps.

    Args:
        obs: (T, B, ...) observations acted on.
        first: (T, B) bool, the row is the first of an episode.
        state: memory before row 0; None without.
        action: (T, B) or (T, B, D) chosen actions.
        logp: (T, B) their log-probabilities.
        value: (T, B) values.
        next_value: (T, B) value expected beyond each step; 0 after an end by the task's rules.
        reward: (T, B).
        over: (T, B) bool, the step ended the episode.
    """

    obs: np.ndarray
    first: np.ndarray
    state: Any
    action: Tensor
    logp: Tensor
    value: np.ndarray
    next_value: np.ndarray
    reward: np.ndarray
    over: np.ndarray


@dataclass
class Actor:
    """Lanes of environments and their running episodes."""

    stepper: Stepper
    starts: Starts
    noise: torch.Generator
    scale: ReturnScale
    obs: np.ndarray
    first: np.ndarray
    returns: np.ndarray
    lengths: np.ndarray
    memory: Any = None
    episode: int = 0
    step: int = 0
    finished: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def begin(cls, stepper: Stepper, starts: Starts, gamma: float) -> "Actor":
        """Start an episode in every lane."""
        n = stepper.lanes
        return cls(
            stepper,
            starts,
            torch.Generator().manual_seed(starts.seed),
            ReturnScale(n, gamma),
            stepper.start([starts.training(i) for i in range(n)]),
            np.ones(n, dtype=bool),
            np.zeros(n),
            np.zeros(n, dtype=np.int64),
            episode=n,
        )

    @property
    def ended(self) -> int:
        """Episodes that have ended; every lane is in one more."""
        return self.episode - self.stepper.lanes

    @torch.no_grad()
    def collect(self, agent: Agent, horizon: int, bootstraps: bool = True) -> Rollout:
        """Act for some steps in every lane.

        Args:
            agent: who acts; its actions are drawn from its policy.
            horizon: T.
            bootstraps: a step limit's cut has the value of what was seen last beyond it; else 0.
        """
        lanes = self.stepper.lanes
        if agent.recurrent and self.memory is None:
            self.memory = agent.initial_state(lanes)
        before = tree_map(torch.clone, self._memory_now(agent))
        space = self.stepper.space
        obs = np.empty((horizon, lanes, *space.obs_shape), space.obs_dtype)
        first, over = np.zeros((2, horizon, lanes), dtype=bool)
        value, next_value, reward = np.zeros((3, horizon, lanes))
        actions, logps = [], []
        for t in range(horizon):
            obs[t], first[t] = self.obs, self.first
            outputs, self.memory = agent.forward(self._tensor(agent), self._memory_now(agent))
            value[t] = outputs["value"].cpu().numpy()
            action, logp = choose(agent.head, outputs, True, self.noise)
            actions.append(action)
            logps.append(logp)
            step = self.stepper.step(list(_executed(action, agent)))
            over[t] = step.terminated | step.truncated
            reward[t] = step.reward
            cut = step.truncated & ~step.terminated
            if bootstraps and cut.any():
                seen = torch.from_numpy(step.obs).to(agent.device)
                beyond = agent.forward(seen, self.memory)[0]["value"].cpu().numpy()
                next_value[t, cut] = beyond[cut]
            self._go_on(step, over[t])
        last = agent.forward(self._tensor(agent), self._memory_now(agent))[0]["value"].cpu().numpy()
        following = np.concatenate([value[1:], last[None]])
        next_value = np.where(over, next_value, following)
        return Rollout(
            obs, first, before, torch.stack(actions), torch.stack(logps), value, next_value, reward,
            over,
        )  # fmt: skip

    def _tensor(self, agent: Agent) -> Tensor:
        return torch.from_numpy(self.obs).to(agent.device)

    def _memory_now(self, agent: Agent) -> Any:
        """Memory before the present rows, reset where an episode begins."""
        if not agent.recurrent:
            return None
        fresh = agent.initial_state(self.stepper.lanes)
        return begin_anew(self.memory, fresh, torch.from_numpy(self.first))

    def _go_on(self, step: Step, over: np.ndarray) -> None:
        """Count what came of a step and begin new episodes where one ended."""
        self.step += self.stepper.lanes
        self.returns += step.reward
        self.lengths += 1
        self.scale.add(step.reward, over)
        starts: list[Start | None] = [None] * self.stepper.lanes
        for i in np.flatnonzero(over).tolist():
            outcome = "+".join(self.stepper.call(i, "outcome"))
            counted = {"return": float(self.returns[i]), "length": int(self.lengths[i])}
            self.finished.append({**counted, "outcome": outcome})
            starts[i] = self.starts.training(self.episode)
            self.episode += 1
        self.returns[over], self.lengths[over] = 0.0, 0
        self.obs = self.stepper.start(starts) if over.any() else step.obs
        self.first = over

    def arrays(self) -> dict[str, np.ndarray]:
        """Memory and the state of the noise, as arrays."""
        out = {"noise": self.noise.get_state().numpy(), "first": self.first}
        return out | memory_to_arrays(self.memory, "memory")

    def values(self) -> dict[str, Any]:
        """Counters and where every lane stands, as JSON values."""
        lanes = range(self.stepper.lanes)
        return {
            "episode": self.episode,
            "returns": self.returns.tolist(),
            "lengths": self.lengths.tolist(),
            "scale": self.scale.to_json(),
            "lanes": [self.stepper.call(i, "snapshot").to_json() for i in lanes],
        }

    def restore(self, arrays: dict[str, np.ndarray], values: dict[str, Any], agent: Agent) -> None:
        """Inverse of ``arrays`` and ``values``."""
        self.step, self.episode = values["step"], values["episode"]
        self.returns, self.lengths = np.array(values["returns"]), np.array(values["lengths"])
        self.scale.restore(values["scale"])
        self.noise.set_state(torch.from_numpy(arrays["noise"].copy()))
        self.first = arrays["first"].copy()
        fresh = agent.initial_state(self.stepper.lanes)
        self.memory = memory_from_arrays(arrays, "memory", fresh)
        snapshots = [Snapshot.from_json(lane) for lane in values["lanes"]]
        self.obs = self.stepper.start([Start(snapshot=s) for s in snapshots])


def _executed(action: Tensor, agent: Agent) -> np.ndarray:
    """Actions as the environment takes them: continuous ones within their bounds."""
    given = action.cpu().numpy()
    if agent.head == "gaussian" and agent.space.action_low:
        return np.clip(given, agent.space.action_low, agent.space.action_high)
    return given

"""A teacher whose policy and value are an extra loss that fades to zero.

Reference: Schmitt et al. 2018, "Kickstarting Deep Reinforcement Learning", section 3.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.agents.fit import check_fit, fingerprint
from policyscope.agents.heads import Outputs
from policyscope.agents.memory import tree_map
from policyscope.agents.store import load_agent
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.stepper import Space
from policyscope.training.ppo.config import PPOConfig
from policyscope.training.ppo.precision import computed
from policyscope.training.weights import memory_from_arrays, memory_to_arrays

REWARD_UNITS = ("rl_clarity",)
"""Lineages whose values are in units of the reward; others were trained on normalised rewards."""


@dataclass
class Teacher:
    """An agent that is imitated, and until when.

    Args:
        agent: the teacher.
        weight: weight of its loss at step 0.
        until: environment step from which its weight is zero.
        known: what identifies it, JSON values.
        valued: its value is in units of the reward; else its policy alone is imitated.
        memory: what a recurrent teacher remembers of the rows it followed so far, (B, ...).
    """

    agent: Agent
    weight: float
    until: int
    known: dict[str, Any] = field(default_factory=dict)
    valued: bool = True
    memory: Any = None

    def weight_at(self, step: int) -> float:
        """Weight of its loss at an environment step; linear to zero.

        Example:
            >>> Teacher(None, 2.0, 100).weight_at(75)
            0.5
        """
        return self.weight * max(0.0, 1.0 - step / self.until) if self.until else 0.0

    @torch.no_grad()
    def follow(
        self, obs: Shaped[np.ndarray, "T B *obs"], first: Bool[np.ndarray, "T B"], rows: int
    ) -> Outputs:
        """What the teacher puts out where the student went; its memory goes on from call to call.

        Args:
            obs: observations of B lanes in T steps, right after those of the call before.
            first: rows at which an episode begins: the teacher's memory is reset there.
            rows: about how many observations go through the network at once.

        Returns:
            (T, B, ...) by name; without the value where that is in other units.
        """
        step, parts = max(1, rows // obs.shape[1]), []
        for t in range(0, len(obs), step):
            seen = torch.from_numpy(obs[t : t + step]).to(self.agent.device)
            begins = torch.from_numpy(first[t : t + step])
            outputs, states = self.agent.unroll(seen, self.memory, begins)
            self.memory = tree_map(lambda leaf: leaf[-1], states)
            parts.append(outputs)
        told = [k for k in parts[0] if k != "value" or self.valued]
        return {k: torch.cat([part[k] for part in parts]) for k in told}

    def arrays(self) -> dict[str, np.ndarray]:
        """Its memory as arrays; nothing without."""
        return memory_to_arrays(self.memory, "teacher")

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Inverse of ``arrays``, others among them."""
        self.memory = memory_from_arrays(arrays, "teacher", self.agent.initial_state(1))


def decided(logits: Float[Tensor, "*N A"], focus: float) -> Float[Tensor, "*N"]:
    """How much each row of a teacher's policy counts, 1 on average.

    Args:
        logits: of the teacher.
        focus: 0 for all rows alike; at 1 a row counts in proportion to how far the policy's entropy
            lies below its greatest, so that rows where any action will do hardly count.

    Example:
        >>> decided(torch.tensor([[0.0, 0.0], [9.0, -9.0]]), 1.0).round().tolist()
        [0.0, 2.0]
    """
    logp = logits.float().log_softmax(-1)
    below = math.log(logp.shape[-1]) + (logp.exp() * logp).sum(-1)
    return (1 - focus) + focus * below / below.mean().clamp_min(1e-8)


def load_teacher(name: str | Path, space: Space, config: PPOConfig) -> Teacher:
    """A teacher for an environment.

    Args:
        name: folder or name of an agent.
        space: the environment's.
        config: has the teacher's weight and for how long.

    Raises:
        PolicyscopeError: it has no policy over discrete actions, was made for another environment,
            or would never be listened to.
    """
    agent = load_agent(name)
    if agent.head != "categorical":
        raise PolicyscopeError(f"the teacher '{name}' must have a policy over discrete actions")
    if not config.teacher_steps or not config.teacher_weight:
        raise PolicyscopeError(
            "with a teacher, say for how long: --set teacher_steps=N, and teacher_weight above 0"
        )
    check_fit(agent, space)
    named = ("lineage", "source", "algorithm", "seed", "steps")
    known = {
        "weights": fingerprint(agent)[:16],
        **{k: v for k, v in agent.card.items() if k in named},
    }
    agent.net.requires_grad_(False)
    agent = computed(agent, config)
    valued = agent.card.get("algorithm") == "ppo" or agent.card.get("lineage") in REWARD_UNITS
    return Teacher(agent, config.teacher_weight, config.teacher_steps, known, valued)

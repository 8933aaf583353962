"""A Gymnasium vector environment as a stepper, where it leaves resetting to the caller."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.entities import Entities
from policyscope.envs.gym_spaces import describe, to_native
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start, Step
from policyscope.envs.steppers import blank, check_call, check_count


def autoreset_mode(vector_env: VectorEnv) -> AutoresetMode:
    """Read how a vector environment resets ended episodes.

    Raises:
        PolicyscopeError: its metadata does not say; it is never guessed.

    Example:
        >>> import gymnasium
        >>> autoreset_mode(gymnasium.make_vec("CartPole-v1", 2)).name
        'NEXT_STEP'
    """
    mode = vector_env.metadata.get("autoreset_mode")
    if not isinstance(mode, AutoresetMode):
        raise PolicyscopeError(
            "the vector environment does not say how it resets: its metadata['autoreset_mode']"
            f" is {mode!r}, not a gymnasium.vector.AutoresetMode"
        )
    return mode


class VectorStepper:
    """A vector environment that never resets by itself, in lockstep.

    An ended lane is inert, as in every stepper. Gymnasium cannot leave one out of a step, so
    it plays an unseen episode there until the lane is started with a seed again.

    Args:
        vector_env: made with ``autoreset_mode=AutoresetMode.DISABLED``.
        spec: what the caller says it is, for recordings.

    Raises:
        PolicyscopeError: it resets by itself, or has spaces that are not supported.
    """

    differentiable = False
    exact_restore = False
    has_final_obs = True

    def __init__(self, vector_env: VectorEnv, spec: EnvSpec) -> None:
        mode = autoreset_mode(vector_env)
        if mode is not AutoresetMode.DISABLED:
            raise PolicyscopeError(
                f"the vector environment resets by itself (autoreset mode {mode.name}), which loses"
                " the seed of each episode; make it with autoreset_mode=AutoresetMode.DISABLED"
            )
        self.spec, self.lanes = spec, vector_env.num_envs
        self._env = vector_env
        self.space = describe(vector_env.single_observation_space, vector_env.single_action_space)
        self.running = np.zeros(self.lanes, dtype=bool)
        self._obs = blank(self.space, self.lanes)
        self._outcomes: list[tuple[str, ...]] = [()] * self.lanes
        self._fresh = True
        self._over = np.zeros(self.lanes, dtype=bool)
        self._asked: Sequence[Any] = ()
        self._rest = np.clip(0.0, self.space.action_low, self.space.action_high)

    def start(self, starts: Sequence[Start | None]) -> np.ndarray:
        """Begin episodes from seeds in the lanes whose entry is not None.

        Raises:
            PolicyscopeError: a start is not a seed.
        """
        check_count("starts", starts, self.lanes)
        seeds: Any = [None if s is None else s.seed for s in starts]
        chosen = np.array([s is not None for s in starts])
        if any(s is not None and s.seed is None for s in starts):
            raise PolicyscopeError("a vector environment starts from seeds alone")
        if not chosen.any():
            return self._obs.copy()
        options = None if self._fresh else {"reset_mask": chosen.copy()}
        obs, _ = self._env.reset(seed=seeds, options=options)
        self._over[chosen | self._fresh] = False
        self._fresh = False
        self._obs[chosen] = obs[chosen]
        self.running |= chosen
        for i in np.flatnonzero(chosen).tolist():
            self._outcomes[i] = ()
        return self._obs.copy()

    def step(self, actions: Sequence[Any]) -> Step:
        """Execute one action in every running lane."""
        check_count("actions", actions, self.lanes)
        reward = np.zeros(self.lanes)
        terminated, truncated = np.zeros((2, self.lanes), dtype=bool)
        if self.running.any():
            native = np.stack([self._native(i, action) for i, action in enumerate(actions)])
            if self._over.any():
                self._env.reset(options={"reset_mask": self._over.copy()})
            obs, rewards, ended, cut, _ = self._env.step(native)
            self._over = ended | cut
            alive = self.running
            self._obs[alive], reward[alive] = obs[alive], rewards[alive]
            terminated, truncated = ended & alive, cut & alive
            self.running = alive & ~self._over
            for i in np.flatnonzero(terminated | truncated).tolist():
                reasons = {"terminated": terminated[i], "truncated": truncated[i]}
                self._outcomes[i] = tuple(name for name, holds in reasons.items() if holds)
        return Step(self._obs.copy(), reward, terminated, truncated)

    def begin_step(self, actions: Sequence[Any]) -> None:
        """Take the actions; ``finish_step`` executes them."""
        self._asked = actions

    def finish_step(self) -> Step:
        """Execute the actions that ``begin_step`` took."""
        return self.step(self._asked)

    def call(self, lane: int, method: str, *args: Any) -> Any:
        """Outcome, entities and scene of one lane.

        Raises:
            PolicyscopeError: apply, render or snapshot, which no single lane of a vector has.
        """
        check_call(lane, method, self.lanes)
        if method == "outcome":
            return self._outcomes[lane]
        if method == "entities":
            return Entities.empty()
        if method == "scene":
            return {}
        raise PolicyscopeError(
            f"a vector environment cannot {method} one lane; make it as gym:ID for that"
        )

    def close(self) -> None:
        """Free the vector environment."""
        self._env.close()
        self.running[:] = False

    def _native(self, lane: int, action: Any) -> Any:
        used = action if self.running[lane] else (0 if self.space.actions else self._rest)
        return to_native(used, self._env.single_action_space, self.space)[0]

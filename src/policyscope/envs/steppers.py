"""Lanes in lockstep, in this process."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Lane, Space, Start, Step

CALLS = ("apply", "entities", "outcome", "render", "scene", "snapshot")


class LocalStepper:
    """Lanes stepped one after the other in this process.

    A lane whose episode has ended, or never began, is inert: ``step`` ignores its action and
    answers its last observation (zeros before the first), reward 0 and both flags False.

    Args:
        lanes: worlds of one spec.
    """

    differentiable = False

    def __init__(self, lanes: Sequence[Lane]) -> None:
        if not lanes:
            raise PolicyscopeError("a stepper needs at least one lane")
        self._lanes = list(lanes)
        self.lanes = len(self._lanes)
        self.spec: EnvSpec = lanes[0].spec
        self.space: Space = lanes[0].space
        self.exact_restore = all(lane.exact_restore for lane in lanes)
        self.has_final_obs = all(lane.has_final_obs for lane in lanes)
        self.running = np.zeros(self.lanes, dtype=bool)
        self._obs = blank(self.space, self.lanes)
        self._asked: Sequence[Any] = ()
        self._starts: Sequence[Start | None] = [None] * self.lanes

    def start(self, starts: Sequence[Start | None]) -> np.ndarray:
        """Begin episodes in the lanes whose entry is not None.

        Args:
            starts: one entry for each lane; None leaves a lane as it is.

        Returns:
            (N, ...) observations of all lanes.
        """
        check_count("starts", starts, self.lanes)
        for i, start in enumerate(starts):
            if start is not None:
                self.running[i] = False
                self._obs[i] = self._lanes[i].start(start)
                self.running[i] = not self._lanes[i].outcome()
        return self._obs.copy()

    def begin_start(self, starts: Sequence[Start | None]) -> None:
        """Take the starts; here, where no other process could, ``finish_start`` makes them."""
        self._starts = starts

    def finish_start(self) -> np.ndarray:
        """Begin the episodes that ``begin_start`` took; observations of all lanes."""
        return self.start(self._starts)

    def step(self, actions: Sequence[Any]) -> Step:
        """Execute one action in every running lane.

        Args:
            actions: one for each lane; those of lanes that do not run are ignored.
        """
        check_count("actions", actions, self.lanes)
        reward = np.zeros(self.lanes)
        terminated, truncated = np.zeros((2, self.lanes), dtype=bool)
        for i in np.flatnonzero(self.running).tolist():
            answer = self._lanes[i].step(actions[i])
            self._obs[i], reward[i] = answer.obs, answer.reward
            terminated[i], truncated[i] = answer.terminated, answer.truncated
        self.running &= ~(terminated | truncated)
        return Step(self._obs.copy(), reward, terminated, truncated)

    def begin_step(self, actions: Sequence[Any]) -> None:
        """Take the actions; here, where no other process could, ``finish_step`` executes them."""
        self._asked = actions

    def finish_step(self) -> Step:
        """Execute the actions that ``begin_step`` took."""
        return self.step(self._asked)

    def call(self, lane: int, method: str, *args: Any) -> Any:
        """Call a method of one lane: apply, entities, outcome, render, scene or snapshot."""
        check_call(lane, method, self.lanes)
        answer = getattr(self._lanes[lane], method)(*args)
        if method == "apply":
            self._obs[lane] = answer
        return answer

    def close(self) -> None:
        """Free all lanes."""
        for lane in self._lanes:
            lane.close()
        self.running[:] = False


def blank(space: Space, lanes: int) -> np.ndarray:
    """Observations of lanes that never began: zeros, (N, ...)."""
    return np.zeros((lanes, *space.obs_shape), dtype=space.obs_dtype)


def check_count(what: str, values: Sequence[Any], lanes: int) -> None:
    """Refuse a list that has not one entry for each lane."""
    if len(values) != lanes:
        raise PolicyscopeError(f"{lanes} {what} are needed, one for each lane, not {len(values)}")


def check_call(lane: int, method: str, lanes: int) -> None:
    """Refuse a lane or a method that does not exist."""
    if not 0 <= lane < lanes:
        raise PolicyscopeError(f"lane {lane} is not one of 0..{lanes - 1}")
    if method not in CALLS:
        raise UnknownName("method of a lane", method, CALLS)


def portable(start: Start | None) -> Start | None:
    """A start that may cross a process: its snapshot without the live copy."""
    if start is None or start.snapshot is None:
        return start
    return replace(start, snapshot=replace(start.snapshot, live=None))

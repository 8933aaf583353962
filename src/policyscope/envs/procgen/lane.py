"""One Procgen game as a lane."""

from typing import Any

import numpy as np

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.entities import Entities
from policyscope.envs.procgen.state import State
from policyscope.envs.procgen.stepper import ProcgenStepper
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import LaneStep, Snapshot, Space, Start


class ProcgenLane:
    """A stepper of one game, with the methods of ``Lane``.

    Args:
        spec: ``procgen/GAME`` and its options.
    """

    exact_restore = True
    has_final_obs = False

    def __init__(self, spec: EnvSpec) -> None:
        self._stepper = ProcgenStepper(spec, 1)
        self.spec: EnvSpec = spec
        self.space: Space = self._stepper.space

    def start(self, start: Start) -> np.ndarray:
        """Begin an episode from a seed, a level or a snapshot; its first observation."""
        return self._stepper.start([start])[0]

    def step(self, action: Any) -> LaneStep:
        """Execute one action.

        Raises:
            PolicyscopeError: no episode is running, or there is no such action.
        """
        if not self._stepper.running[0]:
            raise PolicyscopeError("cannot step: no episode is running; call start first")
        step = self._stepper.step([action])
        ended = bool(step.terminated[0]), bool(step.truncated[0])
        return LaneStep(step.obs[0], float(step.reward[0]), *ended)

    def entities(self) -> Entities:
        """Player, coin, saws, enemies, crates, walls and lava, in tiles; empty for other games."""
        answer: Entities = self._stepper.call(0, "entities")
        return answer

    def outcome(self) -> tuple[str, ...]:
        """Why the episode ended, as ``outcomes.CAUSES`` names it; empty while it runs."""
        answer: tuple[str, ...] = self._stepper.call(0, "outcome")
        return answer

    def scene(self) -> dict[str, Any]:
        """The world's size and what the picture shows of it."""
        answer: dict[str, Any] = self._stepper.call(0, "scene")
        return answer

    def snapshot(self) -> Snapshot:
        """The present moment, exact in this process and replayable elsewhere."""
        answer: Snapshot = self._stepper.call(0, "snapshot")
        return answer

    def apply(self, edit: SceneEdit) -> np.ndarray:
        """Change the scene as ``edits`` says and return the new observation."""
        return np.asarray(self._stepper.call(0, "apply", edit))

    def render(self, size: int) -> np.ndarray:
        """The present scene, (size, size, 3) uint8: the observation at 64, else drawn at 512."""
        return np.asarray(self._stepper.call(0, "render", size))

    def state(self) -> State:
        """Everything of the present moment; CoinRun and Maze alone."""
        return self._stepper.state(0)

    def close(self) -> None:
        """Free the engine."""
        self._stepper.close()


def make_lane(spec: EnvSpec) -> ProcgenLane:
    """Make one Procgen game.

    Raises:
        MissingEngine: the engine is not installed.
        UnknownName: no such game, option or mode.

    Example:
        >>> lane = make_lane(EnvSpec("procgen/maze", {"mode": "easy"}))
        >>> lane.start(Start(level=5)).shape
        (64, 64, 3)
    """
    return ProcgenLane(spec)

"""The contract that environments and simulators share.

A ``Lane`` is one world that runs one episode at a time. A ``Stepper`` runs several lanes in
lockstep. Nothing resets by itself: an episode that ended stays ended until ``start`` is called.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.entities import Entities
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec


@dataclass(frozen=True)
class Snapshot:
    """A moment of a world that can be returned to.

    Args:
        start: how the episode began.
        actions: actions executed since, in order.
        edits: scene edits made since, as (number of actions before it, edit).
        digest: fingerprint of the state, which a replay must reproduce.
        live: an exact copy of the state for use inside this process; never written to disk.
    """

    start: "Start"
    actions: tuple[int | tuple[float, ...], ...]
    edits: tuple[tuple[int, SceneEdit], ...]
    digest: str
    live: Any = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file; the live copy is left out."""
        return {
            "start": self.start.to_json(),
            "actions": [list(a) if isinstance(a, tuple) else a for a in self.actions],
            "edits": [[step, edit.to_json()] for step, edit in self.edits],
            "digest": self.digest,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Snapshot":
        """Inverse of ``to_json``."""
        return cls(
            Start.from_json(values["start"]),
            tuple(tuple(a) if isinstance(a, list) else a for a in values["actions"]),
            tuple((step, SceneEdit.from_json(edit)) for step, edit in values["edits"]),
            values["digest"],
        )


@dataclass(frozen=True)
class Start:
    """Where an episode begins: a seed, a level or a snapshot; exactly one of them.

    Args:
        seed: seed of the environment's random generator.
        level: number of a level.
        snapshot: a moment to go on from.
    """

    seed: int | None = None
    level: int | None = None
    snapshot: Snapshot | None = None

    def __post_init__(self) -> None:
        if sum(v is not None for v in (self.seed, self.level, self.snapshot)) != 1:
            raise PolicyscopeError("a Start needs exactly one of seed, level and snapshot")

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        snapshot = self.snapshot.to_json() if self.snapshot else None
        return {"seed": self.seed, "level": self.level, "snapshot": snapshot}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Start":
        """Inverse of ``to_json``."""
        snapshot = values["snapshot"] and Snapshot.from_json(values["snapshot"])
        return cls(values["seed"], values["level"], snapshot)


@dataclass(frozen=True)
class LaneStep:
    """What one world answers to one action.

    Args:
        obs: observation after the step.
        reward: reward of the step.
        terminated: the episode ended by the rules of the task.
        truncated: the episode was cut by a time limit.
    """

    obs: np.ndarray
    reward: float
    terminated: bool
    truncated: bool


@dataclass(frozen=True)
class Step:
    """What N worlds answer to N actions; arrays of length N.

    Args:
        obs: (N, ...) observations after the step; a lane that had ended repeats its last one.
        reward: (N,) float64.
        terminated: (N,) bool.
        truncated: (N,) bool.
    """

    obs: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


@dataclass(frozen=True)
class Space:
    """Shapes and names of what goes in and out of a world.

    Args:
        obs_shape: shape of one observation.
        obs_dtype: numpy name of its type.
        rows: names of the first axis where it has some (e.g. ego, vehicle 1, ...), else empty.
        features: names of the last axis where it has some, else empty.
        actions: names of the actions where they are discrete, else empty.
        action_low: (D,) lower bounds of a continuous action, else empty.
        action_high: (D,) upper bounds of a continuous action, else empty.
    """

    obs_shape: tuple[int, ...]
    obs_dtype: str
    rows: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    action_low: tuple[float, ...] = ()
    action_high: tuple[float, ...] = ()


@runtime_checkable
class Lane(Protocol):
    """One world that runs one episode at a time.

    ``entities``, ``outcome``, ``scene``, ``snapshot``, ``apply`` and ``render`` speak of the
    present moment, which is the one the last observation shows. Where ``has_final_obs`` is false,
    the world never shows what its last step led to, and repeats the observation before it.
    """

    spec: EnvSpec
    space: Space
    exact_restore: bool
    has_final_obs: bool

    def start(self, start: Start) -> np.ndarray:
        """Begin an episode and return its first observation."""

    def step(self, action: Any) -> LaneStep:
        """Execute one action."""

    def entities(self) -> Entities:
        """Objects of the scene with identities; an empty table where the world has none."""

    def outcome(self) -> tuple[str, ...]:
        """Why the episode ended, e.g. ``("crashed",)``; empty while it runs."""

    def scene(self) -> dict[str, Any]:
        """What the background is drawn from (roads, walls), JSON values; fixed in an episode."""

    def snapshot(self) -> Snapshot:
        """The present moment; ``Start(snapshot=...)`` returns to it."""

    def apply(self, edit: SceneEdit) -> np.ndarray:
        """Change the scene and return the observation of the changed scene."""

    def render(self, size: int) -> np.ndarray:
        """The present scene as pixels, (size, size, 3) uint8."""

    def close(self) -> None:
        """Free what the world holds."""


@runtime_checkable
class Stepper(Protocol):
    """Several worlds in lockstep; what rollouts, edits and analyses run on."""

    spec: EnvSpec
    space: Space
    lanes: int
    differentiable: bool
    exact_restore: bool
    has_final_obs: bool

    def start(self, starts: Sequence[Start | None]) -> np.ndarray:
        """Begin episodes in the lanes whose entry is not None; observations of all lanes."""

    def begin_start(self, starts: Sequence[Start | None]) -> None:
        """Set starts in motion, so that the caller can work while the worlds are made."""

    def finish_start(self) -> np.ndarray:
        """Wait for what ``begin_start`` set in motion; observations of all lanes."""

    def step(self, actions: Sequence[Any]) -> Step:
        """Execute one action in every lane that is running."""

    def begin_step(self, actions: Sequence[Any]) -> None:
        """Set a step in motion, so that the caller can work while the worlds move."""

    def finish_step(self) -> Step:
        """Wait for the step that ``begin_step`` set in motion."""

    def call(self, lane: int, method: str, *args: Any) -> Any:
        """Call a method of one lane: entities, outcome, scene, snapshot, apply, render."""

    def close(self) -> None:
        """Free all lanes."""

"""Any Gymnasium environment as one lane of a stepper: ``gym:ID``."""

import hashlib
import os
import tempfile
from typing import Any

import gymnasium as gym
import numpy as np

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.entities import Entities
from policyscope.envs.gym_spaces import describe, to_native
from policyscope.envs.gym_stack import OPTION, Stacked
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import LaneStep, Snapshot, Start

PREFIX = "gym:"
_UNKNOWN = (
    gym.error.NameNotFound,
    gym.error.NamespaceNotFound,
    gym.error.VersionNotFound,
    gym.error.DeprecatedEnv,
)


class GymLane:
    """One Gymnasium environment.

    It has no entities, no scene and no scene edits. A snapshot is the seed and the actions
    since; restoring runs them again and refuses unless every observation and reward agrees.

    Args:
        spec: ``gym:ID``; the options are passed to ``gymnasium.make``, but for ``frame_stack``: so
            many observations are joined (``gym_stack.Stacked``).
    """

    exact_restore = False
    has_final_obs = True

    def __init__(self, spec: EnvSpec) -> None:
        self.spec = spec
        self._env = _open(spec)
        self.space = describe(self._env.observation_space, self._env.action_space)
        self._start: Start | None = None
        self._actions: list[int | tuple[float, ...]] = []
        self._outcome: tuple[str, ...] = ()
        self._seen = hashlib.sha256()
        self._obs = np.zeros(self.space.obs_shape, self.space.obs_dtype)

    def start(self, start: Start) -> np.ndarray:
        """Begin an episode from a seed or a snapshot.

        Raises:
            PolicyscopeError: a level was asked for, or a snapshot's replay differs from it.
        """
        if start.snapshot is not None:
            return self._resume(start.snapshot)
        if start.seed is None or start.seed < 0:
            raise PolicyscopeError(f"{self.spec.id} starts from a seed >= 0 or a snapshot")
        obs, _ = self._env.reset(seed=int(start.seed))
        self._start, self._actions, self._outcome = start, [], ()
        self._seen = hashlib.sha256()
        return self._see(obs, 0.0)

    def step(self, action: Any) -> LaneStep:
        """Execute one action.

        Raises:
            PolicyscopeError: no episode is running, or there is no such action.
        """
        if self._start is None or self._outcome:
            state = "has ended" if self._outcome else "has not begun"
            raise PolicyscopeError(f"cannot step: the episode {state}; call start first")
        native, plain = to_native(action, self._env.action_space, self.space)
        obs, reward, terminated, truncated, _ = self._env.step(native)
        self._actions.append(plain)
        reasons = {"terminated": terminated, "truncated": truncated}
        self._outcome = tuple(name for name, holds in reasons.items() if holds)
        seen = self._see(obs, float(reward))
        return LaneStep(seen, float(reward), bool(terminated), bool(truncated))

    def entities(self) -> Entities:
        """An empty table: Gymnasium says nothing of objects."""
        return Entities.empty()

    def outcome(self) -> tuple[str, ...]:
        """Why the episode ended: terminated, truncated or both."""
        return self._outcome

    def scene(self) -> dict[str, Any]:
        """Empty: Gymnasium describes no background."""
        return {}

    def snapshot(self) -> Snapshot:
        """The seed and the actions since, with a fingerprint of all that was observed."""
        if self._start is None:
            raise PolicyscopeError("there is no episode to take a snapshot of; call start first")
        return Snapshot(self._start, tuple(self._actions), (), self._seen.hexdigest())

    def apply(self, edit: SceneEdit) -> np.ndarray:
        """Refuse: Gymnasium has no way to change a scene.

        Raises:
            PolicyscopeError: always.
        """
        raise PolicyscopeError(f"{self.spec.id} takes no scene edits (asked for '{edit.kind}')")

    def render(self, size: int) -> np.ndarray:
        """The present scene as pixels, (size, size, 3) uint8; bars of black keep its shape.

        Raises:
            PolicyscopeError: the environment cannot draw itself.
        """
        if self._start is None:
            raise PolicyscopeError("there is no scene to render; call start first")
        if self._env.render_mode != "rgb_array":
            raise PolicyscopeError(f"{self.spec.id} has no render mode rgb_array")
        # SDL complains on stderr where no session has set it, though no window is opened.
        os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
        try:
            frame = self._env.render()
        except (gym.error.DependencyNotInstalled, ImportError) as error:
            raise _missing(self.spec, error) from None
        return _square(np.asarray(frame, dtype=np.uint8), size)

    def close(self) -> None:
        """Free the environment."""
        self._env.close()

    def _see(self, obs: Any, reward: float) -> np.ndarray:
        self._obs = np.array(obs, dtype=self.space.obs_dtype).reshape(self.space.obs_shape)
        self._seen.update(self._obs.tobytes())
        self._seen.update(np.float64(reward).tobytes())
        return self._obs

    def _resume(self, snapshot: Snapshot) -> np.ndarray:
        if snapshot.edits:
            raise PolicyscopeError(f"{self.spec.id} takes no scene edits, this snapshot has some")
        self.start(snapshot.start)
        for action in snapshot.actions:
            self.step(action)
        if self._seen.hexdigest() != snapshot.digest:
            self._start, self._outcome = None, ()
            raise PolicyscopeError(
                "the snapshot cannot be restored: replaying its actions gives other observations;"
                " use the settings and package versions it was made with, or an environment that"
                " is decided by its seed"
            )
        return self._obs


def make_lane(spec: EnvSpec) -> GymLane:
    """Make one Gymnasium environment.

    Args:
        spec: ``gym:ID``; the options are passed to ``gymnasium.make``.

    Raises:
        UnknownName: Gymnasium knows no such environment.
        PolicyscopeError: a package it needs is missing, an option is refused, or its spaces
            are of another kind than Box, Discrete, MultiDiscrete and MultiBinary.

    Example:
        >>> make_lane(EnvSpec("gym:CartPole-v1")).start(Start(seed=1)).shape
        (4,)
    """
    return GymLane(spec)


def _open(spec: EnvSpec) -> gym.Env[Any, Any]:
    name = spec.id.removeprefix(PREFIX)
    if "render_mode" in spec.options:
        raise PolicyscopeError("render_mode is chosen by policyscope; leave it out of the options")
    try:
        found = gym.spec(name)
        creator: Any = found.entry_point
        if isinstance(creator, str):
            creator = gym.envs.registration.load_env_creator(creator)
        modes = getattr(creator, "metadata", {}).get("render_modes", ())
        # An environment in this mode draws nothing until it is asked to.
        mode: dict[str, Any] = {"render_mode": "rgb_array"} if "rgb_array" in modes else {}
        options = {key: value for key, value in spec.options.items() if key != OPTION}
        env = gym.make(name, disable_env_checker=True, **mode, **options)
        return Stacked(env, spec.options[OPTION]) if OPTION in spec.options else env
    except _UNKNOWN:
        raise UnknownName("Gymnasium environment", name, gym.registry) from None
    except (gym.error.DependencyNotInstalled, ImportError) as error:
        raise _missing(spec, error) from None
    except (gym.error.Error, TypeError, ValueError) as error:
        raise PolicyscopeError(f"{spec.id} cannot be made: {_one_line(error)}") from None


def _missing(spec: EnvSpec, error: Exception) -> PolicyscopeError:
    return PolicyscopeError(f"{spec.id} needs a package that is missing: {_one_line(error)}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _square(frame: np.ndarray, size: int) -> np.ndarray:
    if frame.ndim == 2:
        frame = np.repeat(frame[..., None], 3, axis=2)
    height, width = frame.shape[:2]
    scale = size / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    from_row = np.minimum((np.arange(rows) + 0.5) / scale, height - 1).astype(int)
    from_column = np.minimum((np.arange(columns) + 0.5) / scale, width - 1).astype(int)
    image = np.zeros((size, size, 3), dtype=np.uint8)
    top, left = (size - rows) // 2, (size - columns) // 2
    picked = frame[from_row[:, None], from_column, :3]
    image[top : top + rows, left : left + columns] = picked
    return image

"""Highway-env's four-way intersection as one lane of a stepper."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from highway_env.envs.intersection_env import IntersectionEnv

from policyscope.core.errors import PolicyscopeError
from policyscope.envs.entities import Entities
from policyscope.envs.highway import drawing, edits
from policyscope.envs.highway.config import configuration
from policyscope.envs.highway.fast import make_fast_intersection
from policyscope.envs.highway.observation import watch
from policyscope.envs.highway.state import Moment, capture, digest, restore
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import LaneStep, Snapshot, Space, Start


@dataclass(frozen=True)
class Live:
    """What a snapshot holds beside the history, to go on without a replay."""

    spec: EnvSpec
    moment: Moment
    obs: np.ndarray
    outcome: tuple[str, ...]
    named: int
    destination: str


class HighwayLane:
    """One intersection world.

    Seeds decide everything: the same seed, actions and edits give the same bytes whatever ran
    before. ``entities``, ``scene``, ``snapshot`` and ``render`` draw no random number.

    Args:
        spec: id, and options as ``highway.config.settings`` lists them.
    """

    #: The world draws random numbers as it goes on; the scene edit ``reseed`` sets them anew.
    reseeds = True
    exact_restore = True
    has_final_obs = True

    def __init__(self, spec: EnvSpec) -> None:
        config = configuration(spec.options)
        engine = config.pop("engine")
        make = make_fast_intersection if engine == "fast" else IntersectionEnv
        self.spec = spec
        self._env: Any = make(config=config, render_mode=None)
        watch(self._env)
        count, features = self._env.observation_space.shape[0], config["observation"]["features"]
        self.space = Space(
            obs_shape=self._env.observation_space.shape,
            obs_dtype="float32",
            rows=("ego", *(f"vehicle {i}" for i in range(1, count))),
            features=tuple(features),
            actions=tuple(self._env.action_type.actions.values()),
        )
        self._start: Start | None = None
        self._actions: list[Any] = []
        self._edits: list[tuple[int, SceneEdit]] = []
        self._outcome: tuple[str, ...] = ()
        self._obs = np.zeros(self.space.obs_shape, self.space.obs_dtype)
        self._named = 0
        self._destination = ""
        self._viewer = drawing.Renderer()

    def start(self, start: Start) -> np.ndarray:
        """Begin an episode from a seed or a snapshot.

        Raises:
            PolicyscopeError: a level was asked for, or a snapshot's replay differs from it.
        """
        if start.snapshot is not None:
            return self._resume(start.snapshot)
        if start.seed is None or start.seed < 0:
            raise PolicyscopeError("highway/intersection starts from a seed >= 0 or a snapshot")
        self._obs, _ = self._env.reset(seed=int(start.seed))
        self._start, self._actions, self._edits, self._outcome = start, [], [], ()
        self._named = 0
        self._name(self._env.vehicle)
        self._destination = self._env.vehicle.route[-1][1]
        self._name_new()
        return self._obs

    def step(self, action: Any) -> LaneStep:
        """Execute one action.

        Raises:
            PolicyscopeError: no episode is running, or there is no such action.
        """
        self._require_running("step")
        if int(action) != action or not 0 <= action < len(self.space.actions):
            raise PolicyscopeError(
                f"action {action} is not one of 0..{len(self.space.actions) - 1}"
                f" ({', '.join(self.space.actions)})"
            )
        self._obs, reward, terminated, truncated, _ = self._env.step(int(action))
        self._actions.append(int(action))
        self._name_new()
        if terminated or truncated:
            self._outcome = self._reasons(terminated)
        return LaneStep(self._obs, float(reward), bool(terminated), bool(truncated))

    def entities(self) -> Entities:
        """Vehicles the last observation shows and those on the road beside them (row -1)."""
        if self._start is None:
            return Entities.empty()
        row_of = {id(v): k for k, v in enumerate(self._env.observation_type.rows()) if v}
        shown = self._env.observation_type.candidates
        seen = {id(v): v for v in (*shown, *self._env.road.vehicles)}
        return Entities.from_rows([
            (
                v.identity, "ego" if v is self._env.vehicle else "vehicle", row_of.get(id(v), -1),
                v.position[0], v.position[1], v.heading, v.speed, v.LENGTH, v.WIDTH,
            )
            for v in sorted(seen.values(), key=lambda v: v.identity)
        ])  # fmt: skip

    def outcome(self) -> tuple[str, ...]:
        """Why the episode ended: arrived, crashed (both on one step), left_road or timed_out."""
        return self._outcome

    def scene(self) -> dict[str, Any]:
        """Road geometry in metres and the ego's destination."""
        return drawing.scene(self._env, self._destination)

    def snapshot(self) -> Snapshot:
        """The present moment, exact in this process and replayable elsewhere."""
        if self._start is None:
            raise PolicyscopeError("there is no episode to take a snapshot of; call start first")
        live = Live(
            self.spec, capture(self._env), self._obs.copy(), self._outcome, self._named,
            self._destination,
        )  # fmt: skip
        history = tuple(self._actions), tuple(self._edits)
        return Snapshot(self._start, *history, digest(self._env), live)

    def apply(self, edit: SceneEdit) -> np.ndarray:
        """Change the scene and observe it again, without drawing a random number.

        The rows are shuffled as in the observation that is replaced. Every later draw is the
        unedited twin's until a vehicle about to spawn finds its place free in one world and
        taken in the other (highway-env draws its driving style only where it is free).

        Raises:
            PolicyscopeError: no episode is running, or the edit cannot be done.
        """
        self._require_running("apply")
        before = list(self._env.road.vehicles)
        edits.apply(self._env, edit)
        after = self._env.road.vehicles
        self._name_new()
        self._edits.append((len(self._actions), edit))
        self._obs = self._env.observation_type.observe_again(
            added=[v for v in after if v not in before],
            removed=[v for v in before if v not in after],
        )
        return self._obs

    def render(self, size: int) -> np.ndarray:
        """The present scene as pixels, (size, size, 3) uint8, centred near the ego.

        Cost: about 6 ms at 600 pixels; later steps draw nothing.
        """
        if self._start is None:
            raise PolicyscopeError("there is no scene to render; call start first")
        return self._viewer.frame(self._env, size)

    def close(self) -> None:
        """Free the world and its viewer."""
        self._viewer = drawing.Renderer()
        self._env.close()

    def _resume(self, snapshot: Snapshot) -> np.ndarray:
        live = snapshot.live
        if isinstance(live, Live) and live.spec == self.spec:
            restore(self._env, live.moment)
            self._start = snapshot.start
            self._actions, self._edits = list(snapshot.actions), list(snapshot.edits)
            self._obs, self._outcome = live.obs.copy(), live.outcome
            self._named, self._destination = live.named, live.destination
        else:
            self._replay(snapshot)
        if digest(self._env) != snapshot.digest:
            self._start, self._outcome = None, ()
            raise PolicyscopeError(
                "the snapshot cannot be restored: replaying its actions gives another state;"
                " use the settings and package versions it was made with"
            )
        return self._obs

    def _replay(self, snapshot: Snapshot) -> None:
        self.start(snapshot.start)
        edits_left = list(snapshot.edits)
        for done, action in enumerate([*snapshot.actions, None]):
            while edits_left and edits_left[0][0] == done:
                self.apply(edits_left.pop(0)[1])
            if action is not None:
                self.step(action)

    def _reasons(self, terminated: bool) -> tuple[str, ...]:
        ego = self._env.vehicle
        causes = {
            "arrived": self._env.has_arrived(ego),
            "crashed": ego.crashed,
            "left_road": terminated and self._env.config["offroad_terminal"] and not ego.on_road,
            "timed_out": not terminated,
        }
        return tuple(name for name, holds in causes.items() if holds)

    def _require_running(self, verb: str) -> None:
        if self._start is None or self._outcome:
            state = "has ended" if self._outcome else "has not begun"
            raise PolicyscopeError(f"cannot {verb}: the episode {state}; call start first")

    def _name_new(self) -> None:
        for vehicle in self._env.road.vehicles:
            if not hasattr(vehicle, "identity"):
                self._name(vehicle)

    def _name(self, vehicle: Any) -> None:
        vehicle.identity = self._named
        self._named += 1


def make_lane(spec: EnvSpec) -> HighwayLane:
    """Make one intersection world.

    Args:
        spec: ``highway/intersection`` and its options.

    Raises:
        UnknownName: an option that does not exist.
        PolicyscopeError: a value an option does not take.

    Example:
        >>> lane = make_lane(EnvSpec("highway/intersection"))
        >>> lane.start(Start(seed=3)).shape
        (15, 7)
        >>> lane.space.actions
        ('SLOWER', 'IDLE', 'FASTER')
    """
    return HighwayLane(spec)

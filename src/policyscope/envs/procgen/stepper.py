"""N Procgen games in lockstep on one native engine."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.envs.entities import Entities
from policyscope.envs.procgen import layout
from policyscope.envs.procgen.actions import SETS, whole_actions
from policyscope.envs.procgen.edits import edited
from policyscope.envs.procgen.engine import SIZE, Engine
from policyscope.envs.procgen.episode import Episode, Live, begin, fingerprint
from policyscope.envs.procgen.frames import Handout
from policyscope.envs.procgen.history import KEYFRAME_STEPS, RARE_STEPS, History
from policyscope.envs.procgen.options import engine_options, level_of, require_mode, settings
from policyscope.envs.procgen.outcomes import may_end_badly
from policyscope.envs.procgen.scene import scene_of
from policyscope.envs.procgen.spare import Spare
from policyscope.envs.procgen.state import State, parse, serialize
from policyscope.envs.procgen.validate import require_valid
from policyscope.envs.procgen.watch import EntityWatch
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Snapshot, Space, Start, Step
from policyscope.envs.steppers import blank, check_call, check_count


class ProcgenStepper:
    """Procgen games in lockstep; ``Start(level=k)`` plays level k, ``Start(seed=s)`` level L + s.

    The engine begins another level in the step that ends one. Its frame is never shown: a lane
    whose episode ended repeats its last observation until it is started, so the observation after
    the last step is the one before it. Seed, actions and edits decide everything.

    Observations that were given never change. The newest are not kept a second time, which is a
    fiftieth of a step: who writes to them, not to a copy, also changes what a lane repeats that
    ends with the very next step.

    Args:
        spec: ``procgen/GAME``, and options as ``options.DEFAULTS`` lists them.
        lanes: how many games.

    Raises:
        MissingEngine: the engine is not installed.
    """

    differentiable = False
    exact_restore = True
    has_final_obs = False

    def __init__(self, spec: EnvSpec, lanes: int) -> None:
        if lanes < 1:
            raise PolicyscopeError("a stepper needs at least one lane")
        game = spec.id.removeprefix("procgen/")
        if game not in layout.GAMES:
            raise UnknownName("procgen game", game, layout.GAMES)
        chosen = settings(spec.options)
        require_mode(game, chosen["mode"])
        self.spec, self.lanes, self._game = spec, lanes, game
        self.space = Space((SIZE, SIZE, 3), "uint8", actions=SETS[chosen["actions"]])
        self.running, self._going = np.zeros(lanes, dtype=bool), 0  # and how many of them
        self._engine = Engine(
            game, lanes, engine_options(spec.options), threads=min(chosen["threads"], lanes)
        )
        self._spare = Spare(game, spec)
        self._episodes: list[Episode | None] = [None] * lanes
        self._obs = self._stopped = blank(self.space, lanes)  # as given last; of ended episodes
        self._handout = Handout()
        self._history = History(lanes, self._spare.timeout)
        self._watch = EntityWatch(self._engine, self.state)
        self._asked: np.ndarray | None = None
        self._starts: Sequence[Start | None] = [None] * lanes

    def start(self, starts: Sequence[Start | None]) -> np.ndarray:
        """Begin episodes in the lanes whose entry is not None.

        Args:
            starts: one for each lane: a seed, a level or a snapshot.

        Returns:
            (N, 64, 64, 3) uint8 observations of all lanes.

        Raises:
            PolicyscopeError: no such level, or a snapshot's replay differs from it.

        Cost: about a millisecond an episode.
        """
        check_count("starts", starts, self.lanes)
        self._require_idle()
        chosen = [(i, start) for i, start in enumerate(starts) if start is not None]
        for i, start in chosen:
            if self.running[i]:
                self._stopped[i] = self._obs[i]
            self._run(i, False)
            self._episodes[i] = None
            self._history.end(i)
            episode = self._begin(start)
            self._engine.set_state(i, episode.keyframe)
            self._episodes[i] = episode
            if not episode.over:
                every = KEYFRAME_STEPS if episode.danger else RARE_STEPS
                self._history.begin(i, episode.actions, every)
            self._run(i, not episode.over)
            if episode.over:
                self._stopped[i] = self._engine.observe()[0][i]
        return self._show(self._engine.observe()[0] if chosen else self._obs)

    def begin_start(self, starts: Sequence[Start | None]) -> None:
        """Take the starts; ``finish_start`` makes them."""
        self._starts = starts

    def finish_start(self) -> np.ndarray:
        """Begin the episodes that ``begin_start`` took; observations of all lanes."""
        return self.start(self._starts)

    def step(self, actions: Sequence[Any]) -> Step:
        """Execute one action in every running lane.

        Args:
            actions: one for each lane; those of lanes that do not run are ignored.

        Raises:
            PolicyscopeError: there is no such action.
        """
        self.begin_step(actions)
        return self.finish_step()

    def begin_step(self, actions: Sequence[Any]) -> None:
        """Give the engine its actions; with threads it steps while the caller works.

        Raises:
            PolicyscopeError: there is no such action.
        """
        check_count("actions", actions, self.lanes)
        self._require_idle()
        self._asked = whole_actions(actions, self.running, self._going, self.space.actions)
        if self._going:
            self._engine.act(self._asked)

    def finish_step(self) -> Step:
        """Wait for the step that ``begin_step`` set in motion."""
        if self._asked is None:
            raise PolicyscopeError("finish_step needs a begin_step before it")
        given, self._asked = self._asked, None
        if not self._going:
            nothing = np.zeros((3, self.lanes))
            flags = nothing[1:].astype(bool)
            return Step(self._show(self._stopped), nothing[0], flags[0], flags[1])
        obs, rewards, first = self._engine.observe()
        self._history.add(given)
        reward = rewards.astype(float)
        terminated, truncated = np.zeros((2, self.lanes), bool)
        if self._going < self.lanes or first.any():
            reward[~self.running] = 0
            self._end_some(first, reward, terminated, truncated)
        for i in self._history.due():
            self._keep(i)
        return Step(self._show(obs), reward, terminated, truncated)

    @property
    def entity_path(self) -> str:
        """Where ``entities_of`` reads: ``memory``, or ``states: `` and why not there."""
        return self._watch.path

    def entities_of(self, lanes: Sequence[int]) -> list[Entities]:
        """The objects of several lanes, as ``call(lane, "entities")`` gives those of one.

        Args:
            lanes: which lanes.

        Cost: about 7 microseconds a lane for many lanes at once, 120 where states must be read.
        """
        for lane in lanes:
            if not 0 <= lane < self.lanes:
                check_call(lane, "entities", self.lanes)
        self._require_idle()
        return self._watch.tables(lanes, self._episodes)

    def call(self, lane: int, method: str, *args: Any) -> Any:
        """Call a method of one lane: apply, entities, outcome, render, scene or snapshot."""
        check_call(lane, method, self.lanes)
        self._require_idle()
        return getattr(self, f"_{method}")(lane, *args)

    def state(self, lane: int) -> State:
        """The moment that the lane's last observation shows.

        Raises:
            BadState: the game is not CoinRun or Maze.
            PolicyscopeError: no episode has begun.
        """
        return parse(self._moment(lane))

    def observe_edited(self, lane: int, edits: Sequence[SceneEdit]) -> np.ndarray:
        """The present observation as it would be after scene edits; the scene stays as it is.

        What is removed so is invisible and still acts: the saw still kills.

        Returns:
            (64, 64, 3) uint8.

        Raises:
            PolicyscopeError: an edit cannot be done.
        """
        self._require_idle()
        state, identities = self.state(lane), self._episode(lane).identities
        for edit in edits:
            state, identities = edited(state, identities, edit)
        return self._spare.frame(state)

    def close(self) -> None:
        """Free the engines."""
        self._engine.close()
        self._spare.close()
        self._stopped[self.running] = self._obs[self.running]
        self.running[:], self._going = False, 0
        self._episodes = [None] * self.lanes

    def _begin(self, start: Start) -> Episode:
        if start.snapshot is not None:
            return self._resume(start.snapshot)
        seeded = start.level is None
        level = level_of(start.seed or 0, self.spec.options) if seeded else start.level
        return begin(start, self._spare.place(level or 0))

    def _resume(self, snapshot: Snapshot) -> Episode:
        live = snapshot.live
        if isinstance(live, Live) and live.spec == self.spec:
            episode = Episode(
                snapshot.start, live.state, identities=live.identities, over=live.over,
                reward=live.reward, completed=live.completed, outcome=live.outcome,
            )  # fmt: skip
            episode.last = live.state if live.over else None
        else:
            episode = self._replayed(snapshot)
        if fingerprint(episode.keyframe) != snapshot.digest:
            raise PolicyscopeError(
                "the snapshot cannot be restored: replaying its actions gives another state;"
                " use the settings and package versions it was made with"
            )
        self._spare.require_fitting(episode.keyframe)
        episode.actions, episode.edits = _discrete(snapshot), list(snapshot.edits)
        episode.kept_at = len(episode.actions) - episode.over  # what is shown after the end
        episode.danger = may_end_badly(episode.keyframe)
        return episode

    def _replayed(self, snapshot: Snapshot) -> Episode:
        episode = self._begin(snapshot.start)
        actions = _discrete(snapshot)
        data, done = episode.keyframe, 0
        for at, edit in snapshot.edits:
            data = self._spare.replay(data, actions[done:at])
            done = at
            state, episode.identities = edited(parse(data), episode.identities, edit)
            require_valid(state)
            data = self._spare.replay(serialize(state), [])  # drawn anew, as apply does
        if actions[done:]:
            data = self._spare.replay(data, actions[done:-1])
            ended = self._spare.ends(data, actions[-1])
            episode.over, episode.reward, episode.completed = ended
            episode.last = data if episode.over else None
            if not episode.over:
                data = self._spare.replay(data, actions[-1:])
        episode.keyframe = data
        return episode

    def _show(self, obs: np.ndarray) -> np.ndarray:
        """Frames to give: those of lanes that run, and the last one of each other lane."""
        self._obs = shown = self._handout.copy_of(obs)
        if self._going < self.lanes:
            stopped = ~self.running
            shown[stopped] = self._stopped[stopped]
        return shown

    def _end_some(
        self, first: np.ndarray, reward: np.ndarray, terminated: np.ndarray, truncated: np.ndarray
    ) -> None:
        """Note and flag the episodes that ended."""
        over = first & self.running
        for i in over.nonzero()[0].tolist():
            self._stopped[i] = self._obs[i]
            truncated[i] = self._end(i, float(reward[i]))
        terminated[:] = over & ~truncated
        self.running &= ~over
        self._going = int(self.running.sum())

    def _run(self, lane: int, runs: bool) -> None:
        self._going += runs - bool(self.running[lane])
        self.running[lane] = runs

    def _keep(self, lane: int) -> None:
        self._episode(lane).keep(self._engine.get_state(lane), self._history.count(lane))
        self._history.kept(lane)

    def _end(self, lane: int, reward: float) -> bool:
        """Note the end of an episode; whether the time limit alone ended it."""
        episode = self._with_actions(lane)
        self._history.end(lane)
        episode.over, episode.reward = True, reward
        episode.completed = bool(self._engine.completed()[lane])
        late = len(episode.actions) >= self._spare.timeout
        return late and episode.find_outcome(self._spare) == ("timed_out",)

    def _with_actions(self, lane: int) -> Episode:
        episode = self._episode(lane)
        if not episode.over:
            episode.actions = self._history.actions(lane)
        return episode

    def _episode(self, lane: int) -> Episode:
        episode = self._episodes[lane]
        if episode is None:
            raise PolicyscopeError(f"lane {lane} has no episode; call start first")
        return episode

    def _moment(self, lane: int) -> bytes:
        episode = self._episode(lane)
        return episode.last_state(self._spare) if episode.over else self._engine.get_state(lane)

    def _entities(self, lane: int) -> Entities:
        return self._watch.tables([lane], self._episodes)[0]

    def _outcome(self, lane: int) -> tuple[str, ...]:
        episode = self._episodes[lane]
        return episode.find_outcome(self._spare) if episode and episode.over else ()

    def _scene(self, lane: int) -> dict[str, Any]:
        if self._episodes[lane] is None or self._game not in layout.TAILS:
            return {"game": self._game}
        return scene_of(self.state(lane))

    def _snapshot(self, lane: int) -> Snapshot:
        episode, data = self._with_actions(lane), self._moment(lane)
        live = Live(
            self.spec, data, episode.identities, episode.over, episode.reward, episode.completed,
            self._outcome(lane),
        )  # fmt: skip
        history = tuple(episode.actions), tuple(episode.edits)
        return Snapshot(episode.start, *history, fingerprint(data), live)

    def _apply(self, lane: int, edit: SceneEdit) -> np.ndarray:
        episode = self._with_actions(lane)
        if episode.over:
            raise PolicyscopeError("cannot apply: the episode has ended; call start first")
        state, identities = edited(self.state(lane), episode.identities, edit)
        require_valid(state)
        self._engine.set_state(lane, serialize(state))
        episode.identities, episode.still = identities, None
        episode.edits.append((len(episode.actions), edit))
        self._keep(lane)
        self._obs = self._obs.copy()  # the one before was given away
        self._obs[lane] = self._engine.observe()[0][lane]
        return self._obs[lane].copy()

    def _render(self, lane: int, size: int) -> np.ndarray:
        if not 1 <= size <= 4096:
            raise PolicyscopeError(f"a picture has 1 to 4096 pixels a side, not {size}")
        data = self._moment(lane)
        if size != SIZE:
            return self._spare.picture(data, size)
        shown = self._engine.observe()[0] if self.running[lane] else self._stopped
        return shown[lane].copy()

    def _require_idle(self) -> None:
        if self._asked is not None:
            raise PolicyscopeError("a step is under way; call finish_step first")


def _discrete(snapshot: Snapshot) -> list[int]:
    return [a for a in snapshot.actions if isinstance(a, int)]


def make_stepper(spec: EnvSpec, lanes: int) -> ProcgenStepper:
    """Make N Procgen games.

    Raises:
        MissingEngine: the engine is not installed.
        UnknownName: no such game, option or mode.

    Example:
        >>> stepper = make_stepper(EnvSpec("procgen/coinrun", {"mode": "easy"}), 2)
        >>> stepper.start([Start(seed=0), Start(level=7)]).shape
        (2, 64, 64, 3)
    """
    return ProcgenStepper(spec, lanes)

"""What would the agent do at a recorded step, if the scene or the observation were changed?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.heads import choose
from policyscope.agents.memory import from_flat_row
from policyscope.core.errors import PolicyscopeError
from policyscope.core.hooks import capture
from policyscope.core.target_parser import Target, parse_target
from policyscope.core.targets import evaluate, horizon, needed_sites
from policyscope.core.threads import one_thread
from policyscope.envs.entities import Entities
from policyscope.envs.scene import SceneEdit
from policyscope.envs.stepper import Lane
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.replay import Course
from policyscope.recordings.replays.worlds import Worlds, key

Index = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Moment:
    """One decision: what was seen, thought and done.

    Args:
        observation: as the environment gave it, or as it was changed.
        action: its number, or (D,) where actions are continuous.
        outputs: what the network put out, by name.
        sites: activations by site; recorded ones are read when they are asked for.
        entities: objects of the scene.
        identity: (V,) entity that each row of the observation shows, -1 nobody; empty where rows
            show no entities.
        picture: (size, size, 3) uint8, the scene as the environment draws it, where it was asked
            for.
    """

    observation: np.ndarray
    action: np.ndarray
    outputs: dict[str, np.ndarray]
    sites: Mapping[str, np.ndarray]
    entities: Entities
    identity: np.ndarray
    picture: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """What the agent does at a changed step, and the recorded twin.

    Args:
        recorded: row ``twin`` of the recording; its action is the executed one.
        changed: after the changes; its action is the most likely one, never drawn.
        recorded_best: the most likely action of the recorded outputs, which a policy that draws,
            or an action that was forced, need not have executed.
        actions: names of the actions, empty where they are continuous.
        twin: the step that was asked about, or as many steps later as actions were executed; the
            episode's last where it is shorter.
    """

    recorded: Moment
    changed: Moment
    recorded_best: np.ndarray
    actions: tuple[str, ...]
    twin: int = 0

    def target(self, text: str) -> tuple[float | None, float | None]:
        """A target before and after the change; ``taken`` is the recorded action in both.

        Args:
            text: a target, e.g. ``q[FASTER]-q[SLOWER]``. Its sites must have been recorded or
                asked for.

        Returns:
            Its two values; None for a target that looks ahead, as the agent is asked once.

        Raises:
            PolicyscopeError: it cannot be read, or names something that is not there.
        """
        target = parse_target(text)
        if horizon(target):
            return None, None
        return self._value(target, self.recorded), self._value(target, self.changed)

    def _value(self, target: Target, moment: Moment) -> float:
        outputs, sites = _Tensors(moment.outputs), _Tensors(moment.sites)
        taken = torch.as_tensor(self.recorded.action)[None]
        return float(evaluate(target, outputs, sites, self.actions, taken)[0])


def ask(
    recording: Recording,
    episode: int,
    step: int,
    scene: Sequence[SceneEdit] = (),
    observation: Mapping[Index, float] | None = None,
    *,
    actions: Sequence[int] = (),
    sites: Sequence[str] = (),
    size: int = 0,
    worlds: Worlds | None = None,
) -> Answer:
    """Ask the recorded agent once at a recorded step that was changed.

    The step's world is restored by replaying the episode, which must give the recorded
    observations; without scene edits no world is needed, as the observation was recorded. The
    agent is asked as it was recorded, by one thread in a batch as wide as the recording's and with
    the recorded memory, so without any change it gives the recorded outputs to the last bit on
    the same machine, and to 1e-5 elsewhere.

    Args:
        recording: an open recording.
        episode: number of the episode.
        step: row of the episode; the changes are made before its decision.
        scene: edits in order.
        observation: numbers to set in what the agent then sees, by index.
        actions: indices of discrete actions to execute after the scene was changed. The agent is
            asked after the last of them; one with a memory sees what comes before, too.
        sites: activations to give besides the recorded ones.
        size: side in pixels of a picture of the changed scene; 0 for none.
        worlds: worlds kept from earlier questions; without it the episode is replayed each time.

    Raises:
        UnknownName: no such site, kind of edit or value of one.
        BadFile: the recording holds no agent.
        PolicyscopeError: no such step, an edit, action or index that cannot be, an action that
            ends the episode, or a world that does not do what was recorded.

    Cost: a forward pass; with scene edits or actions a replay of the episode up to the step, or
        with ``worlds`` about a millisecond on the intersection.

    Example:
        >>> from policyscope.envs.scene import SceneEdit
        >>> slow = SceneEdit("speed", 3, {"speed": 1.0})
        >>> ask(recording, 0, 5, [slow], {(0, 1): 0.2}).changed.outputs["q"]  # doctest: +SKIP
    """
    kept = worlds or Worlds()
    try:
        course = kept.course(recording, episode)
        if not 0 <= step < len(course):
            raise PolicyscopeError(
                f"episode {episode} has no step {step}; it holds 0..{len(course) - 1}"
            )
        names = recording.space.actions
        twin = min(step + len(actions), len(course) - 1)
        before = _recorded(recording, course, twin)
        seen, entities, picture = [np.array(course.value("obs", step))], before.entities, None
        identity = before.identity
        if scene or actions or size:
            with kept.alone(recording) as world:
                lane = world.at((key(recording), episode), course, step)
                seen = [*_edited(lane, scene, seen[0]), *_acted(lane, actions, names)]
                entities = lane.entities()
                picture = np.array(lane.render(size)) if size else None
            identity = rows_shown(entities, len(identity))
        obs = _set(seen[-1], observation or {})
        wanted = list(dict.fromkeys([*recording.sites, *sites]))
        with kept.agent(recording) as agent:
            asked = _Asked(agent, recording, _state(agent, recording, course, step))
            for each in seen[:-1]:
                asked = asked.after(each)
            outputs, action, found = asked(obs, wanted)
            best, _ = choose(agent.head, dict(_Tensors(before.outputs)), False, None)
            thinned = recording.plan.thinned
            if more := [n for n in wanted if n not in recording.sites or n in thinned]:
                then = _Asked(agent, recording, _state(agent, recording, course, twin))
                given = then(before.observation, more)[2]
                before = replace(before, sites=_AtStep(course, twin, given))
    finally:
        if worlds is None:
            kept.close()
    after = Moment(obs, action, outputs, found, entities, identity, picture)
    return Answer(before, after, _first(best), tuple(names), twin)


def _edited(lane: Lane, scene: Sequence[SceneEdit], obs: np.ndarray) -> list[np.ndarray]:
    """The observation after the edits."""
    with np.errstate(all="ignore"):  # a place far away is a place none the less
        for edit in scene:
            obs = np.array(lane.apply(edit))
    return [obs]


def _acted(lane: Lane, actions: Sequence[int], names: Sequence[str]) -> list[np.ndarray]:
    """What is seen after each action.

    Raises:
        PolicyscopeError: there is no such action, or it ends the episode.
    """
    seen = []
    for action in actions:
        if not names:
            raise PolicyscopeError("only discrete actions can be executed before asking")
        if not 0 <= action < len(names):
            raise PolicyscopeError(f"there is no action {action}; there are 0..{len(names) - 1}")
        with np.errstate(all="ignore"):
            answer = lane.step(int(action))
        if answer.terminated or answer.truncated:
            how = " and ".join(lane.outcome()) or "no cause is known"
            raise PolicyscopeError(
                f"{names[action]} ends the episode here ({how}, reward {answer.reward:g}), so "
                "the agent is not asked again"
            )
        seen.append(np.array(answer.obs))
    return seen


def sites_of_targets(targets: Sequence[str]) -> list[str]:
    """Sites that targets read, to be asked for.

    Raises:
        PolicyscopeError: a target that cannot be read.
    """
    parsed = [parse_target(text) for text in targets]
    now = [target for target in parsed if not horizon(target)]
    return list(dict.fromkeys(name for target in now for name in needed_sites(target)))


def rows_shown(entities: Entities, width: int) -> np.ndarray:
    """Identity of the entity that each of ``width`` rows of the observation shows, -1 nobody."""
    shown = entities.row >= 0
    identity = np.full(width, -1, np.int32)
    identity[entities.row[shown]] = entities.identity[shown]
    return identity


@dataclass(frozen=True, eq=False)
class _Asked:
    agent: Agent
    recording: Recording
    state: Any

    def after(self, obs: np.ndarray) -> "_Asked":
        """The same agent with the memory that an observation leaves."""
        if self.state is None:
            return self
        with one_thread(), torch.no_grad():
            decision = self.agent.act(self._batch(obs), self.state, sample=False)
        return replace(self, state=decision.state)

    def __call__(
        self, obs: np.ndarray, sites: Sequence[str]
    ) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray]]:
        """Outputs, most likely action and activations of one observation."""
        with one_thread(), torch.no_grad(), capture(self.agent.modules(), sites) as seen:
            decision = self.agent.act(self._batch(obs), self.state, sample=False)
        outputs = {name: _first(value) for name, value in decision.outputs.items()}
        found = {name: _first(value).astype(np.float32) for name, value in seen.items()}
        return outputs, np.asarray(_first(decision.action)), found

    def _batch(self, obs: np.ndarray) -> np.ndarray:
        return np.repeat(obs[None], self.recording.plan.lanes, 0)


def _first(value: torch.Tensor) -> np.ndarray:
    return np.array(value[0].detach().cpu().numpy())


def _state(agent: Agent, recording: Recording, course: Course, step: int) -> Any:
    """The recorded memory before a step, in a batch as wide as the recording's."""
    if "state_in" not in course.columns:
        return None
    return from_flat_row(course.value("state_in", step), agent.initial_state(recording.plan.lanes))


def _recorded(recording: Recording, course: Course, step: int) -> Moment:
    table = recording.entities(course.episode)
    lines = table[table["step"] == step].drop(columns=["episode", "step"])
    entities = Entities.from_rows(list(lines.itertuples(index=False, name=None)))
    known = "row_identity" in course.columns
    return Moment(
        np.array(course.value("obs", step)),
        np.asarray(course.value("action", step)),
        {name: np.asarray(course.value(name, step)) for name in recording.outputs},
        _AtStep(course, step),
        entities,
        np.asarray(course.value("row_identity", step)) if known else np.empty(0, np.int32),
    )


class _AtStep(Mapping[str, np.ndarray]):
    """Activations at a recorded step: those that are given, else the recorded ones."""

    def __init__(
        self, course: Course, step: int, given: Mapping[str, np.ndarray] | None = None
    ) -> None:
        self._course, self._step = course, step
        self._read = dict(given or {})
        self._names = dict.fromkeys([*course.recording.sites, *self._read])

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._read:
            self._read[name] = self._course.site(name, self._step)
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class _Tensors(Mapping[str, torch.Tensor]):
    """Arrays as tensors of one row, made when they are asked for."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self._arrays = arrays

    def __getitem__(self, name: str) -> torch.Tensor:
        return torch.as_tensor(self._arrays[name])[None]

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)


def _set(obs: np.ndarray, changes: Mapping[Index, float]) -> np.ndarray:
    """The observation with numbers set, a copy."""
    changed = np.array(obs)
    for index, value in changes.items():
        inside = len(index) == changed.ndim and all(
            0 <= i < n for i, n in zip(index, changed.shape, strict=True)
        )
        if not inside:
            raise PolicyscopeError(
                f"the observation has no number at {list(index)}: give one index from 0 for each "
                f"axis of its shape {list(changed.shape)}"
            )
        changed[index] = _number(value, changed.dtype, index)
    return changed


def _number(value: float, dtype: np.dtype[Any], index: Index) -> Any:
    if dtype.kind == "f":
        fits, valid = abs(value) <= float(np.finfo(dtype).max), "a finite number"
    else:
        low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        fits, valid = low <= value <= high and value == int(value), f"an integer {low}..{high}"
    if not fits:
        raise PolicyscopeError(
            f"the observation takes {valid} at {list(index)} ({dtype}), got {value}"
        )
    return dtype.type(value)

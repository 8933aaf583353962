"""The one loop: an agent acts in a stepper, episode by assigned episode.

Row t holds one decision: the observation, the memory before it, everything the one forward pass
put out, the action, then its consequences. Nothing else in policyscope steps an agent for
evaluation, recording or video.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from policyscope.agents.agent import Agent, Decision
from policyscope.agents.heads import RowNoise
from policyscope.agents.memory import begin_anew, from_flat_row, memory_row, tree_map
from policyscope.core.errors import PolicyscopeError
from policyscope.core.hooks import capture
from policyscope.envs.entities import Entities, ManyEntities
from policyscope.envs.stepper import Start, Stepper


@dataclass(frozen=True)
class Episode:
    """One episode to run.

    Args:
        index: its number in the evaluation or recording.
        start: where it begins.
        step: number of its first decision, for a start in the middle of an episode.
        memory: flat row of the memory before that decision; default is that of a fresh episode.
        noise: number that keys its action noise; default is ``index``.
    """

    index: int
    start: Start
    step: int = 0
    memory: np.ndarray | None = None
    noise: int | None = None


@dataclass(frozen=True)
class Row:
    """One decision of one episode and what came of it.

    Args:
        episode: number of the episode.
        step: step within it, 0 first.
        obs: the observation as the agent saw it.
        state_in: memory before the decision, numpy, in the form of the agent's own; None without.
        policy_action: what the agent chose.
        action: what was executed.
        logp: log-probability of the chosen action.
        outputs: what the network put out, numpy, by name.
        sites: captured activations, numpy, by name.
        entities: the scene before the step, if asked for.
        reward: reward of the step.
        terminated: the episode ended by the rules of the task.
        truncated: the episode was cut by a time limit.
        outcome: why the episode ended; empty before its last row.
        final_obs: observation after the last step, where the world shows it; else, and before the
            last row, None.
    """

    episode: int
    step: int
    obs: np.ndarray
    state_in: Any
    policy_action: np.ndarray
    action: np.ndarray
    logp: float
    outputs: dict[str, np.ndarray]
    sites: dict[str, np.ndarray]
    entities: Entities | None
    reward: float
    terminated: bool
    truncated: bool
    outcome: tuple[str, ...]
    final_obs: np.ndarray | None

    @property
    def last(self) -> bool:
        """Whether the episode ends with this row."""
        return self.terminated or self.truncated


@dataclass(frozen=True)
class Watch:
    """What to keep besides actions and consequences.

    Args:
        sites: activations to capture in the deciding forward pass.
        entities: keep the scene before each step.
    """

    sites: tuple[str, ...] = ()
    entities: bool = False


@dataclass
class _Lane:
    episode: int = -1
    step: int = 0
    noise: int = 0
    memory: np.ndarray | None = None


@dataclass
class _Memory:
    """Memory of the lanes in the batch; reset at row 0 of each episode."""

    agent: Agent
    value: Any = field(default=None)
    lanes: Sequence[int] = ()

    def keep(self, lanes: Sequence[int]) -> None:
        """Let go of the lanes that have left the batch; one that joins begins an episode."""
        if self.value is not None and lanes != self.lanes:
            places = [self.lanes.index(lane) if lane in self.lanes else 0 for lane in lanes]
            self.value = tree_map(lambda leaf: leaf[places], self.value)
        self.lanes = lanes

    def begin(self, places: Mapping[int, np.ndarray | None], width: int) -> None:
        """Give rows of the batch the memory their episodes begin with; None is a fresh one."""
        if not self.agent.recurrent:
            return
        fresh = self.agent.initial_state(width)
        numbers = torch.arange(width)
        for place, row in places.items():
            if row is not None:
                fresh = begin_anew(fresh, from_flat_row(row, fresh), numbers == place)
        if self.value is None:
            self.value = fresh
        anew = torch.isin(numbers, torch.tensor(list(places)))
        self.value = begin_anew(self.value, fresh, anew)


def rollout(
    agent: Agent,
    stepper: Stepper,
    episodes: Iterable[Episode | None],
    *,
    seed: int = 0,
    act: str | None = None,
    watch: Watch | None = None,
    padded: bool = True,
) -> Iterator[Row]:
    """Run every assigned episode to its end and give its rows as they happen.

    Their order is fixed: a lane takes the next one when its own ends, so none is favoured for being
    short. The batch has the stepper's full width, and sampling noise is keyed by (seed, episode,
    step), so the rows of an episode depend on the number of lanes alone.

    Args:
        agent: who decides.
        stepper: where.
        episodes: what to run, asked for when a lane is free; None leaves it so for a step.
        seed: seed of the action noise.
        act: greedy or sample; default is the agent's own mode.
        watch: what else to keep.
        padded: lanes without an episode stay in the batch. Without them much less is computed where
            episodes differ in length, and the last bits of an episode's numbers depend on how many
            others run beside it.

    Yields:
        Rows in the order of decisions; those of one episode in order of time.

    Raises:
        PolicyscopeError: an episode has already ended where it is to start.
    """
    watch = watch or Watch()
    waiting = iter(episodes)
    lanes = [_Lane() for _ in range(stepper.lanes)]
    memory = _Memory(agent)
    sample = None if act is None else act == "sample"
    modules = agent.modules()
    obs = np.zeros((stepper.lanes, *stepper.space.obs_shape), stepper.space.obs_dtype)
    while True:
        starts: list[Start | None] = [None] * stepper.lanes
        for i in (i for i, lane in enumerate(lanes) if lane.episode < 0):
            episode = next(waiting, None)
            if episode is None:
                break
            keyed = episode.index if episode.noise is None else episode.noise
            lanes[i] = _Lane(episode.index, episode.step, keyed, episode.memory)
            starts[i] = episode.start
        running = [i for i, lane in enumerate(lanes) if lane.episode >= 0]
        if not running:
            return
        if any(starts):
            obs = stepper.start(starts)
            begun = [i for i, start in enumerate(starts) if start is not None]
            _require_running(stepper, {i: lanes[i].episode for i in begun})
        batch = list(range(stepper.lanes)) if padded else running
        memory.keep(batch)
        if any(starts):
            memory.begin({batch.index(i): lanes[i].memory for i in begun}, len(batch))
        shown: dict[int, Entities] = {}
        if watch.entities:
            shown = dict(zip(running, _entities(stepper, running), strict=True))
        noise = RowNoise(
            seed,
            np.array([lanes[i].noise for i in batch]),
            np.array([lanes[i].step for i in batch]),
        )
        given = obs if padded else obs[batch]
        with torch.no_grad(), capture(modules, watch.sites) as seen:
            decision = agent.act(given, memory.value, sample=sample, generator=noise)
        actions, logp = decision.action.cpu().numpy(), decision.logp.tolist()
        places = {lane: place for place, lane in enumerate(batch)}
        # A lane out of the batch ignores its action, so any will do.
        step = stepper.step([actions[places.get(i, 0)] for i in range(stepper.lanes)])
        ended = [i for i in running if step.terminated[i] or step.truncated[i]]
        arrays = _arrays(decision, seen)
        for i in running:
            over, place = i in ended, places[i]
            yield Row(
                episode=lanes[i].episode,
                step=lanes[i].step,
                obs=obs[i].copy(),
                state_in=memory_row(memory.value, place),
                policy_action=np.asarray(actions[place]),
                action=np.asarray(actions[place]),
                logp=logp[place],
                outputs={k: np.asarray(v[place]) for k, v in arrays[0].items()},
                sites={k: np.asarray(v[place]) for k, v in arrays[1].items()},
                entities=shown.get(i),
                reward=float(step.reward[i]),
                terminated=bool(step.terminated[i]),
                truncated=bool(step.truncated[i]),
                outcome=stepper.call(i, "outcome") if over else (),
                final_obs=step.obs[i].copy() if over and stepper.has_final_obs else None,
            )
            lanes[i].step += 1
        for i in ended:
            lanes[i] = _Lane()
        obs = step.obs
        memory.value = decision.state


def _require_running(stepper: Stepper, begun: dict[int, int]) -> None:
    """Refuse an episode that starts from a snapshot taken at its end: no step would end it."""
    for lane, episode in begun.items():
        if outcome := stepper.call(lane, "outcome"):
            raise PolicyscopeError(
                f"episode {episode} has already ended where it starts ({'+'.join(outcome)}); "
                "give a snapshot taken before its last step"
            )


def _entities(stepper: Stepper, lanes: list[int]) -> list[Entities]:
    """The scenes of several lanes, asked for at once where the stepper can tell them so."""
    if isinstance(stepper, ManyEntities):
        return stepper.entities_of(lanes)
    return [stepper.call(i, "entities") for i in lanes]


def _arrays(
    decision: Decision, seen: dict[str, Tensor]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    outputs = {k: v.detach().cpu().numpy() for k, v in decision.outputs.items()}
    sites = {k: v.detach().cpu().numpy() for k, v in seen.items()}
    return outputs, sites


def seeded_episodes(seed: int, count: int) -> list[Episode]:
    """Episodes that start from the seeds ``seed`` to ``seed + count - 1``.

    Example:
        >>> [e.start.seed for e in seeded_episodes(5, 2)]
        [5, 6]
    """
    return [Episode(i, Start(seed=seed + i)) for i in range(count)]

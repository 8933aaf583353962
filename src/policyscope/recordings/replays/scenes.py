"""What a recorded agent makes of a step's scene under many changes of it, asked in one batch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from policyscope.agents.agent import Agent
from policyscope.agents.memory import from_flat_row
from policyscope.core.checks import Check
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.scene import SceneEdit
from policyscope.envs.stepper import Lane, Snapshot, Start
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.fork import course_at
from policyscope.recordings.replays.replay import Course
from policyscope.recordings.replays.worlds import Worlds, key

BATCH = 128
#: An output may differ so much from the recorded one, as batches of other sizes compute it.
CLOSE = 1e-4


@dataclass(frozen=True, eq=False)
class Scene:
    """A recorded step, restored.

    Args:
        lane: its world; anything may be done to it.
        moment: the step.
        agent: the recorded agent.
        course: the episode.
        step: row of the episode.
    """

    lane: Lane
    moment: Snapshot
    agent: Agent
    course: Course
    step: int

    def observe(self, edits: Sequence[SceneEdit]) -> np.ndarray | None:
        """The observation after edits of the recorded scene; None where they cannot be made."""
        try:
            return self.changed(edits)
        except PolicyscopeError:
            return None

    def changed(self, edits: Sequence[SceneEdit]) -> np.ndarray:
        """The observation after edits of the recorded scene.

        Raises:
            PolicyscopeError: they cannot be made.
        """
        obs = np.array(self.lane.start(Start(snapshot=self.moment)))
        with np.errstate(all="ignore"):  # a place far away is a place none the less
            for edit in edits:
                obs = np.array(self.lane.apply(edit))
        return obs

    def decide(self, obs: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs for N observations, each with the recorded memory: (N, ...) by name."""
        parts: list[dict[str, np.ndarray]] = []
        for first in range(0, len(obs), BATCH):
            batch = obs[first : first + BATCH]
            state = self.agent.initial_state(len(batch))
            if "state_in" in self.course.columns:
                state = from_flat_row(self.course.value("state_in", self.step), state)
            with torch.no_grad():
                outputs = self.agent.act(batch, state, sample=False).outputs
            parts.append({name: value.cpu().numpy() for name, value in outputs.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def scores(self, outputs: dict[str, np.ndarray]) -> np.ndarray:
        """A number for each action, greatest where it is preferred: (N, A).

        Raises:
            PolicyscopeError: actions are continuous.
        """
        name = {"q": "q", "categorical": "logits"}.get(self.agent.head)
        if name is None or not self.course.recording.space.actions:
            raise PolicyscopeError("only agents with discrete actions have preferences to compare")
        return outputs[name]

    def proof(self) -> Check:
        """The unchanged step, asked again, against what was recorded."""
        outputs = self.decide(self.course.value("obs", self.step)[None])
        gaps = [
            float(np.abs(value[0] - self.course.value(name, self.step)).max())
            for name, value in outputs.items()
            if name in self.course.columns
        ]
        return Check.at_most("outputs of the unchanged step, gap", max(gaps), CLOSE, len(gaps))


@contextmanager
def scene_at(
    recording: Recording, episode: int, step: int, worlds: Worlds | None = None
) -> Iterator[Scene]:
    """Restore a recorded step, alone with its world and agent.

    Args:
        recording: an opened recording.
        episode: number of the episode.
        step: row of the episode.
        worlds: worlds kept from earlier questions.

    Raises:
        UnknownName: no such episode.
        BadFile: the recording holds no agent.
        PolicyscopeError: no such step, or a world that does not do what was recorded.
    """
    kept = worlds or Worlds()
    try:
        course = course_at(kept, recording, episode, step)
        with kept.alone(recording) as world, kept.agent(recording) as agent:
            lane = world.at((key(recording), episode), course, step)
            yield Scene(lane, lane.snapshot(), agent, course, step)
    finally:
        if worlds is None:
            kept.close()

"""What follows a recorded step when its agent plays on from it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from policyscope.agents.agent import Agent
from policyscope.core.edits import Edit, edited
from policyscope.core.threads import one_thread
from policyscope.envs.make import make
from policyscope.envs.scene import SceneEdit
from policyscope.envs.stepper import Lane, Snapshot, Start, Stepper
from policyscope.recordings.replays.replay import Course
from policyscope.rollouts.loop import Episode, Row, Watch, rollout

#: Pair p > 0 draws the action noise of another episode: this far from the recorded ones.
NOISE = 2**32
Heard = Callable[[Row], None]


@dataclass(frozen=True, eq=False)
class Future:
    """One continuation, T decisions long.

    Args:
        action: (T, ...) executed actions.
        reward: (T,) rewards.
        outputs: (T, ...) each, what the network put out.
        outcome: why it ended.
        ends: terminated and truncated.
    """

    action: np.ndarray
    reward: np.ndarray
    outputs: dict[str, np.ndarray]
    outcome: str
    ends: tuple[bool, bool]

    def __len__(self) -> int:
        return len(self.reward)


@dataclass(frozen=True, eq=False)
class Origin:
    """The recorded step that futures begin at.

    Args:
        course: the episode.
        step: row of the episode.
    """

    course: Course
    step: int

    def episodes(self, snapshots: Sequence[Snapshot]) -> list[Episode]:
        """One episode for each snapshot, with the recorded memory; noise is keyed by its place."""
        course, step = self.course, self.step
        memory = course.value("state_in", step) if "state_in" in course.columns else None
        return [
            Episode(place, Start(snapshot=moment), step, memory, course.episode + place * NOISE)
            for place, moment in enumerate(snapshots)
        ]


def moments(
    lane: Lane, moment: Snapshot, scene: Sequence[SceneEdit], pairs: int
) -> tuple[list[Snapshot], list[Snapshot]]:
    """A step's world once for each pair, as it was and with the scene changed.

    Pair 0 keeps the recorded randomness. In a world that goes on drawing random numbers, each other
    pair has draws of its own, the same on both sides.

    Args:
        lane: a world of the recording's environment; it is left anywhere.
        moment: the recorded step.
        scene: edits in order.
        pairs: how many.

    Raises:
        PolicyscopeError: an edit that cannot be made.
    """
    kept, changed = [moment], []
    if getattr(lane, "reseeds", False):
        for seed in range(1, pairs):
            lane.start(Start(snapshot=moment))
            lane.apply(SceneEdit("reseed", None, {"seed": float(seed)}))
            kept.append(lane.snapshot())
    for each in kept:
        changed.append(_with(lane, each, scene) if scene else each)
    copies = pairs // len(kept)
    return kept * copies, changed * copies


def _with(lane: Lane, moment: Snapshot, scene: Sequence[SceneEdit]) -> Snapshot:
    lane.start(Start(snapshot=moment))
    with np.errstate(all="ignore"):  # a place far away is a place none the less
        for edit in scene:
            lane.apply(edit)
    return lane.snapshot()


class Player:
    """Plays an agent on from a recorded step, as it was recorded.

    Args:
        agent: the recorded agent.
        origin: where futures begin.

    Cost: makes as many worlds as the recording had lanes, once.
    """

    def __init__(self, agent: Agent, origin: Origin):
        self.agent, self.origin = agent, origin
        self._plan = origin.course.recording.plan
        self._stepper: Stepper | None = None

    def play(
        self,
        snapshots: Sequence[Snapshot],
        edits: Sequence[Edit] = (),
        during: int | None = None,
        heard: Heard | None = None,
        scenes: bool = False,
    ) -> list[Future]:
        """Play on from each snapshot to the end of its episode.

        Args:
            snapshots: of the step, one for each future.
            edits: changes of activations, in order.
            during: how many decisions they last; None to the end.
            heard: called with each row as it is played; its ``episode`` is the place of the
                future. What it raises ends the play.
            scenes: whether rows of the first future hold their scenes.

        Raises:
            UnknownName: no such site.
            PolicyscopeError: an edit does not fit its site.
        """
        if self._stepper is None:
            self._stepper = make(self._plan.env, self._plan.lanes)
        episodes = self.origin.episodes(snapshots)
        rows: dict[int, list[Row]] = {}
        width = self._plan.lanes
        for first in range(0, len(episodes), width):  # all of a batch begin at one time
            watch = Watch(entities=scenes and first == 0)
            for row in self._batch(episodes[first : first + width], edits, during, watch):
                rows.setdefault(row.episode, []).append(row)
                if heard:
                    heard(row)
        return [_future(rows[episode.index]) for episode in episodes]

    def _batch(
        self,
        episodes: Sequence[Episode],
        edits: Sequence[Edit],
        during: int | None,
        watch: Watch,
    ) -> Iterator[Row]:
        assert self._stepper is not None
        plan, first = self._plan, self.origin.step
        running = rollout(
            self.agent, self._stepper, episodes, seed=plan.seed, act=plan.act, watch=watch
        )
        with ExitStack() as changes, one_thread():
            if during != 0:
                changes.enter_context(edited(self.agent.modules(), edits))
            for row in running:
                if during is not None and row.step - first + 1 >= during:
                    changes.close()
                yield row

    def close(self) -> None:
        """Free the worlds."""
        if self._stepper is not None:
            self._stepper.close()
            self._stepper = None


def _future(rows: Sequence[Row]) -> Future:
    last = rows[-1]
    return Future(
        np.stack([row.action for row in rows]),
        np.array([row.reward for row in rows]),
        {name: np.stack([row.outputs[name] for row in rows]) for name in last.outputs},
        "+".join(last.outcome),
        (last.terminated, last.truncated),
    )

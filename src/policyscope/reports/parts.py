"""The parts of a report about one decision, as plain records."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from policyscope.core.result import Result
from policyscope.recordings.clips.places import Outline


@dataclass(frozen=True)
class Numbers:
    """What the policy put out at the step.

    Args:
        kind: what the numbers are: Q-value, probability, or mean of a continuous action.
        names: of the actions, or of their parts; one name for all actions that do the same.
        values: one for each name; of actions that do the same the sum of probabilities, or the
            largest Q-value.
        taken: place of the executed action among the names; None where actions are continuous.
        best: place of the greatest value; None likewise.
        told: other numbers by name, such as the value.
        actions: numbers of the actions that each name stands for, the most likely first; empty
            where they are continuous.
        effects: what each single action is called; actions that do the same share one.
        keys: name of each single action.
        single: number of each single action.
        executed: number of the executed action.
    """

    kind: str
    names: tuple[str, ...]
    values: tuple[float, ...]
    taken: int | None
    best: int | None
    told: dict[str, float] = field(default_factory=dict)
    actions: tuple[tuple[int, ...], ...] = ()
    effects: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    single: tuple[float, ...] = ()
    executed: int | None = None

    @property
    def other(self) -> int | None:
        """Place of the greatest value among what was not done."""
        if self.taken is None or len(self.values) < 2:
            return None
        order = np.argsort(-np.array(self.values), kind="stable")
        return int(next(a for a in order if a != self.taken))

    def called(self, place: int) -> str:
        """What the actions of a name do, without their count."""
        return self.effects[self.actions[place][0]]


@dataclass(frozen=True)
class Film:
    """The steps around the decision.

    Args:
        video: bytes of an mp4.
        first: the first step shown.
        last: the last one.
        fps: steps a second.
        width: pixels.
    """

    video: bytes
    first: int
    last: int
    fps: float
    width: int


@dataclass(frozen=True, eq=False)
class Picture:
    """A scene as it is drawn.

    Args:
        pixels: (H, W, 3) uint8.
        outlines: of the entities in it.
    """

    pixels: np.ndarray
    outlines: tuple[Outline, ...] = ()


@dataclass(frozen=True, eq=False)
class Blame:
    """What the target is owed to.

    Args:
        result: of ``attribute`` for this one decision.
        entities: as ``by_entity`` gives it, with ``name`` and ``effect`` (what the target loses
            without the entity, NaN where it cannot be removed), greatest share first.
        units: name and value of the units, greatest first, where there are no entities.
        trust: lines of the trust line, measured over the recording.
        decisions: decisions of the recording it was measured on.
        against_mean: whether the target is the Q-value of the chosen action minus the mean over
            all actions.
    """

    result: Result
    entities: pd.DataFrame
    units: list[tuple[str, float]]
    trust: list[dict[str, Any]]
    decisions: int
    against_mean: bool = False


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest scene in which the agent prefers another action.

    Args:
        result: of ``why_not``; None where no change is needed, as the agent prefers the other
            action in the recorded scene already.
        action: the other action: the one it prefers among those that do not what was done.
        told: the least change in words; empty where none was found or none is needed.
        change: place of that change in the result; None likewise.
        before: the recorded scene; None where no change is needed.
        after: the changed scene; None where there is no change.
    """

    result: Result | None
    action: str
    told: str = ""
    change: int | None = None
    before: Picture | None = None
    after: Picture | None = None


@dataclass(frozen=True, eq=False)
class Without:
    """The decision without the entity that is blamed most.

    Args:
        name: of the entity.
        identity: of the entity.
        target: before and after; None where the target looks ahead.
        action: the preferred action before and after.
        values: numbers of the policy before and after, as ``Numbers`` has them.
        picture: the scene without it.
    """

    name: str
    identity: int
    target: tuple[float | None, float | None]
    action: tuple[str, str]
    values: tuple[tuple[float, ...], tuple[float, ...]]
    picture: Picture


@dataclass(frozen=True, eq=False)
class Report:
    """All that is told about one decision; a part that is None stands in ``missing``.

    Args:
        headline: what the agent did, where, and how the episode ended, a sentence.
        place: recording, episode and step as they are typed.
        numbers: of the policy.
        clip: the steps around it.
        scene: the recorded scene.
        blame: the attribution.
        nearest: the nearest counterfactual scene.
        without: the decision without what is blamed most.
        fork: what came of playing on with and without it.
        missing: why a part is missing, a line each, by the part's name.
        seconds: that each part took.
        provenance: facts by title.
        commands: that make each part again, by the part's name.
    """

    headline: str
    place: str
    numbers: Numbers | None
    clip: Film | None
    scene: Picture | None
    blame: Blame | None
    nearest: Nearest | None
    without: Without | None
    fork: Result | None
    missing: dict[str, str]
    seconds: dict[str, float]
    provenance: dict[str, str]
    commands: dict[str, str]

    @property
    def passed(self) -> bool:
        """Whether the checks of all parts hold."""
        return all(result.passed for result in self.results.values())

    @property
    def results(self) -> dict[str, Result]:
        """The results that parts are made of, by the part's name."""
        found = {
            "attribution": self.blame.result if self.blame else None,
            "why not": self.nearest.result if self.nearest else None,
            "fork": self.fork,
        }
        return {name: result for name, result in found.items() if result is not None}

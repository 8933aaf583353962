"""What a slot of the engine is playing, and how an episode ended."""

from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from policyscope.envs.entities import Entities
from policyscope.envs.procgen import layout
from policyscope.envs.procgen.motion import moving_in
from policyscope.envs.procgen.objects import first_identities
from policyscope.envs.procgen.outcomes import dangerous
from policyscope.envs.procgen.spare import Spare
from policyscope.envs.procgen.state import State, game_of, parse
from policyscope.envs.procgen.tables import Still, still, tables
from policyscope.envs.scene import SceneEdit
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Start


@dataclass
class Episode:
    """One episode in one slot.

    Args:
        start: how it began.
        keyframe: a state of it.
        kept_at: how many actions came before the keyframe.
        actions: all actions so far; while it runs, as they were when last asked for.
        edits: as in ``Snapshot``.
        identities: of saws, enemies and crates; empty for games that are not parsed.
        over: whether it ended.
        reward: of the last step.
        completed: the level was solved.
        outcome: why it ended, once that was asked for.
        last: the state that the last observation shows, once asked for after the end.
        still: what stays in its tables; None until the first, and after a scene edit.
        danger: where it began, it might end otherwise than by its goal or the time limit.
    """

    start: Start
    keyframe: bytes
    kept_at: int = 0
    actions: list[int] = field(default_factory=list)
    edits: list[tuple[int, SceneEdit]] = field(default_factory=list)
    identities: tuple[int, ...] = ()
    over: bool = False
    reward: float = 0.0
    completed: bool = False
    outcome: tuple[str, ...] = ()
    last: bytes | None = None
    still: Still | None = None
    danger: bool = False

    def keep(self, data: bytes, after: int) -> None:
        """Take the state after some number of actions as the keyframe."""
        self.keyframe, self.kept_at = data, after

    def last_state(self, spare: Spare) -> bytes:
        """The state before the step that ended the episode, replayed from the keyframe."""
        if self.last is None:
            self.last = spare.replay(self.keyframe, self.actions[self.kept_at : -1])
        return self.last

    def find_outcome(self, spare: Spare) -> tuple[str, ...]:
        """Why the episode ended.

        A reward tells that the coin or the cheese was reached, and then nothing else is looked
        for; any other end is made again from the keyframe, almost without drawing.
        """
        if not self.outcome:
            game = game_of(self.keyframe)
            if game not in layout.TAILS:
                self.outcome = self._plain_outcome(spare.timeout)
            elif self.reward > 0:
                self.outcome = ("coin",) if game == "coinrun" else ("cheese",)
            else:
                self.outcome = spare.causes(self.keyframe, self.actions[self.kept_at :])
        return self.outcome

    def scene(self, state: State) -> Still:
        """What stays the same after a moment, found anew only where it does not."""
        known = self.still
        if known is None or not (
            known.identities == self.identities and np.array_equal(known.grid, state.grid)
        ):
            known = self.still = still(state, self.identities)
        return known

    def table_of(self, state: State) -> Entities:
        """The objects of a moment; what never moves is taken from the table before."""
        return tables([self.scene(state)], moving_in(state))[0]

    def _plain_outcome(self, timeout: int) -> tuple[str, ...]:
        if self.completed:
            return ("completed",)
        return ("timed_out",) if len(self.actions) >= timeout else ("ended",)


@dataclass(frozen=True)
class Live:
    """What a snapshot holds beside the history, to go on without a replay."""

    spec: EnvSpec
    state: bytes
    identities: tuple[int, ...]
    over: bool
    reward: float
    completed: bool
    outcome: tuple[str, ...]


def begin(start: Start, data: bytes) -> Episode:
    """An episode at its first state."""
    if game_of(data) not in layout.TAILS:
        return Episode(start, data)
    state = parse(data)
    return Episode(start, data, identities=first_identities(state), danger=dangerous(state))


def fingerprint(data: bytes) -> str:
    """What a replay must reproduce."""
    return blake2b(data, digest_size=16).hexdigest()

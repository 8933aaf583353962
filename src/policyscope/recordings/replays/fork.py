"""Fork a recording: the agent plays on from a step with changes and without, on equal chances."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from policyscope.core.edits import Edit
from policyscope.core.errors import PolicyscopeError
from policyscope.core.provenance import provenance
from policyscope.core.result import Result
from policyscope.envs.scene import SceneEdit
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.chance import draws
from policyscope.recordings.replays.changes import change_text, read_change
from policyscope.recordings.replays.compare import SIDES, compared, proof
from policyscope.recordings.replays.futures import Heard, Origin, Player, moments
from policyscope.recordings.replays.replay import Course
from policyscope.recordings.replays.worlds import Worlds, key
from policyscope.recordings.subject import python_line, subject
from policyscope.rollouts.loop import Row

HELD = "the world draws what it drew when it was recorded"
ONE_PAIR = f"the agent draws nothing and {HELD}"
Change = SceneEdit | Edit
Progress = Callable[[int, int], None]
#: Hears the side (kept or changed) and each row as it is played.
Watcher = Callable[[str, Row], None]


@dataclass(frozen=True)
class ForkConfig:
    """How a fork is played.

    Args:
        seeds: pairs of futures. Pair 0 has the recorded randomness; it is the only one where the
            agent draws nothing and the world's own draws cannot be renewed.
        during: decisions that changes of activations last; None to the end of the episode.
        null: draws from the null of the changes of activations; each plays all pairs again.
        seed: of the null's draws and of the bootstrap.
    """

    seeds: int = 20
    during: int | None = None
    null: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        during = 1 if self.during is None else self.during
        least = {"seeds": (self.seeds, 1), "during": (during, 1), "null": (self.null, 0),
                 "seed": (self.seed, 0)}  # fmt: skip
        for name, (value, bound) in least.items():
            if value < bound:
                raise PolicyscopeError(f"{name} must be at least {bound}, got {value}")


def fork(
    recording: Recording,
    episode: int,
    step: int,
    changes: Sequence[Change | str] = (),
    config: ForkConfig | None = None,
    *,
    command: str | None = None,
    progress: Progress | None = None,
    watch: Watcher | None = None,
    worlds: Worlds | None = None,
) -> Result:
    """Play on from a recorded step, with changes and without.

    The step's world is restored by replaying the episode, which must give what was recorded, and
    the memory is the recorded one. Both futures of a pair draw the same action noise and, in a
    world that goes on drawing random numbers, the same of those.

    Args:
        recording: an opened recording.
        episode: number of the episode.
        step: row of the episode; the changes are made before its decision.
        changes: of the scene or of activations, in order, also as text (``remove saw``).
        config: how many pairs, and the null.
        command: the command line, for the provenance.
        progress: called with the numbers of played and of all futures.
        watch: called with the side and each row as it is played; rows of pair 0 hold their scenes.
            What it raises ends the fork.
        worlds: worlds kept from earlier questions.

    Returns:
        A Result. ``data`` holds for each side and pair the undiscounted ``return`` from the step
        on, the number of ``steps``, the ``outcome``, the executed ``action`` and ``value`` at each
        time (where the agent has one); ``diverges``, the first step whose action differs (-1:
        none); the mean ``difference`` of the returns with its bootstrap interval; and, for changes
        of activations, the mean difference of each draw of the ``null``.

    Raises:
        UnknownName: no such site, entity or kind of change.
        BadFile: the recording holds no agent.
        PolicyscopeError: no such step, a change that cannot be made, or a world that does not do
            what was recorded.

    Cost: a replay up to the step, then 2 x pairs futures, and pairs futures for each draw.

    Example:
        >>> fork(recording, 3, 17, ["remove saw"]).data["difference"]  # doctest: +SKIP
    """
    recording.require_agent()
    config, kept_worlds = config or ForkConfig(), worlds or Worlds()
    try:
        course = course_at(kept_worlds, recording, episode, step)
        with kept_worlds.alone(recording) as world:
            lane = world.at((key(recording), episode), course, step)
            read = [read_change(c, lane.entities()) if isinstance(c, str) else c for c in changes]
            entities = lane.entities()
            texts = [change_text(change, entities, recording.env.id) for change in read]
            scene = [change for change in read if isinstance(change, SceneEdit)]
            edits = [change for change in read if isinstance(change, Edit)]
            renewed = bool(getattr(lane, "reseeds", False))
            chance = recording.act == "sample" or renewed
            moment, pairs = lane.snapshot(), config.seeds if chance else 1
            sides = moments(lane, moment, scene, pairs)
        with kept_worlds.agent(recording) as agent:
            player = Player(agent, Origin(course, step))
            try:
                nothing = draws(recording, agent, edits, config.null, config.seed)
                heard = _Heard(progress, watch, pairs * (2 + len(nothing)))
                scenes = watch is not None
                kept = player.play(sides[0], heard=heard.of(SIDES[0]), scenes=scenes)
                changed = player.play(
                    sides[1], edits, config.during, heard=heard.of(SIDES[1]), scenes=scenes
                )
                nulls = [player.play(sides[1], d, config.during, heard.of(None)) for d in nothing]
            finally:
                player.close()
    finally:
        if worlds is None:
            kept_worlds.close()
    data = compared(kept, changed, nulls, step, config.seed).assign_attrs(
        chance="" if chance else ONE_PAIR,
        held="" if renewed else HELD,
        actions=list(recording.space.actions),
    )
    line = _line(recording, episode, step, read, config)
    told = {"episode": episode, "step": step, "changes": [written(change) for change in read],
            "told": texts}  # fmt: skip
    return Result(
        "fork",
        data,
        {"recording": subject(recording), **told, **asdict(config), "python": line},
        provenance(command or line, config.seed),
        [proof(course, step, kept[0])],
    )


def course_at(worlds: Worlds, recording: Recording, episode: int, step: int) -> Course:
    """An episode that has a step.

    Raises:
        UnknownName: no such episode.
        PolicyscopeError: no such step.
    """
    course = worlds.course(recording, episode)
    if not 0 <= step < len(course):
        raise PolicyscopeError(
            f"episode {episode} has no step {step}; it holds 0..{len(course) - 1}"
        )
    return course


def written(change: Change) -> dict[str, Any]:
    """A change as JSON values; those of activations have a ``site``."""
    return change.to_json()


def unwritten(values: dict[str, Any]) -> Change:
    """Inverse of ``written``."""
    return Edit.from_json(values) if "site" in values else SceneEdit.from_json(values)


class _Heard:
    """Tells how many futures have ended, and hands the rows of both sides on."""

    def __init__(self, progress: Progress | None, watch: Watcher | None, total: int):
        self._progress, self._watch, self._total, self._done = progress, watch, total, 0

    def of(self, side: str | None) -> Heard:
        """What hears the rows of a side; None for those of the null."""

        def heard(row: Row) -> None:
            if self._watch and side:
                self._watch(side, row)
            if row.last:
                self._done += 1
                if self._progress:
                    self._progress(self._done, self._total)

        return heard


def _line(
    recording: Recording, episode: int, step: int, changes: Sequence[Change], config: ForkConfig
) -> str:
    given = [str(episode), str(step)]
    uses: list[type] = []
    if changes:
        given.append(f"[{', '.join(map(repr, changes))}]")
        uses += [kind for kind in (SceneEdit, Edit) if any(type(c) is kind for c in changes)]
    options = [f"{k}={v!r}" for k, v in asdict(config).items() if v != getattr(ForkConfig, k)]
    if options:
        given.append(f"config=ForkConfig({', '.join(options)})")
        uses.append(ForkConfig)
    return python_line(fork, recording, given, uses)

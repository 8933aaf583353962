"""A report about one decision: what was done, what it is owed to, what would have changed it."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from policyscope.attribution.config import AttributionConfig
from policyscope.core.errors import PolicyscopeError
from policyscope.core.numbers import rounded
from policyscope.core.result import Result
from policyscope.core.target_parser import parse_target
from policyscope.envs.actions import action_names
from policyscope.envs.entities import scene_units
from policyscope.envs.scene import SceneEdit
from policyscope.recordings.arrays.steps import rows_of_episode
from policyscope.recordings.plan import UNKNOWN
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.fork import ForkConfig, fork
from policyscope.recordings.replays.whatif import ask, sites_of_targets
from policyscope.recordings.replays.why_not import why_not
from policyscope.recordings.replays.worlds import Worlds
from policyscope.reports.blame import blame_of, method_for, removable
from policyscope.reports.config import ReportConfig
from policyscope.reports.numbers import joined, numbers_of, values_of_head
from policyscope.reports.origin import commands_of, origin_of
from policyscope.reports.parts import Blame, Nearest, Numbers, Picture, Report, Without
from policyscope.reports.pictures import film, picture, seen

PARTS = ("numbers", "clip", "scene", "attribution", "why not", "without", "fork")
#: Called with the number of parts done, of all parts, and the name of the next one.
Progress = Callable[[int, int, str], None]


def report(
    recording: Recording,
    episode: int,
    step: int,
    config: ReportConfig | None = None,
    *,
    typed: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Collect what there is to say about one decision.

    A part that this agent or world does not allow is left out and named in ``missing``.

    Args:
        recording: an opened recording.
        episode: number of the episode.
        step: row of the episode.
        config: what is asked.
        typed: the recording as it is typed in commands; default is its path.
        progress: told of each part.

    Raises:
        UnknownName: no such episode, method, site, action or output.
        PolicyscopeError: no such step, or a target that cannot be attributed to the site.

    Cost: an attribution of up to 33 decisions (13 of frames) with its trust line, a why-not, and
        2 x ``seeds`` futures: a quarter of a minute to some minutes.

    Example:
        >>> report(recording, 3, 17).headline  # doctest: +SKIP
    """
    config = config or ReportConfig()
    steps = int(recording.line(episode)["steps"])
    if not 0 <= step < steps:
        raise PolicyscopeError(f"episode {episode} has no step {step}; it holds 0..{steps - 1}")
    asked = AttributionConfig(
        target=config.target, method=config.method or method_for(recording, config.site),
        site=config.site, seed=config.seed, rows=_trusted(recording),
    )  # fmt: skip
    if asked.target:
        parse_target(asked.target)
    made = _Parts(recording, episode, step, config, progress)
    try:
        numbers = made.part("numbers", lambda: numbers_of(recording, episode, step))
        clip = made.part("clip", lambda: film(recording, episode, step, config.size))
        scene = made.part("scene", made.scene)
        own = bool(config.target or config.method or config.site != ReportConfig.site)
        blame = made.part(
            "attribution",
            lambda: blame_of(recording, episode, step, asked, made.worlds),
            strict=own and recording.act != "unknown",
        )
        nearest = made.part("why not", lambda: made.nearest(numbers))
        without = made.part("without", lambda: made.without(blame, numbers))
        forked = made.part("fork", lambda: made.fork(without))
    finally:
        made.close()
    place = f"{typed or recording.path}:{episode}:{step}"
    target = blame.result.data.attrs["target"] if blame else asked.target
    return Report(
        headline(recording, episode, step, numbers), place, numbers, clip, scene, blame, nearest,
        without, forked, made.missing, made.seconds, origin_of(recording, episode),
        commands_of(place, replace(asked, target=target), config, nearest, without, forked),
    )  # fmt: skip


def _trusted(recording: Recording) -> int:
    """Decisions that trust is measured on: of frames fewer, as each takes seconds."""
    return 12 if len(recording.space.obs_shape) == 3 else 32


class _Parts:
    """Makes the parts, and keeps their times and the reasons why some are missing."""

    def __init__(
        self,
        recording: Recording,
        episode: int,
        step: int,
        config: ReportConfig,
        progress: Progress | None,
    ):
        self.recording, self.at, self.config = recording, (episode, step), config
        self.missing: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.worlds = Worlds()
        self._progress = progress or (lambda done, total, name: None)

    def part(self, name: str, make: Callable[[], Any], strict: bool = False) -> Any:
        """A part, or None; where it is strict an error is the asker's."""
        self._progress(PARTS.index(name), len(PARTS), name)
        began = time.perf_counter()
        try:
            return make()
        except PolicyscopeError as error:
            if strict:
                raise
            self.missing[name] = str(error)
            return None
        finally:
            self.seconds[name] = time.perf_counter() - began

    def scene(self) -> Picture:
        try:
            return self.drawn()
        except PolicyscopeError:
            return seen(self.recording, *self.at, self.config.size)

    def nearest(self, numbers: Numbers | None) -> Nearest:
        if numbers is None:
            raise PolicyscopeError("the recording holds no outputs of the policy")
        if numbers.other is None:
            raise PolicyscopeError("only agents with discrete actions have another action")
        other = numbers.other
        action = numbers.called(other)
        if other == numbers.best:
            return Nearest(None, action)
        result = why_not(self.recording, *self.at, numbers.actions[other][0], worlds=self.worlds)
        first, before = result.data.isel(change=0), self.drawn()
        if float(first["margin"]) <= 0:
            return Nearest(result, action, before=before)
        kind, who = str(first["kind"].values), int(first["identity"])
        to = {name: float(first[name]) for name in ("x", "y")} if kind == "move" else {}
        told, far = str(first["told"].values), float(first["distance"])
        if np.isfinite(far):
            told += f", by {rounded(far)} {scene_units(self.recording.env.id)[0]}".rstrip()
        return Nearest(result, action, told, 0, before, self.drawn(SceneEdit(kind, who, to)))

    def drawn(self, *edits: SceneEdit) -> Picture:
        """The scene, or what edits make of it."""
        return picture(self.recording, *self.at, self.config.size, edits, self.worlds)

    def without(self, blame: Blame | None, numbers: Numbers | None) -> Without:
        if blame is None:
            raise PolicyscopeError("without an attribution nobody is blamed")
        able = removable(blame.entities)
        if able.empty:
            raise PolicyscopeError("nothing that is blamed can be taken out of the scene")
        one = able.iloc[0]
        edit, target = SceneEdit("remove", int(one["identity"])), blame.result.data.attrs["target"]
        answer = ask(
            self.recording, *self.at, [edit], sites=sites_of_targets([target]), worlds=self.worlds
        )
        names, head = _called(self.recording), self.recording.agent.head
        actions = [
            names[int(a)] if names else ", ".join(f"{x:.2f}" for x in np.atleast_1d(a))
            for a in (answer.recorded_best, answer.changed.action)
        ]
        values = [
            values_of_head(head, moment.outputs) for moment in (answer.recorded, answer.changed)
        ]
        if numbers and numbers.actions:
            values = [joined(numbers.kind, each, numbers.actions) for each in values]
            actions = [numbers.called(int(np.argmax(each))) for each in values]
        return Without(
            str(one["name"]), int(one["identity"]), answer.target(target),
            (actions[0], actions[1]), (values[0], values[1]),
            self.drawn(edit),
        )  # fmt: skip

    def fork(self, without: Without | None) -> Result:
        if not self.config.fork:
            raise PolicyscopeError("it was not asked for (--no-fork)")
        if without is None:
            raise PolicyscopeError("there is nobody to play on without")
        config = ForkConfig(self.config.seeds, seed=self.config.seed)
        edit = SceneEdit("remove", without.identity)
        return fork(self.recording, *self.at, [edit], config, worlds=self.worlds)

    def close(self) -> None:
        self.worlds.close()


def _called(recording: Recording) -> list[str]:
    return action_names(recording.env.id, recording.space.actions)


def headline(recording: Recording, episode: int, step: int, numbers: Numbers | None) -> str:
    """What the agent did, where, and how the episode ended, as a sentence.

    Args:
        recording: an opened recording.
        episode: number of the episode.
        step: row of the episode.
        numbers: of the policy at the step.
    """
    line = recording.line(episode)
    steps, outcome = int(line["steps"]), str(line["outcome"] or "").replace("_", " ")
    action = rows_of_episode(recording, episode, step, 1).column("action")[0]
    names = _called(recording)
    done = names[int(action)] if names else ", ".join(f"{a:.2f}" for a in np.atleast_1d(action))
    verb = "drew" if recording.act == "sample" else "chose"
    rest = steps - 1 - step
    later = f"{rest} step{'s' * (rest != 1)} later" if rest else "with this step"
    ended = " and ".join(outcome.split("+")) or "cut off"
    told = f"the episode ended {later}: {ended}"
    if np.isfinite(float(line["return"])):
        told += f", return {float(line['return']):.2f}"
    chance = ""
    if numbers and numbers.kind == "probability" and numbers.taken is not None:
        chance = f" (probability {numbers.values[numbers.taken]:.2f})"
    where = "an unknown environment" if recording.env.id == UNKNOWN else recording.env.id
    return f"In {where}, episode {episode}, step {step}, the agent {verb} {done}{chance}; {told}."

"""A report about one decision: what was done, what it is owed to, what would have changed it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import softmax

from policyscope.attribution.config import AttributionConfig
from policyscope.core.errors import PolicyscopeError
from policyscope.core.result import Result
from policyscope.core.target_parser import parse_target
from policyscope.envs.actions import action_names, effects
from policyscope.envs.entities import scene_units
from policyscope.envs.scene import SceneEdit
from policyscope.recordings.read import Recording
from policyscope.recordings.replays.fork import ForkConfig, fork
from policyscope.recordings.replays.whatif import ask, sites_of_targets
from policyscope.recordings.replays.why_not import why_not
from policyscope.recordings.replays.worlds import Worlds
from policyscope.recordings.steps import rows_of_episode
from policyscope.reports.blame import blame_of, method_for, removable
from policyscope.reports.origin import commands_of, origin_of
from policyscope.reports.parts import Blame, Nearest, Numbers, Picture, Report, Without
from policyscope.reports.pictures import film, picture, seen

PARTS = ("numbers", "clip", "scene", "attribution", "why not", "without", "fork")
#: Called with the number of parts done, of all parts, and the name of the next one.
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class ReportConfig:
    """What a report asks.

    Args:
        target: what is attributed; empty: why this action rather than others.
        method: of attribution; empty: shapley over vehicles, else integrated_gradients.
        site: what it is attributed to.
        seeds: pairs of futures that are played on.
        fork: whether futures are played.
        size: side of pictures in pixels.
        seed: of what is drawn.

    Raises:
        PolicyscopeError: a number that makes no sense.
    """

    target: str = ""
    method: str = ""
    site: str = "preprocess"
    seeds: int = 10
    fork: bool = True
    size: int = 320
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seeds < 1 or self.seed < 0:
            raise PolicyscopeError("--seeds must be at least 1 and --seed 0 or more")
        if not 64 <= self.size <= 1024:
            raise PolicyscopeError(f"--size must lie between 64 and 1024, got {self.size}")


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
        if numbers is None or numbers.second is None:
            raise PolicyscopeError("only agents with discrete actions have a runner-up action")
        asked = numbers.actions[numbers.second][0]
        action = _called(self.recording)[asked]
        result = why_not(self.recording, *self.at, asked, worlds=self.worlds)
        first = result.data.isel(change=0)
        before = self.drawn()
        if float(first["margin"]) <= 0:
            return Nearest(result, action, "", before, None)
        kind, who = str(first["kind"].values), int(first["identity"])
        place = {name: float(first[name]) for name in ("x", "y")} if kind == "move" else {}
        after = self.drawn(SceneEdit(kind, who, place))
        told, far = str(first["told"].values), float(first["distance"])
        if np.isfinite(far):
            told += f", by {far:.3g} {scene_units(self.recording.env.id)[0]}".rstrip()
        return Nearest(result, action, told, before, after)

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
        values = [_values(head, moment.outputs) for moment in (answer.recorded, answer.changed)]
        if numbers and numbers.actions:
            values = [_joined(numbers.kind, each, numbers.actions) for each in values]
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


def numbers_of(recording: Recording, episode: int, step: int) -> Numbers:
    """What the policy put out at a recorded step.

    Args:
        recording: an opened recording.
        episode: number of the episode.
        step: row of the episode.

    Raises:
        PolicyscopeError: it holds no outputs of the policy.
    """
    row = rows_of_episode(recording, episode, step, 1)
    outputs = {name: row.column(name)[0] for name in recording.outputs}
    names, action = recording.space.actions, row.column("action")[0]
    told = {"value": float(np.ravel(outputs["value"])[0])} if "value" in outputs else {}
    head = next((h for h, n in _OUTPUT.items() if n in outputs), None)
    if head is None:
        raise PolicyscopeError("the recording holds no outputs of the policy")
    values = _values(head, outputs)
    if head == "gaussian" or not names:
        parts = tuple(f"action {i}" for i in range(len(values)))
        return Numbers("mean of the action", parts, values, None, None, told)
    kind = "Q-value" if head == "q" else "probability"
    groups = effects(recording.env.id, names)
    actions = tuple(tuple(sorted(group, key=lambda i: -values[i])) for _, group in groups)
    taken, best = (
        next(i for i, group in enumerate(actions) if one in group)
        for one in (int(action), int(np.argmax(values)))
    )
    called = tuple(name for name, _ in groups)
    return Numbers(kind, called, _joined(kind, values, actions), taken, best, told, actions)


_OUTPUT = {"q": "q", "categorical": "logits", "gaussian": "mean"}


def _values(head: str, outputs: Any) -> tuple[float, ...]:
    """A number for each action: Q-values, probabilities, or means."""
    values = np.ravel(outputs[_OUTPUT[head]]).astype(float)
    return tuple((softmax(values) if head == "categorical" else values).tolist())


def _joined(
    kind: str, values: tuple[float, ...], groups: tuple[tuple[int, ...], ...]
) -> tuple[float, ...]:
    """Numbers of actions that do the same: the sum of probabilities, the largest Q-value."""
    whole = sum if kind == "probability" else max
    return tuple(whole(values[i] for i in group) for group in groups)


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
    return (
        f"In {recording.env.id}, episode {episode}, step {step}, the agent {verb} {done}{chance}; "
        f"{told}."
    )

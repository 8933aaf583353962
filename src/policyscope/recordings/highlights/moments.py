"""Choosing the telling moments of a recording by queries of ``policyscope find``."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.numbers import rounded, signed
from policyscope.recordings.arrays.steps import of_episode
from policyscope.recordings.find.grammar import BadQuery, Ranked, parse_query
from policyscope.recordings.find.numbers import Numbers
from policyscope.recordings.find.search import GAMMA, LAM, find
from policyscope.recordings.read import Recording

#: Moments of a kind that are looked through, the strongest first; ranks are exact among them.
LOOKED_THROUGH = 1000
SECONDS = 3.0
_FEWEST, _MOST = 8, 45


@dataclass(frozen=True)
class Moment:
    """A step worth looking at.

    Args:
        kind: one of ``KINDS``.
        episode: its episode.
        step: its step.
        first: first step of its clip.
        last: last step of its clip.
        number: what it was chosen by; NaN where nothing ranks.
        name: of the number.
        unit: of the number.
        rank: its place among ``of``; None where nothing ranks, or beyond ``LOOKED_THROUGH``.
        of: how many there were to choose from.
        among: what these are.
        query: finds it again with ``policyscope find``.
        why: a sentence that says why it was chosen.
        outcome: how its episode ended.
        total: return of its episode.
    """

    kind: str
    episode: int
    step: int
    first: int
    last: int
    number: float
    name: str
    unit: str
    rank: int | None
    of: int
    among: str
    query: str
    why: str
    outcome: str
    total: float


@dataclass(frozen=True)
class Kind:
    """A kind of moment.

    Args:
        title: heading.
        about: what is looked for, a sentence.
        queries: queries whose moments come in turns; the first clause that ranks gives the number.
    """

    title: str
    about: str
    queries: Callable[[Recording], list["Ask"]]


@dataclass(frozen=True)
class Ask:
    """A query for moments of a kind.

    Args:
        query: without its ranking clause; may be empty.
        number: what ranks, as a query has it; empty where nothing does.
        way: top or bottom.
        name: of the number.
        unit: of the number.
        outcome: of the episodes looked for, if it is about one.
    """

    query: str
    number: str
    way: str
    name: str
    unit: str
    outcome: str = ""

    def text(self, count: int) -> str:
        """The query for so many moments."""
        ranked = [f"{self.number} {self.way} {count}"] if self.number else []
        return " and ".join([*([self.query] if self.query else []), *ranked])


def bad_outcomes(recording: Recording) -> list[str]:
    """Outcomes after which episodes returned less than after the best one, the rarest last.

    Where an episode ended by several things at once, it counts for each.
    """
    returns: dict[str, list[float]] = {}
    for line in recording.episodes.to_dict("records"):
        for name in str(line["outcome"]).split("+"):
            if name and np.isfinite(line["return"]):
                returns.setdefault(name, []).append(line["return"])
    means = {name: float(np.mean(values)) for name, values in returns.items()}
    best = max(means.values(), default=0.0)
    worse = [name for name, mean in means.items() if mean < best]
    return sorted(worse, key=lambda name: (-len(returns[name]), name))


def _named_scores(recording: Recording) -> str:
    """The output with a number for each named action: q, logits, or empty."""
    shape = (len(recording.space.actions),)
    found = [n for n in ("q", "logits") if recording.outputs.get(n) == shape and shape != (0,)]
    return found[0] if found else ""


def has_values(recording: Recording) -> bool:
    """Whether the agent put out what it expected: a value, or q."""
    return "value" in recording.outputs or "q" in recording.outputs


def _advantage(way: str) -> Callable[[Recording], list[Ask]]:
    def queries(recording: Recording) -> list[Ask]:
        if not has_values(recording):
            return []
        return [Ask("", "advantage", way, "advantage", "return")]

    return queries


def _jumps(recording: Recording) -> list[Ask]:
    number = "abs(value@t+1 - value)"
    return [Ask("", number, "top", "change of value", "return")] if has_values(recording) else []


def _indecision(recording: Recording) -> list[Ask]:
    scores = _named_scores(recording)
    if scores == "logits":
        return [Ask("", "entropy", "top", "entropy", "nats")]
    return [Ask("", "margin", "bottom", "margin", "return")] if scores else []


def _failures(recording: Recording) -> list[Ask]:
    number, name = ("value", "value at the end") if has_values(recording) else ("", "")
    asks = []
    for outcome in bad_outcomes(recording):
        query = f"outcome == {outcome} and step == steps - 1"
        asks.append(Ask(query, number, "top", name, "return" if name else "", outcome))
    if not asks and recording.episodes["return"].nunique() > 1:
        asks.append(Ask("step == steps - 1 and reward == reward", "", "", "", ""))
    return asks


KINDS: dict[str, Kind] = {
    "better": Kind(
        "Better than expected",
        "Largest advantage: what followed was worth more than the agent expected.",
        _advantage("top"),
    ),
    "worse": Kind(
        "Worse than expected",
        "Smallest advantage: what followed was worth less than the agent expected.",
        _advantage("bottom"),
    ),
    "jump": Kind("Value jumps", "Largest change of the value from one step to the next.", _jumps),
    "undecided": Kind("Undecided", "Where the agent had least preference for an action.",
                      _indecision),
    "failure": Kind(
        "Failures",
        "The last steps of episodes that ended badly; first where the agent still expected most.",
        _failures,
    ),
}  # fmt: skip


def choose(
    recording: Recording,
    clips: int = 12,
    kinds: Sequence[str] | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> list[Moment]:
    """The telling moments of a recording, in the order of their kinds.

    Args:
        recording: an open recording.
        clips: how many at most; kinds, and of failures outcomes, take turns.
        kinds: names of ``KINDS``; all by default.
        seed: draws the order of moments where nothing ranks them.
        progress: called with each kind that was gone through.

    Returns:
        At most one moment an episode and kind; no two clips share a step.

    Raises:
        UnknownName: no such kind.
        PolicyscopeError: there is nothing to choose by.

    Cost: one pass over the columns of each kind's number.
    """
    if clips < 1:
        raise PolicyscopeError(f"at least 1 clip must be asked for, got {clips}")
    names = list(dict.fromkeys(KINDS if kinds is None else kinds))
    for name in names:
        if name not in KINDS:
            raise UnknownName("kind of moment", name, KINDS)
    waiting: list[Iterator[Moment]] = []
    # failures have fewest to choose from
    for name in sorted(names, key=lambda name: name != "failure"):
        asks = KINDS[name].queries(recording)
        waiting += [_moments(recording, name, ask, _found(recording, ask, seed)) for ask in asks]
        (progress or (lambda _: None))(name)
    chosen: list[Moment] = []
    while waiting and len(chosen) < clips:
        for moments in list(waiting):
            moment = next((m for m in moments if _fits(m, chosen)), None)
            if moment is None:
                waiting.remove(moments)
            elif len(chosen) < clips:
                chosen.append(moment)
    if not chosen:
        raise PolicyscopeError(
            f"{recording.path}: there is nothing to choose moments by: it has no {_lacking(names)}"
        )
    return sorted(chosen, key=lambda m: names.index(m.kind))


def _lacking(names: Sequence[str]) -> str:
    needs = {"undecided": "scores of named actions", "failure": "outcomes or returns that differ"}
    return ", no ".join(dict.fromkeys(needs.get(name, "values") for name in names))


def _fits(moment: Moment, chosen: Sequence[Moment]) -> bool:
    same = [m for m in chosen if m.episode == moment.episode]
    apart = all(m.last < moment.first or moment.last < m.first for m in same)
    return apart and all(m.kind != moment.kind for m in same)


def _moments(recording: Recording, kind: str, ask: Ask, found: pd.DataFrame) -> Iterator[Moment]:
    """Moments of one query, strongest first; of each episode one."""
    strength = found["number"].to_numpy() * (1 if ask.way == "top" else -1)
    # equal numbers share the better place
    ranks = [int(np.searchsorted(-strength, -s, side="left")) + 1 for s in strength]
    ranked, of = bool(ask.number), _of(recording, ask)
    if ask.outcome:
        among = f"episodes with the outcome {ask.outcome.replace('_', ' ')}"
    else:
        among = "steps" if ranked else "episodes"
    seen = set[int]()
    for line, rank in zip(found.to_dict("records"), ranks, strict=True):
        episode, step = int(line["episode"]), int(line["until"])
        if episode in seen:
            continue
        seen.add(episode)
        first, last = clip_range(recording, episode, step, ends=kind == "failure")
        place = rank if ranked and rank <= LOOKED_THROUGH else None
        yield Moment(
            kind, episode, step, first, last,
            float(line["number"]) if ranked else float("nan"), ask.name, ask.unit,
            place, of, among,
            ask.text(place or LOOKED_THROUGH) if ranked else ask.query,
            _why(recording, kind, ask, line, place, of, among),
            str(line["outcome"]), float(line["return"]),
        )  # fmt: skip


def _found(recording: Recording, ask: Ask, seed: int) -> pd.DataFrame:
    try:
        found = find(recording, ask.text(LOOKED_THROUGH))
    except BadQuery:  # the agent has no such number
        return find(recording, "step < 0")
    if ask.number:
        more = find(recording, ask.text(LOOKED_THROUGH), one_per_episode=True)
        rest = more[~more["episode"].isin(found["episode"])]
        return pd.concat([found, rest], ignore_index=True) if len(rest) else found
    order = np.random.default_rng(seed).permutation(len(found))
    drawn = found.iloc[order]
    return drawn if ask.outcome else drawn.sort_values("return", kind="stable")


def _of(recording: Recording, ask: Ask) -> int:
    if not ask.outcome:
        return int(recording.episodes["steps"].sum()) if ask.number else len(recording)
    ended = recording.episodes["outcome"].astype(str).str.split("+")
    return int(ended.apply(lambda parts: ask.outcome in parts).sum())


def clip_steps(recording: Recording) -> int:
    """Steps of a clip: what three seconds show of episodes as long as the recording's."""
    middle = float(recording.episodes["steps"].median())
    return int(np.clip(round(0.6 * middle), _FEWEST, _MOST))


def clip_range(recording: Recording, episode: int, step: int, ends: bool) -> tuple[int, int]:
    """First and last step of a clip: two thirds of it come before the moment, or all.

    Args:
        recording: an open recording.
        episode: number of the episode.
        step: of the moment.
        ends: whether the clip ends with the moment.
    """
    steps, length = int(recording.line(episode)["steps"]), clip_steps(recording)
    before = length - 1 if ends else length * 2 // 3
    first = max(0, min(step - before, steps - length))
    return first, min(steps - 1, first + length - 1)


def _why(recording: Recording, kind: str, ask: Ask, line: dict, rank: int | None, of: int,
         among: str) -> str:  # fmt: skip
    """One sentence or two, with the number and its place."""
    number = float(line["number"])
    extreme = "largest" if ask.way == "top" else "smallest"
    place = f"{ordinal(rank)}{extreme} of {of:,} {among}" if rank else f"among {of:,} {among}"
    if kind in ("better", "worse"):
        return f"Advantage {signed(number)}: {place}.".replace("-", "\N{MINUS SIGN}", 1)
    if kind == "jump":
        rises = _rises(recording, int(line["episode"]), int(line["until"]))
        return (
            f"The value {'rises' if rises else 'falls'} by {rounded(number)} in one step: {place}."
        )
    if kind == "undecided" and ask.name == "entropy":
        most = np.log(len(recording.space.actions))
        return f"Entropy {rounded(number, 4)} of at most {rounded(most, 4)} nats: {place}."
    if kind == "undecided":
        return f"The best action leads the second by {rounded(number, 2)}: {place}."
    ended = ask.outcome.replace("_", " ")
    if not ended:
        return f"Return {rounded(line['return'])}: one of the lowest of {of:,} episodes."
    if rank is None:
        return f"Outcome {ended}: one of {of:,} such episodes."
    most = f"the {ordinal(rank)}most of {of:,} such episodes" if of > 1 else "the only such episode"
    return f"Outcome {ended} with {rounded(number)} still expected: {most}."


def _rises(recording: Recording, episode: int, step: int) -> bool:
    found = find_number(recording, episode, "value")
    return bool(found[step + 1] > found[step])


def find_number(recording: Recording, episode: int, number: str) -> np.ndarray:
    """A number of a query at every step of an episode.

    Args:
        recording: an open recording.
        episode: number of the episode.
        number: such as value, margin, entropy.
    """
    clause = parse_query(f"{number} top 1").choices[0][0]
    assert isinstance(clause, Ranked)
    return Numbers(number, of_episode(recording, episode), GAMMA, LAM).of(clause.number)


def ordinal(rank: int) -> str:
    """A rank before a superlative: nothing for the first.

    Example:
        >>> [ordinal(n) for n in (1, 2, 3, 11, 22)]
        ['', '2nd ', '3rd ', '11th ', '22nd ']
    """
    if rank == 1:
        return ""
    ending = (
        "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    )
    return f"{rank:,}{ending} "

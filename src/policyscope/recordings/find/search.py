"""Search a recording for the moments that a query describes, some shards at a time."""

import operator
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from policyscope.agents.agent import Agent
from policyscope.core.errors import UnknownName
from policyscope.envs.procgen.codes import CELLS, OBJECTS
from policyscope.recordings.arrays.steps import Steps, blocks
from policyscope.recordings.find.grammar import (
    BadQuery,
    Changes,
    Clause,
    Compare,
    Cross,
    Move,
    Named,
    Number,
    Quantity,
    Query,
    Ranked,
    Sum,
    parse_query,
)
from policyscope.recordings.find.numbers import Numbers, spans
from policyscope.recordings.levels import LEVEL
from policyscope.recordings.read import Recording
from policyscope.rollouts.summary import possible_outcomes

GAMMA, LAM = 0.99, 0.95
_COMPARE: dict[str, Callable[[np.ndarray, np.ndarray | float], np.ndarray]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """Steps that a list of clauses holds for.

    Args:
        episode: (N,) numbers of episodes.
        step: (N,) steps within them.
        number: (N,) what the first clause with a number gives, or the one that ranks; NaN without.
        strength: (N,) that number, or minus it where less is more telling.
    """

    episode: np.ndarray
    step: np.ndarray
    number: np.ndarray
    strength: np.ndarray

    def keep(self, rows: np.ndarray) -> "Found":
        """Some of them."""
        return Found(*(getattr(self, name)[rows] for name in _COLUMNS))


_COLUMNS = ("episode", "step", "number", "strength")


def find(
    recording: Recording,
    query: str | Query,
    one_per_episode: bool = False,
    gamma: float | None = None,
    lam: float | None = None,
) -> pd.DataFrame:
    """Moments of a recording that a query describes.

    Args:
        recording: an opened recording.
        query: e.g. ``value drops > 1 within 5``; ``grammar`` says what may stand in it.
        one_per_episode: of each episode, the strongest moment alone, of the first of its lists of
            clauses that holds for one.
        gamma: discount of advantages; default: the one that the agent was trained with, or 0.99.
        lam: decay of advantages; default: likewise, or 0.95.

    Returns:
        A line a moment: ``episode``, ``step``, ``until`` (the last of its successive steps),
        ``number`` (of the first clause that has one, at its strongest), ``outcome`` and
        ``return`` of the episode. Ranked moments come strongest first, others in order.

    Raises:
        BadQuery: the query cannot be read, or names what the recording does not have.

    Cost: reads the columns that the query speaks of, some 20,000 steps at a time.

    Example:
        ``find(open_recording("runs/rec"), "abs(advantage) top 20")``
    """
    search = Search(recording, query, one_per_episode, gamma, lam)
    while search.go_on():
        pass
    return search.table()


class Search:
    """A search that goes on by a block of steps whenever it is told to.

    Args:
        recording: as for ``find``, and so are the others.
        query: what is looked for.
        one_per_episode: of each episode, the strongest moment alone.
        gamma: discount of advantages.
        lam: decay of advantages.

    Raises:
        BadQuery: as for ``find``; by ``go_on`` too.
    """

    def __init__(
        self,
        recording: Recording,
        query: str | Query,
        one_per_episode: bool = False,
        gamma: float | None = None,
        lam: float | None = None,
    ):
        self.query = parse_query(query) if isinstance(query, str) else query
        _require_names(self.query, recording)
        own = _trained_with(recording)
        self.recording, self.one_per_episode = recording, one_per_episode
        self.gamma = own.get("gamma", GAMMA) if gamma is None else gamma
        self.lam = own.get("lam", LAM) if lam is None else lam
        self._bootstraps = bool(own.get("truncation_bootstraps", True))
        #: Steps gone through.
        self.done = 0
        self._kinds: set[str] = set()
        self._best: list[Found] = [_joined([]) for _ in self.query.choices]
        self._tables: list[list[pd.DataFrame]] = [[] for _ in self.query.choices]
        self._blocks = blocks(recording)

    def go_on(self) -> bool:
        """Go through one more block; False where there was none."""
        steps = next(self._blocks, None)
        if steps is None:
            known = self._kinds | possible_kinds(self.recording.env.id)
            _require_kinds(self.query, known)
            return False
        numbers = Numbers(
            self.query.text, steps, self.gamma, self.lam, self._bootstraps, self._kinds
        )
        for i, choice in enumerate(self.query.choices):
            held = _held(choice, numbers, self.recording)
            ranked = _ranked(choice)
            if ranked:
                self._best[i] = _best(_joined([self._best[i], held]), ranked, self.one_per_episode)
            else:  # episodes lie whole in a block, so no moment goes on in the next
                self._tables[i].append(_lines(held, False, self.one_per_episode))
        self.done += len(steps)
        return True

    def table(self) -> pd.DataFrame:
        """What ``find`` gives, of the steps gone through."""
        tables = [
            _lines(best, True, self.one_per_episode) if _ranked(choice) else _in_order(tables)
            for choice, best, tables in zip(
                self.query.choices, self._best, self._tables, strict=True
            )
        ]
        table = pd.concat(tables, ignore_index=True).drop_duplicates(["episode", "step", "until"])
        if self.one_per_episode:
            table = table.drop_duplicates("episode")
        if not any(_ranked(choice) for choice in self.query.choices):
            table = table.sort_values(["episode", "step"])
        columns = ("episode", LEVEL, "outcome", "return")
        told = self.recording.episodes.filter(columns)
        return table.merge(told, on="episode", how="left")


def _in_order(tables: list[pd.DataFrame]) -> pd.DataFrame:
    none = _lines(_joined([]), False, False)
    return pd.concat([none, *tables], ignore_index=True).sort_values(["episode", "step"])


def _held(choice: tuple[Clause, ...], numbers: Numbers, recording: Recording) -> Found:
    steps = numbers.steps
    mask, shown, sign = np.ones(len(steps), bool), None, 1.0
    for clause in choice:
        holds, number = _clause(clause, numbers, recording)
        mask &= holds
        if number is not None and (shown is None or isinstance(clause, Ranked)):
            shown, sign = number, _sign(clause)
    number = np.full(len(steps), np.nan) if shown is None else shown
    every = Found(steps.episode, steps.step, number, np.nan_to_num(sign * number))
    return every.keep(np.flatnonzero(mask))


def _sign(clause: Clause) -> float:
    less = isinstance(clause, Compare) and clause.operator in ("<", "<=")
    least = isinstance(clause, Ranked) and clause.way == "bottom"
    return -1.0 if less or least else 1.0


def _clause(
    clause: Clause, numbers: Numbers, recording: Recording
) -> tuple[np.ndarray, np.ndarray | None]:
    """Where a clause holds, and its number."""
    steps = numbers.steps
    if isinstance(clause, Compare):
        left, right = numbers.of(clause.left), numbers.of(clause.right)
        known = ~(np.isnan(left) | np.isnan(right))
        return _COMPARE[clause.operator](left, right) & known, left
    if isinstance(clause, Ranked):
        number = numbers.of(clause.number)
        return np.isfinite(number), number
    if isinstance(clause, Move):
        size = _moved(numbers.of(clause.number), clause, steps)
        return _COMPARE[clause.operator](size, clause.size), size
    if isinstance(clause, Cross):
        number = numbers.of(clause.number)
        above = number > clause.level
        passed = _same_episode(steps) & (above != np.roll(above, 1))
        return passed & np.isfinite(number) & np.isfinite(np.roll(number, 1)), number
    if isinstance(clause, Changes):
        action = steps.column("action").reshape(len(steps), -1)
        return _same_episode(steps) & (action != np.roll(action, 1, 0)).any(1), None
    return _named(clause, steps, recording) == clause.same, None


def _named(clause: Named, steps: Steps, recording: Recording) -> np.ndarray:
    if clause.what == "action":
        return steps.column("action") == recording.space.actions.index(clause.name)
    table = recording.episodes
    ended = {
        int(k): clause.name in (outcome, *str(outcome).split("+"))
        for k, outcome in zip(table["episode"], table["outcome"], strict=True)
    }
    return np.array([ended[int(k)] for k in steps.episode], bool)


def _same_episode(steps: Steps) -> np.ndarray:
    """Whether the row before is the step before."""
    same = steps.episode == np.roll(steps.episode, 1)
    same[:1] = False
    return same


def _moved(number: np.ndarray, move: Move, steps: Steps) -> np.ndarray:
    """How far a number falls or rises at most within some steps; -inf at an episode's last one."""
    sign = -1.0 if move.way == "drops" else 1.0
    most = np.full(len(number), -np.inf)
    for one in spans(steps):
        values = sign * number[one]
        change = _highest(values[1:], move.within) - values[:-1]
        most[one][:-1] = np.where(np.isnan(change), -np.inf, change)
    return most


def _highest(values: np.ndarray, within: int) -> np.ndarray:
    """The largest of each number and those after it, ``within`` in all; doubles what it covers."""
    best, covers = values.copy(), 1
    while covers < min(within, len(values)):
        further = min(covers, within - covers)
        best[:-further] = np.fmax(best[:-further], best[further:])
        covers += further
    return best


def _ranked(choice: tuple[Clause, ...]) -> Ranked | None:
    return next((clause for clause in choice if isinstance(clause, Ranked)), None)


def _best(found: Found, ranked: Ranked, one_per_episode: bool) -> Found:
    order = np.argsort(-found.strength, kind="stable")
    if one_per_episode:
        first = np.unique(found.episode[order], return_index=True)[1]
        order = order[np.sort(first)]
    return found.keep(order[: ranked.count])


def _joined(parts: list[Found]) -> Found:
    if not parts:
        return Found(np.zeros(0, int), np.zeros(0, int), np.zeros(0), np.zeros(0))
    return Found(*(np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS))


def _lines(found: Found, ranked: bool, one_per_episode: bool) -> pd.DataFrame:
    if not ranked:
        found = found.keep(np.lexsort((found.step, found.episode)))
    table = pd.DataFrame({name: getattr(found, name) for name in _COLUMNS})
    table["until"] = table["step"]
    if not ranked:
        successive = (table["episode"].diff() == 0) & (table["step"].diff() == 1)
        table["run"] = (~successive).cumsum()
        runs = table.groupby("run")
        strongest = table.loc[runs["strength"].idxmax()]
        table = runs.agg(episode=("episode", "first"), step=("step", "first"),
                         until=("until", "last")).reset_index(drop=True)  # fmt: skip
        for name in ("number", "strength"):
            table[name] = strongest[name].to_numpy()
        if one_per_episode:
            table = table.loc[table.groupby("episode")["strength"].idxmax()]
    return table[["episode", "step", "until", "number"]].reset_index(drop=True)


def _trained_with(recording: Recording) -> dict[str, float]:
    try:
        agent: Agent = recording.agent
    except UnknownName:
        return {}
    config = agent.card.get("config", {})
    names = ("gamma", "lam", "truncation_bootstraps")
    return {name: float(config[name]) for name in names if name in config}


def _require_names(query: Query, recording: Recording) -> None:
    for clause in (clause for choice in query.choices for clause in choice):
        if not isinstance(clause, Named):
            continue
        if clause.what == "action":
            names = set(recording.space.actions)
        else:
            whole = set(recording.episodes["outcome"].astype(str)) - {""}
            names = whole.union(possible_outcomes(recording.env.id), *(o.split("+") for o in whole))
        if clause.name not in names:
            error = str(UnknownName(clause.what, clause.name, names)).removesuffix(".")
            raise BadQuery(query.text, clause.at, f"in this recording, {error}")


def possible_kinds(env: str) -> set[str]:
    """Kinds of entities that scenes of an environment can have; none where they are not known.

    Args:
        env: its name.

    Example:
        >>> sorted(possible_kinds("procgen/maze"))
        ['cheese', 'mouse', 'wall']
    """
    if env.startswith("highway/"):
        return {"ego", "vehicle"}
    start, _, game = env.partition("/")
    tables = (CELLS, OBJECTS) if start == "procgen" else ()
    return {kind for table in tables for kind in table.get(game, {}).values()}


def _require_kinds(query: Query, known: set[str]) -> None:
    for quantity in _quantities(query):
        if quantity.entity and quantity.entity not in known:
            error = str(UnknownName("kind of entity", quantity.entity, known)).removesuffix(".")
            raise BadQuery(query.text, quantity.at, f"in this recording, {error}")


def _quantities(query: Query) -> list[Quantity]:
    found: list[Quantity] = []

    def walk(number: Number | None) -> None:
        if isinstance(number, Quantity):
            found.append(number)
        if isinstance(number, Sum):
            walk(number.left)
            walk(number.right)

    for clause in (clause for choice in query.choices for clause in choice):
        for name in ("left", "right", "number"):
            walk(getattr(clause, name, None))
    return found

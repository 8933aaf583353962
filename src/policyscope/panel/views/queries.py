"""Queries that suit a recording: what it holds is named in them, their sizes are its own."""

import math
from collections.abc import Iterator

import numpy as np

from policyscope.core.errors import PolicyscopeError
from policyscope.recordings.arrays.steps import Steps, of_episode
from policyscope.recordings.find.grammar import BadQuery, Compare, parse_query
from policyscope.recordings.find.numbers import Numbers
from policyscope.recordings.read import Recording

MOST = 6


def examples(recording: Recording) -> list[str]:
    """Queries to begin with, the most telling first; none where no episode can be read.

    Args:
        recording: an opened recording; its first episode tells sizes and kinds of entities.
    """
    if not len(recording):
        return []
    try:
        steps = of_episode(recording, int(recording.episodes["episode"].iloc[0]))
        return list(_queries(recording, steps))[:MOST]
    except PolicyscopeError:
        return []


def _queries(recording: Recording, steps: Steps) -> Iterator[str]:
    actions, outputs = recording.space.actions, recording.outputs
    scores = next((name for name in ("q", "logits") if name in outputs), "")
    value = _numbers(steps, "value")
    if value is not None:
        yield "abs(advantage) top 20"
        yield f"value drops > {_short(np.ptp(value) / 4)} within 5"
    outcome = _rare_outcome(recording)
    near = _nearest(steps)
    if outcome and near:
        yield f"outcome == {outcome} and {near}"
    elif outcome:
        yield f"outcome == {outcome} and step >= steps - 3"
    if scores and len(actions) > 1:
        term = "q" if scores == "q" else "logit"
        yield "margin bottom 20"
        yield f"{term}[{actions[-1]}]-{term}[{actions[0]}] crosses 0"
    if len(actions) > 1:
        taken = np.bincount(steps.column("action").astype(int), minlength=len(actions))
        if np.count_nonzero(taken) > 1:
            yield f"action == {actions[int(taken.argmax())]} and action changes"
    elif "mean" in outputs:
        yield "abs(mean[0]) top 20"
    yield "reward != 0"


def _rare_outcome(recording: Recording) -> str:
    """The outcome that fewest episodes ended by, of those that a query can name."""
    counts = recording.episodes["outcome"].astype(str).value_counts()
    return next((name for name in reversed(counts.index) if _reads(f"outcome == {name}")), "")


def _nearest(steps: Steps) -> str:
    """A clause of the most frequent kind of entity beside the one who acts."""
    table = steps.entity_columns(["identity", "kind"])
    others = table["kind"][table["identity"] != 0]
    kinds, counts = np.unique(others, return_counts=True)
    for kind in kinds[np.argsort(-counts, kind="stable")]:
        number = f"entity({kind}).distance"
        if kind not in ("wall", "lava") and _reads(f"{number} < 1"):
            far = _numbers(steps, number)
            if far is not None:
                return f"{number} < {_short(np.percentile(far, 25))}"
    return ""


def _numbers(steps: Steps, number: str) -> np.ndarray | None:
    """A quantity where it is known; None where it never is."""
    clause = parse_query(f"{number} > 0").choices[0][0]
    assert isinstance(clause, Compare)
    try:
        values = Numbers(number, steps, 1.0, 1.0).of(clause.left)
    except BadQuery:
        return None
    known = values[np.isfinite(values)]
    return known if len(known) else None


def _reads(query: str) -> bool:
    try:
        parse_query(query)
    except BadQuery:
        return False
    return True


def _short(size: float) -> str:
    """A size in one or two figures, never 0."""
    if not size > 0:
        return "1"
    digits = max(0, 1 - math.floor(math.log10(size)))
    text = f"{size:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

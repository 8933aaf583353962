"""What the policy put out at a step, actions that do the same taken together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax

from policyscope.core.errors import PolicyscopeError
from policyscope.core.numbers import rounded
from policyscope.core.target_parser import Term, parse_target
from policyscope.envs.actions import action_names, effects
from policyscope.recordings.arrays.steps import rows_of_episode
from policyscope.recordings.read import Recording
from policyscope.reports.parts import Numbers

_OUTPUT = {"q": "q", "categorical": "logits", "gaussian": "mean"}


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
    values = values_of_head(head, outputs)
    if head == "gaussian" or not names:
        parts = tuple(f"action {i}" for i in range(len(values)))
        return Numbers("mean of the action", parts, values, None, None, told)
    kind, executed = "Q-value" if head == "q" else "probability", int(action)
    groups = effects(recording.env.id, names)
    actions = tuple(tuple(sorted(group, key=lambda i: -values[i])) for _, group in groups)
    whole = joined(kind, values, actions)
    taken = next(i for i, group in enumerate(actions) if executed in group)
    return Numbers(
        kind, tuple(name for name, _ in groups), whole, taken, int(np.argmax(whole)), told,
        actions, tuple(action_names(recording.env.id, names)), tuple(names), values, executed,
    )  # fmt: skip


def values_of_head(head: str, outputs: Any) -> tuple[float, ...]:
    """A number for each action: Q-values, probabilities, or means.

    Args:
        head: of the agent.
        outputs: of one decision, by name.
    """
    values = np.ravel(outputs[_OUTPUT[head]]).astype(float)
    return tuple((softmax(values) if head == "categorical" else values).tolist())


def joined(
    kind: str, values: tuple[float, ...], groups: tuple[tuple[int, ...], ...]
) -> tuple[float, ...]:
    """Numbers of actions that do the same: the sum of probabilities, the largest Q-value.

    Args:
        kind: probability or Q-value.
        values: one for each action.
        groups: numbers of the actions that do the same.

    Example:
        >>> joined("probability", (0.25, 0.25, 0.5), ((0,), (2, 1)))
        (0.25, 0.75)
    """
    whole = sum if kind == "probability" else max
    return tuple(whole(values[i] for i in group) for group in groups)


@dataclass(frozen=True)
class Alone:
    """An action that is read by itself although others do the same.

    Args:
        term: of the target that reads it.
        action: its name.
        told: the term, the action, its number, and that of all that do the same, in words.
    """

    term: str
    action: str
    told: str


def read_alone(numbers: Numbers | None, target: str) -> list[Alone]:
    """Actions that a target reads by themselves although others do the same.

    Where it names all that do the same, as a mean over all actions does, none is alone.

    Args:
        numbers: of the policy at the step.
        target: what is attributed.
    """
    if numbers is None or not numbers.single:
        return []
    terms = [
        term for term in parse_target(target).terms
        if term.kind in ("q", "logit", "logp") and not term.offset
    ]  # fmt: skip
    read = {str(term): (term.name, _read(numbers, term)) for term in terms}
    named = {action for name, action in read.values() if name not in ("taken", "best")}
    found = []
    for text, (name, action) in read.items():
        group = next((group for group in numbers.actions if action in group), ())
        if len(group) < 2 or (name not in ("taken", "best") and named >= set(group)):
            continue
        key = numbers.keys[action]
        found.append(Alone(text, key, f"{text} is of {key} alone {_among(numbers, action)}"))
    return found


def _read(numbers: Numbers, term: Term) -> int:
    """Number of the action that a term reads."""
    if term.name == "taken":
        return -1 if numbers.executed is None else numbers.executed
    if term.name == "best":
        return int(np.argmax(numbers.single))
    return term.index[0] if term.index else numbers.keys.index(term.name)


def executed_words(numbers: Numbers) -> str:
    """The executed action and its number, where others do the same; else empty.

    Args:
        numbers: of the policy at the step.
    """
    done = numbers.executed
    if done is None or numbers.taken is None or len(numbers.actions[numbers.taken]) < 2:
        return ""
    return f"{numbers.keys[done]} {_among(numbers, done)}"


def _among(numbers: Numbers, action: int) -> str:
    """The number of one of several actions that do the same, and theirs."""
    place = next(i for i, group in enumerate(numbers.actions) if action in group)
    how = "together" if numbers.kind == "probability" else "at most"
    return (
        f"({numbers.kind} {rounded(numbers.single[action])}), one of "
        f"{len(numbers.actions[place])} actions with the effect {numbers.called(place)} "
        f"({rounded(numbers.values[place])} {how})"
    )

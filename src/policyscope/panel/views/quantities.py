"""One number for each step: what tracks are made of, whether of one episode or of all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from policyscope.core.target_parser import Target, Term, parse_target
from policyscope.panel.contract.recording import TrackInfo
from policyscope.recordings.arrays.steps import Steps, blocks
from policyscope.recordings.arrays.targets import of_target
from policyscope.recordings.read import Recording

_UNITS = {"q": "return", "value": "return", "logit": "logit", "logp": "nats", "entropy": "nats"}


@dataclass(frozen=True)
class Quantity:
    """A number per step that every episode has.

    Args:
        info: how it is listed.
        of: gives (N,) for steps of whole episodes.
        python: line that gives it for the whole recording; empty where ``track`` does.
    """

    info: TrackInfo
    of: Callable[[Steps], np.ndarray]
    python: str = ""


def target_quantity(text: str, recording: Recording) -> Quantity:
    """A target as a quantity.

    Args:
        text: e.g. ``q[FASTER]-q[SLOWER]@t+3``.
        recording: decides the names of actions.

    Raises:
        BadTarget: it cannot be read; the message lists what is valid.
        UnknownName: no such kind of term.
    """
    target = parse_target(text)
    actions = recording.space.actions
    info = TrackInfo(name=text, unit=_unit(target), group=_group(target, text), source="target")
    return Quantity(info, lambda steps: of_target(target, actions, steps))


def over_all(quantities: Sequence[Quantity], recording: Recording) -> list[np.ndarray]:
    """Quantities at every step of a recording, in the order of the shards.

    Args:
        quantities: what to evaluate; what they share is read once.
        recording: an opened recording.

    Returns:
        (N,) float32 for each, int32 where the quantity gives that.

    Cost: memory of about 20,000 steps of the columns that they read.
    """
    parts = [[_small(q.of(steps)) for q in quantities] for steps in blocks(recording)]
    if not parts:
        return [np.zeros(0, np.float32) for _ in quantities]
    return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]


def _small(numbers: np.ndarray) -> np.ndarray:
    return numbers if numbers.dtype == np.int32 else np.asarray(numbers, np.float32)


def _unit(target: Target) -> str:
    units = {_UNITS.get(term.kind, "") for term in target.terms}
    return units.pop() if len(units) == 1 else ""


def _group(target: Target, text: str) -> str:
    """One action's number shares the axis of its kind; a sum or difference has its own."""
    term: Term = target.terms[0]
    alone = len(target.terms) == 1 and term.factor == 1
    return {"q": "q", "logit": "logits"}.get(term.kind, text) if alone else text

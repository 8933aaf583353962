"""One number for each step: what tracks are made of, whether of one episode or of all."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from policyscope.core.target_parser import Target, Term, parse_target
from policyscope.core.targets import at_offsets, evaluate_terms
from policyscope.panel.contract.recording import TrackInfo
from policyscope.recordings.read import Recording
from policyscope.recordings.steps import Steps, blocks

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


def of_target(target: Target, actions: tuple[str, ...], steps: Steps) -> np.ndarray:
    """A target at each step; NaN where it looks beyond the end of an episode.

    Args:
        target: what to evaluate.
        actions: names of the actions.
        steps: of whole episodes.

    Returns:
        (N,) float32.

    Raises:
        UnknownName: an output, site or action that was not recorded.
        PolicyscopeError: the agent has no such quantity.
    """
    executed = any(term.name == "taken" for term in target.terms)
    values = evaluate_terms(
        target,
        _Columns(steps, {name: name for name in steps.recording.outputs}),
        _Columns(steps, {name: f"sites/{name}" for name in steps.recording.sites}),
        actions,
        torch.as_tensor(steps.column("action")) if executed else None,
    )
    return at_offsets(target, values, torch.as_tensor(steps.episode)).numpy()


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


class _Columns(Mapping[str, Tensor]):
    """Columns as tensors by short name, read when a target asks for them."""

    def __init__(self, steps: Steps, stored: dict[str, str]):
        self._steps, self._stored = steps, stored

    def __getitem__(self, name: str) -> Tensor:
        return torch.as_tensor(self._steps.column(self._stored[name]))

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


def _unit(target: Target) -> str:
    units = {_UNITS.get(term.kind, "") for term in target.terms}
    return units.pop() if len(units) == 1 else ""


def _group(target: Target, text: str) -> str:
    """One action's number shares the axis of its kind; a sum or difference has its own."""
    term: Term = target.terms[0]
    alone = len(target.terms) == 1 and term.factor == 1
    return {"q": "q", "logit": "logits"}.get(term.kind, text) if alone else text

"""Targets at the steps of a recording."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from policyscope.core.target_parser import Target
from policyscope.core.targets import at_offsets, evaluate_terms, needed_sites
from policyscope.recordings.arrays.steps import Steps
from policyscope.recordings.plan import thinned_error


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
        PolicyscopeError: the agent has no such quantity, or it was not kept at every step.
    """
    plan = steps.recording.plan
    for name in needed_sites(target):
        if name in plan.thinned:
            raise thinned_error(f"sites/{name}", plan)
    sites = [name for name in steps.recording.sites if name not in plan.thinned]
    executed = any(term.name == "taken" for term in target.terms)
    values = evaluate_terms(
        target,
        _Columns(steps, {name: name for name in steps.recording.outputs}),
        _Columns(steps, {name: f"sites/{name}" for name in sites}),
        actions,
        torch.as_tensor(steps.column("action")) if executed else None,
    )
    return at_offsets(target, values, torch.as_tensor(steps.episode)).numpy()


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

"""Baselines by name: what an activation is compared with."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from policyscope.attribution.score import INPUT, Score
from policyscope.core.errors import PolicyscopeError, UnknownName

BASELINES = ("zero", "mean", "blur", "row:K", "given")


@dataclass(frozen=True, eq=False)
class Baseline:
    """What an activation is compared with, and how a figure says it.

    Args:
        values: (N, ...), a tensor of its own.
        description: plain words, e.g. ``mean of 500 reference rows``.
    """

    values: Tensor
    description: str


def baseline(
    name: str,
    rest: Score,
    reference: Float[Tensor, "R ..."] | None = None,
    sigma: float = 3.0,
) -> Baseline:
    """A baseline for an activation, by name.

    ``zero``; ``mean`` of the reference rows; ``blur``, each map blurred by a Gaussian, its edges
    mirrored; ``row:K``, row K of the reference rows for everyone; ``given``, reference row i for
    row i, e.g. the same site at another step.

    Args:
        name: which baseline.
        rest: the target as a function of the activation.
        reference: (R, ...) activations of the same site; default for ``row:K`` are the rows that
            are explained.
        sigma: standard deviation of the blur, in pixels of the preprocessed frame, or in places of
            another map.

    Raises:
        UnknownName: no such baseline, or no such row.
        PolicyscopeError: reference rows are missing, of another shape or not finite, or a blur of
            what is no map or with a standard deviation that is not above 0.

    Example:
        >>> start = baseline("mean", rest, reference)  # doctest: +SKIP
        >>> integrated_gradients(rest, start.values)  # doctest: +SKIP
        >>> start.description  # doctest: +SKIP
        'mean of 500 reference rows'
    """
    kind, _, row = name.partition(":")
    if name == "zero":
        return Baseline(torch.zeros_like(rest.activation), "zero")
    if name == "mean":
        rows = _rows(name, rest, reference)
        mean = rows.double().mean(0).to(rest.activation)
        return Baseline(_for_all(mean, rest), f"mean of {len(rows)} reference rows")
    if name == "blur":
        unit = "pixels" if rest.site == INPUT else "places"
        words = f"blurred with a standard deviation of {sigma:g} {unit}"
        return Baseline(_blurred(rest, sigma), words)
    if name == "given":
        rows = _rows(name, rest, reference)
        if len(rows) != len(rest.activation):
            raise PolicyscopeError(
                f"the baseline 'given' has a row for each of the {len(rest.activation)} rows "
                f"explained; {len(rows)} are given"
            )
        return Baseline(rows.to(rest.activation).clone(), "a given row for each row")
    if kind != "row":
        raise UnknownName("baseline", name, BASELINES)
    own = reference is None
    rows = rest.activation if own else _rows(name, rest, reference)
    if row not in (valid := [str(i) for i in range(len(rows))]):
        raise UnknownName("baseline", name, (f"row:{i}" for i in valid))
    words = f"row {row} of the {'rows explained' if own else 'reference rows'}"
    return Baseline(_for_all(rows[int(row)].to(rest.activation), rest), words)


def _for_all(one: Tensor, rest: Score) -> Tensor:
    return one.expand_as(rest.activation).clone()


def _rows(name: str, rest: Score, reference: Tensor | None) -> Tensor:
    shape = tuple(rest.activation.shape[1:])
    if reference is None or not len(reference):
        raise PolicyscopeError(f"the baseline '{name}' needs reference rows of site '{rest.site}'")
    if tuple(reference.shape[1:]) != shape:
        raise PolicyscopeError(
            f"reference rows have shape {tuple(reference.shape[1:])}, site '{rest.site}' has shape "
            f"{shape}"
        )
    if not reference.isfinite().all():
        raise PolicyscopeError("the reference rows hold values that are not finite")
    return reference


def _blurred(rest: Score, sigma: float) -> Float[Tensor, "N C H W"]:
    maps = rest.activation
    if maps.dim() != 4:
        raise PolicyscopeError(
            f"the baseline 'blur' needs channels, rows and columns; site '{rest.site}' has shape "
            f"{tuple(maps.shape[1:])} (take zero, mean, row:K or given)"
        )
    if not sigma > 0:
        raise PolicyscopeError(f"a blur has a standard deviation above 0, not {sigma:g}")
    down, across = (
        torch.as_tensor(gaussian_filter1d(np.eye(extent), sigma, axis=0)).to(maps)
        for extent in maps.shape[2:]
    )
    return down @ maps @ across.T

"""Integrated gradients along curved paths through non-negative factors of a site's channels.

An activation is a = z H + r: how much z >= 0 of each of K factors is there, and what they leave. On
a path some factors come early and the others late:

p(t) = (z * c(t)) H + t r,   c_k(t) = 1 - (1 - t)^2 for early factors, t^2 for late ones
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import scipy
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from policyscope.attribution.asking.score import Score
from policyscope.attribution.methods.gradients import at_once, value_and_gradient
from policyscope.attribution.methods.paths import ends
from policyscope.core.errors import PolicyscopeError

CURVED_RULES = ("trapezoid", "right")


@dataclass(frozen=True, eq=False)
class Curved:
    """What each unit accounts for of F(activation) - F(0), a mean over P paths, for N rows.

    Args:
        values: (N, ...) in the target's unit.
        spread: (N, ...) standard deviation over the paths: what the choice of a path is worth; NaN
            with a single one.
        gap: (N,) F(activation) - F(0) minus the sum of the values.
        change: (N,) F(activation) - F(0).
        late: (P, K) factors that come late on each path.
        ups_and_downs: (N,) sum of the target's changes from step to step, unsigned, a mean over the
            paths.
    """

    values: Tensor
    spread: Tensor
    gap: Tensor
    change: Tensor
    late: Tensor
    ups_and_downs: Tensor


def curved_gradients(
    rest: Score,
    factors: Float[np.ndarray, "..."],
    rule: str = "trapezoid",
    steps: int = 32,
    most: int | None = 50,
    seed: int = 0,
) -> Curved:
    """Integrated gradients from zero, a mean over curved paths through factors of the channels.

    Args:
        rest: the target as a function of channels (N, C) or of a map (N, C, H, W).
        factors: (K, C) non-negative directions of the channels.
        rule: how a step's part of the path is weighted: trapezoid: with the mean gradient at both
            its ends; right: with that at its end, as the lineage does.
        steps: of a path; the lineage takes 10. Look at the gap: ReLUs bend the target near zero.
        most: paths, a random subset of them where there are more; odd numbers are rounded up. None
            takes all: 70 for 8 factors.
        seed: of the subset.

    Raises:
        PolicyscopeError: the site has no channels, factors of another number of channels, negative
            or not finite, no such rule, or fewer than 1 step or path.

    Cost: ``steps`` forward and backward passes from the site on for each row and path (one more at
    the start), and a least-squares problem of C x K for each place of a map.

    Reference: Hilton et al. 2020, appendix on attribution; ``get_multi_path_attr`` of its code.

    Example:
        >>> found = curved_gradients(rest, directions, steps=20)  # doctest: +SKIP
        >>> (found.gap.abs() / found.change.abs()).median()  # doctest: +SKIP
    """
    if rule not in CURVED_RULES:
        raise PolicyscopeError(f"curved paths take the rule {' or '.join(CURVED_RULES)}")
    if steps < 1 or (most is not None and most < 1):
        raise PolicyscopeError("curved paths take at least 1 step and 1 path")
    activation, count = rest.activation, len(rest.activation)
    present = non_negative(activation, factors)
    directions = torch.as_tensor(factors).to(activation)
    left = activation - _together(present, directions)
    late = torch.as_tensor(splits(len(directions), most, seed))
    total, squares = torch.zeros_like(activation).double(), torch.zeros_like(activation).double()
    ups_and_downs = total.new_zeros(count)
    pairs = torch.arange(count * len(late))  # every row on the first path, then on the second
    for some in pairs.split(at_once(rest)):
        rows = some % count
        found, bumps = _along(
            rest, present[rows], directions, left[rows], late[some // count], rows, rule, steps
        )
        total.index_add_(0, rows, found)
        squares.index_add_(0, rows, found**2)
        ups_and_downs.index_add_(0, rows, bumps)
    mean = total / len(late)
    variance = (squares / len(late) - mean**2).clamp(min=0) * len(late) / max(len(late) - 1, 1)
    spread = variance.sqrt() if len(late) > 1 else torch.full_like(mean, torch.nan)
    before, after = ends(rest, torch.zeros_like(activation))
    change = after - before
    gap = change - mean.flatten(1).sum(1)
    bumps = ups_and_downs / len(late)
    return Curved(mean.to(activation), spread.to(activation), gap, change, late, bumps)


def splits(factors: int, most: int | None = None, seed: int = 0) -> Bool[np.ndarray, "P K"]:
    """Which factors come late on each path: halves of them, each followed by its complement.

    Args:
        factors: K. Odd numbers are cut into unequal halves: then every set of K // 2 has a path.
        most: paths, rounded up to an even number; None takes all.
        seed: of the subset where there are more than that.

    Example:
        >>> splits(3).astype(int).tolist()
        [[1, 0, 0], [0, 1, 1], [0, 1, 0], [1, 0, 1], [0, 0, 1], [1, 1, 0]]
    """
    half, even = factors // 2, factors % 2 == 0
    many = comb(factors, half) // (2 if even else 1)
    wanted = many if most is None else min((most + 1) // 2, many)
    chosen: dict[tuple[int, ...], None]
    if wanted == many:
        every = combinations(range(factors), half)
        chosen = dict.fromkeys(one for one in every if not even or 0 in one)
    else:
        rng, chosen = np.random.default_rng(seed), {}
        while len(chosen) < wanted:
            rest = rng.permutation(np.arange(1 if even else 0, factors))
            one = sorted([0, *rest[: half - 1]] if even else rest[:half])
            chosen[tuple(int(factor) for factor in one)] = None
    late = np.array([[k in one for k in range(factors)] for one in chosen], dtype=bool)
    return np.stack([late, ~late], 1).reshape(-1, factors)


def non_negative(
    activation: Float[Tensor, "N ..."], factors: Float[np.ndarray, "..."]
) -> Float[Tensor, "N K ..."]:
    """How much of each factor is in the channels, by non-negative least squares at each place.

    Each place is solved for itself, so that a row gives the same numbers in every batch.

    Args:
        activation: (N, C) or (N, C, H, W).
        factors: (K, C) non-negative directions of the channels.

    Raises:
        PolicyscopeError: no channels, or factors of another number of channels, negative or not
            finite.

    Cost: some 10 microseconds for each place.

    Reference: Lawson & Hanson 1974, chapter 23.
    """
    if activation.dim() not in (2, 4):
        raise PolicyscopeError(
            f"factors need channels (C,) or a map of them (C, H, W); the site has shape "
            f"{tuple(activation.shape[1:])}"
        )
    directions = np.asarray(factors, dtype=np.float64)
    channels = activation.shape[1]
    if directions.ndim != 2 or not len(directions) or directions.shape[1] != channels:
        raise PolicyscopeError(
            f"factors of shape (K, {channels}) are needed, got {tuple(directions.shape)}"
        )
    if not (np.isfinite(directions).all() and (directions >= 0).all()):
        raise PolicyscopeError("the factors hold values that are negative or not finite")
    last = activation.detach().movedim(1, -1)
    places = last.double().cpu().numpy().reshape(-1, channels)
    across = np.ascontiguousarray(directions.T)
    found = np.zeros((len(places), len(directions)))
    for place in np.flatnonzero((places > 0).any(1)):  # elsewhere nothing of any factor is there
        found[place] = scipy.optimize.nnls(across, places[place])[0]
    shaped = torch.from_numpy(found).view(*last.shape[:-1], len(directions))
    return shaped.movedim(-1, 1).to(activation)


def _along(
    rest: Score,
    present: Float[Tensor, "M K ..."],
    directions: Float[Tensor, "K C"],
    left: Float[Tensor, "M C ..."],
    late: Bool[Tensor, "M K"],
    rows: Int[Tensor, " M"],
    rule: str,
    steps: int,
) -> tuple[Float[Tensor, "M ..."], Float[Tensor, " M"]]:
    """What each unit accounts for along a path of each row, and the target's ups and downs."""

    def at(time: float) -> Tensor:
        come = torch.where(late, time**2, 1 - (1 - time) ** 2).to(present)
        share = come.view(*come.shape, *[1] * (present.dim() - 2))
        return _together(present * share, directions) + time * left

    point = torch.zeros_like(left)
    height, slope = value_and_gradient(rest, point, rows)
    total = torch.zeros_like(left).double()
    ups_and_downs = total.new_zeros(len(left))
    for step in range(1, steps + 1):
        later = at(step / steps)
        higher, steeper = value_and_gradient(rest, later, rows)
        mean = (slope + steeper) / 2 if rule == "trapezoid" else steeper
        total += mean * (later - point)
        ups_and_downs += (higher - height).double().abs()
        point, slope, height = later, steeper, higher
    return total, ups_and_downs


def _together(present: Float[Tensor, "M K ..."], directions: Float[Tensor, "K C"]) -> Tensor:
    """The channels that an amount of each factor makes up."""
    return torch.einsum("mk...,kc->mc...", present, directions)

"""Integrated gradients: the target's change along a path, shared out over what changed.

    IG_i = (x_i - b_i) * integral over a in [0, 1] of dF/dx_i (b + a (x - b))

Their sum is F(x) - F(b); what a sum over finitely many points misses of it is the *gap*.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from policyscope.attribution.asking.score import Score, whole_baseline
from policyscope.attribution.methods.gradients import at_once, value_and_gradient
from policyscope.core.errors import PolicyscopeError, UnknownName

RULES = ("adaptive", "right", "left", "midpoint", "trapezoid", "gauss")
#: Intervals that an adaptive path begins with, and how many are halved in one round.
FIRST, HALVED = 8, 4
#: An interval shorter than this is not halved: the target jumps in it.
SHORTEST = 1e-5
#: A target that hardly changes from end to end is held to this share of its ups and downs.
FLOOR = 0.1
#: Numbers of gradients that adaptive paths keep at once.
MOST_KEPT = 2**26


@dataclass(frozen=True, eq=False)
class Attributed:
    """What each unit accounts for of F(activation) - F(baseline), for N rows.

    Args:
        values: (N, ...) in the target's unit.
        gap: (N,) F(activation) - F(baseline) minus the sum of the values.
        change: (N,) F(activation) - F(baseline).
        steps: (N,) points at which the gradient was taken.
        missed: (N,) sum over the path's intervals of what each missed, unsigned: a bound of the
            gap that does not profit from errors that cancel. NaN where intervals were not watched.
    """

    values: Tensor
    gap: Tensor
    change: Tensor
    steps: Tensor
    missed: Tensor


def integrated_gradients(
    rest: Score,
    baseline: Float[Tensor, "N ..."] | float = 0.0,
    rule: str = "adaptive",
    steps: int = 32,
    tolerance: float = 0.01,
    most: int = 256,
) -> Attributed:
    """Integrated gradients along the straight path from a baseline.

    The rule ``adaptive`` halves the intervals that miss most: what an interval misses is known
    exactly, as the target is known at its ends. It stops once the gap is within the tolerance.

    Args:
        rest: the target as a function of the activation.
        baseline: where the path begins, (N, ...) or one number.
        rule: adaptive; right, left or midpoint sums, trapezoids, or Gauss-Legendre points.
        steps: points, for rules that are not adaptive.
        tolerance: largest gap, as a share of the target's change, for the adaptive rule.
        most: points at which an adaptive path stops.

    Raises:
        UnknownName: no such rule.
        PolicyscopeError: fewer than 1 step, or ``most`` below 9.

    Cost: a forward and backward pass from the site on for each row and point. Memory does not grow
    with the number of points.

    Reference: Sundararajan et al. 2017, section 3.

    Example:
        >>> from policyscope.attribution.asking.score import Decisions, score
        >>> rest = score(agent, target, Decisions(obs), "2b.relu")  # doctest: +SKIP
        >>> integrated_gradients(rest).gap.abs().max()  # doctest: +SKIP
    """
    if rule not in RULES:
        raise UnknownName("rule", rule, RULES)
    if steps < 1 or most <= FIRST:
        raise PolicyscopeError(f"a path has at least 1 step, an adaptive one {FIRST + 1}")
    start = whole_baseline(baseline, rest.activation)
    if rule == "adaptive":
        return _adaptive(rest, start, tolerance, most)
    return _fixed(rest, start, *nodes(rule, steps))


def nodes(rule: str, steps: int) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"]]:
    """Points in [0, 1] and their weights.

    Args:
        rule: right, left, midpoint, trapezoid or gauss.
        steps: S, how many points.

    Example:
        >>> nodes("right", 4)[0].tolist()
        [0.25, 0.5, 0.75, 1.0]
    """
    if rule == "gauss":
        at, weights = np.polynomial.legendre.leggauss(steps)
        return (at + 1) / 2, weights / 2
    if rule == "trapezoid" and steps > 1:
        weights = np.full(steps, 1 / (steps - 1))
        weights[[0, -1]] /= 2
        return np.linspace(0, 1, steps), weights
    shift = {"right": 1.0, "left": 0.0}.get(rule, 0.5)
    return (np.arange(steps) + shift) / steps, np.full(steps, 1 / steps)


def ends(rest: Score, start: Float[Tensor, "N ..."]) -> tuple[Tensor, Tensor]:
    """The target at the baseline and at the activation, (N,) float64 each."""
    found: tuple[list[Tensor], list[Tensor]] = ([], [])
    with torch.no_grad():
        for rows in torch.arange(len(start)).split(at_once(rest)):
            for values, side in zip((start, rest.activation), found, strict=True):
                side.append(rest(values[rows], rows).double())
    return torch.cat(found[0]), torch.cat(found[1])


def _fixed(rest: Score, start: Tensor, at: np.ndarray, weights: np.ndarray) -> Attributed:
    span, count = rest.activation - start, len(start)
    total = torch.zeros_like(span)
    where, share = torch.as_tensor(at).to(span), torch.as_tensor(weights).to(span)
    pairs = torch.arange(count * len(at))  # every row at the first point, then at the second
    for some in pairs.split(at_once(rest)):
        rows, point = some % count, some // count
        _, slope = value_and_gradient(
            rest, start[rows] + over(where[point], span) * span[rows], rows
        )
        total.index_add_(0, rows, over(share[point], span) * slope)
    values = total * span
    before, after = ends(rest, start)
    change = after - before
    return Attributed(
        values, change - values.double().flatten(1).sum(1), change,
        torch.full((count,), len(at)), torch.full_like(change, torch.nan),
    )  # fmt: skip


def over(numbers: Float[Tensor, " M"], like: Tensor) -> Tensor:
    """Numbers with as many axes as an activation, to be multiplied with it row by row."""
    return numbers.view(-1, *[1] * (like.dim() - 1))


@dataclass
class _Path:
    """What is known of one row's path: target, its derivative and gradient at some points."""

    points: dict[float, tuple[float, float, Tensor]] = field(default_factory=dict)
    intervals: list[tuple[float, float, float, float]] = field(default_factory=list)
    jumps: float = 0.0  # what intervals missed that are too short to halve
    gap: float = 0.0
    ups_and_downs: float = 0.0

    def begin(self) -> None:
        at = sorted(self.points)
        for low, high in zip(at, at[1:], strict=False):
            self._add(low, high)

    def halve(self, room: int) -> Iterator[tuple[float, float, float]]:
        """Take out the intervals that miss most."""
        taken = 0
        while self.intervals and taken < min(HALVED, room):
            _, low, high, missed = heapq.heappop(self.intervals)
            if high - low < SHORTEST:
                self.jumps += abs(missed)
                continue
            taken += 1
            self.gap -= missed
            self.ups_and_downs -= abs(self._rise(low, high))
            yield low, (low + high) / 2, high

    def put(self, low: float, middle: float, high: float) -> None:
        self._add(low, middle)
        self._add(middle, high)

    def _add(self, low: float, high: float) -> None:
        slopes = (self.points[low][1] + self.points[high][1]) / 2
        missed = self._rise(low, high) - (high - low) * slopes
        self.gap += missed
        self.ups_and_downs += abs(self._rise(low, high))
        heapq.heappush(self.intervals, (-abs(missed), low, high, missed))

    def allowed(self, tolerance: float) -> float:
        return tolerance * max(abs(self._rise(0.0, 1.0)), FLOOR * self.ups_and_downs)

    def _rise(self, low: float, high: float) -> float:
        return self.points[high][0] - self.points[low][0]

    def mean_gradient(self) -> Tensor:
        at = np.array(sorted(self.points))
        weights = np.convolve(np.diff(at), [0.5, 0.5])
        slopes = torch.stack([self.points[one][2] for one in at.tolist()])
        return torch.tensordot(torch.as_tensor(weights).to(slopes), slopes, 1)


def _adaptive(rest: Score, start: Tensor, tolerance: float, most: int) -> Attributed:
    together = max(MOST_KEPT // (start[:1].numel() * most), 1)
    rows = torch.arange(len(start))
    found = [_paths(rest, start, some, tolerance, most) for some in rows.split(together)]
    paths = [path for some in found for path in some[0]]
    values = torch.cat([some[1] for some in found])
    change = torch.tensor([p.points[1.0][0] - p.points[0.0][0] for p in paths]).double()
    return Attributed(
        values, change - values.double().flatten(1).sum(1), change,
        torch.tensor([len(p.points) for p in paths]),
        torch.tensor([p.jumps - sum(part[0] for part in p.intervals) for p in paths]).double(),
    )  # fmt: skip


def _paths(
    rest: Score, start: Tensor, rows: Int[Tensor, " R"], tolerance: float, most: int
) -> tuple[list[_Path], Tensor]:
    span = rest.activation - start
    paths = [_Path() for _ in rows]

    def look(wanted: list[tuple[int, float]]) -> None:
        for i in range(0, len(wanted), at_once(rest)):
            some = wanted[i : i + at_once(rest)]
            of = rows[[row for row, _ in some]]
            where = over(torch.tensor([at for _, at in some]).to(span), span)
            value, slope = value_and_gradient(rest, start[of] + where * span[of], of)
            along = (slope * span[of]).double().flatten(1).sum(1)
            for (row, at), height, rise, each in zip(
                some, value.tolist(), along.tolist(), slope, strict=True
            ):
                paths[row].points[at] = height, rise, each

    look([(row, i / FIRST) for row in range(len(paths)) for i in range(FIRST + 1)])
    for path in paths:
        path.begin()
    while True:
        halved = [
            (row, cut)
            for row, path in enumerate(paths)
            if abs(path.gap) > path.allowed(tolerance)
            for cut in path.halve(most - len(path.points))
        ]
        if not halved:
            break
        look([(row, middle) for row, (_, middle, _) in halved])
        for row, cut in halved:
            paths[row].put(*cut)
    return paths, torch.stack([path.mean_gradient() for path in paths]) * span[rows]

"""Integrated gradients: the target's change along a path, shared out over what changed.

    IG_i = (x_i - b_i) * integral over a in [0, 1] of dF/dx_i (b + a (x - b))

Their sum is F(x) - F(b); what a sum over finitely many points misses of it is the *gap*.
"""

import heapq
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from policyscope.attribution.asking.score import Score, whole_baseline
from policyscope.attribution.methods.gradients import MOST_AT_ONCE, at_once, value_and_gradient
from policyscope.core.errors import PolicyscopeError, UnknownName

RULES = ("adaptive", "right", "left", "midpoint", "trapezoid", "gauss")
#: Intervals that an adaptive path begins with, and how many are halved in one round.
FIRST, HALVED = 8, 4
#: An interval shorter than this is not halved: the target jumps in it.
SHORTEST = 1e-5
#: A target that hardly changes from end to end is held to this share of its ups and downs.
FLOOR = 0.1
#: Numbers of gradients that adaptive paths keep at once; more only if one path needs more.
MOST_KEPT = 2**24
#: A path begins where there is room for so many first looks.
AHEAD = 4


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
        ups_and_downs: (N,) sum of the target's changes from step to step, unsigned; None where they
            were not watched.
    """

    values: Tensor
    gap: Tensor
    change: Tensor
    steps: Tensor
    missed: Tensor
    ups_and_downs: Tensor | None = None


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

    Cost: a forward and backward pass from the site on for each row and point. Rules that are not
    adaptive hold no gradient. The adaptive one holds those of paths that are not done yet, at most
    2^24 numbers (64 MB), or those of a single path if they are more: beyond that, rows wait.

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


class _Kept:
    """Gradients of paths that are not done yet, in so many places that are used again."""

    def __init__(self, like: Float[Tensor, "N ..."], places: int):
        self.size = max(like[:1].numel(), 1)
        self.slopes = like.new_empty(places, self.size)  # pages that nobody writes to are not held
        self.free = list(range(places))[::-1]

    def put(self, slopes: Float[Tensor, "M ..."]) -> list[int]:
        where = self.free[-len(slopes) :]
        del self.free[-len(slopes) :]
        self.slopes[torch.tensor(where)] = slopes.flatten(1)
        return where

    def take(self, where: list[int], weights: Float[np.ndarray, " P"]) -> Float[Tensor, " S"]:
        """Their weighted sum; the places are free again."""
        share, at = torch.as_tensor(weights).to(self.slopes), torch.tensor(where)
        total, together = torch.zeros_like(self.slopes[0]), max(MOST_AT_ONCE // self.size, 1)
        for i in range(0, len(where), together):
            total += share[i : i + together] @ self.slopes[at[i : i + together]]
        self.free += where
        return total


@dataclass
class _Path:
    """What is known of one row's path: target, derivative and place of the gradient, by point."""

    points: dict[float, tuple[float, float, int]] = field(default_factory=dict)
    intervals: list[tuple[float, float, float, float]] = field(default_factory=list)
    cuts: list[tuple[float, float, float]] = field(default_factory=list)  # what is halved next
    jumps: float = 0.0  # what intervals missed that are too short to halve
    gap: float = 0.0
    ups_and_downs: float = 0.0

    def look_at(self) -> list[float]:
        if self.points:
            return [middle for _, middle, _ in self.cuts]
        return [i / FIRST for i in range(FIRST + 1)]

    def go_on(self, tolerance: float, most: int) -> None:
        """Take in what was looked at, and choose what is halved next: nothing once it is done."""
        if not self.intervals and not self.cuts:
            at = sorted(self.points)
            for low, high in zip(at, at[1:], strict=False):
                self._add(low, high)
        for low, middle, high in self.cuts:
            self._add(low, middle)
            self._add(middle, high)
        self.cuts = []
        if abs(self.gap) > tolerance * max(abs(self.change()), FLOOR * self.ups_and_downs):
            self._choose(min(HALVED, most - len(self.points)))

    def _choose(self, room: int) -> None:
        """Take out the intervals that miss most."""
        while self.intervals and len(self.cuts) < room:
            _, low, high, missed = heapq.heappop(self.intervals)
            if high - low < SHORTEST:
                self.jumps += abs(missed)
                continue
            self.gap -= missed
            self.ups_and_downs -= abs(self._rise(low, high))
            self.cuts.append((low, (low + high) / 2, high))

    def _add(self, low: float, high: float) -> None:
        (before, steep, _), (after, steeper, _) = self.points[low], self.points[high]
        rise = after - before
        missed = rise - (high - low) * (steep + steeper) / 2
        self.gap += missed
        self.ups_and_downs += abs(rise)
        heapq.heappush(self.intervals, (-abs(missed), low, high, missed))

    def _rise(self, low: float, high: float) -> float:
        return self.points[high][0] - self.points[low][0]

    def change(self) -> float:
        return self._rise(0.0, 1.0)

    def missed(self) -> float:
        return self.jumps - sum(interval[0] for interval in self.intervals)

    def mean_gradient(self, kept: _Kept) -> Tensor:
        at = sorted(self.points)
        weights = np.convolve(np.diff(at), [0.5, 0.5])
        return kept.take([self.points[one][2] for one in at], weights)


def _adaptive(rest: Score, start: Tensor, tolerance: float, most: int) -> Attributed:
    span, count = rest.activation - start, len(start)
    size = max(span[:1].numel(), 1)
    kept = _Kept(span, max(min(MOST_KEPT // size, count * most), most))
    values, told = torch.zeros_like(span), np.zeros((3, count))
    paths: dict[int, _Path] = {}  # the oldest first
    begun = 0
    while paths or begun < count:
        moving, begun = _moving(paths, begun, count, len(kept.free), most)
        _look(rest, start, span, moving, kept)
        for row, path in moving.items():
            path.go_on(tolerance, most)
            if not path.cuts:
                values[row] = path.mean_gradient(kept).view_as(span[row]) * span[row]
                told[:, row] = path.change(), len(path.points), path.missed()
                del paths[row]
    change, steps, missed = torch.from_numpy(told)
    gap = change - values.double().flatten(1).sum(1).cpu()
    return Attributed(values, gap, change, steps.long(), missed)


def _moving(
    paths: dict[int, _Path], begun: int, count: int, free: int, most: int
) -> tuple[dict[int, _Path], int]:
    """The paths that have room for what they look at next; new ones are added to ``paths``.

    The oldest always has room for the most points, so that every path comes to its end.
    """
    moving: dict[int, _Path] = {}
    for row, path in paths.items():
        if not moving:
            free -= most - len(path.points)
        elif len(path.cuts) <= free:
            free -= len(path.cuts)
        else:
            continue
        moving[row] = path
    while begun < count and (not paths or free >= AHEAD * (FIRST + 1)):
        free -= FIRST + 1 if paths else most
        paths[begun] = moving[begun] = _Path()
        begun += 1
    return moving, begun


def _look(rest: Score, start: Tensor, span: Tensor, moving: dict[int, _Path], kept: _Kept) -> None:
    """Target, derivative and gradient at what paths look at next."""
    wanted = [(row, at) for row, path in moving.items() for at in path.look_at()]
    for i in range(0, len(wanted), at_once(rest)):
        some = wanted[i : i + at_once(rest)]
        of = torch.tensor([row for row, _ in some])
        where = over(torch.tensor([at for _, at in some]).to(span), span)
        value, slope = value_and_gradient(rest, start[of] + where * span[of], of)
        along = (slope * span[of]).double().flatten(1).sum(1)
        found = zip(some, value.tolist(), along.tolist(), kept.put(slope), strict=True)
        for (row, at), height, rise, place in found:
            moving[row].points[at] = height, rise, place

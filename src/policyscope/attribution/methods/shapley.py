"""Shapley values: the target's change from a baseline, shared out fairly over groups of units.

phi_i = sum over coalitions S without i of |S|! (P - |S| - 1)! / P! * (F(S and i) - F(S))

F(S) is the target where the groups of S are as recorded and all others are as in the baseline.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from policyscope.attribution.asking.groups import Groups
from policyscope.attribution.asking.score import Score, whole_baseline
from policyscope.attribution.config import MOST_PLAYERS
from policyscope.attribution.methods.gradients import at_once
from policyscope.core.errors import PolicyscopeError

#: Coalitions that go through the network at once: what a layer puts out stays in a core's cache.
TOGETHER = 256


@dataclass(frozen=True, eq=False)
class Shapley:
    """What each of P groups accounts for of a target's change from a baseline, for N rows.

    Args:
        values: (N, P) in the target's unit. A group that is as in the baseline has exactly 0.
        error: (N, P) standard error of the values; 0 where they are exact.
        change: (N,) target with all groups as recorded minus with all as in the baseline.
        gap: (N,) change minus the sum of the values.
        passes: (N,) forward passes.
    """

    values: Tensor
    error: Tensor
    change: Tensor
    gap: Tensor
    passes: Tensor


def exact_shapley(
    rest: Score, groups: Groups, baseline: Float[Tensor, "N ..."] | float = 0.0
) -> Shapley:
    """Shapley values from all coalitions of the groups that differ from the baseline.

    For a network that masks what is absent, let ``score`` hold nothing (``hold=()``): a vehicle
    whose row is zero is then absent. With the mask held, a row of zeros would still be attended to.

    Args:
        rest: the target as a function of the activation.
        groups: P players over the activation's units.
        baseline: what units of groups outside a coalition are, (N, ...) or one number.

    Raises:
        PolicyscopeError: groups of another shape, or a row with more than 16 that differ.

    Cost: 2^k forward passes from the site on for a row of which k groups differ.

    Reference: Shapley 1953; Strumbelj & Kononenko 2010, equation 4.

    Example:
        >>> from policyscope.attribution.asking.groups import vehicles
        >>> from policyscope.attribution.asking.score import Decisions, score
        >>> rest = score(agent, target, Decisions(obs), hold=())  # doctest: +SKIP
        >>> exact_shapley(rest, vehicles(agent.space.obs_shape)).values  # doctest: +SKIP
    """
    start, present = _players(rest, groups, baseline)
    count = present.sum(1)
    if (most := int(count.max())) > MOST_PLAYERS:
        raise PolicyscopeError(
            f"row {int(count.argmax())} has {most} groups that differ from the baseline; exact "
            f"Shapley values take at most {MOST_PLAYERS} (use shapley_values or sampled_shapley)"
        )
    found = _Found(present)
    _look_at_all(rest, groups, start, count > 0, found)
    return found.told()


def sampled_shapley(
    rest: Score,
    groups: Groups,
    baseline: Float[Tensor, "N ..."] | float = 0.0,
    permutations: int = 128,
    seed: int = 0,
) -> Shapley:
    """Shapley values estimated from random orders in which the groups come in, for many groups.

    Each order is also gone through backwards: what one overrates, the other tends to underrate.
    The values of a row always sum to its change. Masks: see ``exact_shapley``.

    Args:
        rest: the target as a function of the activation.
        groups: P players over the activation's units.
        baseline: what units of groups that have not come in are, (N, ...) or one number.
        permutations: orders, backward ones included: an even number of at least 4.
        seed: of the orders; the same for every row, whatever is explained beside it.

    Raises:
        PolicyscopeError: groups of another shape, or an odd number of orders or less than 4.

    Cost: ``permutations * (k - 1) + 2`` forward passes from the site on for a row of which k groups
    differ from the baseline.

    Reference: Castro et al. 2009; Mitchell et al. 2022, section 3.2.

    Example:
        >>> from policyscope.attribution.asking.groups import blocks
        >>> found = sampled_shapley(rest, blocks((3, 64, 64), 8))  # doctest: +SKIP
        >>> (found.values.abs() > 2 * found.error).sum(1)  # doctest: +SKIP
    """
    _require_pairs(permutations)
    start, present = _players(rest, groups, baseline)
    found = _Found(present)
    _draw_orders(rest, groups, start, present.any(1), found, permutations, seed)
    return found.told()


def shapley_values(
    rest: Score,
    groups: Groups,
    baseline: Float[Tensor, "N ..."] | float = 0.0,
    permutations: int = 128,
    seed: int = 0,
    most: int = MOST_PLAYERS,
) -> Shapley:
    """Shapley values, exact where few groups of a row differ from the baseline, else sampled.

    Masks: see ``exact_shapley``.

    Args:
        rest: the target as a function of the activation.
        groups: P players over the activation's units.
        baseline: what units of groups outside a coalition are, (N, ...) or one number.
        permutations: orders of a row that is sampled, see ``sampled_shapley``.
        seed: of the orders.
        most: groups that differ in a row up to which all of its coalitions are looked at.

    Returns:
        Values whose error is 0 in the rows in which they are exact.

    Raises:
        PolicyscopeError: groups of another shape; of a row that is sampled, an odd number of orders
            or less than 4.

    Cost: that of ``exact_shapley`` or of ``sampled_shapley``, row by row.
    """
    start, present = _players(rest, groups, baseline)
    count = present.sum(1)
    found, few = _Found(present), count <= most
    if not bool(few.all()):
        _require_pairs(permutations)
        _draw_orders(rest, groups, start, ~few, found, permutations, seed)
    _look_at_all(rest, groups, start, few & (count > 0), found)
    return found.told()


class _Found:
    """What is known so far; rows in which no group differs have only zeros.

    Args:
        present: (N, P) groups that differ from the baseline.
    """

    def __init__(self, present: Bool[Tensor, "N P"]):
        self.present = present
        self.values = torch.zeros(present.shape, dtype=torch.float64)
        self.error = torch.zeros_like(self.values)
        self.change = torch.zeros(len(present), dtype=torch.float64)
        self.passes = torch.zeros(len(present), dtype=torch.long)

    def told(self) -> Shapley:
        gap = self.change - self.values.sum(1)
        return Shapley(self.values, self.error, self.change, gap, self.passes)


def _look_at_all(
    rest: Score, groups: Groups, start: Float[Tensor, "N ..."], some: Bool[Tensor, " N"],
    found: _Found,
) -> None:  # fmt: skip
    """Fill in some rows, of each of which at least one group differs, from all coalitions."""
    count = found.present.sum(1)
    for players in sorted(set(count[some].tolist())):
        bits, shares = torch.arange(players), _shares(players)
        alike = (some & (count == players)).nonzero()[:, 0]
        for rows in alike.split(max(at_once(rest) >> players, 1)):
            who = found.present[rows].nonzero()[:, 1].view(-1, players)
            worth = _all_coalitions(rest, groups, start, rows, who, bits)
            found.values[rows[:, None], who] = worth @ shares
            found.change[rows] = worth[:, -1] - worth[:, 0]
            found.passes[rows] = 2**players


def _draw_orders(
    rest: Score, groups: Groups, start: Float[Tensor, "N ..."], some: Bool[Tensor, " N"],
    found: _Found, permutations: int, seed: int,
) -> None:  # fmt: skip
    """Fill in some rows, of each of which at least one group differs, from random orders."""
    generator = torch.Generator().manual_seed(seed)
    forward = torch.stack(
        [torch.randperm(len(groups), generator=generator) for _ in range(permutations // 2)]
    )
    orders = torch.cat([forward, forward.flip(1)])
    for row in some.nonzero()[:, 0].tolist():
        worth, place = _along(rest, groups, start, row, found.present[row], orders)
        who = found.present[row].nonzero()[:, 0]
        brought = worth.diff(dim=1).gather(1, place[:, who])
        pairs = (brought[: len(forward)] + brought[len(forward) :]) / 2
        found.values[row, who] = pairs.mean(0)
        found.error[row, who] = pairs.std(0) / len(pairs) ** 0.5
        found.change[row] = worth[0, -1] - worth[0, 0]
        found.passes[row] = permutations * (len(who) - 1) + 2


def _require_pairs(permutations: int) -> None:
    if permutations < 4 or permutations % 2:
        able = max(permutations + permutations % 2, 4)
        raise PolicyscopeError(
            f"Shapley values are sampled over an even number of random orders, at least 4, not "
            f"{permutations}: take --attribution.samples {able}"
        )


def _players(
    rest: Score, groups: Groups, baseline: Tensor | float
) -> tuple[Float[Tensor, "N ..."], Bool[Tensor, "N P"]]:
    """The baseline of every row, and the groups that differ from it."""
    groups.fits(rest.activation)
    start = whole_baseline(baseline, rest.activation)
    return start, groups.differing(rest.activation, start)


def _shares(players: int) -> Float[Tensor, "S P"]:
    """What each coalition's worth adds to each player's value: all of the formula's weights."""
    whole = factorial(players)
    gain = [factorial(s) * factorial(players - s - 1) / whole for s in range(players)]
    coalition = torch.arange(2**players)[:, None] >> torch.arange(players) & 1
    size = coalition.sum(1, keepdim=True)
    weights = torch.tensor(gain, dtype=torch.float64)
    joined, missing = weights[(size - 1).clamp(min=0)], weights[size.clamp(max=players - 1)]
    return torch.where(coalition.bool(), joined, -missing)


def _all_coalitions(
    rest: Score,
    groups: Groups,
    start: Float[Tensor, "N ..."],
    rows: Int[Tensor, " R"],
    who: Int[Tensor, "R k"],
    bits: Int[Tensor, " k"],
) -> Float[Tensor, "R S"]:
    """The target for each row and each coalition of the k groups that differ in it."""
    many = 2 ** len(bits)

    def held(pairs: Int[Tensor, " M"]) -> Bool[Tensor, "M P"]:
        found = torch.ones(len(pairs), len(groups), dtype=torch.bool)
        return found.scatter_(1, who[pairs // many], (pairs[:, None] % many >> bits & 1).bool())

    worth = _worth(rest, groups, start, rows.repeat_interleave(many), held)
    return worth.view(len(rows), many)


def _along(
    rest: Score,
    groups: Groups,
    start: Float[Tensor, "N ..."],
    row: int,
    present: Bool[Tensor, " P"],
    orders: Int[Tensor, "O P"],
) -> tuple[Float[Tensor, "O k1"], Int[Tensor, "O P"]]:
    """The target of a row as its groups come in, and which of them each is in each order."""
    players = int(present.sum())
    place = torch.empty_like(orders)
    place.scatter_(1, orders, present[orders].cumsum(1) - 1)
    within = max(players - 1, 1)
    many = len(orders) * (players - 1)

    def held(pairs: Int[Tensor, " M"]) -> Bool[Tensor, "M P"]:
        come = torch.where(pairs < many, pairs % within + 1, (pairs - many) * players)
        return place[(pairs // within).clamp(max=len(orders) - 1)] < come[:, None]

    worth = _worth(rest, groups, start, torch.full((many + 2,), row), held)
    ends = worth[many:].expand(len(orders), 2)
    return torch.cat([ends[:, :1], worth[:many].view(len(orders), -1), ends[:, 1:]], 1), place


def _worth(
    rest: Score,
    groups: Groups,
    start: Float[Tensor, "N ..."],
    rows: Int[Tensor, " M"],
    held: Callable[[Int[Tensor, " m"]], Bool[Tensor, "m P"]],
) -> Float[Tensor, " M"]:
    """The target of M rows, each with the groups that ``held`` tells for its number."""
    found = []
    with torch.no_grad():
        for some in torch.arange(len(rows)).split(min(at_once(rest), TOGETHER)):
            of = rows[some]
            mixed = groups.mix(rest.activation[of], start[of], held(some))
            found.append(rest(mixed, of).double())
    return torch.cat(found)

"""Is an attribution true of its target: numbers for each row."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from policyscope.attribution.asking.groups import Groups, units
from policyscope.attribution.asking.score import Score, whole_baseline
from policyscope.attribution.methods.gradients import at_once
from policyscope.core.errors import PolicyscopeError


@dataclass(frozen=True, eq=False)
class Curves:
    """The target of N rows while units are replaced, in an attribution's order and at random.

    Args:
        share: (S + 1,) share of the units, or groups, that have been moved; 0 first, 1 last.
        curve: (N, S + 1) target, those with the largest values moved first.
        random: (N, S + 1) mean target over random orders.
        area: (N,) area between the attribution's curve and those of random orders: a mean over
            shares, in the target's unit. Deletion: random minus own. Insertion: own minus random.
            Unsigned: of minus the distance to the target as it was, instead of the target.
        score: (N,) area over the range (largest minus smallest target) that the random orders of
            the row cover. 0: no better than a random order; larger is better; below 0: worse than
            random. The range is the same for all attributions of a row. NaN where no random order
            moves the target.
        error: (N,) standard error of the score, of the finitely many random orders.
    """

    share: Tensor
    curve: Tensor
    random: Tensor
    area: Tensor
    score: Tensor
    error: Tensor


def deletion(
    rest: Score,
    values: Float[Tensor, "N ..."],
    baseline: Float[Tensor, "N ..."] | float = 0.0,
    steps: int = 20,
    groups: Groups | None = None,
    signed: bool = True,
    orders: int = 8,
    seed: int = 0,
) -> Curves:
    """The target while units are set to a baseline, those with the largest values first.

    Args:
        rest: the target as a function of the activation.
        values: (N, ...) what each unit accounts for; with groups, those of a group are summed, or
            (N, P) what each group accounts for. Ties are broken at random.
        baseline: what units are set to, (N, ...) or one number.
        steps: points of the curves behind the first; at most one for each unit or group.
        groups: P groups that are replaced together; default is each unit by itself.
        signed: the largest values first: a good order lowers the target fast. Else the largest
            sizes first, for values without a sign: a good order moves the target away fast, up or
            down.
        orders: random orders of each row, an even number of at least 4. Every second one is the one
            before it backwards; rows have orders of their own, so that their errors do not add up.
        seed: of the random orders.

    Raises:
        PolicyscopeError: values of another shape or not finite, groups of another shape, fewer than
            1 step, or an odd number of orders or less than 4.

    Cost: ``(orders + 1) * (steps + 1)`` forward passes from the site on for each row.

    Reference: Samek et al. 2017, section III (against random orders); Petsiuk et al. 2018.

    Example:
        >>> found = deletion(rest, integrated_gradients(rest).values)  # doctest: +SKIP
        >>> bootstrap_mean(found.score, seed=0)  # doctest: +SKIP
    """
    return _curves(rest, values, baseline, steps, groups, signed, orders, seed, False)


def insertion(
    rest: Score,
    values: Float[Tensor, "N ..."],
    baseline: Float[Tensor, "N ..."] | float = 0.0,
    steps: int = 20,
    groups: Groups | None = None,
    signed: bool = True,
    orders: int = 8,
    seed: int = 0,
) -> Curves:
    """The target while units of a baseline are set to what they were, the largest values first.

    Arguments, errors and cost are those of ``deletion``. With ``signed``, a good order raises the
    target fast; else it brings it near to what it was fast.

    Reference: Petsiuk et al. 2018, section 3.2.
    """
    return _curves(rest, values, baseline, steps, groups, signed, orders, seed, True)


def _curves(
    rest: Score,
    values: Tensor,
    baseline: Tensor | float,
    steps: int,
    groups: Groups | None,
    signed: bool,
    orders: int,
    seed: int,
    insert: bool,
) -> Curves:
    if steps < 1 or orders < 4 or orders % 2:
        raise PolicyscopeError("curves take at least 1 step, and an even number of orders from 4")
    groups, start = _groups(rest, groups), whole_baseline(baseline, rest.activation)
    worth = _by_group(rest, values, groups)
    worth = worth if signed else worth.abs()
    many = len(groups)
    share = torch.linspace(0, 1, min(steps, many) + 1, dtype=torch.float64)
    counts = (share * many).round()
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for row in range(len(start)):
        drawn = torch.stack([torch.randperm(many, generator=generator) for _ in range(orders // 2)])
        ties = torch.randperm(many, generator=generator)
        own = ties[worth[row, ties].argsort(descending=True, stable=True)]
        order = torch.cat([own[None], torch.stack([drawn, drawn.flip(1)], 1).flatten(0, 1)])
        place = order.argsort()  # when the turn of each group comes
        held = (place[:, None] < counts[:, None]) == insert
        rows.append(
            _mixed(rest, groups, start, row, held.flatten(0, 1)).unflatten(0, held.shape[:2])
        )
    found = torch.stack(rows)
    return _against_random(found, counts / many, signed, insert)


def _against_random(
    found: Float[Tensor, "N O S"], share: Float[Tensor, " S"], signed: bool, insert: bool
) -> Curves:
    """Areas and scores of the first order of each row against the others."""
    own, drawn = found[:, 0], found[:, 1:]
    whole = found[:, :1, -1:] if insert else found[:, :1, :1]
    away = whole - found if signed else (whole - found).abs()
    areas = torch.trapezoid(away, share, dim=2)
    farther = areas[:, :1] - areas[:, 1:]
    better = -farther if insert else farther
    pairs = better.unflatten(1, (-1, 2)).mean(2)
    span = drawn.flatten(1).amax(1) - drawn.flatten(1).amin(1)
    span = torch.where(span > 0, span, torch.nan)
    area = pairs.mean(1)
    error = pairs.std(1) / pairs.shape[1] ** 0.5
    return Curves(share, own, drawn.mean(1), area, area / span, error / span)


@dataclass(frozen=True, eq=False)
class Infidelity:
    """How far an attribution is from what the target does when units are replaced, for N rows.

    Args:
        raw: (N,) mean over random sets of units of (sum of their values - what the target loses
            when they are set to the baseline)^2; in the target's unit, squared.
        error: (N,) its standard error over the sets.
        scaled: (N,) likewise, the values multiplied by ``scale``.
        scaled_error: (N,) its standard error.
        scale: (N,) the factor from 0 on that makes it smallest; 0 where all sums are 0.
        changes: (N,) mean squared loss of the target: what values of 0 would have.
    """

    raw: Tensor
    error: Tensor
    scaled: Tensor
    scaled_error: Tensor
    scale: Tensor
    changes: Tensor


def infidelity(
    rest: Score,
    values: Float[Tensor, "N ..."],
    baseline: Float[Tensor, "N ..."] | float = 0.0,
    samples: int = 256,
    groups: Groups | None = None,
    seed: int = 0,
) -> Infidelity:
    """Squared error of an attribution's sums over random sets of units that a baseline replaces.

    The sets are drawn in two steps: a share between 0 and 1, then each unit or group with it.

    Args:
        rest: the target as a function of the activation.
        values: (N, ...) what each unit accounts for of the target's change from the baseline; with
            groups, those of a group are summed, or (N, P) for the groups. A gradient has to be
            multiplied with the activation's difference to the baseline first.
        baseline: what units are set to, (N, ...) or one number.
        samples: sets of each row, at least 2; rows have sets of their own.
        groups: P groups that are replaced together; default is each unit by itself.
        seed: of the sets.

    Raises:
        PolicyscopeError: values of another shape or not finite, groups of another shape, or fewer
            than 2 samples.

    Cost: ``samples + 1`` forward passes from the site on for each row.

    Reference: Yeh et al. 2019, equation 1, with the perturbation (x - baseline) on random sets; the
        scale is that of their code.
    """
    if samples < 2:
        raise PolicyscopeError("infidelity takes at least 2 samples")
    groups, start = _groups(rest, groups), whole_baseline(baseline, rest.activation)
    worth = _by_group(rest, values, groups)
    generator = torch.Generator().manual_seed(seed)
    sums, losses = [], []
    for row in range(len(start)):
        share = torch.rand(samples, 1, generator=generator)
        moved = torch.rand(samples, len(groups), generator=generator) < share
        held = torch.cat([torch.ones_like(moved[:1]), ~moved])
        target = _mixed(rest, groups, start, row, held)
        losses.append(target[0] - target[1:])
        sums.append(moved.double() @ worth[row])
    told, lost = torch.stack(sums), torch.stack(losses)
    size = (told**2).mean(1)
    scale = torch.where(size > 0, (told * lost).mean(1) / size, 0.0).clamp(min=0)
    raw, scaled = (told - lost) ** 2, (scale[:, None] * told - lost) ** 2
    # The scaled mean is smallest at the scale: to first order its own error does not count.
    errors = [squares.std(1) / samples**0.5 for squares in (raw, scaled)]
    return Infidelity(raw.mean(1), errors[0], scaled.mean(1), errors[1], scale, (lost**2).mean(1))


def _groups(rest: Score, groups: Groups | None) -> Groups:
    if groups is None:
        return units(rest.activation.shape[1:])
    groups.fits(rest.activation)
    return groups


def _by_group(rest: Score, values: Tensor, groups: Groups) -> Float[Tensor, "N P"]:
    """What each group accounts for."""
    if not values.isfinite().all():
        raise PolicyscopeError("the attribution holds values that are not finite")
    values = values.detach().double()
    if values.shape == rest.activation.shape:
        return groups.sums(values)
    if values.shape != (len(rest.activation), len(groups)):
        raise PolicyscopeError(
            f"the attribution has shape {tuple(values.shape)}, the activation "
            f"{tuple(rest.activation.shape)}"
        )
    return values


def _mixed(
    rest: Score, groups: Groups, start: Tensor, row: int, held: Bool[Tensor, "M P"]
) -> Float[Tensor, " M"]:
    """The target of a row that holds some groups and has the baseline in the others."""
    found = []
    with torch.no_grad():
        for some in held.split(at_once(rest)):
            rows = torch.full((len(some),), row)
            mixed = groups.mix(rest.activation[rows], start[rows], some)
            found.append(rest(mixed, rows).double())
    return torch.cat(found)

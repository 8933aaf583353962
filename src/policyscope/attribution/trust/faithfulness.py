"""Is an attribution true of its target, and does it stay what it is: numbers for each row."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from scipy.stats import rankdata
from torch import Tensor

from policyscope.attribution.asking.groups import Groups, units
from policyscope.attribution.asking.score import Score
from policyscope.attribution.asking.windows import WindowScore
from policyscope.attribution.methods.gradients import at_once
from policyscope.core.errors import PolicyscopeError
from policyscope.core.tails import Tail

AnyScore = TypeVar("AnyScore", Tail, WindowScore)


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
    groups, start = _groups(rest, groups), _start(rest, baseline)
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
    groups, start = _groups(rest, groups), _start(rest, baseline)
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


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """The largest change of a map under small noise, for N rows.

    Args:
        change: (N,) Euclidean length of the largest change found.
        relative: (N,) its share of the length of the map as it was; NaN where that is 0.
        samples: copies with noise.
    """

    change: Tensor
    relative: Tensor
    samples: int


def sensitivity(
    rest: AnyScore,
    attribute: Callable[[AnyScore], Float[Tensor, "N ..."]],
    share: float = 0.02,
    samples: int = 10,
    seed: int = 0,
    among: Bool[Tensor, "N ..."] | None = None,
) -> Sensitivity:
    """How far a map can move when noise that is too small to matter is added to the activation.

    Args:
        rest: the target as a function of the activation.
        attribute: makes the map from such a function.
        share: largest size of the noise, as a share of the range of a row's activation; uniform.
        samples: copies with noise. More of them find larger changes: compare at the same number.
        seed: of the noise; rows have noise of their own.
        among: (N, ...) units that get noise; default is all. A vehicle that is absent would else
            be there.

    Raises:
        PolicyscopeError: a share that is not above 0, or fewer than 1 sample.

    Cost: ``samples + 1`` times that of ``attribute``.

    Reference: Yeh et al. 2019, definition 2.

    Example:
        >>> from policyscope.attribution.methods.gradients import gradient
        >>> sensitivity(rest, gradient).relative.median()  # doctest: +SKIP
    """
    if samples < 1 or not share > 0:
        raise PolicyscopeError("sensitivity takes at least 1 sample and a share above 0")
    activation = rest.activation
    flat = activation.flatten(1)
    radius = share * (flat.amax(1) - flat.amin(1))
    as_it_was = attribute(rest).double().flatten(1)
    change = torch.zeros(len(flat), dtype=torch.float64)
    generators = [torch.Generator().manual_seed(seed + row) for row in range(len(flat))]
    for _ in range(samples):
        draws = [2 * torch.rand(flat.shape[1], generator=one) - 1 for one in generators]
        noise = (radius[:, None] * torch.stack(draws).to(flat)).view_as(activation)
        noise = noise if among is None else noise * among
        moved = attribute(replace(rest, activation=activation + noise)).double().flatten(1)
        change = change.maximum((moved - as_it_was).norm(dim=1))
    length = as_it_was.norm(dim=1)
    return Sensitivity(change, change / torch.where(length > 0, length, torch.nan), samples)


def agreement(
    a: Float[Tensor, "N ..."],
    b: Float[Tensor, "N ..."],
    among: Bool[Tensor, "N ..."] | None = None,
) -> Float[Tensor, " N"]:
    """Rank correlation of the sizes of two attributions in each row.

    Args:
        a: (N, ...) one of them.
        b: (N, ...) the other, e.g. of another seed.
        among: (N, ...) units to compare; default is all. Units that cannot matter, such as rows of
            absent vehicles, are 0 in both, whatever is explained: they make all attributions alike.

    Returns:
        (N,) Spearman correlation of the absolute values, ties at their mean rank; NaN where one of
        the two is constant.

    Raises:
        PolicyscopeError: different shapes, or values that are not finite.

    Reference: Adebayo et al. 2018, section 3.

    Example:
        >>> agreement(torch.tensor([[1.0, -3.0, 2.0]]), torch.tensor([[0.1, 0.3, -0.2]]))
        tensor([1.0000], dtype=torch.float64)
    """
    for other in (b, among):
        if other is not None and a.shape != other.shape:
            shapes = f"{tuple(a.shape)} and {tuple(other.shape)}"
            raise PolicyscopeError(f"attributions of shapes {shapes} cannot be compared")
    ranks = []
    for values in (a, b):
        if not values.isfinite().all():
            raise PolicyscopeError("the attribution holds values that are not finite")
        sizes = values.detach().abs().double()
        sizes = sizes if among is None else sizes.masked_fill(~among, torch.nan)
        rank = rankdata(sizes.flatten(1).cpu().numpy(), axis=1, nan_policy="omit")
        rank = torch.from_numpy(rank)
        ranks.append((rank - rank.nanmean(1, keepdim=True)).nan_to_num(0.0))
    product = (ranks[0] * ranks[1]).sum(1)
    size = ranks[0].norm(dim=1) * ranks[1].norm(dim=1)
    return (product / torch.where(size > 0, size, torch.nan)).clamp(-1, 1)


def _start(rest: Score, baseline: Tensor | float) -> Float[Tensor, "N ..."]:
    return torch.as_tensor(baseline).to(rest.activation).expand_as(rest.activation)


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

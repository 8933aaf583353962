"""Does an attribution stay what it is, under noise and for other agents: numbers for each row."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import scipy
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from policyscope.attribution.asking.windows import WindowScore
from policyscope.core.errors import PolicyscopeError
from policyscope.core.stats import Interval
from policyscope.core.tails import Tail

AnyScore = TypeVar("AnyScore", Tail, WindowScore)

#: Noise as a share of the range of a row's activation: half a grey level of an image, 0.4 m where
#: places reach from -100 to 100 m.
NOISE = 0.002
#: How often episodes are drawn anew.
RESAMPLES = 10_000


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """The largest change of a map under small noise, for N rows.

    Args:
        change: (N,) Euclidean length of the largest change found.
        size: (N,) length of the map as it was.
        relative: (N,) the change as a share of that; NaN where it is 0.
        samples: copies with noise.
    """

    change: Tensor
    size: Tensor
    relative: Tensor
    samples: int


def sensitivity(
    rest: AnyScore,
    attribute: Callable[[AnyScore], Float[Tensor, "N ..."]],
    share: float = NOISE,
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
    size = as_it_was.norm(dim=1)
    return Sensitivity(change, size, change / torch.where(size > 0, size, torch.nan), samples)


def ratio_of_sums(
    changes: Float[np.ndarray, " N"],
    sizes: Float[np.ndarray, " N"],
    episode: Int[np.ndarray, " N"],
    seed: int = 0,
) -> Interval:
    """Sum of changes over the sum of sizes, with an interval over episodes.

    A mean of ratios has no bound: a single decision whose values nearly vanish decides it.

    Args:
        changes: (N,) what is summed.
        sizes: (N,) what its sum is a share of, at least 0; ones for a mean over all decisions.
        episode: (N,) that each belongs to; whole episodes are drawn anew.
        seed: of the resampling.

    Returns:
        The interval; unbounded for a single episode, NaN where all sizes are 0.

    Example:
        >>> found = ratio_of_sums(np.array([1.0, 1.0]), np.array([2.0, 1e-9]), np.array([0, 1]))
        >>> round(found.mean, 3)
        1.0
    """
    whole = float(sizes.sum())
    if not whole:
        return Interval(np.nan, -np.inf, np.inf, 0)
    mean, which = float(changes.sum()) / whole, np.unique(episode, return_inverse=True)[1]
    parts, wholes = (np.bincount(which, each) for each in (changes, sizes))
    if len(parts) == 1:
        return Interval(mean, -np.inf, np.inf, 1)
    draws = np.random.default_rng(seed).integers(0, len(parts), (RESAMPLES, len(parts)))
    over = wholes[draws].sum(1)
    ratios = parts[draws].sum(1)[over > 0] / over[over > 0]
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Interval(mean, float(low), float(high), len(parts))


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
        rank = scipy.stats.rankdata(sizes.flatten(1).cpu().numpy(), axis=1, nan_policy="omit")
        rank = torch.from_numpy(rank)
        ranks.append((rank - rank.nanmean(1, keepdim=True)).nan_to_num(0.0))
    product = (ranks[0] * ranks[1]).sum(1)
    size = ranks[0].norm(dim=1) * ranks[1].norm(dim=1)
    return (product / torch.where(size > 0, size, torch.nan)).clamp(-1, 1)

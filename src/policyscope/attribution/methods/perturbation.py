"""Perturbation: what a target loses when a place of an activation is covered, blurred, removed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
import torch
from jaxtyping import Float, Int
from torch import Tensor

from policyscope.attribution.asking.groups import Groups
from policyscope.attribution.asking.score import whole_baseline
from policyscope.attribution.methods.gradients import at_once
from policyscope.core.errors import PolicyscopeError
from policyscope.core.tails import Tail


@dataclass(frozen=True, eq=False)
class Places:
    """Ways to perturb N activations, one for each of P places.

    Args:
        shape: (h, w) of a grid of places in a map, or (P,) for groups of units.
        perturbed: (rows (M,), places (M,)) -> (M, ...) activations of rows, perturbed at places.
        weights: (H, h) and (W, w) how a number at each place of a grid is spread over the map.
    """

    shape: tuple[int, ...]
    perturbed: Callable[[Int[Tensor, " M"], Int[Tensor, " M"]], Float[Tensor, "M ..."]]
    weights: tuple[Tensor, Tensor] | None = None

    def __len__(self) -> int:
        return torch.Size(self.shape).numel()

    def spread(self, values: Float[Tensor, "N h w"]) -> Float[Tensor, "N H W"]:
        """Numbers at places of a grid as numbers at places of the map.

        A place of the map has the mean of the windows that cover it, or what lies on the line
        between the centres of blurs.

        Raises:
            PolicyscopeError: the places are groups of units.
        """
        if self.weights is None:
            raise PolicyscopeError("groups of units have no places in a map: show them by name")
        down, across = (side.to(values) for side in self.weights)
        return down @ values @ across.T


@dataclass(frozen=True, eq=False)
class Perturbed:
    """What a target loses at each place, for N rows.

    Args:
        change: (N, h, w) or (N, P) target as it was minus target with the place perturbed.
        places: where, and how to ``spread`` it over a map.
        passes: forward passes of each row.
    """

    change: Tensor
    places: Places
    passes: int


def occlusion(
    rest: Tail,
    window: int = 8,
    stride: int = 4,
    baseline: Float[Tensor, "N C H W"] | float = 0.0,
) -> Perturbed:
    """What a target loses when a window of a map is covered, through all channels.

    Args:
        rest: the target as a function of a map (N, C, H, W).
        window: places along a side; windows at the lower and right edges are cut.
        stride: places between windows.
        baseline: what covers them, (N, C, H, W) or one number.

    Returns:
        Changes (N, h, w); ``found.places.spread(found.change)`` is (N, H, W).

    Raises:
        PolicyscopeError: the activation is no map, or a stride below 1 or beyond the window.

    Cost: a forward pass from the site on for each window, and one more.

    Reference: Zeiler & Fergus 2014, section 4.2.

    Example:
        >>> found = occlusion(rest, 8, 4)  # doctest: +SKIP
        >>> found.places.spread(found.change).shape  # doctest: +SKIP
        torch.Size([16, 64, 64])
    """
    return perturb(rest, windows(rest.activation, window, stride, baseline))


def blur_perturbation(
    rest: Tail, stride: int = 5, blur: float = 3.0, spot: float = 5.0
) -> Perturbed:
    """What a target loses when a map is blurred around a place.

    Args:
        rest: the target as a function of a map (N, C, H, W).
        stride: places between centres, the first at the upper left.
        blur: standard deviation of the blur, in places.
        spot: standard deviation of the spot that is blurred, in places.

    Returns:
        Changes (N, h, w), signed; of the targets ``same[policy]`` and ``same[value]`` they are the
        published saliencies of the policy and of the value.

    Raises:
        PolicyscopeError: the activation is no map, or a stride, blur or spot is too small.

    Cost: a forward pass from the site on for each centre, and one more.

    Reference: Greydanus et al. 2018, equations 1 to 3; defaults are theirs for maps of 80 x 80.
    """
    return perturb(rest, blurs(rest.activation, stride, blur, spot))


def removal(
    rest: Tail, groups: Groups, baseline: Float[Tensor, "N ..."] | float = 0.0
) -> Perturbed:
    """What a target loses when one group of units is set to a baseline.

    For a network that masks what is absent, let ``score`` hold nothing (``hold=()``).

    Args:
        rest: the target as a function of the activation.
        groups: P groups of its units.
        baseline: what a removed group is set to, (N, ...) or one number.

    Returns:
        Changes (N, P).

    Raises:
        PolicyscopeError: the groups are of another shape.

    Cost: a forward pass from the site on for each group, and one more.
    """
    return perturb(rest, removals(rest.activation, groups, baseline))


def perturb(rest: Tail, places: Places) -> Perturbed:
    """What a target loses at each place.

    Args:
        rest: the target as a function of the activation.
        places: made from ``rest.activation``.

    Cost: a forward pass from the site on for each place, and one more.
    """
    before, after = everywhere(rest, rest.activation, places, at_once(rest))
    change = before[:, None] - after
    return Perturbed(change.view(-1, *places.shape), places, len(places) + 1)


def windows(
    activation: Float[Tensor, "N ..."],
    window: int,
    stride: int,
    baseline: Float[Tensor, "N C H W"] | float = 0.0,
) -> Places:
    """Windows of a map that are covered with a baseline; arguments are those of ``occlusion``."""
    _is_map(activation)
    if not 1 <= stride <= window:
        raise PolicyscopeError(
            f"a stride of {stride} leaves gaps: take 1 to the width of the window, {window}"
        )
    start = whole_baseline(baseline, activation)
    down, across = (_covered(extent, window, stride) for extent in activation.shape[2:])
    shape = len(down), len(across)

    def perturbed(rows: Tensor, places: Tensor) -> Tensor:
        rising, flat = down[places // shape[1]], across[places % shape[1]]
        inside = rising[:, None, :, None] & flat[:, None, None, :]
        return torch.where(inside, start[rows], activation[rows])

    means = [(side / side.sum(0)).T for side in (down.double(), across.double())]
    return Places(shape, perturbed, (means[0], means[1]))


def blurs(
    activation: Float[Tensor, "N ..."], stride: int = 5, blur: float = 3.0, spot: float = 5.0
) -> Places:
    """Gaussian spots of a map that are blurred; arguments are those of ``blur_perturbation``."""
    _is_map(activation)
    if stride < 1 or not blur > 0 or not spot > 0:
        raise PolicyscopeError("a stride of at least 1 is needed, a blur and a spot above 0")
    height, width = activation.shape[2:]
    rising, flat = (
        torch.as_tensor(scipy.ndimage.gaussian_filter1d(np.eye(extent), blur, axis=0)).to(
            activation
        )
        for extent in (height, width)
    )
    blurred = rising @ activation @ flat.T
    down, across = (_spots(extent, stride, spot).to(activation) for extent in (height, width))
    shape = len(down), len(across)

    def perturbed(rows: Tensor, places: Tensor) -> Tensor:
        here, there = down[places // shape[1]], across[places % shape[1]]
        share = here[:, None, :, None] * there[:, None, None, :]
        return activation[rows].lerp(blurred[rows], share)

    return Places(shape, perturbed, (_between(height, stride), _between(width, stride)))


def removals(
    activation: Float[Tensor, "N ..."],
    groups: Groups,
    baseline: Float[Tensor, "N ..."] | float = 0.0,
) -> Places:
    """Groups of units that are set to a baseline; arguments are those of ``removal``."""
    groups.fits(activation)
    start = whole_baseline(baseline, activation)
    others = ~torch.eye(len(groups), dtype=torch.bool)

    def perturbed(rows: Tensor, places: Tensor) -> Tensor:
        return groups.mix(activation[rows], start[rows], others[places])

    return Places((len(groups),), perturbed)


def everywhere(
    score: Callable[[Tensor, Tensor], Tensor],
    activation: Float[Tensor, "N ..."],
    places: Places,
    together: int,
) -> tuple[Float[Tensor, "N ..."], Float[Tensor, "N P ..."]]:
    """What a function of an activation gives for each row as it is, and perturbed at each place.

    Args:
        score: (activation (M, ...), rows (M,)) -> (M, ...).
        activation: (N, ...) as it is.
        places: made from it.
        together: rows that go through the network at once.

    Returns:
        (N, ...) and (N, P, ...), in double precision.
    """
    rows, many = torch.arange(len(activation)), len(places)
    with torch.no_grad():
        before = [score(activation[some], some).double() for some in rows.split(together)]
        after = [
            score(places.perturbed(some // many, some % many), some // many).double()
            for some in torch.arange(len(rows) * many).split(together)
        ]
    return torch.cat(before), torch.cat(after).unflatten(0, (len(rows), many))


def _covered(extent: int, window: int, stride: int) -> Tensor:
    """(h, extent) which places each window covers along one axis."""
    first = torch.arange(max(-(-(extent - window) // stride), 0) + 1)[:, None] * stride
    at = torch.arange(extent)
    return (first <= at) & (at < first + window)


def _spots(extent: int, stride: int, spot: float) -> Tensor:
    """(h, extent) Gaussian around each centre along one axis, 1 at the centre."""
    away = torch.arange(extent) - torch.arange(0, extent, stride)[:, None]
    return (-0.5 * (away / spot) ** 2).exp()


def _between(extent: int, stride: int) -> Tensor:
    """(extent, h) linear interpolation between centres along one axis."""
    centres, at = np.arange(0, extent, stride), np.arange(extent)
    hats = [np.interp(at, centres, one) for one in np.eye(len(centres))]
    return torch.as_tensor(np.stack(hats, axis=1))


def _is_map(activation: Tensor) -> None:
    if activation.dim() != 4:
        raise PolicyscopeError(
            f"a window or a spot needs a map of channels, rows and columns; the activation has "
            f"shape {tuple(activation.shape[1:])} (use removal with groups)"
        )

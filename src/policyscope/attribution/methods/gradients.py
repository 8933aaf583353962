"""Gradients of a target by an activation, and what is made of one pass of them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, autograd

from policyscope.attribution.asking.score import Score
from policyscope.core.errors import PolicyscopeError

#: Numbers of an activation that go through the network at once.
MOST_AT_ONCE = 2**21


def value_and_gradient(
    rest: Score, activation: Float[Tensor, "M ..."], rows: Int[Tensor, " M"]
) -> tuple[Float[Tensor, " M"], Float[Tensor, "M ..."]]:
    """The target at an activation and its gradient by it.

    Args:
        rest: the target as a function of the activation.
        activation: (M, ...) where to differentiate.
        rows: (M,) which of the N rows each stands in for.

    Raises:
        PolicyscopeError: the target does not change with the activation.

    Cost: one forward and one backward pass from the site on, over M rows.
    """
    at = activation.detach().requires_grad_()
    with torch.enable_grad():
        value = rest(at, rows)
        (slope,) = autograd.grad(value.sum(), at, allow_unused=True)
    if slope is None:
        raise PolicyscopeError(f"the target has no slope at site '{rest.site}'")
    return value.detach(), slope


def gradient(rest: Score) -> Float[Tensor, "N ..."]:
    """Gradient of the target by the activation as it was.

    Args:
        rest: the target as a function of the activation.

    Returns:
        (N, ...) in the target's unit a unit of the activation.

    Cost: one forward and one backward pass from the site on.

    Reference: Simonyan et al. 2014, section 3.
    """
    rows = torch.arange(len(rest.activation))
    parts = [
        value_and_gradient(rest, rest.activation[some], some)[1]
        for some in rows.split(at_once(rest))
    ]
    return torch.cat(parts)


def input_times_gradient(
    rest: Score, baseline: Float[Tensor, "N ..."] | float = 0.0
) -> Float[Tensor, "N ..."]:
    """Gradient times the activation's difference to a baseline: a first-order estimate.

    Args:
        rest: the target as a function of the activation.
        baseline: what the activation is compared with, (N, ...) or one number.

    Returns:
        (N, ...) in the target's unit.

    Cost: that of ``gradient``.

    Reference: Shrikumar et al. 2016.
    """
    return (rest.activation - baseline) * gradient(rest)


@dataclass(frozen=True, eq=False)
class Smoothed:
    """A mean over noisy copies.

    Args:
        values: (N, ...) mean gradient.
        error: (N, ...) its standard error over the copies.
        samples: copies of each row.
    """

    values: Tensor
    error: Tensor
    samples: int


def smooth_gradient(rest: Score, share: float = 0.1, samples: int = 32, seed: int = 0) -> Smoothed:
    """Mean gradient over copies of the activation with noise added.

    Args:
        rest: the target as a function of the activation.
        share: standard deviation of the noise, as a share of the range of a row's activation.
        samples: copies of each row, at least 2.
        seed: of the noise; the same for every row, whatever is explained beside it.

    Raises:
        PolicyscopeError: fewer than 2 copies, or a share below 0.

    Cost: ``samples`` forward and backward passes from the site on.

    Reference: Smilkov et al. 2017, section 3.1.
    """
    if samples < 2 or not share >= 0:
        raise PolicyscopeError("smoothing takes at least 2 samples and a share of at least 0")
    activation = rest.activation
    flat = activation.flatten(1)
    spread = share * (flat.amax(1) - flat.amin(1)).view(-1, *[1] * (activation.dim() - 1))
    generator = torch.Generator().manual_seed(seed)
    total, squares = torch.zeros_like(activation), torch.zeros_like(activation)
    for _ in range(samples):
        noise = torch.randn(activation.shape[1:], generator=generator).to(activation)
        for rows in torch.arange(len(activation)).split(at_once(rest)):
            slope = value_and_gradient(rest, activation[rows] + spread[rows] * noise, rows)[1]
            total[rows] += slope
            squares[rows] += slope**2
    mean = total / samples
    variance = (squares / samples - mean**2).clamp(min=0) * samples / (samples - 1)
    return Smoothed(mean, (variance / samples).sqrt(), samples)


def grad_cam(rest: Score) -> Float[Tensor, "N H W"]:
    """Where channels that the target rises with are active.

    Args:
        rest: the target as a function of a convolutional activation (N, C, H, W).

    Returns:
        (N, H, W) channels weighted with their mean gradient, negative sums cut off.

    Raises:
        PolicyscopeError: the activation has no channels and places.

    Cost: that of ``gradient``.

    Reference: Selvaraju et al. 2017, equations 1 and 2.
    """
    if rest.activation.dim() != 4:
        shape = tuple(rest.activation.shape[1:])
        raise PolicyscopeError(
            f"Grad-CAM needs channels and places; site '{rest.site}' has shape {shape}"
        )
    weights = gradient(rest).mean((2, 3), keepdim=True)
    return (weights * rest.activation).sum(1).relu()


def at_once(rest: Score) -> int:
    """Rows that go through the network at once."""
    size = rest.activation[:1].numel()
    return min(max(MOST_AT_ONCE // max(size, 1), 1), 4096)

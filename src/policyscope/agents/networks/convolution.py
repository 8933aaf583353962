"""Parts that the convolutional networks share: sums and pools as modules, first weights."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from policyscope.core.errors import PolicyscopeError

#: Keeps the gradient of the root finite at zero; part of the published network.
FLOOR = 1e-8


class Sum(nn.Module):
    """The sum of a residual path and what it began with."""

    def forward(
        self, x: Float[Tensor, "N C H W"], path: Float[Tensor, "N C H W"]
    ) -> Float[Tensor, "N C H W"]:
        """``path + x``."""
        return path + x


class Head(nn.Linear):
    """A linear layer computed in the precision of its weights, whatever is set around it.

    Bfloat16 would tell values between 8 and 16 apart by sixteenths only.
    """

    def forward(self, x: Float[Tensor, "N F"]) -> Float[Tensor, "N A"]:
        """The weighted sums."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.to(self.weight.dtype))


class L2Pool(nn.Module):
    """Root of the mean square over windows that do not overlap."""

    def __init__(self, size: int = 2):
        super().__init__()
        self.size = size

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C h w"]:
        """``sqrt(mean(x ** 2) + 1e-8)`` of every window."""
        return torch.sqrt(avg_pool2d(x * x, self.size) + FLOOR)

    def extra_repr(self) -> str:
        """The size of a window, for printing."""
        return str(self.size)


def check_image(shape: Sequence[int]) -> tuple[int, int, int]:
    """Channels, height and width of an image.

    Raises:
        PolicyscopeError: it is something else.

    Example:
        >>> check_image([3, 64, 64])
        (3, 64, 64)
    """
    if len(shape) != 3 or min(shape) < 1:
        raise PolicyscopeError(f"an image has channels, height and width, not {list(shape)}")
    channels, height, width = (int(extent) for extent in shape)
    return channels, height, width


def draw_xavier(module: nn.Module) -> None:
    """Xavier-uniform weights and zero biases in all convolutions and linear layers."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def draw_heads(policy: nn.Linear, value: nn.Linear) -> None:
    """Orthogonal weights: 0.01 for the policy, so that it begins near uniform, 1 for the value."""
    for head, gain in ((policy, 0.01), (value, 1.0)):
        nn.init.orthogonal_(head.weight, gain)
        nn.init.zeros_(head.bias)

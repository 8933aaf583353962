"""The "clear" convolutional network of Hilton et al. 2020, made to be looked into.

Five convolutions without shortcuts, each followed by a ReLU, pools that do not overlap, two dense
layers. Layers have the lineage's names: the activation that the article calls ``2b`` is the site
``2b.relu``, before the pool.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from policyscope.agents.heads import Outputs
from policyscope.agents.networks.convolution import (
    Head,
    L2Pool,
    check_image,
    draw_heads,
    draw_xavier,
)
from policyscope.core.errors import PolicyscopeError

#: Name, size of the kernel and whether a pool follows.
LAYERS = (("1a", 7, True), ("2a", 5, False), ("2b", 5, True), ("3a", 5, True), ("4a", 5, True))


class Layer(nn.Module):
    """Convolution of stride 1 that keeps the size, ReLU and, where asked for, an L2 pool of 2."""

    def __init__(self, before: int, channels: int, kernel: int, pooled: bool):
        super().__init__()
        self.conv2d = nn.Conv2d(before, channels, kernel, padding=kernel // 2)
        self.relu = nn.ReLU()
        self.pool = L2Pool(2) if pooled else None

    def forward(self, x: Float[Tensor, "N B H W"]) -> Float[Tensor, "N C h w"]:
        """Features, at half the resolution behind a pool."""
        x = self.relu(self.conv2d(x))
        return x if self.pool is None else self.pool(x)


class ClearNetwork(nn.Module):
    """Logits and value of an image.

    Args:
        widths: channels of the layers 1a, 2a, 2b, 3a and 4a.
        dense: widths of the two dense layers.
        actions: number of actions.
        shape: channels, height and width of an image.

    Reference: Hilton et al. 2020, "Understanding RL Vision"; lucid's ``clear_cnn``.

    Example:
        >>> import torch
        >>> ClearNetwork()(torch.ones(2, 3, 64, 64))["logits"].shape
        torch.Size([2, 15])
    """

    recurrent = False

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 32, 32, 32),
        dense: Sequence[int] = (256, 512),
        actions: int = 15,
        shape: Sequence[int] = (3, 64, 64),
    ):
        super().__init__()
        before, height, width = check_image(shape)
        if len(widths) != len(LAYERS) or len(dense) != 2:
            raise PolicyscopeError(
                f"a clear network has 5 convolutions and 2 dense layers, not {len(widths)} "
                f"and {len(dense)}"
            )
        for (name, kernel, pooled), channels in zip(LAYERS, widths, strict=True):
            self.add_module(name, Layer(before, channels, kernel, pooled))
            before = channels
            height, width = (height // 2, width // 2) if pooled else (height, width)
        self.dense = nn.Linear(before * height * width, dense[0])
        self.dense_relu = nn.ReLU()
        self.dense_1 = nn.Linear(dense[0], dense[1])
        self.dense_1_relu = nn.ReLU()
        self.pi = Head(dense[1], actions)
        self.vf = Head(dense[1], 1)
        draw_xavier(self)
        draw_heads(self.pi, self.vf)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Outputs:
        """``logits`` (N, A) and ``value`` (N,)."""
        for name, _, _ in LAYERS:
            x = getattr(self, name)(x)
        x = self.dense_relu(self.dense(x.flatten(1)))
        x = self.dense_1_relu(self.dense_1(x))
        return {"logits": self.pi(x), "value": self.vf(x)[:, 0]}

"""IMPALA encoder (Espeholt et al. 2018) with policy and value heads, every step a module.

Parameter names are those of train-procgen-pytorch, so its checkpoints load unchanged. Its ReLUs,
pools and residual sums are made inside ``forward`` there; here each is a module and so a site.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad

from policyscope.agents.heads import Outputs
from policyscope.agents.networks.convolution import Head, Sum, check_image, draw_heads, draw_xavier
from policyscope.core.errors import UnknownName

POOLS = ("both", "same")


class SameMaxPool(nn.Module):
    """Max pool of 3 with stride 2 as TensorFlow pads it (``SAME``).

    An even extent is padded by one at its end alone, where ``nn.MaxPool2d(3, 2, padding=1)`` pads
    both ends: the windows lie one pixel further on.
    """

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C h w"]:
        """The largest value of each window."""
        (top, bottom), (left, right) = (_same(extent) for extent in x.shape[2:])
        return max_pool2d(pad(x, (left, right, top, bottom), value=float("-inf")), 3, 2)


def _same(extent: int) -> tuple[int, int]:
    """Padding before and after an extent: both for an odd one, after for an even one."""
    return (extent % 2, 1)


class Residual(nn.Module):
    """ReLU, convolution, ReLU, convolution, and the sum with what came in."""

    def __init__(self, channels: int):
        super().__init__()
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.resadd = Sum()

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        """The sum of both paths."""
        return self.resadd(x, self.conv2(self.relu2(self.conv1(self.relu1(x)))))


class Block(nn.Module):
    """Convolution, max pool of 3 with stride 2, two residual parts."""

    def __init__(self, before: int, channels: int, pool_padding: str = "both"):
        super().__init__()
        self.conv = nn.Conv2d(before, channels, 3, padding=1)
        same = pool_padding == "same"
        self.maxpool = SameMaxPool() if same else nn.MaxPool2d(3, stride=2, padding=1)
        self.res1 = Residual(channels)
        self.res2 = Residual(channels)

    def forward(self, x: Float[Tensor, "N B H W"]) -> Float[Tensor, "N C h w"]:
        """Features at half the resolution, rounded up."""
        return self.res2(self.res1(self.maxpool(self.conv(x))))


class Embedder(nn.Module):
    """Pixels to an embedding: a block for each width, ReLU, a dense layer, ReLU.

    Args:
        widths: channels of the blocks.
        embedding: width of the dense layer.
        shape: channels, height and width of an image.
        pool_padding: both (torch) or same (TensorFlow).

    Raises:
        UnknownName: no such padding.
    """

    def __init__(
        self,
        widths: Sequence[int],
        embedding: int,
        shape: Sequence[int],
        pool_padding: str = "both",
    ):
        super().__init__()
        if pool_padding not in POOLS:
            raise UnknownName("pool_padding", pool_padding, POOLS)
        channels, height, width = check_image(shape)
        self.blocks = len(widths)
        for i, (before, after) in enumerate(zip([channels, *widths], widths, strict=False)):
            setattr(self, f"block{i + 1}", Block(before, after, pool_padding))
            height, width = (height + 1) // 2, (width + 1) // 2
        self.relu3 = nn.ReLU()
        self.fc = nn.Linear(widths[-1] * height * width, embedding)
        self.relufc = nn.ReLU()
        draw_xavier(self)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N E"]:
        """The embedding of every image."""
        for i in range(self.blocks):
            x = getattr(self, f"block{i + 1}")(x)
        return self.relufc(self.fc(self.relu3(x).flatten(1)))


class ImpalaNetwork(nn.Module):
    """Logits and value of an image.

    Args:
        widths: channels of the three blocks.
        embedding: width of the dense layer.
        actions: number of actions.
        shape: channels, height and width of an image.
        pool_padding: what the max pools pad: both ends of an extent (train-procgen-pytorch) or
            same, as TensorFlow does (Baselines).

    Reference: train-procgen-pytorch ``ImpalaModel`` and ``CategoricalPolicy``; Baselines
    ``build_impala_cnn``.

    Example:
        >>> import torch
        >>> ImpalaNetwork()(torch.ones(2, 3, 64, 64))["logits"].shape
        torch.Size([2, 15])
    """

    recurrent = False

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 32),
        embedding: int = 256,
        actions: int = 15,
        shape: Sequence[int] = (3, 64, 64),
        pool_padding: str = "both",
    ):
        super().__init__()
        self.embedder = Embedder(widths, embedding, shape, pool_padding)
        self.fc_policy = Head(embedding, actions)
        self.fc_value = Head(embedding, 1)
        draw_heads(self.fc_policy, self.fc_value)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Outputs:
        """``logits`` (N, A) and ``value`` (N,)."""
        embedded = self.embedder(x)
        return {"logits": self.fc_policy(embedded), "value": self.fc_value(embedded)[:, 0]}

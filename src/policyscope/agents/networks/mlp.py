"""A plain multilayer perceptron for flat observations, every ReLU a module."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn


class MLPNetwork(nn.Module):
    """Linear and ReLU layers, then one linear layer to the outputs.

    Args:
        features: numbers in an observation.
        widths: widths of the hidden layers.
        actions: number of outputs.

    Example:
        >>> import torch
        >>> MLPNetwork(4, (8,), 2)(torch.ones(5, 4)).shape
        torch.Size([5, 2])
    """

    recurrent = False

    def __init__(self, features: int, widths: Sequence[int] = (128, 128), actions: int = 2):
        super().__init__()
        sizes = [features, *widths]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
        self.relus = nn.ModuleList(nn.ReLU() for _ in widths)
        self.predict = nn.Linear(sizes[-1], actions)

    def forward(self, x: Float[Tensor, "N F"]) -> Float[Tensor, "N A"]:
        """Outputs of every row."""
        for layer, relu in zip(self.layers, self.relus, strict=True):
            x = relu(layer(x))
        return self.predict(x)

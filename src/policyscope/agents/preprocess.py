"""What is done to an observation before the network sees it: modules that an agent can keep.

Each has a registered name, ``name``, and ``arguments()``, from which it is built again.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from policyscope.core.errors import PolicyscopeError
from policyscope.core.registry import find, names


class Pixels(nn.Module):
    """Images as the network wants them: (N, C, H, W) float32, divided by a number.

    Args:
        divisor: what pixels are divided by.
        channels_last: images come as (N, H, W, C).

    Example:
        >>> Pixels()(torch.full((1, 4, 5, 3), 51, dtype=torch.uint8)).shape
        torch.Size([1, 3, 4, 5])
    """

    name = "pixels"

    def __init__(self, divisor: float = 255.0, channels_last: bool = True):
        super().__init__()
        if not divisor > 0:
            raise PolicyscopeError(f"pixels are divided by a positive number, not {divisor}")
        self.divisor, self.channels_last = float(divisor), channels_last

    def arguments(self) -> dict[str, Any]:
        """Constructor arguments, JSON values."""
        return {"divisor": self.divisor, "channels_last": self.channels_last}

    def forward(self, x: Tensor) -> Tensor:
        """Scaled images, (N, C, H, W), from (N, H, W, C) or (N, C, H, W)."""
        x = x.permute(0, 3, 1, 2) if self.channels_last else x
        return x.to(torch.float32, memory_format=torch.contiguous_format) / self.divisor

    def extra_repr(self) -> str:
        """The arguments, for printing and for telling agents apart."""
        return f"divisor={self.divisor}, channels_last={self.channels_last}"


class Flat(nn.Module):
    """Numbers as a perceptron wants them: one row of float32 for each observation.

    Example:
        >>> Flat()(torch.ones(2, 3, 4, dtype=torch.float64)).shape
        torch.Size([2, 12])
    """

    name = "flat"

    def arguments(self) -> dict[str, Any]:
        """Constructor arguments: none."""
        return {}

    def forward(self, x: Tensor) -> Tensor:
        """(N, F) float32 from (N, ...)."""
        return x.flatten(1).float()


class Normalise(nn.Module):
    """Numbers in units of a training's own mean and spread: one row of float32 an observation.

    Computed in float64, as the library that kept the statistics does.

    Args:
        mean: of each number of an observation, in the observation's shape.
        variance: likewise.
        epsilon: added to the variance.
        clip: largest size of the result.

    Raises:
        PolicyscopeError: the statistics are of different shapes, or no finite numbers.

    Reference: Stable-Baselines3 ``VecNormalize``.

    Example:
        >>> Normalise([1.0, 2.0], [4.0, 4.0], 0.0, 1.0)(torch.tensor([[2.0, 9.0]]))
        tensor([[0.5000, 1.0000]])
    """

    name = "normalise"
    mean: Tensor
    variance: Tensor

    def __init__(
        self,
        mean: Sequence[Any],
        variance: Sequence[Any],
        epsilon: float = 1e-8,
        clip: float = 10.0,
    ):
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float64))
        self.register_buffer("variance", torch.as_tensor(variance, dtype=torch.float64))
        self.epsilon, self.clip = float(epsilon), float(clip)
        if self.mean.shape != self.variance.shape:
            shapes = f"{tuple(self.mean.shape)} and {tuple(self.variance.shape)}"
            raise PolicyscopeError(f"mean and variance have different shapes: {shapes}")
        whole = self.mean.isfinite().all() and self.variance.isfinite().all()
        if not (whole and (self.variance + self.epsilon > 0).all() and self.clip > 0):
            raise PolicyscopeError("observations are normalised by finite numbers above zero")

    def arguments(self) -> dict[str, Any]:
        """Constructor arguments, JSON values."""
        return {
            "mean": self.mean.tolist(),
            "variance": self.variance.tolist(),
            "epsilon": self.epsilon,
            "clip": self.clip,
        }

    def forward(self, x: Tensor) -> Tensor:
        """(N, F) float32 from (N, ...) in the shape of the statistics."""
        scaled = (x.double() - self.mean) / (self.variance + self.epsilon).sqrt()
        return scaled.clamp(-self.clip, self.clip).float().flatten(1)

    def extra_repr(self) -> str:
        """The arguments that are no statistics, for printing and for telling agents apart."""
        return f"epsilon={self.epsilon}, clip={self.clip}"


def preprocess_to_json(module: nn.Module) -> dict[str, Any] | None:
    """Name and arguments of a preprocessing module; None for the identity.

    Raises:
        PolicyscopeError: a module that is none of those registered, so that it could not be built
            again.
    """
    if type(module) is nn.Identity:
        return None
    name = getattr(module, "name", None)
    if name not in names("preprocess") or type(module) is not find("preprocess", name):
        valid = ", ".join(names("preprocess"))
        raise PolicyscopeError(
            f"an agent whose preprocess is a {type(module).__name__} cannot be saved; make it part "
            f"of the network or use a registered one: {valid}"
        )
    return {"name": name, "arguments": find("preprocess", name).arguments(module)}


def build_preprocess(values: dict[str, Any] | None) -> nn.Module:
    """Inverse of ``preprocess_to_json``.

    Raises:
        UnknownName: no preprocessing of that name.
        PolicyscopeError: it does not take these arguments.

    Example:
        >>> build_preprocess({"name": "pixels", "arguments": {"divisor": 1.0}})
        Pixels(divisor=1.0, channels_last=True)
    """
    if values is None:
        return nn.Identity()
    made = find("preprocess", values["name"])
    try:
        return made(**values["arguments"])
    except (TypeError, ValueError) as error:
        raise PolicyscopeError(f"preprocess '{values['name']}' cannot be built: {error}") from None

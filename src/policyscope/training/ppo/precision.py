"""A network computed in another precision and memory layout; its weights stay float32."""

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from policyscope.agents.agent import Agent
from policyscope.agents.heads import Outputs
from policyscope.agents.preprocess import Pixels
from policyscope.training.ppo.config import PPOConfig


class Compute(nn.Module):
    """The same network, with convolutions and matrix products as the configuration says.

    What a recurrent network remembers is computed in float32: rounding errors there would add up.
    Images are encoded in parts of ``microbatch`` rows, which keeps them in the processor's cache.

    Args:
        net: the network; its weights are shared, and laid out anew.
        config: has precision, layout and microbatch.
    """

    def __init__(self, net: nn.Module, config: PPOConfig):
        super().__init__()
        self.net, self.rows = net, config.microbatch
        self.low = config.precision == "bfloat16"
        self.last = config.layout == "channels_last"
        self.recurrent = bool(getattr(net, "recurrent", False))
        if self.last:
            _lay_out(net)

    def initial_state(self, n: int) -> Any:
        """Memory of n rows before an episode."""
        net: Any = self.net
        return net.initial_state(n)

    def forward(self, x: Tensor, *state: Any) -> Any:
        """Outputs in float32, and the memory after for a network that has one."""
        if not self.recurrent:
            with self._cast(x):
                outputs = self.net(self._laid_out(x))
            return _single(outputs)
        return self.recall(self.encode(x), *state)

    def encode(self, x: Tensor) -> Tensor:
        """What one observation says, whatever came before it."""
        encode = getattr(self.net, "encode", None)
        if encode is None:
            return x
        with self._cast(x):
            parts = [encode(self._laid_out(part)) for part in x.split(self.rows)]
        return torch.cat(parts).float()

    def recall(self, encoded: Tensor, state: Any) -> tuple[Outputs, Any]:
        """Outputs and the memory after, from what was seen and the memory before."""
        recall = getattr(self.net, "recall", self.net)
        outputs, state = recall(encoded, state)
        return _single(outputs), state

    def _cast(self, x: Tensor) -> AbstractContextManager[Any]:
        return torch.autocast(x.device.type, torch.bfloat16, enabled=self.low)

    def _laid_out(self, x: Tensor) -> Tensor:
        images = self.last and x.dim() == 4
        return x.contiguous(memory_format=torch.channels_last) if images else x


class PixelsInPlace(nn.Module):
    """What ``Pixels`` gives, its channels left where they lie: last.

    Args:
        pixels: takes images as (N, H, W, C).
    """

    def __init__(self, pixels: Pixels):
        super().__init__()
        self.divisor = pixels.divisor

    def forward(self, x: Tensor) -> Tensor:
        """Scaled images, (N, C, H, W) in the layout channels_last."""
        images = x.permute(0, 3, 1, 2)
        images = images.to(torch.float32, memory_format=torch.channels_last, copy=True)
        return images.div_(self.divisor)


def computed(agent: Agent, config: PPOConfig) -> Agent:
    """The same agent in the precision and layout of the configuration; its weights are shared."""
    preprocess = agent.preprocess
    if config.layout == "channels_last" and type(preprocess) is Pixels and preprocess.channels_last:
        preprocess = PixelsInPlace(preprocess)
    return replace(agent, net=Compute(agent.net, config), preprocess=preprocess)


def _single(outputs: Outputs) -> Outputs:
    return {k: v.float() for k, v in outputs.items()}


def _lay_out(net: nn.Module) -> None:
    """Weights of convolutions in the layout of the images, in place."""
    for weights in net.parameters():
        if weights.dim() == 4:
            weights.data = weights.data.contiguous(memory_format=torch.channels_last)

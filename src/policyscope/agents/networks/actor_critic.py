"""Policy and value from two perceptrons, for flat observations; names as in Stable-Baselines3."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from policyscope.agents.heads import Outputs
from policyscope.agents.networks.convolution import Head, draw_heads
from policyscope.core.errors import UnknownName

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh, "relu": nn.ReLU, "elu": nn.ELU, "silu": nn.SiLU, "gelu": nn.GELU,
}  # fmt: skip


def perceptron(width: int, widths: Sequence[int], activation: str) -> nn.Sequential:
    """Linear layers, each followed by an activation; nothing where there are no widths.

    Raises:
        UnknownName: no such activation.

    Example:
        >>> [type(part).__name__ for part in perceptron(4, [8], "tanh")]
        ['Linear', 'Tanh']
    """
    if activation not in ACTIVATIONS:
        raise UnknownName("activation", activation, ACTIVATIONS)
    parts: list[nn.Module] = []
    for before, after in zip([width, *widths], widths, strict=False):
        parts += [nn.Linear(before, after), ACTIVATIONS[activation]()]
    return nn.Sequential(*parts)


class ActorCriticNetwork(nn.Module):
    """Two perceptrons that share nothing: one to the policy, one to the value.

    First weights are orthogonal, of gain sqrt(2) in the perceptrons, 0.01 in the policy's last
    layer and 1 in the value's; first biases are zero.

    Args:
        features: numbers in an observation.
        policy: widths of the hidden layers towards the policy.
        value: widths of the hidden layers towards the value.
        actions: number of actions, or numbers in a continuous action.
        activation: tanh, relu, elu, silu or gelu.
        gaussian: continuous actions, with a spread that no observation changes.

    Reference: Stable-Baselines3 ``ActorCriticPolicy``.

    Example:
        >>> sorted(ActorCriticNetwork(3, [8], [8], 2, gaussian=True)(torch.ones(5, 3)))
        ['log_std', 'mean', 'value']
    """

    recurrent = False

    def __init__(
        self,
        features: int,
        policy: Sequence[int] = (64, 64),
        value: Sequence[int] = (64, 64),
        actions: int = 2,
        activation: str = "tanh",
        gaussian: bool = False,
    ):
        super().__init__()
        self.mlp_extractor = nn.ModuleDict(
            {
                "policy_net": perceptron(features, policy, activation),
                "value_net": perceptron(features, value, activation),
            }
        )
        self.action_net = Head([features, *policy][-1], actions)
        self.value_net = Head([features, *value][-1], 1)
        self.log_std = nn.Parameter(torch.zeros(actions)) if gaussian else None
        for part in self.mlp_extractor.modules():
            if isinstance(part, nn.Linear):
                nn.init.orthogonal_(part.weight, math.sqrt(2))
                nn.init.zeros_(part.bias)
        draw_heads(self.action_net, self.value_net)

    def forward(self, x: Float[Tensor, "N F"]) -> Outputs:
        """``value`` (N,), and ``logits`` (N, A) or ``mean`` and ``log_std`` (N, D)."""
        return self.answer(x, x)

    def answer(
        self, before_policy: Float[Tensor, "N P"], before_value: Float[Tensor, "N V"]
    ) -> Outputs:
        """The same from what each of the two perceptrons reads."""
        answer = self.action_net(self.mlp_extractor["policy_net"](before_policy))
        value = self.value_net(self.mlp_extractor["value_net"](before_value))[:, 0]
        if self.log_std is None:
            return {"logits": answer, "value": value}
        return {"mean": answer, "log_std": self.log_std.expand_as(answer), "value": value}

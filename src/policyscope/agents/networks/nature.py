"""The image encoder of Mnih et al. 2015 under policy and value, or under Q-values."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from policyscope.agents.heads import Outputs
from policyscope.agents.networks.actor_critic import ActorCriticNetwork
from policyscope.agents.networks.convolution import check_image
from policyscope.agents.networks.mlp import MLPNetwork

#: Channels, kernel and stride of the convolutions.
LAYERS = ((32, 8, 4), (64, 4, 2), (64, 3, 1))


class NatureEncoder(nn.Module):
    """Three convolutions and a dense layer, a ReLU after each.

    Args:
        shape: channels, height and width of an image.
        embedding: width of the dense layer.
    """

    def __init__(self, shape: Sequence[int], embedding: int):
        super().__init__()
        before, height, width = check_image(shape)
        parts: list[nn.Module] = []
        for channels, kernel, stride in LAYERS:
            parts += [nn.Conv2d(before, channels, kernel, stride), nn.ReLU()]
            before = channels
            height, width = ((n - kernel) // stride + 1 for n in (height, width))
        self.cnn = nn.Sequential(*parts)
        self.linear = nn.Sequential(nn.Linear(before * height * width, embedding), nn.ReLU())

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N E"]:
        """The embedding of every image."""
        return self.linear(self.cnn(x).flatten(1))


class NatureActorCritic(ActorCriticNetwork):
    """Policy and value of an image, on one encoder.

    Args:
        shape: channels, height and width of an image.
        embedding: width of the encoder's dense layer.
        policy: widths of the hidden layers towards the policy.
        value: widths of the hidden layers towards the value.
        actions: number of actions, or numbers in a continuous action.
        activation: of the hidden layers.
        gaussian: continuous actions.

    Reference: Stable-Baselines3 ``ActorCriticCnnPolicy``; Mnih et al. 2015.

    Example:
        >>> import torch
        >>> NatureActorCritic()(torch.zeros(2, 4, 84, 84))["value"].shape
        torch.Size([2])
    """

    def __init__(
        self,
        shape: Sequence[int] = (4, 84, 84),
        embedding: int = 512,
        policy: Sequence[int] = (),
        value: Sequence[int] = (),
        actions: int = 4,
        activation: str = "tanh",
        gaussian: bool = False,
    ):
        super().__init__(embedding, policy, value, actions, activation, gaussian)
        self.features_extractor = NatureEncoder(shape, embedding)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Outputs:
        """``value`` (N,), and ``logits`` (N, A) or ``mean`` and ``log_std`` (N, D)."""
        return super().forward(self.features_extractor(x))


class NatureQ(MLPNetwork):
    """Q-values of an image.

    Args:
        shape: channels, height and width of an image.
        embedding: width of the encoder's dense layer.
        widths: widths of the hidden layers behind it.
        actions: number of actions.

    Reference: Mnih et al. 2015.

    Example:
        >>> import torch
        >>> NatureQ()(torch.zeros(2, 4, 84, 84)).shape
        torch.Size([2, 4])
    """

    def __init__(
        self,
        shape: Sequence[int] = (4, 84, 84),
        embedding: int = 512,
        widths: Sequence[int] = (),
        actions: int = 4,
    ):
        super().__init__(embedding, widths, actions)
        self.features_extractor = NatureEncoder(shape, embedding)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N A"]:
        """Q-values of every action."""
        return super().forward(self.features_extractor(x))

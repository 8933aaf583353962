"""The image encoder of Mnih et al. 2015 before LSTM memories; names as in sb3-contrib."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from policyscope.agents.heads import Outputs
from policyscope.agents.networks.actor_critic_lstm import ActorCriticLSTM, State
from policyscope.agents.networks.nature import NatureEncoder


class NatureActorCriticLSTM(ActorCriticLSTM):
    """Policy and value of images, with memory behind one encoder.

    Args:
        shape: channels, height and width of an image.
        embedding: width of the encoder's dense layer.
        memory: numbers in each LSTM's hidden state.
        critic: what is before the value: lstm, linear or shared.
        policy: widths of the hidden layers towards the policy.
        value: widths of the hidden layers towards the value.
        actions: number of actions, or numbers in a continuous action.
        activation: of the hidden layers.
        gaussian: continuous actions.

    Reference: sb3-contrib ``RecurrentActorCriticCnnPolicy``; Mnih et al. 2015.

    Example:
        >>> import torch
        >>> net = NatureActorCriticLSTM(memory=8)
        >>> net(torch.zeros(2, 4, 84, 84), net.initial_state(2))[0]["value"].shape
        torch.Size([2])
    """

    def __init__(
        self,
        shape: Sequence[int] = (4, 84, 84),
        embedding: int = 512,
        memory: int = 256,
        critic: str = "lstm",
        policy: Sequence[int] = (),
        value: Sequence[int] = (),
        actions: int = 4,
        activation: str = "tanh",
        gaussian: bool = False,
    ):
        super().__init__(embedding, memory, critic, policy, value, actions, activation, gaussian)
        self.features_extractor = NatureEncoder(shape, embedding)

    def encode(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N E"]:
        """The embedding of every image, which needs no memory."""
        return self.features_extractor(x)

    def recall(self, encoded: Float[Tensor, "N E"], state: Any) -> tuple[Outputs, State]:
        """Outputs, and memory after."""
        return super().forward(encoded, state)

    def forward(self, x: Float[Tensor, "N C H W"], state: Any) -> tuple[Outputs, State]:  # type: ignore[override]
        """The same from images."""
        return self.recall(self.encode(x), state)

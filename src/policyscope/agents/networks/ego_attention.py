"""Ego-attention Q-network of Leurent & Mercat 2019 (arXiv 1911.12250), every step a module.

Parameter names are those of rl-agents, so its checkpoints load unchanged. What rl-agents computes
in functional calls (ReLU, mask, softmax, per-head output, residual) has a module here, so that each
is a site. Letters: N batch, V rows (ego first), F features, K heads, D head width, A actions.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from policyscope.core.errors import PolicyscopeError

MASKED_SCORE = -1e9


class Embedding(nn.Module):
    """Row-wise multilayer perceptron with a ReLU after every layer, the last one included."""

    def __init__(self, width_in: int, widths: Sequence[int]):
        super().__init__()
        sizes = [width_in, *widths]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
        self.relus = nn.ModuleList(nn.ReLU() for _ in widths)

    def forward(self, x: Float[Tensor, "*rows F"]) -> Float[Tensor, "*rows D"]:
        """Embed each row."""
        for layer, relu in zip(self.layers, self.relus, strict=True):
            x = relu(layer(x))
        return x


class Decoder(Embedding):
    """The perceptron that reads Q-values out of the attended embedding."""

    def __init__(self, width_in: int, widths: Sequence[int], actions: int):
        super().__init__(width_in, widths)
        self.predict = nn.Linear(widths[-1], actions)

    def forward(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "N A"]:
        """Q-values of every action."""
        return self.predict(super().forward(x))


class Scores(nn.Module):
    """Scaled dot products of the ego query with every key: (N, K, 1, V)."""

    def forward(
        self, query: Float[Tensor, "N K 1 D"], key: Float[Tensor, "N K V D"]
    ) -> Float[Tensor, "N K 1 V"]:
        """``q . k / sqrt(D)`` for each head."""
        return query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5


class MaskedScores(nn.Module):
    """Scores with absent rows set to -1e9."""

    def forward(
        self, scores: Float[Tensor, "N K 1 V"], absent: Bool[Tensor, "N V"]
    ) -> Float[Tensor, "N K 1 V"]:
        """Replace the scores of absent rows."""
        return scores.masked_fill(absent[:, None, None, :], MASKED_SCORE)


class HeadOutputs(nn.Module):
    """What each head brings: its pattern times its values, (N, K, D)."""

    def forward(
        self, pattern: Float[Tensor, "N K 1 V"], value: Float[Tensor, "N K V D"]
    ) -> Float[Tensor, "N K D"]:
        """Mean of the values weighted by the pattern."""
        return (pattern @ value).squeeze(-2)


class Absent(nn.Module):
    """Which rows show nobody: those whose presence, feature 0, is below one half."""

    def forward(self, x: Float[Tensor, "N V F"]) -> Bool[Tensor, "N V"]:
        """``presence < 0.5``."""
        return x[..., 0] < 0.5


class ResidualMean(nn.Module):
    """Mean of the heads' combined output and the ego embedding: both paths carry a factor 1/2."""

    def forward(
        self, attended: Float[Tensor, "N W"], ego: Float[Tensor, "N W"]
    ) -> Float[Tensor, "N W"]:
        """``(attended + ego) / 2``."""
        return (attended + ego) / 2


class EgoAttention(nn.Module):
    """Attention of the ego row over all rows, with contiguous slices of the width as heads."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        if width % heads:
            raise PolicyscopeError(f"attention width {width} cannot be split into {heads} heads")
        self.heads = heads
        self.value_all = nn.Linear(width, width, bias=False)
        self.key_all = nn.Linear(width, width, bias=False)
        self.query_ego = nn.Linear(width, width, bias=False)
        self.attention_combine = nn.Linear(width, width, bias=False)
        self.scores = Scores()
        self.masked = MaskedScores()
        self.pattern = nn.Softmax(dim=-1)
        self.head_outputs = HeadOutputs()
        self.residual = ResidualMean()

    def _split(self, x: Float[Tensor, "N V W"]) -> Float[Tensor, "N K V D"]:
        rows = x.shape[1]
        return x.view(len(x), rows, self.heads, -1).transpose(1, 2)

    def forward(
        self, rows: Float[Tensor, "N V W"], absent: Bool[Tensor, "N V"]
    ) -> Float[Tensor, "N W"]:
        """Attended ego embedding.

        Args:
            rows: embeddings, the ego's first.
            absent: rows to leave out.
        """
        ego = rows[:, 0]
        query = self._split(self.query_ego(rows[:, :1]))
        scores = self.scores(query, self._split(self.key_all(rows)))
        pattern = self.pattern(self.masked(scores, absent))
        outputs = self.head_outputs(pattern, self._split(self.value_all(rows)))
        return self.residual(self.attention_combine(outputs.flatten(1)), ego)


class EgoAttentionNetwork(nn.Module):
    """Q-values from a set of vehicles: embed rows, let the ego attend to them, decode.

    Args:
        features: numbers in a row; feature 0 is presence.
        embedding: widths of the row embeddings (ego and others have weights of their own).
        width: width of the attention, equal to the last embedding width.
        heads: number of heads. It cannot be read from a checkpoint: shapes are the same for all.
        decoder: widths of the layers behind the attention.
        actions: number of actions.

    Reference: Leurent & Mercat 2019, section 3; rl-agents ``EgoAttentionNetwork``.

    Example:
        >>> EgoAttentionNetwork()(torch.ones(2, 15, 7)).shape
        torch.Size([2, 3])
    """

    recurrent = False

    def __init__(
        self,
        features: int = 7,
        embedding: Sequence[int] = (64, 64),
        width: int = 64,
        heads: int = 4,
        decoder: Sequence[int] = (64, 64),
        actions: int = 3,
    ):
        super().__init__()
        if embedding[-1] != width:
            raise PolicyscopeError(f"the embedding ends at {embedding[-1]}, the width is {width}")
        self.absent = Absent()
        self.ego_embedding = Embedding(features, embedding)
        self.others_embedding = Embedding(features, embedding)
        self.attention_layer = EgoAttention(width, heads)
        self.output_layer = Decoder(width, decoder, actions)

    def forward(self, x: Float[Tensor, "N V F"]) -> Float[Tensor, "N A"]:
        """Q-values of every action; absent rows are not attended to."""
        absent = self.absent(x)
        ego = self.ego_embedding(x[:, :1])
        rows = torch.cat([ego, self.others_embedding(x[:, 1:])], dim=1)
        return self.output_layer(self.attention_layer(rows, absent))

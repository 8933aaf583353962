"""Exact per-head algebra of the ego attention, from its weights.

Head k owns the ROWS k*D..(k+1)*D of the query, key and value weights and the same COLUMNS of the
combining weights. Letters: N batch, K heads, V rows of the observation, W width, D = W / K.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from policyscope.agents.agent import Agent
from policyscope.agents.networks.ego_attention import (
    MASKED_SCORE,
    EgoAttention,
    EgoAttentionNetwork,
)
from policyscope.core.errors import PolicyscopeError
from policyscope.core.hooks import capture

PARTS = ("scores", "pattern", "head_outputs", "residual")
BATCH = 4096


@dataclass(frozen=True)
class HeadWeights:
    """Weights of an attention layer, head by head.

    Args:
        query: (K, D, W).
        key: (K, D, W).
        value: (K, D, W).
        combine: (K, W, D).
    """

    query: Float[Tensor, "K D W"]
    key: Float[Tensor, "K D W"]
    value: Float[Tensor, "K D W"]
    combine: Float[Tensor, "K W D"]

    def qk(self) -> Float[Tensor, "K W W"]:
        """Bilinear form of each head: ``score = ego @ qk @ row / sqrt(D)``."""
        return self.query.transpose(-2, -1) @ self.key

    def ov(self) -> Float[Tensor, "K W W"]:
        """What each head writes for a row it looks at: ``ov @ row``."""
        return self.combine @ self.value


@dataclass(frozen=True)
class HeadTerms:
    """The attention taken apart, exactly.

    Args:
        scores: (N, K, V) before the mask.
        pattern: (N, K, V) softmax over the rows that are present.
        outputs: (N, K, D) values weighted by the pattern.
        written: (N, K, W) what each head adds to the sum behind the combining weights.
        residual: (N, W) ``(sum of written + ego) / 2``.
    """

    scores: Float[Tensor, "N K V"]
    pattern: Float[Tensor, "N K V"]
    outputs: Float[Tensor, "N K D"]
    written: Float[Tensor, "N K W"]
    residual: Float[Tensor, "N W"]


def head_weights(layer: EgoAttention) -> HeadWeights:
    """Slice the weights of an attention layer by head."""
    width, heads = layer.query_ego.weight.shape[1], layer.heads
    return HeadWeights(
        query=layer.query_ego.weight.view(heads, -1, width),
        key=layer.key_all.weight.view(heads, -1, width),
        value=layer.value_all.weight.view(heads, -1, width),
        combine=layer.attention_combine.weight.view(width, heads, -1).transpose(0, 1),
    )


def head_terms(
    weights: HeadWeights, rows: Float[Tensor, "N V W"], absent: Bool[Tensor, "N V"]
) -> HeadTerms:
    """Compute the attention from its per-head circuits instead of its layers.

    Args:
        weights: of one attention layer.
        rows: embeddings after the last ReLU, the ego's first.
        absent: rows to leave out.
    """
    ego = rows[:, 0]
    scale = weights.key.shape[1] ** -0.5
    scores = torch.einsum("nw,kwu,nvu->nkv", ego, weights.qk(), rows) * scale
    pattern = scores.masked_fill(absent[:, None], MASKED_SCORE).softmax(-1)
    outputs = torch.einsum("nkv,kdw,nvw->nkd", pattern, weights.value, rows)
    written = torch.einsum("nkv,kuw,nvw->nku", pattern, weights.ov(), rows)
    return HeadTerms(scores, pattern, outputs, written, (written.sum(1) + ego) / 2)


def embed_rows(net: EgoAttentionNetwork, x: Float[Tensor, "N V F"]) -> Float[Tensor, "N V W"]:
    """Embeddings that the attention works on, the ego's first."""
    return torch.cat([net.ego_embedding(x[:, :1]), net.others_embedding(x[:, 1:])], dim=1)


def attention_layer(agent: Agent) -> tuple[str, EgoAttention]:
    """Site prefix and module of an agent's attention.

    Raises:
        PolicyscopeError: its network has none.
    """
    for name, module in agent.net.named_modules():
        if isinstance(module, EgoAttention):
            return name, module
    raise PolicyscopeError(
        f"the agent's network '{agent.network[0]}' has no attention layer to explain; "
        "this method needs an 'ego_attention' agent; --method integrated_gradients takes any"
    )


def _batches(obs: Tensor) -> Iterator[Tensor]:
    return iter(obs.split(BATCH))


def attention_forward(agent: Agent, obs: Tensor) -> dict[str, Tensor]:
    """One forward pass for each observation, keeping the attention and the outputs.

    Args:
        agent: whose weights to use.
        obs: (N, ...) recorded observations.

    Returns:
        ``scores`` and ``pattern`` (N, K, V), ``head_outputs`` (N, K, D), ``residual`` (N, W), and
        the outputs by name.
    """
    prefix, _ = attention_layer(agent)
    sites = [f"{prefix}.{part}" for part in PARTS]
    found: list[dict[str, Tensor]] = []
    for rows in _batches(obs):
        with torch.no_grad(), capture(agent.modules(), sites) as seen:
            outputs = agent.forward(rows.to(agent.device), None)[0]
        parts = {part: _flat(part, seen[f"{prefix}.{part}"]) for part in PARTS}
        found.append({k: v.cpu() for k, v in {**outputs, **parts}.items()})
    return {key: torch.cat([f[key] for f in found]) for key in found[0]}


def _flat(part: str, value: Tensor) -> Tensor:
    return value.squeeze(-2) if part in ("scores", "pattern") else value


def exact_terms(agent: Agent, obs: Tensor) -> tuple[HeadTerms, dict[str, Tensor]]:
    """The attention in float64, from its circuits and from the layers themselves.

    Args:
        agent: with an ``EgoAttentionNetwork``.
        obs: (N, V, F) recorded observations.

    Returns:
        The terms of the circuits, and what ``attention_forward`` gives in float64.
    """
    twin = _double(agent)
    weights = head_weights(attention_layer(twin)[1])
    net = cast(EgoAttentionNetwork, twin.net)
    terms: list[HeadTerms] = []
    for rows in _batches(obs.double()):
        with torch.no_grad():
            x = twin.preprocess(rows)
            terms.append(head_terms(weights, embed_rows(net, x), x[..., 0] < 0.5))
    joined = (torch.cat([getattr(t, f) for t in terms]) for f in HeadTerms.__dataclass_fields__)
    return HeadTerms(*joined), attention_forward(twin, obs.double())


def _double(agent: Agent) -> Agent:
    def copy(module: nn.Module) -> nn.Module:
        return deepcopy(module).cpu().double()

    return Agent(
        copy(agent.net), agent.network, agent.head, agent.space, preprocess=copy(agent.preprocess)
    )

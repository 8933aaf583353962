"""From a network's outputs to an action and its log-probability."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from policyscope.core.errors import PolicyscopeError, UnknownName

HEADS = ("q", "categorical", "gaussian", "uniform")
ACTING = ("greedy", "sample")

Outputs = dict[str, Tensor]

# Closer to 0 or 1 a float32 has no finite normal quantile.
_OPEN_UNIT = (1e-7, 1 - 1e-7)


@dataclass(frozen=True)
class RowNoise:
    """Random numbers that depend on nothing but (seed, episode, step).

    A sampled action is then the same whatever batch, lane or worker the episode ran in.

    Args:
        seed: seed of the run.
        episodes: (N,) episode numbers.
        steps: (N,) steps within the episodes.
    """

    seed: int
    episodes: np.ndarray
    steps: np.ndarray

    def uniform(self, width: int) -> Float[Tensor, "N width"]:
        """Numbers in (0, 1), one row of ``width`` for each row of the batch."""
        bits = np.random.Philox(key=self.seed)
        generator, state = np.random.Generator(bits), bits.state
        rows = np.empty((len(self.episodes), width))
        for row, *where in zip(rows, self.episodes, self.steps, strict=True):
            # Putting the counter where it belongs takes a tenth of the time of a new generator.
            state["state"]["counter"][2:] = where
            bits.state = state
            row[:] = generator.random(width)
        return torch.from_numpy(rows).float().clamp_(*_OPEN_UNIT)


def _uniform(generator: RowNoise | torch.Generator | None, rows: int, width: int) -> Tensor:
    if isinstance(generator, RowNoise):
        return generator.uniform(width)
    return torch.rand(rows, width, generator=generator).clamp_(*_OPEN_UNIT)


def _pick(
    logits: Float[Tensor, "N A"], sample: bool, generator: RowNoise | torch.Generator | None
) -> tuple[Tensor, Tensor]:
    logp = logits.log_softmax(-1)
    if sample:
        noise = _uniform(generator, *logits.shape).to(logits)
        action = (logp - (-noise.log()).log()).argmax(-1)  # Gumbel-max
    else:
        action = logp.argmax(-1)
    return action, logp.gather(-1, action[:, None])[:, 0]


def choose(
    head: str, outputs: Outputs, sample: bool, generator: RowNoise | torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Choose an action for each row.

    Args:
        head: ``q`` (Q-values), ``categorical`` (logits), ``gaussian`` (mean and log_std) or
            ``uniform`` (low and high, between which everything is equally likely).
        outputs: what the network put out, by name.
        sample: draw from the policy; otherwise take its mode. A Q head has no policy to draw from.
        generator: source of the draws.

    Returns:
        Actions, (N,) or (N, D), and their log-probabilities (N,), under the mode taken (a greedy Q
        action has probability one).

    Raises:
        PolicyscopeError: sampling is asked of a Q head.
        UnknownName: no such head.
    """
    if head == "q":
        if sample:
            raise PolicyscopeError(
                "a Q agent has no action distribution to sample from; use --act greedy"
            )
        q = outputs["q"]
        return q.argmax(-1), q.new_zeros(len(q))
    if head == "categorical":
        return _pick(outputs["logits"], sample, generator)
    if head == "gaussian":
        mean, std = outputs["mean"], outputs["log_std"].exp()
        normal = torch.distributions.Normal(mean, std)
        uniform = _uniform(generator, *mean.shape).to(mean)
        action = normal.icdf(uniform) if sample else mean
        return action, normal.log_prob(action).sum(-1)
    if head == "uniform":
        low, width = outputs["low"], outputs["high"] - outputs["low"]
        part = _uniform(generator, *low.shape).to(low) if sample else 0.5
        return low + part * width, -width.log().sum(-1)
    raise UnknownName("action head", head, HEADS)

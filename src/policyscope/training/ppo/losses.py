"""What PPO makes smaller: advantages, the clipped objective, the value error, the entropy."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, Normal
from torch.nn import functional

from policyscope.agents.heads import Outputs
from policyscope.core.errors import PolicyscopeError


def distribution(outputs: Outputs) -> Distribution:
    """The policy as a distribution over actions.

    Raises:
        PolicyscopeError: the network puts out neither logits nor mean and log_std.
    """
    if "logits" in outputs:
        return Categorical(logits=outputs["logits"].float(), validate_args=False)
    if "mean" in outputs:
        spread = outputs["log_std"].float().exp()
        return Independent(Normal(outputs["mean"].float(), spread, validate_args=False), 1)
    raise PolicyscopeError("PPO needs a network that puts out logits, or mean and log_std")


@dataclass(frozen=True)
class Targets:
    """What rows are pulled towards; N rows each, or (T, B).

    Args:
        action: (N,) or (N, D) executed actions.
        logp: (N,) their log-probabilities when they were chosen.
        value: (N,) values when they were chosen.
        advantage: (N,) normalised advantages.
        goal: (N,) returns that the value should foretell.
        teacher: outputs of a teacher on the same rows, and ``counts``, how much each row's policy
            counts, if not all alike; None without one.
    """

    action: Tensor
    logp: Tensor
    value: Tensor
    advantage: Tensor
    goal: Tensor
    teacher: Outputs | None = None

    def map(self, pick: Callable[[Tensor], Tensor]) -> "Targets":
        """The same of other rows."""
        teacher = self.teacher and {k: pick(v) for k, v in self.teacher.items()}
        return Targets(
            pick(self.action), pick(self.logp), pick(self.value), pick(self.advantage),
            pick(self.goal), teacher,
        )  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """How much each loss counts now.

    Args:
        clip: bound on the change of the ratio.
        value_clip: bound on the change of the scaled value; 0 for none.
        value: of the value error.
        entropy: of the entropy bonus.
        teacher: of the teacher's policy.
        teacher_value: of the teacher's value.
        scale: unit of values and rewards.
        teacher_scale: unit of the teacher's values: what a student is worth at first says little
            about them.
    """

    clip: float
    value_clip: float
    value: float
    entropy: float
    teacher: float
    teacher_value: float
    scale: float
    teacher_scale: float = 1.0


def losses(outputs: Outputs, targets: Targets, weights: Weights) -> dict[str, Float[Tensor, ""]]:
    """Sums over rows of every loss, and of what is only looked at.

    Args:
        outputs: of the network, N rows.
        targets: N rows.
        weights: how much each counts.

    Returns:
        ``loss`` (what is made smaller), ``policy``, ``value``, ``entropy``, ``kl`` (an unbiased
        estimate of how far the policy moved), ``clipped`` (rows) and, with a teacher, ``teacher``
        (cross-entropy) and ``teacher_value``.

    Reference: Schulman et al. 2017, equations 7 and 9; Schmitt et al. 2018, section 3.
    """
    policy = distribution(outputs)
    value = outputs["value"].float()
    log_ratio = policy.log_prob(targets.action) - targets.logp
    ratio = log_ratio.exp()
    bounded = ratio.clamp(1 - weights.clip, 1 + weights.clip)
    gain = torch.minimum(ratio * targets.advantage, bounded * targets.advantage).sum()
    errors = _value_errors(value, targets, weights.value_clip * weights.scale)
    out = {
        "policy": -gain,
        "value": 0.5 * errors.sum() / weights.scale**2,
        "entropy": policy.entropy().sum(),
        "kl": (ratio - 1 - log_ratio).detach().sum(),
        "clipped": ((ratio - 1).abs() > weights.clip).float().sum(),
    }
    loss = out["policy"] + weights.value * out["value"] - weights.entropy * out["entropy"]
    if targets.teacher is not None and weights.teacher:
        apart = _cross_entropy(outputs, targets.teacher)
        out["teacher"] = (apart * targets.teacher.get("counts", 1.0)).sum()
        loss = loss + weights.teacher * out["teacher"]
        if "value" in targets.teacher:
            errors = (value - targets.teacher["value"].float()) ** 2
            out["teacher_value"] = 0.5 * errors.sum() / weights.teacher_scale**2
            loss = loss + weights.teacher * weights.teacher_value * out["teacher_value"]
    return {"loss": loss, **out}


def _value_errors(value: Tensor, targets: Targets, reach: float) -> Float[Tensor, " N"]:
    """Squared; with a reach, the larger of those with and without bounding the value's change."""
    errors = (value - targets.goal) ** 2
    if not reach:
        return errors
    near = targets.value + (value - targets.value).clamp(-reach, reach)
    return torch.maximum(errors, (near - targets.goal) ** 2)


def _cross_entropy(outputs: Outputs, teacher: Outputs) -> Float[Tensor, " N"]:
    """Of the student's policy under the teacher's."""
    expected = teacher["logits"].float().softmax(-1)
    return functional.cross_entropy(outputs["logits"].float(), expected, reduction="none")

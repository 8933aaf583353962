"""Targets that a method cannot be asked of; free of torch."""

from dataclasses import dataclass

from policyscope.attribution.config import CAPTUM, SLOPES
from policyscope.core.target_parser import Target


@dataclass(frozen=True)
class TargetNeed:
    """What a method needs of a target.

    Args:
        kinds: of terms.
        only: whether a term of these kinds has to be there; else none may be.
        why: what is wrong with other targets, and what to take.
    """

    kinds: tuple[str, ...]
    only: bool
    why: str


_STEEP = TargetNeed(
    ("same",),
    False,
    "its target is at its highest at the decision as recorded, so that the slope there is 0: take "
    "--method occlusion, blur, shapley or integrated_gradients, or a target such as value",
)
#: By method; others can be asked of any target.
NEEDS: dict[str, TargetNeed] = {
    "sarfa": TargetNeed(
        ("q", "logit", "logp"),
        True,
        "SARFA is about an action: take a target such as q[taken], logit[0] or logp[taken]",
    ),
    **{
        method: _STEEP
        for method in (*SLOPES, "input_x_gradient", "grad_cam", f"{CAPTUM}InputXGradient")
    },
}


def unfit(method: str, target: Target) -> str:
    """Why a method cannot be asked of a target; empty where it can.

    Args:
        method: its name.
        target: what is attributed.

    Example:
        >>> from policyscope.core.target_parser import parse_target
        >>> unfit("sarfa", parse_target("value"))[:24], unfit("blur", parse_target("value"))
        ('SARFA is about an action', '')
    """
    need = NEEDS.get(method)
    if need is None:
        return ""
    there = any(term.kind in need.kinds for term in target.terms)
    return "" if there == need.only else need.why

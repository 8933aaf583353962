"""Methods that take gradients, as answers to a question about decisions."""

import math
from collections.abc import Callable
from typing import TypeVar

import torch

from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.methods.asked import Asked
from policyscope.attribution.methods.conductance import layer_conductance
from policyscope.attribution.methods.curved import Curved, curved_gradients
from policyscope.attribution.methods.gradients import (
    grad_cam,
    gradient,
    input_times_gradient,
    smooth_gradient,
)
from policyscope.attribution.methods.paths import Attributed, integrated_gradients
from policyscope.attribution.methods.told import Told, relative
from policyscope.core.errors import PolicyscopeError

#: Steps at which paths stop that are made finer until they miss little.
FINEST = 1024

AnyPath = TypeVar("AnyPath", Attributed, Curved)


def integrated(asked: Asked) -> Told:
    """Integrated gradients, with their gap."""
    config = asked.config
    found = integrated_gradients(
        asked.rest, asked.start, config.rule, config.steps, config.tolerance
    )
    return {
        "attribution": found.values, "change": found.change, "gap": found.gap,
        "missed": found.missed, "steps": found.steps,
    }  # fmt: skip


def slope(asked: Asked) -> Told:
    """The gradient."""
    return {"attribution": gradient(asked.rest)}


def multiplied(asked: Asked) -> Told:
    """The gradient times the difference to the baseline."""
    return {"attribution": input_times_gradient(asked.rest, asked.start)}


def smooth(asked: Asked) -> Told:
    """The mean gradient over noisy copies, with its error."""
    found = smooth_gradient(asked.rest, samples=asked.config.samples, seed=asked.config.seed)
    return {"attribution": found.values, "error": relative(found.error, found.values)}


def seen_by_grad_cam(asked: Asked) -> Told:
    """Grad-CAM, a map without channels."""
    return {"attribution": grad_cam(asked.rest)}


def curved(asked: Asked) -> Told:
    """Integrated gradients over curved paths through factors.

    Raises:
        PolicyscopeError: the factors of the site are not known.
    """
    if asked.factors is None:
        raise PolicyscopeError("curved paths need factors: make the question with fitted(...)")
    config, factors = asked.config, asked.factors

    def at(steps: int) -> Curved:
        return curved_gradients(
            asked.rest, factors, _rule(config), steps, config.samples, config.seed
        )

    found, steps = _fine_enough(at, config, True)
    return {
        "attribution": found.values, "change": found.change, "gap": found.gap,
        "steps": torch.full((len(found.gap),), steps * len(found.late)),
        "error": relative(found.spread.nan_to_num() / len(found.late) ** 0.5, found.values),
    }  # fmt: skip


def conductance(asked: Asked) -> Told:
    """What flows through the units of a hidden site, in finer steps while a sum misses much."""
    config = asked.config

    def at(steps: int) -> Attributed:
        return layer_conductance(asked.rest, asked.site, asked.start, _rule(config), steps)

    found, steps = _fine_enough(at, config, asked.whole)
    return {
        "attribution": found.values, "change": found.change, "gap": found.gap,
        "steps": torch.full((len(found.gap),), steps),
    }  # fmt: skip


def _rule(config: AttributionConfig) -> str:
    return "trapezoid" if config.rule == "adaptive" else config.rule


def _fine_enough(
    at: Callable[[int], AnyPath], config: AttributionConfig, whole: bool
) -> tuple[AnyPath, int]:
    """A path in so many steps that it misses little: halving a step halves what ReLUs cost it."""
    steps = config.steps
    found = at(steps)
    while config.rule == "adaptive" and whole and steps < FINEST:
        missed, allowed = found.gap.abs().mean(), config.tolerance * found.change.abs().mean()
        if missed <= allowed:
            break
        times = float(missed / allowed) if float(allowed) else 2.0
        steps = min(steps * max(math.ceil(times), 2), FINEST)
        found = at(steps)
    return found, steps

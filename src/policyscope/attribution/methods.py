"""The methods of attribution by name: from a score and options to what they say of its rows."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from policyscope.attribution.config import AttributionConfig
from policyscope.attribution.gradients import (
    grad_cam,
    gradient,
    input_times_gradient,
    smooth_gradient,
)
from policyscope.attribution.groups import blocks, units, vehicles
from policyscope.attribution.paths import Attributed, ends, integrated_gradients
from policyscope.attribution.perturbation import blur_perturbation, occlusion, removal
from policyscope.attribution.score import INPUT
from policyscope.attribution.shapley import MOST_PLAYERS, exact_shapley, sampled_shapley
from policyscope.core.tails import Tail

Told = dict[str, Tensor]


def held(config: AttributionConfig) -> tuple[str, ...] | None:
    """What keeps its outputs: masks along a path, nothing where somebody is taken away."""
    return () if config.method == "shapley" else None


def explained(
    rest: Tail, config: AttributionConfig, baseline: Float[Tensor, "1 ..."] | float = 0.0
) -> Told:
    """What a method says of N decisions.

    Args:
        rest: the target as a function of the activation.
        config: method and options.
        baseline: what the activation is compared with.

    Returns:
        ``attribution`` (N, ...) and ``target`` (N,); where the method has them ``change``, ``gap``,
        ``missed``, ``steps``, ``passes`` and ``error``, (N,) each.
    """
    start = torch.as_tensor(baseline).to(rest.activation).expand_as(rest.activation)
    return {"target": ends(rest, start)[1], **_METHODS[config.method](rest, start, config)}


def _integrated(rest: Tail, start: Tensor, config: AttributionConfig) -> Told:
    found: Attributed = integrated_gradients(
        rest, start, config.rule, config.steps, config.tolerance
    )
    return {
        "attribution": found.values, "change": found.change, "gap": found.gap,
        "missed": found.missed, "steps": found.steps,
    }  # fmt: skip


def _smooth(rest: Tail, start: Tensor, config: AttributionConfig) -> Told:
    found = smooth_gradient(rest, samples=config.samples, seed=config.seed)
    return {"attribution": found.values, "error": _share(found.error, found.values)}


def _share(error: Tensor, values: Tensor) -> Tensor:
    """Standard error of the values of a row as a share of their size."""
    return error.flatten(1).norm(dim=1) / values.flatten(1).norm(dim=1).clamp(min=1e-12)


def _occluded(rest: Tail, start: Tensor, config: AttributionConfig) -> Told:
    if rest.activation.dim() == 4:
        found = occlusion(rest, config.window, max(config.window // 2, 1), start)
        return {"attribution": found.places.spread(found.change)}
    shape = rest.activation.shape[1:]
    return {"attribution": removal(rest, units(shape), start).change.unflatten(1, shape)}


def _blurred(rest: Tail, start: Tensor, config: AttributionConfig) -> Told:
    found = blur_perturbation(rest)
    return {"attribution": found.places.spread(found.change)}


def _shapley(rest: Tail, start: Tensor, config: AttributionConfig) -> Told:
    shape = tuple(rest.activation.shape[1:])
    if len(shape) == 3:
        players = blocks(shape, config.window)
        down, across = (-(-side // config.window) for side in shape[1:])
        form: tuple[int, ...] = (down, across)
    else:
        others = len(shape) == 2 and rest.site == INPUT  # the ego's row comes first and stays
        players = vehicles(shape) if others else units(shape)
        form = (shape[0] - 1, 1) if others else shape
    if len(players) <= MOST_PLAYERS:
        found = exact_shapley(rest, players, start)
    else:
        found = sampled_shapley(rest, players, start, config.samples, config.seed)
    return {
        "attribution": found.values.unflatten(1, form), "change": found.change, "gap": found.gap,
        "passes": found.passes, "error": _share(found.error, found.values),
    }  # fmt: skip


_METHODS: dict[str, Callable[[Tail, Tensor, AttributionConfig], Told]] = {
    "integrated_gradients": _integrated,
    "gradient": lambda rest, start, config: {"attribution": gradient(rest)},
    "input_x_gradient": lambda rest, start, config: {
        "attribution": input_times_gradient(rest, start)
    },
    "smooth_gradient": _smooth,
    "grad_cam": lambda rest, start, config: {"attribution": grad_cam(rest)},
    "occlusion": _occluded,
    "blur": _blurred,
    "shapley": _shapley,
}

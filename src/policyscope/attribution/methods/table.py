"""The methods of attribution by name: from a question about decisions to what they say of them."""

from collections.abc import Callable

from policyscope.attribution.config import CAPTUM
from policyscope.attribution.methods.asked import Asked
from policyscope.attribution.methods.by_captum import by_captum
from policyscope.attribution.methods.by_gradients import (
    conductance,
    curved,
    integrated,
    multiplied,
    seen_by_grad_cam,
    slope,
    smooth,
)
from policyscope.attribution.methods.by_perturbation import blurred, occluded, relevant, shared_out
from policyscope.attribution.methods.told import Told

METHODS: dict[str, Callable[[Asked], Told]] = {
    "integrated_gradients": integrated,
    "gradient": slope,
    "input_x_gradient": multiplied,
    "smooth_gradient": smooth,
    "curved": curved,
    "conductance": conductance,
    "neuron_conductance": conductance,
    "grad_cam": seen_by_grad_cam,
    "occlusion": occluded,
    "blur": blurred,
    "sarfa": relevant,
    "shapley": shared_out,
}


def explained(asked: Asked) -> Told:
    """What a method says of N decisions.

    Args:
        asked: the decisions, the method and its options.

    Returns:
        ``attribution`` (N, ...) and ``target`` (N,); where the method has them ``change``, ``gap``,
        ``missed``, ``steps``, ``passes`` and ``error``, (N,) each.
    """
    method = asked.config.method
    answer = by_captum if method.startswith(CAPTUM) else METHODS[method]
    return {"target": asked.target, **answer(asked)}

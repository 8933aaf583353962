"""The methods of attribution by name: from a question about decisions to what they say of them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from policyscope.agents.agent import Agent
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
from policyscope.attribution.methods.fitting import (
    Need,
    channels,
    hidden_site,
    places,
    separate_actions,
)
from policyscope.attribution.methods.told import Told
from policyscope.core.hooks import capture


@dataclass(frozen=True)
class Method:
    """How a method answers, and what it needs of a site and of an agent.

    Args:
        answer: what it says of N decisions.
        needs: each tells why it cannot be asked.
    """

    answer: Callable[[Asked], Told]
    needs: tuple[Need, ...] = ()


METHODS: dict[str, Method] = {
    "integrated_gradients": Method(integrated),
    "gradient": Method(slope),
    "input_x_gradient": Method(multiplied),
    "smooth_gradient": Method(smooth),
    "curved": Method(curved, (channels,)),
    "conductance": Method(conductance, (hidden_site,)),
    "neuron_conductance": Method(conductance, (hidden_site, separate_actions)),
    "grad_cam": Method(seen_by_grad_cam, (places,)),
    "occlusion": Method(occluded),
    "blur": Method(blurred, (places,)),
    "sarfa": Method(relevant, (separate_actions,)),
    "shapley": Method(shared_out),
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
    answer = by_captum if method.startswith(CAPTUM) else METHODS[method].answer
    return {"target": asked.target, **answer(asked)}


def refused(agent: Agent) -> dict[str, dict[str, str]]:
    """Why methods cannot be asked, by site and by method; sites without numbers are left out.

    Whether a target depends on a site is not looked at.

    Args:
        agent: whose sites they are.

    Returns:
        For each site, in the order in which they fire, the reasons by method; nothing of methods
        that can be asked.

    Cost: two forward passes.
    """
    sites = agent.sites()
    with torch.no_grad(), capture(agent.modules(), sites) as seen:
        agent.forward(agent.example(), None)
    found: dict[str, dict[str, str]] = {}
    for name, site in sites.items():
        if seen[name].is_floating_point():
            found[name] = {
                method: why
                for method, one in METHODS.items()
                for need in reversed(one.needs)
                if (why := need(agent, name, site.shape))
            }
    return found

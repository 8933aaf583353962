"""Captum's methods, as answers to a question about decisions."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from policyscope.attribution.asking.score import INPUT, Score, part
from policyscope.attribution.config import CAPTUM, read_options
from policyscope.attribution.methods.asked import Asked
from policyscope.attribution.methods.by_perturbation import players
from policyscope.attribution.methods.captum import captum_attribution
from policyscope.attribution.methods.captum_names import (
    COALITIONS,
    COMPARED,
    DRAWS_BASELINES,
    SHARED_OUT,
)
from policyscope.attribution.methods.paths import ends
from policyscope.attribution.methods.told import Told
from policyscope.attribution.trust.levels import side_of
from policyscope.core.errors import PolicyscopeError

#: Groups of which captum goes through all orders.
MOST_ORDERED = 6
#: They know groups of units.
GROUPED = ("FeatureAblation", "FeaturePermutation", *COALITIONS)


def by_captum(asked: Asked) -> Told:
    """One of captum's methods; where it takes them, with our baseline and groups.

    Of a map, groups are blocks of ``window`` places, and a group's value is shared out evenly over
    its units, so that they sum to it. Of vehicles, those that ask of coalitions take the vehicles
    but the ego, which stays, and give a number for each.

    Raises:
        MissingPart, UnknownName, PolicyscopeError: as ``captum_attribution`` does.
    """
    name = asked.config.method.removeprefix(CAPTUM)
    options = read_options(asked.config.options)
    given = {**_defaults(name, asked), **options}
    has_vehicles = asked.site == INPUT and asked.rest.activation.dim() == 3
    has_vehicles &= asked.rest.activation.shape[1] > 1
    if name in GROUPED and "feature_mask" not in options:
        if has_vehicles and name in COALITIONS:
            return _of_vehicles(name, asked, given)
        if not has_vehicles:
            groups = players(asked)[0]
            _require_few(name, len(groups))
            given["feature_mask"] = groups.of[None].to(asked.rest.activation.device)
            values = captum_attribution(name, asked.rest, asked.config.seed, **given)
            return _told(name, asked, values / groups.sizes()[groups.of].to(values), options)
    if name in DRAWS_BASELINES and "baselines" not in options:
        values = _row_by_row(name, asked, given)
    else:
        values = captum_attribution(name, asked.rest, asked.config.seed, **given)
    return _told(name, asked, values, options)


def _defaults(name: str, asked: Asked) -> dict[str, Any]:
    if name == "Occlusion":
        shape = asked.rest.activation.shape[1:]
        window, stride = (1,) * len(shape), (1,) * len(shape)
        if len(shape) == 3:
            side = side_of(shape, asked.config.window)
            window = (shape[0], side, side)
            stride = (shape[0], *[max(side // 2, 1)] * 2)
        return {
            "sliding_window_shapes": window, "strides": stride, "baselines": asked.start.clone()
        }  # fmt: skip
    return {"baselines": asked.start.clone()} if name in COMPARED else {}


@dataclass(frozen=True, eq=False)
class _Others:
    """A target as a function of the rows of all vehicles but the ego, which stays as it is."""

    rest: Score

    @property
    def site(self) -> str:
        return self.rest.site

    @property
    def activation(self) -> Float[Tensor, "N V F"]:
        return self.rest.activation[:, 1:]

    def __call__(
        self, activation: Float[Tensor, "M V F"], rows: Int[Tensor, " M"]
    ) -> Float[Tensor, " M"]:
        return self.rest(torch.cat([self.rest.activation[rows, :1], activation], 1), rows)


def _of_vehicles(name: str, asked: Asked, given: dict[str, Any]) -> Told:
    """A number for each vehicle but the ego."""
    others, seen = _Others(asked.rest), asked.rest.activation
    vehicles = torch.arange(others.activation.shape[1], device=seen.device)
    _require_few(name, len(vehicles))
    mask = vehicles[:, None].expand(others.activation.shape[1:])[None].contiguous()
    start = torch.cat([seen[:, :1], asked.start[:, 1:]], 1)
    options = read_options(asked.config.options)
    given = {**given, "baselines": start[:, 1:].clone(), "feature_mask": mask, **options}
    values = captum_attribution(name, others, asked.config.seed, **given)[:, :, :1]
    return _told(name, replace(asked, start=start), values, options)


def _require_few(name: str, groups: int) -> None:
    if name == "ShapleyValues" and groups > MOST_ORDERED:
        raise PolicyscopeError(
            f"captum's ShapleyValues goes through all orders of {groups} groups (use "
            "captum:ShapleyValueSampling, or shapley)"
        )


def _told(name: str, asked: Asked, values: Tensor, options: dict[str, Any]) -> Told:
    """Values, and what they miss of the change where they must sum to it."""
    if name not in SHARED_OUT or "baselines" in options:
        return {"attribution": values}
    before, after = ends(asked.rest, asked.start)
    change = after - before
    gap = change - values.double().flatten(1).sum(1)
    return {"attribution": values, "change": change, "gap": gap}


def _row_by_row(name: str, asked: Asked, options: dict[str, Any]) -> Tensor:
    found = []
    for row in torch.arange(len(asked.start)).split(1):
        both = asked.start[row].expand(2, *asked.start.shape[1:]).clone()
        one = part(asked.rest, row)
        found.append(captum_attribution(name, one, asked.config.seed, **options, baselines=both))
    return torch.cat(found)

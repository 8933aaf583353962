"""Captum's methods, as answers to a question about decisions."""

from typing import Any

import torch
from torch import Tensor

from policyscope.attribution.asking.groups import Groups, vehicles
from policyscope.attribution.asking.score import INPUT, part
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

    Of a map, groups are blocks of ``window`` places; of vehicles, those that ask of coalitions take
    the vehicles. A group's value is shared out evenly over its units, so that they sum to it.

    Raises:
        MissingPart, UnknownName, PolicyscopeError: as ``captum_attribution`` does.
    """
    name = asked.config.method.removeprefix(CAPTUM)
    options = read_options(asked.config.options)
    groups = _groups(name, asked) if "feature_mask" not in options else None
    given = {**_defaults(name, asked), **options}
    if groups is not None:
        if name == "ShapleyValues" and len(groups) > MOST_ORDERED:
            raise PolicyscopeError(
                f"captum's ShapleyValues goes through all orders of {len(groups)} groups (use "
                "captum:ShapleyValueSampling, or shapley)"
            )
        given["feature_mask"] = _mask(groups, asked)
    if name in DRAWS_BASELINES and "baselines" not in options:
        values = _row_by_row(name, asked, given)
    else:
        values = captum_attribution(name, asked.rest, asked.config.seed, **given)
    if groups is not None:
        values = values / groups.sizes()[groups.of.clamp(min=0)].to(values)
    if name not in SHARED_OUT or "baselines" in options:
        return {"attribution": values}
    before, after = ends(asked.rest, asked.start)
    change = after - before
    gap = change - values.double().flatten(1).sum(1)
    return {"attribution": values, "change": change, "gap": gap}


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


def _groups(name: str, asked: Asked) -> Groups | None:
    if name not in GROUPED:
        return None
    shape = tuple(asked.rest.activation.shape[1:])
    if len(shape) == 2 and asked.site == INPUT and shape[0] > 1:
        return vehicles(shape, ego=True) if name in COALITIONS else None
    return players(asked)[0]


def _mask(groups: Groups, asked: Asked) -> Tensor:
    return groups.of[None].to(asked.rest.activation.device)


def _row_by_row(name: str, asked: Asked, options: dict[str, Any]) -> Tensor:
    found = []
    for row in torch.arange(len(asked.start)).split(1):
        both = asked.start[row].expand(2, *asked.start.shape[1:]).clone()
        one = part(asked.rest, row)
        found.append(captum_attribution(name, one, asked.config.seed, **options, baselines=both))
    return torch.cat(found)

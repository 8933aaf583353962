"""What the values of an attribution lie on: vehicles by identity, places of the frame, units."""

from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from policyscope.agents.agent import Agent
from policyscope.attribution.asking.chosen import Chosen
from policyscope.attribution.asking.score import INPUT


def arrays_of(
    agent: Agent, chosen: Chosen, site: str, values: Float[np.ndarray, "N ..."]
) -> xr.Dataset:
    """Values with the names of their axes, and what of them can be laid over a scene or a frame.

    Args:
        agent: whose activations they belong to.
        chosen: the decisions.
        site: what they are attributed to.
        values: of the site's shape, or (N, H, W) where channels were summed.

    Returns:
        ``attribution`` with dims (row, ...), and ``vehicles`` (row, layer, entity) with
        ``identity`` and their ``sums``, or ``map`` (row, layer, y, x), where the site has vehicles
        or places.
    """
    coords = {"episode": ("row", chosen.episode), "step": ("row", chosen.step)}
    dims, names = _axes(agent, site, values.shape[1:], chosen)
    arrays: dict[str, Any] = {"attribution": (("row", *dims), values.astype(np.float32))}
    layers: dict[str, list[str]] = {}
    if dims[:1] == ("slot",) and chosen.identity is not None:
        seen = chosen.identity[:, -values.shape[1] :]
        more, layers = _vehicles(arrays["attribution"][1], seen, names.get(dims[1]))
        arrays |= more
    elif dims[-2:] == ("y", "x"):
        total = values if values.ndim == 3 else values.sum(1)
        flat = {"overlay": "frame", "signed": True, "shown": True}
        arrays["map"] = ("row", "layer", "y", "x"), total[:, None].astype(np.float32), flat
        arrays |= _frames(chosen)
        layers = {"layer": ["all channels"]}
    return xr.Dataset(arrays, {**coords, **names, **layers})


def _frames(chosen: Chosen) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """The frames that were seen, for figures; none where observations are no pictures."""
    obs = chosen.decisions.obs.cpu().numpy()
    if obs.dtype != np.uint8 or obs.ndim != 4 or obs.shape[-1] != 3:
        return {}
    return {"frame": (("row", "frame_y", "frame_x", "colour"), obs)}


def _axes(
    agent: Agent, site: str, shape: tuple[int, ...], chosen: Chosen
) -> tuple[tuple[str, ...], dict[str, list[str]]]:
    """Names of the axes behind the rows, and of what stands along them."""
    features = list(agent.space.features)
    seen = 0 if chosen.identity is None else chosen.identity.shape[1]
    pictures = chosen.decisions.obs.dim() == 4
    slots = seen > 1 and len(shape) == 2 and shape[0] in (seen, seen - 1)
    if site == INPUT and slots and len(features) == shape[1]:
        return ("slot", "feature"), {"feature": features}
    if len(shape) == 3 and pictures:
        return ("channel", "y", "x"), {}
    if len(shape) == 2 and pictures:  # the channels were summed
        return ("y", "x"), {}
    if slots:
        return ("slot", "channel"), {}
    return tuple(f"unit_{i}" for i in range(len(shape))), {}


def _vehicles(
    values: Float[np.ndarray, "N V F"], identity: Int[np.ndarray, "N V"], features: list[str] | None
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Sums over a vehicle's row, then each of its numbers; the sums once more, to be looked at."""
    shown = np.where((identity >= 0)[..., None], values, np.nan)
    names = [str(name) for name in features or range(values.shape[2])]
    layers, told = shown.sum(2, keepdims=True), ["sum"]
    if len(names) > 1:
        layers = np.concatenate([layers, shown], 2)
        told += names
    by_layer = layers.transpose(0, 2, 1)
    whole = {"signed": True, "shown": True}
    return {
        "vehicles": (("row", "layer", "entity"), by_layer, {"signed": True}),
        "sums": (("row", "whole", "entity"), by_layer[:, :1], whole),
        "identity": (("row", "entity"), identity),
    }, {"layer": told, "whole": told[:1]}

"""Mean attention to a vehicle against how near it is, in bins."""

import numpy as np
import xarray as xr

from policyscope.circuits.measures import Data
from policyscope.circuits.resampling import MIN_EPISODES, band, per_episode, ratio

EDGES = {
    "distance": np.arange(0.0, 101.0, 10.0),
    "closest_approach": np.arange(0.0, 61.0, 6.0),
}


def binned(data: Data, networks: int) -> xr.Dataset:
    """Mean attention to a vehicle by distance and by predicted closest approach.

    Args:
        data: H = weights x heads patterns.
        networks: how many sets of weights H holds.

    Returns:
        For each relation: ``<relation>_bin`` (middle, metres) and ``<relation>_mean``, ``_low``,
        ``_high`` over (weights, head, bin) and ``_vehicles`` per bin. Bins that hold vehicles of
        fewer than five episodes are NaN.
    """
    out = {}
    for relation, edges in EDGES.items():
        out.update(_relation(data, networks, relation, edges))
    return xr.Dataset(out)


def _relation(data: Data, networks: int, relation: str, edges: np.ndarray) -> dict:
    d, w = data.decisions, data.weights
    values = d.relations[relation]
    place = np.where(d.others, np.digitize(np.nan_to_num(values, nan=-1.0), edges) - 1, -1)
    bins, episodes = len(edges) - 1, w.shape[1]
    r, v = np.nonzero((place >= 0) & (place < bins))
    cell = d.group[r] * bins + place[r, v]
    sums = per_episode(data.pattern[r, :, v], cell, episodes * bins)
    counts = per_episode(np.ones(len(r)), cell, episodes * bins).reshape(episodes, bins)
    draws = ratio(w, sums.reshape(episodes, bins, -1), counts[..., None] + np.zeros(sums.shape[1]))
    draws[:, (counts > 0).sum(0) < MIN_EPISODES] = np.nan
    found = band(draws, data.config.level, episodes)
    dim = f"{relation}_bin"

    def laid(values: np.ndarray) -> tuple[tuple[str, str, str], np.ndarray]:
        return ("weights", "head", dim), values.T.reshape(networks, -1, bins)

    return {
        dim: (dim, (edges[:-1] + edges[1:]) / 2),
        f"{relation}_mean": laid(found.estimate),
        f"{relation}_low": laid(found.low),
        f"{relation}_high": laid(found.high),
        f"{relation}_vehicles": (dim, counts.sum(0).astype(int)),
    }

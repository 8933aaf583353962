"""Comparisons of the vehicles within one decision, summed over decisions.

Attention sums to one over the rows, so with more vehicles each gets less. Comparing the vehicles
of one decision only with each other leaves that out, which pooling all of them does not.
Letters: R decisions, H heads (of all weights), V rows, E episodes, B resamples.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from policyscope.circuits.resampling import partial, per_episode

BATCH = 2048


def centred_ranks(
    values: Float[np.ndarray, "R ... V"], mask: Bool[np.ndarray, "R ... V"]
) -> Float[np.ndarray, "R ... V"]:
    """Mid-ranks among the rows of one decision minus their mean; 0 outside the mask.

    Example:
        >>> centred_ranks(np.array([[5.0, 9.0, 5.0, 0.0]]), np.array([[True, True, True, False]]))
        array([[-0.5,  1. , -0.5,  0. ]])
    """
    mask = np.broadcast_to(mask, values.shape)
    out = np.empty(values.shape)
    for begin in range(0, len(values), BATCH):
        part = slice(begin, begin + BATCH)
        v, m = values[part], mask[part]
        pair = m[..., :, None] & m[..., None, :]
        below = ((v[..., None, :] < v[..., :, None]) & pair).sum(-1)
        above = ((v[..., None, :] > v[..., :, None]) & pair).sum(-1)
        out[part] = (below - above) / 2
    return out


def centred(
    values: Float[np.ndarray, "R ... V"], mask: Bool[np.ndarray, "R ... V"]
) -> Float[np.ndarray, "R ... V"]:
    """Values minus their mean over the rows of one decision; 0 outside the mask."""
    mask = np.broadcast_to(mask, values.shape)
    count = np.maximum(mask.sum(-1, keepdims=True), 1)
    clean = np.where(mask, values, 0.0)
    return np.where(mask, clean - clean.sum(-1, keepdims=True) / count, 0.0)


def _product(weights: np.ndarray, group: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.tensordot(weights, per_episode((a * b).sum(-1), group, weights.shape[1]), 1)


def correlation(
    weights: Float[np.ndarray, "B E"],
    group: Int[np.ndarray, " R"],
    x: Float[np.ndarray, "R V"],
    y: Float[np.ndarray, "R H V"],
    held: Float[np.ndarray, "R V"] | None = None,
) -> Float[np.ndarray, "B H"]:
    """Correlation within decisions of centred x with centred y, with a third one held.

    Args:
        weights: episode weights.
        group: episode of each decision.
        x: centred within each decision (ranks make it Spearman's).
        y: the same, for every head.
        held: what to hold, centred the same way; None for the plain correlation.
    """
    xx, yy = _product(weights, group, x, x)[:, None], _product(weights, group, y, y)
    xy = _over(_product(weights, group, x[:, None], y), np.sqrt(xx * yy))
    if held is None:
        return xy
    zz = _product(weights, group, held, held)[:, None]
    xz = _over(_product(weights, group, x, held)[:, None], np.sqrt(xx * zz))
    yz = _over(_product(weights, group, held[:, None], y), np.sqrt(yy * zz))
    return partial(xy, xz, yz)


def slope(
    weights: Float[np.ndarray, "B E"],
    group: Int[np.ndarray, " R"],
    x: Float[np.ndarray, "R V"],
    y: Float[np.ndarray, "R H V"],
    held: Float[np.ndarray, "R V"],
) -> Float[np.ndarray, "B H"]:
    """Least-squares slope within decisions of y on x with a third quantity held, all centred."""
    xx, zz = _product(weights, group, x, x)[:, None], _product(weights, group, held, held)[:, None]
    xz = _product(weights, group, x, held)[:, None]
    xy = _product(weights, group, x[:, None], y)
    zy = _product(weights, group, held[:, None], y)
    return _over(xy * zz - zy * xz, xx * zz - xz**2)


def looked_at(
    pattern: Float[np.ndarray, "R H V"],
    values: Float[np.ndarray, "R V"],
    mask: Bool[np.ndarray, "R V"],
) -> Float[np.ndarray, "R H"]:
    """Mean of a quantity over the vehicles as attention weighs them, minus their plain mean.

    In the quantity's own unit; 0 for attention spread evenly. NaN with fewer than two vehicles.
    """
    held = np.where(mask[:, None], pattern, 0.0)
    clean = np.where(mask, values, 0.0)
    count = mask.sum(-1)
    several = (count >= 2)[:, None] & (held.sum(-1) > 0)
    weighted = _over((held * clean[:, None]).sum(-1), held.sum(-1))
    plain = clean.sum(-1) / np.maximum(count, 1)
    return np.where(several, weighted - plain[:, None], np.nan)


def _over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    above, below = np.broadcast_arrays(above, below)
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 1e-12)

"""What Leurent & Mercat 2019 say of ego attention, each put to a test."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from policyscope.circuits.measures import Data, Measure
from policyscope.circuits.relations import SECTORS, sector
from policyscope.circuits.resampling import mean


@dataclass(frozen=True)
class Claim:
    """A claim and the measures that decide it.

    Args:
        name: short name.
        text: what is claimed.
        verdict: measure whose interval decides whether it holds for the trained weights.
        effect: measure in a natural unit; its difference from the initial weights decides whether
            training brought it about.
        sign: sign that both have where the claim holds.
    """

    name: str
    text: str
    verdict: str
    effect: str
    sign: int


CLAIMS = (
    Claim("near", "looks at near vehicles", "distance.rank", "distance.shift", -1),
    Claim("nearing", "grows as a vehicle nears", "approach.rank", "approach.slope", -1),
    Claim(
        "collision", "aims at vehicles likely to collide",
        "closest_approach.rank", "closest_approach.shift", -1,
    ),
    Claim(
        "collision beyond distance", "aims at them beyond what their distance explains",
        "closest_approach.rank_given_distance", "closest_approach.slope_given_distance", -1,
    ),
    Claim(
        "intent", "drops when a turning vehicle's heading reveals its intent",
        "turn.rank", "turn.drop", -1,
    ),
    Claim("way free", "goes to the ego itself when the way is free", "clear.rank", "clear.gain", 1),
    Claim(
        "direction", "each head watches a direction of its own",
        "direction.contrast", "direction.contrast", 1,
    ),
)  # fmt: skip


def direction_contrast(data: Data, heads: int) -> Measure:
    """How much more a head looks at its favourite quarter than the other heads do.

    The quarter is chosen on every second episode and measured on the rest, so that the choice
    does not flatter the measurement. Shares are of the attention that a head gives to others.

    Args:
        data: H = weights x heads patterns.
        heads: number of heads K of one network.
    """
    d = data.decisions
    where = np.where(d.others, sector(d.relations["bearing"]), -1)
    held = np.where(d.others[:, None], data.pattern, 0.0)
    total = held.sum(-1)
    r, v = np.nonzero(where >= 0)
    share = held[r, :, v] / np.where(total > 0, total, np.nan)[r]
    inside = where[r, v][:, None, None] == np.arange(len(SECTORS))[None, :, None]
    values = np.where(inside, share[:, None], np.nan)
    odd = np.arange(data.weights.shape[1]) % 2 == 1
    chosen_on = data.weights[:1] * ~odd
    favourite = _contrast(mean(chosen_on, values, d.group[r]), heads)[0]
    held_out = _contrast(mean(data.weights * odd, values, d.group[r]), heads)
    known = np.where(np.isnan(favourite), -np.inf, favourite)
    best = known.argmax(0)
    draws = np.take_along_axis(held_out, best[None, None], axis=1)[:, 0]
    draws[:, np.isnan(favourite).all(0)] = np.nan
    return data.measure(
        "direction.contrast",
        "share for a vehicle in the head's favourite quarter, minus that of the other heads "
        "(quarter chosen on other episodes)",
        "share", draws, (where >= 0) & odd[d.group][:, None],
    )  # fmt: skip


def _contrast(means: Float[np.ndarray, "B Q H"], heads: int) -> Float[np.ndarray, "B Q H"]:
    """Each head's mean minus the mean of the other heads of the same weights."""
    split = means.reshape(*means.shape[:2], -1, heads)
    if heads == 1:
        return np.full(means.shape, np.nan)
    others = (split.sum(-1, keepdims=True) - split) / (heads - 1)
    return (split - others).reshape(means.shape)


def judge(sign: int, low: Float[np.ndarray, "..."], high: Float[np.ndarray, "..."]) -> np.ndarray:
    """Verdict of intervals on a claim: supported, contradicted, undecided or not measurable."""
    worst, best = (low, high) if sign > 0 else (-high, -low)
    words = np.where(worst > 0, "supported", np.where(best < 0, "contradicted", "undecided"))
    return np.where(np.isnan(low) | np.isnan(high), "not measurable", words)


def judge_training(
    sign: int, low: Float[np.ndarray, "..."], high: Float[np.ndarray, "..."]
) -> np.ndarray:
    """What training did to the effect: more, less, undecided or unknown (no initial weights)."""
    words = {"supported": "more", "contradicted": "less", "not measurable": "unknown"}
    verdicts = judge(sign, low, high)
    return np.vectorize(lambda v: words.get(v, v), otypes=[str])(verdicts)

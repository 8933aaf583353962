"""What the attention of every head does, measured over a recording.

Letters: R decisions, H heads of all weights (trained first, then initial), V rows, E episodes,
B resamples. ``Measure.draws`` keeps all resamples, so that differences of weights stay paired.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from policyscope.circuits import within
from policyscope.circuits.config import AttentionConfig
from policyscope.circuits.decisions import Decisions
from policyscope.circuits.relations import SECTORS, sector
from policyscope.circuits.resampling import mean, partial, rank_correlations

#: Ranks within a decision say something from three vehicles on.
MIN_VEHICLES = 3
CORRELATION = "rank correlation"
OFF_AHEAD = "how far off straight ahead the vehicle is"
SIDE = "how far to the right of the ego the vehicle is (left negative)"


@dataclass(frozen=True)
class Measure:
    """One quantity of every head.

    Args:
        name: e.g. ``distance.rank``.
        title: what it is, in words.
        unit: of its values.
        draws: (B, H) estimates (first row) and resamples.
        rows: how many decisions, or vehicles in decisions, it rests on.
        episodes: how many episodes those come from.
    """

    name: str
    title: str
    unit: str
    draws: Float[np.ndarray, "B H"]
    rows: int
    episodes: int


@dataclass(frozen=True)
class Data:
    """What all measures read.

    Args:
        decisions: the recording.
        pattern: (R, H, V) attention.
        weights: (B, E) how often each resample draws each episode.
        config: options.
    """

    decisions: Decisions
    pattern: Float[np.ndarray, "R H V"]
    weights: Float[np.ndarray, "B E"]
    config: AttentionConfig

    def measure(
        self, name: str, title: str, unit: str, draws: np.ndarray, used: np.ndarray
    ) -> Measure:
        """Record a measure; ``used`` (R, ...) counts what it rests on."""
        counts = used.reshape(len(used), -1).sum(-1)
        episodes = len(np.unique(self.decisions.group[counts > 0]))
        return Measure(name, title, unit, draws, int(counts.sum()), episodes)


def all_measures(data: Data) -> list[Measure]:
    """Every measure of the attention, in the order in which they are shown.

    Cost: about one second for 1000 resamples of 1000 decisions with 4 heads.
    """
    return [
        *_within_decisions(data),
        *_over_time(data),
        *_ego(data),
        *_pooled(data),
        *_directions(data),
    ]


def _within_decisions(data: Data) -> list[Measure]:
    d, w, g = data.decisions, data.weights, data.decisions.group
    several = d.others & (d.others.sum(-1) >= MIN_VEHICLES)[:, None]
    heads = np.broadcast_to(several[:, None], data.pattern.shape)
    ranks = within.centred_ranks(data.pattern, heads)
    plain = within.centred(data.pattern, heads)
    near, closest = d.relations["distance"], d.relations["closest_approach"]
    near_rank, near_plain = within.centred_ranks(near, several), within.centred(near, several)
    closest_rank = within.centred_ranks(closest, several)
    off, side = ahead_and_side(d.relations["bearing"])
    closest_plain = within.centred(closest, several)
    two = d.others & (d.others.sum(-1) >= 2)[:, None]

    def shift(values: np.ndarray) -> np.ndarray:
        return mean(w, within.looked_at(data.pattern, values, d.others), g)

    same = "among the vehicles of one decision"
    return [
        data.measure(
            "distance.rank", f"attention with distance, {same}", CORRELATION,
            within.correlation(w, g, near_rank, ranks), several,
        ),
        data.measure(
            "distance.shift", "distance of what is looked at, minus the mean of all vehicles",
            "m", shift(near), two.any(-1),
        ),
        data.measure(
            "closest_approach.rank", f"attention with predicted closest approach, {same}",
            CORRELATION, within.correlation(w, g, closest_rank, ranks), several,
        ),
        data.measure(
            "closest_approach.shift",
            "predicted closest approach of what is looked at, minus the mean of all vehicles",
            "m", shift(closest), two.any(-1),
        ),
        data.measure(
            "closest_approach.rank_given_distance",
            f"attention with predicted closest approach, distance held, {same}", CORRELATION,
            within.correlation(w, g, closest_rank, ranks, near_rank), several,
        ),
        data.measure(
            "closest_approach.slope_given_distance",
            f"attention per 10 m of predicted closest approach, distance held, {same}",
            "attention per 10 m",
            10 * within.slope(w, g, closest_plain, plain, near_plain), several,
        ),
        data.measure(
            "bearing.rank", f"attention with {OFF_AHEAD}, {same}", CORRELATION,
            within.correlation(w, g, within.centred_ranks(off, several), ranks), several,
        ),
        data.measure(
            "side.rank", f"attention with {SIDE}, {same}", CORRELATION,
            within.correlation(w, g, within.centred_ranks(side, several), ranks), several,
        ),
    ]  # fmt: skip


def ahead_and_side(
    bearing: Float[np.ndarray, "..."],
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """How far off straight ahead a bearing is [rad], and how far to the side: -1 left, 1 right.

    The side is the sine, as a bearing itself jumps from one side to the other right behind.

    Example:
        >>> off, side = ahead_and_side(np.array([0.0, -np.pi / 2]))
        >>> [round(float(v), 2) for v in (*off, *side)]
        [0.0, 1.57, 0.0, -1.0]
    """
    return np.abs(bearing), np.sin(bearing)


def _over_time(data: Data) -> list[Measure]:
    d, w = data.decisions, data.weights
    near, turned = d.relations["distance"], np.abs(d.relations["heading_change"])
    heads = data.pattern.shape[1]
    grown = np.stack([p - d.before(p) for p in np.moveaxis(data.pattern, 1, 0)], axis=-1)
    approach = near - d.before(near)
    used = d.others & ~np.isnan(approach) & ~np.isnan(turned) & ~np.isnan(grown[..., 0])
    group = np.broadcast_to(d.group[:, None], used.shape)[used]
    change, moved, turn = grown[used], approach[used], turned[used]
    ranks = rank_correlations(w, np.column_stack([change, moved, turn]), group)
    turning = (turn >= data.config.turn)[:, None]
    drop = mean(w, np.where(turning, change, np.nan), group) - mean(
        w, np.where(turning, np.nan, change), group
    )
    slope = _slope(w, moved, change, group)
    by_moved, by_turn = ranks[:, heads, :heads], ranks[:, heads + 1, :heads]
    turned_only = partial(by_turn, ranks[:, heads, heads + 1][:, None], by_moved)
    return [
        data.measure(
            "approach.rank", "change of attention with change of distance, same vehicle",
            CORRELATION, by_moved, used,
        ),
        data.measure(
            "approach.slope", "change of attention per 10 m of change of distance, same vehicle",
            "attention per 10 m", 10 * slope, used,
        ),
        data.measure(
            "turn.rank", "change of attention with the size of the heading change, same vehicle, "
            "change of distance held", CORRELATION, turned_only, used,
        ),
        data.measure(
            "turn.drop", f"change of attention when a vehicle turns by {data.config.turn:g} rad "
            "or more in a step, minus that of the others", "attention", drop, used,
        ),
    ]  # fmt: skip


def _slope(w: np.ndarray, x: np.ndarray, y: np.ndarray, group: np.ndarray) -> np.ndarray:
    x = x[:, None]
    mx, my = mean(w, x, group), mean(w, y, group)
    covariance = mean(w, x * y, group) - mx * my
    variance = mean(w, x * x, group) - mx**2
    return np.divide(
        covariance, variance, out=np.full(covariance.shape, np.nan), where=variance > 1e-12
    )


def entropy(pattern: Float[np.ndarray, "... V"]) -> Float[np.ndarray, "..."]:
    """Entropy of attention in nats."""
    return -(pattern * np.log(np.where(pattern > 0, pattern, 1.0))).sum(-1)


def _ego(data: Data) -> list[Measure]:
    d, w, heads = data.decisions, data.weights, data.pattern.shape[1]
    count = d.others.sum(-1)
    some = count > 0
    own, group = data.pattern[some, :, 0], d.group[some]
    closest = np.where(d.others, d.relations["closest_approach"], np.inf).min(-1)[some]
    ranks = rank_correlations(w, np.column_stack([own, closest, count[some]]), group)
    held = partial(
        ranks[:, heads, :heads], ranks[:, heads, heads + 1][:, None], ranks[:, heads + 1, :heads]
    )
    above = own - 1 / (count[some] + 1)[:, None]
    free = (closest >= data.config.clear)[:, None]
    gain = mean(w, np.where(free, above, np.nan), group) - mean(
        w, np.where(free, np.nan, above), group
    )
    spread = entropy(data.pattern[some])
    return [
        data.measure(
            "clear.rank", "attention to the ego itself with the smallest predicted closest "
            "approach, number of vehicles held", CORRELATION, held, some,
        ),
        data.measure(
            "clear.gain", "attention to the ego itself beyond an even share, way free "
            f"({data.config.clear:g} m or more) minus not free", "attention", gain, some,
        ),
        data.measure(
            "self.mean", "attention to the ego itself", "attention", mean(w, own, group), some
        ),
        data.measure("entropy.mean", "entropy of the attention", "nats",
                     mean(w, spread, group), some),
    ]  # fmt: skip


def _pooled(data: Data) -> list[Measure]:
    d, w, heads = data.decisions, data.weights, data.pattern.shape[1]
    off, side = ahead_and_side(d.relations["bearing"])
    values_of = {
        "distance": ("distance", d.relations["distance"]),
        "closest_approach": ("closest approach", d.relations["closest_approach"]),
        "relative_speed": ("relative speed", d.relations["relative_speed"]),
        "bearing": (OFF_AHEAD, off),
        "side": (SIDE, side),
        "heading_change": ("heading change", np.abs(d.relations["heading_change"])),
    }
    found = []
    # A vehicle's first step has no heading change; the other relations keep it.
    for columns in (tuple(values_of)[:-1], tuple(values_of)[-1:]):
        values = np.stack([values_of[c][1] for c in columns], axis=-1)
        used = d.others & ~np.isnan(values).any(-1)
        group = np.broadcast_to(d.group[:, None], used.shape)[used]
        attention = np.moveaxis(data.pattern, 1, -1)[used]
        ranks = rank_correlations(w, np.column_stack([attention, values[used]]), group)
        for i, column in enumerate(columns):
            title = f"attention with {values_of[column][0]}, all vehicles pooled"
            draws = ranks[:, heads + i, :heads]
            found.append(data.measure(f"pooled.{column}", title, CORRELATION, draws, used))
    return found


def _directions(data: Data) -> list[Measure]:
    d, w = data.decisions, data.weights
    where = np.where(d.others, sector(d.relations["bearing"]), -1)
    r, v = np.nonzero(where >= 0)
    group, place = d.group[r], where[r, v]
    attention = data.pattern[r, :, v]
    inside = place[:, None, None] == np.arange(len(SECTORS))[None, :, None]
    means = mean(w, np.where(inside, attention[:, None], np.nan), group)
    return [
        data.measure(
            f"sector.{name}", f"attention to a vehicle, {_WHERE[name]}", "attention",
            means[:, i], where == i,
        )
        for i, name in enumerate(SECTORS)
    ]  # fmt: skip


_WHERE = {
    "front": "within 45 degrees of ahead",
    "right": "to the right",
    "behind": "behind",
    "left": "to the left",
}

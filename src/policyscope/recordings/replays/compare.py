"""Futures of both sides of a fork, compared pair by pair.

Letters: P pairs, T decisions of the longest future, W numbers of an action.
"""

from typing import Any

import numpy as np
import xarray as xr

from policyscope.core.checks import Check
from policyscope.core.stats import paired_bootstrap
from policyscope.recordings.replays.futures import Future
from policyscope.recordings.replays.replay import Course

SIDES = ("kept", "changed")


def compared(
    kept: list[Future],
    changed: list[Future],
    nulls: list[list[Future]],
    step: int,
    seed: int,
) -> xr.Dataset:
    """Labelled arrays of both sides; see ``fork``.

    Args:
        kept: futures without changes, one for each pair.
        changed: their twins.
        nulls: for each draw of the null the futures of all pairs.
        step: the recorded step they begin at.
        seed: of the bootstrap.
    """
    sides = (kept, changed)
    longest = max(len(future) for side in sides for future in side)
    returns = np.array([[f.reward.sum() for f in side] for side in sides])
    effect = paired_bootstrap(returns[1], returns[0], seed)
    apart = [_diverges(one, other, step) for one, other in zip(kept, changed, strict=True)]
    pairs = ("side", "pair")
    variables: dict[str, Any] = {
        "return": (pairs, returns),
        "steps": (pairs, np.array([[len(f) for f in side] for side in sides])),
        "outcome": (pairs, np.array([[f.outcome for f in side] for side in sides])),
        "diverges": ("pair", np.array(apart)),
        "difference": ("bound", np.array([effect.mean, effect.low, effect.high])),
        "action": (
            (*pairs, "time", "part"),
            _padded([[_flat(f) for f in s] for s in sides], longest),
        ),
    }
    if all(f.outputs.get("value", np.empty((0, 0))).ndim == 1 for side in sides for f in side):
        values = [[f.outputs["value"][:, None] for f in side] for side in sides]
        variables["value"] = ((*pairs, "time"), _padded(values, longest)[..., 0])
    if nulls:
        means = [np.mean([f.reward.sum() for f in draw]) - returns[0].mean() for draw in nulls]
        variables["null"] = ("draw", np.array(means))
    return xr.Dataset(
        variables,
        {
            "side": list(SIDES), "pair": np.arange(len(kept)), "bound": ["mean", "low", "high"],
            "time": step + np.arange(longest),
        },
    )  # fmt: skip


def _flat(future: Future) -> np.ndarray:
    return future.action.reshape(len(future), -1)


def _padded(values: list[list[np.ndarray]], longest: int) -> np.ndarray:
    """(2, P, longest, W) float, NaN behind the end of a future."""
    width = values[0][0].shape[1]
    out = np.full((len(values), len(values[0]), longest, width), np.nan)
    for s, side in enumerate(values):
        for p, rows in enumerate(side):
            out[s, p, : len(rows)] = rows
    return out


def _diverges(one: Future, other: Future, step: int) -> int:
    """The first step whose action differs, or where one has ended; -1 where none does."""
    shorter = min(len(one), len(other))
    differ = (_flat(one)[:shorter] != _flat(other)[:shorter]).any(1)
    if differ.any():
        return step + int(differ.argmax())
    return -1 if len(one) == len(other) else step + shorter


def proof(course: Course, step: int, future: Future) -> Check:
    """The unchanged future of pair 0 against what was recorded, row by row."""
    rows = len(course) - step
    shorter = min(rows, len(future))
    recorded = {name: course.columns[name][step : step + shorter] for name in course.columns}
    wrong = abs(rows - len(future)) + sum(
        not (
            np.array_equal(recorded["action"][t], future.action[t])
            and recorded["reward"][t] == future.reward[t]
        )
        for t in range(shorter)
    )
    return Check.at_most(
        "rows of the unchanged future that differ from the recording", wrong, 0, rows
    )

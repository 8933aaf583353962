"""Curves of training runs as tables, with bands over seeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np

from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.files import read_json
from policyscope.training.dqn import config as dqn
from policyscope.training.log import read_curve
from policyscope.training.ppo import config as ppo
from policyscope.training.settings import describe

_PRESETS: dict[str, Mapping[str, object]] = {
    "dqn": dqn.PRESETS,
    "ppo": ppo.PRESETS,
}


@dataclass(frozen=True)
class Looks:
    """Returns on held-out episodes, look by look.

    Args:
        step: (W,) environment steps at the look.
        mean: (W,) mean return; of several runs the mean of theirs.
        low: (W,) lower end of its 95 % interval; of several runs the lowest run.
        high: (W,) upper end, or the highest run.
        episodes: (W,) episodes of the look, all runs together.
    """

    step: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    episodes: np.ndarray

    def __len__(self) -> int:
        return len(self.step)


@dataclass(frozen=True)
class Curve:
    """Episodes of one run in the order in which they ended.

    Args:
        name: folder of the run.
        group: what runs of the same recipe share; bands are drawn over a group.
        seed: seed of the run.
        step: (E,) environment steps when the episode ended.
        seconds: (E,) wall time since the run began, seconds.
        returns: (E,) undiscounted returns.
        outcomes: (E,) why the episodes ended.
        looks: what held-out episodes said; none where the run was not watched.
    """

    name: str
    group: str
    seed: int
    step: np.ndarray
    seconds: np.ndarray
    returns: np.ndarray
    outcomes: np.ndarray
    looks: Looks


def load_curve(run: Path) -> Curve:
    """Read the curve of a run.

    Raises:
        BadFile: the folder is no training run, or has neither a finished episode nor a look at
            held-out ones yet.
    """
    if not (run / "run.json").is_file():
        raise BadFile(
            run, "is not the folder of a training run", "make one with: policyscope train"
        )
    plan = read_json(run / "run.json")
    lines = read_curve(run / "curve.jsonl")
    rows = [r for r in lines if "return" in r]
    seen = [r for r in lines if "watched_return" in r]
    if not rows and not seen:
        raise BadFile(run, "has no finished episode yet")
    step, seconds, returns, outcomes = (
        np.array([r[k] for r in rows]) for k in ("step", "seconds", "return", "outcome")
    )
    recipe = describe(_PRESETS[plan["algorithm"]], plan["config"])
    group = f"{plan['env']['id']}, {plan['algorithm']} {recipe}, {plan['steps']:,} steps"
    names = ("step", "watched_return", "watched_low", "watched_high", "watched")
    looks = Looks(*(np.array([r[k] for r in seen]) for k in names))
    return Curve(run.name, group, plan["seed"], step, seconds, returns, outcomes, looks)


def _together(looks: list[Looks]) -> Looks:
    """Looks of several runs at the steps at which all of them were looked at."""
    if len(looks) == 1:
        return looks[0]
    step = reduce(np.intersect1d, [one.step for one in looks])
    places = [np.searchsorted(one.step, step) for one in looks]
    chosen = list(zip(looks, places, strict=True))
    means = np.array([one.mean[at] for one, at in chosen])
    episodes = np.array([one.episodes[at] for one, at in chosen])
    return Looks(step, means.mean(0), means.min(0), means.max(0), episodes.sum(0))


@dataclass(frozen=True)
class Band:
    """Return against environment steps over the seeds of one recipe.

    Args:
        group: the recipe.
        runs: number of runs.
        step: (P,) environment steps, centres of the windows; none where a run has no finished
            episode yet.
        mean: (P,) mean over runs of the mean return in the window.
        low: (P,) lowest run.
        high: (P,) highest run.
        episodes: (P,) episodes in the window, all runs together.
        looks: what held-out episodes said, where the runs were watched.
    """

    group: str
    runs: int
    step: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    episodes: np.ndarray
    looks: Looks


def bands(curves: list[Curve], points: int = 20) -> list[Band]:
    """Bands over the runs of each recipe, in equal windows of environment steps.

    Args:
        curves: curves of runs.
        points: windows.

    Raises:
        PolicyscopeError: there are no curves or windows, or a recipe has two runs of one seed.
    """
    if not curves or points < 1:
        raise PolicyscopeError("nothing to draw: name at least one run and at least one window")
    out = []
    for group in dict.fromkeys(c.group for c in curves):
        members = [c for c in curves if c.group == group]
        if len({c.seed for c in members}) < len(members):
            names = ", ".join(f"{c.name} (seed {c.seed})" for c in members)
            raise PolicyscopeError(f"a band needs runs of different seeds, got {names}")
        end = min(int(c.step[-1]) if len(c.step) else 0 for c in members)
        edges = np.linspace(0, end, points + 1)
        means = np.full((len(members), points), np.nan)
        count = np.zeros(points, int)
        for i, curve in enumerate(members):
            window = np.clip(np.searchsorted(edges, curve.step, side="left") - 1, 0, points)
            for p in range(points):
                chosen = curve.returns[window == p]
                count[p] += len(chosen)
                means[i, p] = chosen.mean() if len(chosen) else np.nan
        keep = np.isfinite(means).all(0)
        means = means[:, keep]
        centres = ((edges[:-1] + edges[1:]) / 2)[keep]
        out.append(
            Band(
                group,
                len(members),
                centres,
                means.mean(0),
                means.min(0),
                means.max(0),
                count[keep],
                _together([c.looks for c in members]),
            )  # fmt: skip
        )
    return out


def looks_interval(band: Band) -> str:
    """What the ends of a band's looks are."""
    return "95 % interval" if band.runs == 1 else "lowest and highest run"

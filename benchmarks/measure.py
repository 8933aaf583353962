"""What benchmark scripts share: taking turns, and one JSON line for each figure.

A line has ``name``, ``ours``, ``peer``, ``ratio``, ``goal``, ``goal_on``, ``better``, ``unit``,
``n``. ``ratio`` is above 1 where we do better: peer/ours if lower is better, else ours/peer.
``goal_on`` says what the goal is for: the ratio, or our own figure.
"""

import json
import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any


def interleave(
    functions: Mapping[str, Callable[[], Any]], repeats: int, warmup: int = 5
) -> dict[str, float]:
    """Median wall seconds of each function, called in turns so that load hits all alike.

    The order is drawn anew for each turn: what ran before leaves its traces in the caches.

    Args:
        functions: what to time, by name.
        repeats: timed calls of each.
        warmup: calls before that are not timed.
    """
    for function in functions.values():
        for _ in range(warmup):
            function()
    times: dict[str, list[float]] = {name: [] for name in functions}
    order, draws = list(functions), random.Random(0)
    for _ in range(repeats):
        draws.shuffle(order)
        for name in order:
            start = time.perf_counter()
            functions[name]()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def ratio(ours: float, peer: float | None, better: str) -> float | None:
    """How many times better we are; None where one of the figures is none or not positive."""
    if peer is None or min(ours, peer) <= 0:
        return None
    return peer / ours if better == "lower" else ours / peer


def report(
    name: str,
    ours: float,
    peer: float | None,
    *,
    goal: float,
    goal_on: str = "ratio",
    better: str = "lower",
    unit: str,
    n: int,
) -> dict[str, Any]:
    """Print one figure as a JSON line and return it.

    Args:
        name: name of the figure.
        ours: our figure.
        peer: the peer's figure from the same run; None where there is no peer.
        goal: what the ratio or our figure must reach.
        goal_on: ratio or ours.
        better: lower or higher.
        unit: unit of both figures.
        n: timed repeats behind each figure.
    """
    line = {
        "name": name,
        "ours": _short(ours),
        "peer": _short(peer),
        "ratio": _short(ratio(ours, peer, better)),
        "goal": goal,
        "goal_on": goal_on,
        "better": better,
        "unit": unit,
        "n": n,
    }
    print(json.dumps(line), flush=True)
    return line


def met(line: Mapping[str, Any]) -> bool:
    """Whether a line reaches its goal; without ``goal_on`` the goal is for the ratio."""
    on = line.get("goal_on", "ratio")
    value = line[on]
    if value is None:
        return False
    lower = on == "ours" and line["better"] == "lower"
    return bool(value <= line["goal"] if lower else value >= line["goal"])


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")

"""The trust line of an attribution through time: do observations and memory matter as it says."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.attribution.asking.windows import WindowScore, parts_of
from policyscope.attribution.trust.faithfulness import deletion, infidelity, insertion
from policyscope.attribution.trust.line import Figure, figure_over_episodes
from policyscope.attribution.trust.randomised import randomised

#: Decisions that are looked at: each pass runs the network over a whole window.
ROWS = 8
#: Random orders of a curve, and random sets of observations.
ORDERS, SETS = 4, 64


def time_trust_line(
    agent: Agent,
    rest: WindowScore,
    start: Float[Tensor, "N F"],
    values_of: Callable[[Agent], Float[Tensor, "N P"]],
    episode: Int[np.ndarray, " N"],
    seed: int = 0,
) -> list[Figure]:
    """Figures by which one can tell whether to believe an attribution through time.

    What is taken away, put back or compared is a whole observation, or the memory before them.

    Args:
        agent: whose decisions they are.
        rest: the target as a function of N windows.
        start: what observations and memory are compared with.
        values_of: what each observation, the oldest first, and then the memory account for, of an
            agent.
        episode: (N,) number of the episode of each window.
        seed: of random orders and sets.

    Returns:
        ``deletion``, ``insertion``, ``infidelity`` and ``untrained``, see ``line.trust_line``.

    Cost: some 230 passes over each window, and the attribution once or, where the run's own initial
        weights are unknown, five times.
    """
    parts = parts_of(rest)
    values = values_of(agent)
    curves = [
        curve(rest, values, start, len(parts), parts, orders=ORDERS, seed=seed)
        for curve in (deletion, insertion)
    ]
    missed = infidelity(rest, values, start, SETS, parts, seed)
    among = parts.differing(rest.activation, start) & (values != 0)
    found = {
        "deletion": curves[0].score,
        "insertion": curves[1].score,
        "infidelity": missed.scaled / missed.changes,
        "untrained": randomised(agent, values_of, seed=seed, among=among).per_row,
    }
    return [figure_over_episodes(name, rows, episode, seed) for name, rows in found.items()]

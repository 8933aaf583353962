"""Non-negative factors of activations: X is nearly W H with W, H >= 0."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.attribution.asking.baselines import activations
from policyscope.attribution.asking.score import Decisions
from policyscope.core.errors import PolicyscopeError

#: Places that factors are found from, at most, and rounds of updates.
PLACES, ROUNDS = 8192, 200


def non_negative_factors(
    samples: Float[np.ndarray, "M C"], count: int = 8, seed: int = 0, rounds: int = ROUNDS
) -> Float[np.ndarray, "K C"]:
    """Directions of the channels that samples are non-negative sums of, as nearly as may be.

    Hierarchical alternating least squares: each factor in turn takes the best values that the
    others leave it. Factors have length 1; the one that explains most comes first.

    Args:
        samples: (M, C) what is below 0 counts as 0.
        count: K; at most as many as there are channels.
        seed: of the first guess.
        rounds: of updates.

    Raises:
        PolicyscopeError: no sample is above 0, or K is below 1 or above C.

    Cost: ``rounds`` times M C K multiplications, a few.

    Reference: Lee & Seung 1999; Cichocki & Phan 2009, algorithm 2.
    """
    x = np.maximum(np.asarray(samples, dtype=np.float64), 0)
    if not 1 <= count <= x.shape[1]:
        raise PolicyscopeError(f"1 to {x.shape[1]} factors of {x.shape[1]} channels can be found")
    if not x.any():
        raise PolicyscopeError("the site puts out nothing above 0: it has no non-negative factors")
    rng = np.random.default_rng(seed)
    scale = np.sqrt(x.mean() / count)
    shapes = (len(x), count), (count, x.shape[1])
    amount, factor = (scale * rng.uniform(0.5, 1.5, shape) for shape in shapes)
    for _ in range(rounds):
        _improve(factor, amount.T @ amount, amount.T @ x)
        _improve(amount.T, factor @ factor.T, factor @ x.T)
    length = np.linalg.norm(factor, axis=1)
    explained = length**2 * (amount**2).sum(0)
    order = np.argsort(-explained, kind="stable")
    order = order[length[order] > 0]
    return factor[order] / length[order, None]


def _improve(rows: np.ndarray, gram: np.ndarray, seen: np.ndarray) -> None:
    """Each row of K takes what is best for it, with the others as they are; in place."""
    for k in range(len(rows)):
        if gram[k, k] > 1e-12:
            rows[k] = np.maximum(rows[k] + (seen[k] - gram[k] @ rows) / gram[k, k], 0)


def factors_of(
    agent: Agent, decisions: Decisions, site: str, count: int = 8, seed: int = 0
) -> Float[np.ndarray, "K C"]:
    """Non-negative factors of the channels of a site, from what it puts out at decisions.

    Args:
        agent: whose decisions they are.
        decisions: N of them; of a map each place is a sample.
        site: a site with channels, (C,) or (C, H, W).
        count: K; cut to the number of channels.
        seed: of the places that are drawn where there are many, and of the first guess.

    Raises:
        PolicyscopeError: the site has no channels, or puts out nothing above 0.

    Cost: a forward pass over the decisions and some seconds for thousands of places.
    """
    values = activations(agent, decisions, [site])[site]
    if values.dim() not in (2, 4):
        raise PolicyscopeError(
            f"factors need channels (C,) or a map of them (C, H, W); site '{site}' has shape "
            f"{tuple(values.shape[1:])}"
        )
    places: Tensor = values.movedim(1, -1).flatten(0, -2).cpu()
    if len(places) > PLACES:
        drawn = np.random.default_rng(seed).choice(len(places), PLACES, replace=False)
        places = places[torch.as_tensor(np.sort(drawn))]
    return non_negative_factors(places.numpy(), min(count, places.shape[1]), seed)

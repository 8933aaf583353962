"""Does an attribution depend on what the agent learned: the same one with weights before training.

An attribution that looks alike on an untrained network shows its input, not what was learned.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.attribution.trust.stability import agreement
from policyscope.core.errors import PolicyscopeError
from policyscope.envs.stepper import Start
from policyscope.rollouts.baselines import baseline
from policyscope.rollouts.loop import Episode

#: Initialisations where the run's own is unknown.
FRESH = 5
#: Runs are seeded with small numbers; a fresh initialisation must not be the run's own.
AWAY = 10_000


@dataclass(frozen=True, eq=False)
class Randomised:
    """How like the attribution of an agent is to those of K untrained ones.

    Args:
        agreement: (K, N) rank correlation of the values' sizes in each row; NaN where one of the
            two attributions is constant.
        own: whether the untrained agent has the run's own initial weights (K = 1); else each has
            fresh ones.
    """

    agreement: Tensor
    own: bool

    @property
    def per_row(self) -> Float[Tensor, " N"]:
        """Mean over initialisations: what a mean over rows with an interval is taken of."""
        return self.agreement.mean(0)

    @property
    def per_initialisation(self) -> Float[Tensor, " K"]:
        """Mean over the rows that are not NaN."""
        return self.agreement.nanmean(1)

    @property
    def mean(self) -> float:
        """Mean over initialisations and rows: near 0 for what was learned, 1 for what was not."""
        return float(self.per_initialisation.nanmean())

    @property
    def spread(self) -> float:
        """Standard deviation over initialisations; NaN with a single one."""
        return float(self.per_initialisation.std()) if len(self.agreement) > 1 else float("nan")


def randomised(
    agent: Agent,
    attribute: Callable[[Agent], Float[Tensor, "N ..."]],
    fresh: int | None = None,
    seed: int = 0,
    among: Bool[Tensor, "N ..."] | None = None,
) -> Randomised:
    """Compare an attribution with the same one of agents that learned nothing.

    Values that are multiplied with the activation agree to some degree whatever the weights: look
    at them beside those of a gradient alone.

    Args:
        agent: the trained one.
        attribute: makes the values of the same N rows for an agent.
        fresh: how many fresh initialisations; default is the run's own initial weights where they
            are known, else 5.
        seed: of the fresh initialisations; the caller's random numbers are left as they are.
        among: (N, ...) units to compare, such as those of vehicles that are there; default is all.
            See ``stability.agreement``.

    Raises:
        PolicyscopeError: fewer than 1 initialisation, or ``attribute`` gives other shapes for
            untrained agents.

    Cost: K + 1 times that of ``attribute``.

    Reference: Adebayo et al. 2018, section 3.

    Example:
        >>> def values(agent):
        ...     return gradient(score(agent, target, decisions))
        >>> randomised(agent, values).mean  # doctest: +SKIP
    """
    if fresh is not None and fresh < 1:
        raise PolicyscopeError("at least 1 initialisation is needed")
    policy = baseline("untrained", agent if fresh is None else replace(agent, initial=None))
    seeds = range(seed + AWAY, seed + AWAY + (fresh or FRESH))
    draws = [Episode(i, Start(seed=i)) for i in seeds]
    trained = attribute(agent)
    found = []
    for untrained, _ in policy.parts(draws):
        values = attribute(replace(untrained, net=untrained.net.to(agent.device)))
        found.append(agreement(trained, values, among))
    return Randomised(torch.stack(found), own=not policy.fresh)

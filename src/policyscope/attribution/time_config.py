"""Options of attribution through time; free of torch."""

from dataclasses import dataclass

from policyscope.core.errors import PolicyscopeError, UnknownName

BASELINES = ("zero", "mean")
#: How a change can be shared out over observations and memory.
WAYS = ("integrated_gradients", "shapley")
#: Steps and memory of which all coalitions are looked at: 2^17, which share their past.
MOST_STEPS = 17


@dataclass(frozen=True)
class TimeConfig:
    """What to attribute to the past, and how far back.

    Args:
        target: scalar to be explained, e.g. ``value``, ``logp[taken]``; empty: of a Q agent the
            taken action's Q-value minus the mean over actions, of a policy ``logp[taken]``.
        by: how the change is shared out: along a path (integrated_gradients), or fairly over all
            coalitions of observations and memory (shapley).
        past: observations of a window, the decision's own among them.
        baseline: what observations are compared with: zero, or the mean over the decisions. Memory
            is compared with that at the first step of an episode.
        tolerance: largest share of the target's change that a path may miss.
        exact: observations and memory together, at most 17, up to which Shapley values are of all
            coalitions; beyond, orders are drawn.
        samples: random orders, an even number of at least 4.
        rows: decisions to explain at most; more are thinned out at random.
        seed: of that draw and of the bootstrap.
        trust: measure how far the values hold, on 8 of the decisions.

    Raises:
        UnknownName: no such baseline or way.
        PolicyscopeError: a number that makes no sense.
    """

    target: str = ""
    by: str = "integrated_gradients"
    past: int = 16
    baseline: str = "zero"
    tolerance: float = 0.01
    exact: int = MOST_STEPS
    samples: int = 256
    rows: int = 32
    seed: int = 0
    trust: bool = True

    def __post_init__(self) -> None:
        if self.baseline not in BASELINES:
            raise UnknownName("baseline", self.baseline, BASELINES)
        if self.by not in WAYS:
            raise UnknownName("way to share a change out", self.by, WAYS)
        if not 0 <= self.exact <= MOST_STEPS:
            raise PolicyscopeError(
                f"all coalitions of 0 to {MOST_STEPS} steps, memory among them, can be looked at, "
                f"got exact = {self.exact}; beyond that Shapley values are sampled by themselves"
            )
        if self.samples < 4 or self.samples % 2:
            raise PolicyscopeError(f"an even number of 4 samples or more, got {self.samples}")
        if self.past < 1:
            raise PolicyscopeError(f"past is 1 observation or more, got {self.past}")
        if self.seed < 0:
            raise PolicyscopeError(f"the seed is 0 or more, got {self.seed}")
        if self.rows < 1 or not 0 < self.tolerance < 1:
            raise PolicyscopeError("at least 1 row is explained, to a tolerance between 0 and 1")

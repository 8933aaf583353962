"""Options of attribution through time; free of torch."""

from dataclasses import dataclass

from policyscope.core.errors import PolicyscopeError, UnknownName

BASELINES = ("zero", "mean")


@dataclass(frozen=True)
class TimeConfig:
    """What to attribute to the past, and how far back.

    Args:
        target: scalar to be explained, e.g. ``value``, ``logp[taken]``; empty: of a Q agent the
            taken action's Q-value minus the mean over actions, of a policy ``logp[taken]``.
        past: observations of a window, the decision's own among them.
        baseline: what observations are compared with: zero, or the mean over the decisions. Memory
            is compared with that at the first step of an episode.
        tolerance: largest share of the target's change that a path may miss.
        rows: decisions to explain at most; more are thinned out at random.
        seed: of that draw and of the bootstrap.
        trust: measure how far the values hold, on 8 of the decisions.

    Raises:
        UnknownName: no such baseline.
        PolicyscopeError: a number that makes no sense.
    """

    target: str = ""
    past: int = 16
    baseline: str = "zero"
    tolerance: float = 0.01
    rows: int = 32
    seed: int = 0
    trust: bool = True

    def __post_init__(self) -> None:
        if self.baseline not in BASELINES:
            raise UnknownName("baseline", self.baseline, BASELINES)
        if self.past < 1:
            raise PolicyscopeError(f"past is 1 observation or more, got {self.past}")
        if self.seed < 0:
            raise PolicyscopeError(f"the seed is 0 or more, got {self.seed}")
        if self.rows < 1 or not 0 < self.tolerance < 1:
            raise PolicyscopeError("at least 1 row is explained, to a tolerance between 0 and 1")

"""Options of an attribution; free of torch."""

from dataclasses import dataclass

from policyscope.core.errors import PolicyscopeError, UnknownName

#: What each method is, in a line.
METHODS = {
    "integrated_gradients": "the target's change from a baseline, along the path to it",
    "gradient": "slope of the target, in its unit a unit of the activation",
    "input_x_gradient": "slope times the difference to the baseline",
    "smooth_gradient": "mean slope over noisy copies",
    "grad_cam": "where channels that the target rises with are active",
    "occlusion": "what the target loses when a window of a frame, or one number, is covered",
    "blur": "what the target loses when a frame is blurred around a place",
    "shapley": "the change from a baseline, shared out fairly over vehicles or blocks of a frame",
}
#: Methods whose values must sum to the target's change from the baseline.
COMPLETE = ("integrated_gradients",)
#: Methods whose values are slopes, not shares of a change.
SLOPES = ("gradient", "smooth_gradient")
BASELINES = ("zero", "mean")


@dataclass(frozen=True)
class AttributionConfig:
    """What to attribute, to what, and how exactly.

    Args:
        target: scalar to be explained, e.g. ``q[FASTER]-q[SLOWER]``, ``value``; empty: of a Q
            agent the taken action's Q-value minus the mean over actions, of a policy
            ``logp[taken]``.
        method: one of ``METHODS``.
        site: activation it is attributed to; ``preprocess`` is the observation.
        baseline: what the activation is compared with: zero, or mean over the chosen rows.
        rule: how a path is integrated: adaptive, right, left, midpoint, trapezoid, gauss.
        steps: points on a path that is not adaptive.
        tolerance: largest share of the target's change that an adaptive path may miss.
        samples: noisy copies of each row; random orders, where Shapley values are sampled.
        window: side of what occlusion covers and of Shapley values' blocks, in places of the map.
        rows: decisions to explain at most; more are thinned out at random.
        seed: of what is drawn.
        trust: measure how far the values hold, on up to 32 of the decisions.

    Raises:
        UnknownName: no such method or baseline.
        PolicyscopeError: a number that makes no sense.
    """

    target: str = ""
    method: str = "integrated_gradients"
    site: str = "preprocess"
    baseline: str = "zero"
    rule: str = "adaptive"
    steps: int = 32
    tolerance: float = 0.01
    samples: int = 32
    window: int = 8
    rows: int = 512
    seed: int = 0
    trust: bool = True

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UnknownName("method", self.method, METHODS)
        if self.baseline not in BASELINES:
            raise UnknownName("baseline", self.baseline, BASELINES)
        if self.rows < 1 or not 0 < self.tolerance < 1:
            raise PolicyscopeError("at least 1 row is explained, to a tolerance between 0 and 1")

"""Options of the circuit methods; imports nothing heavy, so that flags parse fast."""

import math
from dataclasses import dataclass

from policyscope.core.errors import PolicyscopeError

FEWEST_RESAMPLES = 100


@dataclass(frozen=True)
class AttentionConfig:
    """Options of ``explain REC --method attention``.

    Args:
        resamples: bootstrap resamples of whole episodes, 100 or more.
        level: coverage of the intervals, 0.5 or more and less than 1.
        seed: seed of the resampling, 0 or more.
        horizon: look-ahead of the predicted closest approach, seconds.
        turn: heading change in one step from which a vehicle counts as turning, radians.
        clear: smallest predicted closest approach from which the way counts as free, metres.

    Raises:
        PolicyscopeError: an option is out of range.
    """

    resamples: int = 1000
    level: float = 0.95
    seed: int = 0
    horizon: float = 3.0
    turn: float = 0.15
    clear: float = 10.0

    def __post_init__(self) -> None:
        if self.resamples < FEWEST_RESAMPLES:
            raise PolicyscopeError(
                f"resamples must be at least {FEWEST_RESAMPLES} for an interval, "
                f"got {self.resamples}"
            )
        if not 0.5 <= self.level < 1:
            raise PolicyscopeError(f"level must be 0.5 or more and less than 1, got {self.level}")
        if self.seed < 0:
            raise PolicyscopeError(f"seed must be 0 or more, got {self.seed}")
        for name in ("horizon", "turn", "clear"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise PolicyscopeError(f"{name} must be positive and finite, got {value}")

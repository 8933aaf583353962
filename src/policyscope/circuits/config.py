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
        _require_resampling(self.resamples, self.level, self.seed)
        for name in ("horizon", "turn", "clear"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise PolicyscopeError(f"{name} must be positive and finite, got {value}")


@dataclass(frozen=True)
class MemoryConfig:
    """Options of ``explain REC --method memory``.

    Args:
        resamples: bootstrap resamples of whole episodes, 100 or more.
        level: coverage of the intervals, 0.5 or more and less than 1.
        seed: seed of the resampling and of the folds, 0 or more.
        folds: parts that the episodes are dealt to; each is read by what the others taught, 2 or
            more.

    Raises:
        PolicyscopeError: an option is out of range.
    """

    resamples: int = 1000
    level: float = 0.95
    seed: int = 0
    folds: int = 5

    def __post_init__(self) -> None:
        _require_resampling(self.resamples, self.level, self.seed)
        if self.folds < 2:
            raise PolicyscopeError(f"folds must be 2 or more, got {self.folds}")


def _require_resampling(resamples: int, level: float, seed: int) -> None:
    if resamples < FEWEST_RESAMPLES:
        raise PolicyscopeError(
            f"resamples must be at least {FEWEST_RESAMPLES} for an interval, got {resamples}"
        )
    if not 0.5 <= level < 1:
        raise PolicyscopeError(f"level must be 0.5 or more and less than 1, got {level}")
    if seed < 0:
        raise PolicyscopeError(f"seed must be 0 or more, got {seed}")

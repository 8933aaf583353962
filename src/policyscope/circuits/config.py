"""Options of the circuit methods; imports nothing heavy, so that flags parse fast."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AttentionConfig:
    """Options of ``explain REC --method attention``.

    Args:
        resamples: bootstrap resamples of whole episodes.
        level: coverage of the intervals.
        seed: seed of the resampling.
        horizon: look-ahead of the predicted closest approach, seconds.
        turn: heading change in one step from which a vehicle counts as turning, radians.
        clear: smallest predicted closest approach from which the way counts as free, metres.
    """

    resamples: int = 1000
    level: float = 0.95
    seed: int = 0
    horizon: float = 3.0
    turn: float = 0.15
    clear: float = 10.0

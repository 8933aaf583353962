"""What a report asks."""

from dataclasses import dataclass

from policyscope.core.errors import PolicyscopeError


@dataclass(frozen=True)
class ReportConfig:
    """What a report asks.

    Args:
        target: what is attributed; empty: why this action rather than others.
        method: of attribution; empty: shapley over vehicles, else integrated_gradients.
        site: what it is attributed to.
        seeds: pairs of futures that are played on.
        fork: whether futures are played.
        size: side of pictures in pixels.
        seed: of what is drawn.

    Raises:
        PolicyscopeError: a number that makes no sense.
    """

    target: str = ""
    method: str = ""
    site: str = "preprocess"
    seeds: int = 10
    fork: bool = True
    size: int = 320
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seeds < 1 or self.seed < 0:
            raise PolicyscopeError("--seeds must be at least 1 and --seed 0 or more")
        if not 64 <= self.size <= 1024:
            raise PolicyscopeError(f"--size must lie between 64 and 1024, got {self.size}")

"""Which seeds are for what, so that no agent is trained on what it is judged by."""

from policyscope.core.errors import PolicyscopeError

EVALUATION_SEEDS = 10_000
"""Seeds below this are for evaluation only."""

RUN_SEEDS = 1_000_000
"""Seeds that one training run may use."""


def training_seed(run_seed: int, index: int) -> int:
    """Environment seed of the index-th episode of a training run; never an evaluation seed.

    Example:
        >>> training_seed(0, 0), training_seed(2, 5)
        (10000, 2010005)
    """
    if run_seed < 0 or not 0 <= index < RUN_SEEDS:
        raise PolicyscopeError(
            f"training seeds need a run seed from 0 and fewer than {RUN_SEEDS} episodes, "
            f"got run seed {run_seed} and episode {index}"
        )
    return EVALUATION_SEEDS + run_seed * RUN_SEEDS + index


def require_evaluation_seeds(first: int, count: int) -> None:
    """Refuse seeds that a training run may have seen.

    Raises:
        PolicyscopeError: a seed lies outside 0..9999.
    """
    if first < 0 or first + count > EVALUATION_SEEDS:
        raise PolicyscopeError(
            f"evaluation seeds are 0..{EVALUATION_SEEDS - 1}, got {first}..{first + count - 1}"
        )

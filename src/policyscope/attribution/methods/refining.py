"""Paths in finer steps, row by row: a row's values do not depend on those beside it."""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from policyscope.attribution.methods.paths import FLOOR, Attributed
from policyscope.core.tails import Tail

#: What a path of M rows in so many steps gives: tensors (M, ...) by name, and by what share more
#: than is allowed it misses, (M,): at most 1 is fine enough.
Refined = tuple[dict[str, Tensor], Float[Tensor, " M"]]
At = Callable[[Int[Tensor, " M"], int], Refined]
#: Steps at which paths stop that are made finer until they miss little.
FINEST = 1024
#: Steps are multiplied by at most so much at once.
AT_ONCE = 4


def row_by_row(
    at: At, rows: int, first: int, most: int
) -> tuple[dict[str, Tensor], Int[Tensor, " N"]]:
    """Paths that are made finer, each row for itself, until they miss no more than is allowed.

    Args:
        at: what M of the rows get in so many steps, and how much more than allowed they miss.
        rows: N.
        first: steps that each begins with.
        most: steps at which it stops; no more than the first if those are more.

    Returns:
        Tensors (N, ...) by name, and the steps that each row took.
    """
    found: dict[str, Tensor] = {}
    taken, wanted = torch.zeros(rows, dtype=torch.long), torch.full((rows,), first)
    while (taken < wanted).any():
        steps = int(wanted[taken < wanted].min())
        some = torch.nonzero((taken < wanted) & (wanted == steps))[:, 0]
        parts, missed = at(some, steps)
        for name, part in parts.items():
            whole = found.setdefault(name, part.new_empty(rows, *part.shape[1:]))
            whole[some.to(part.device)] = part
        taken[some] = steps
        missed = missed.detach().cpu()
        times = torch.where(missed > 2, AT_ONCE, torch.where(missed > 1, 2, 1))
        wanted[some] = (steps * times).clamp(max=max(most, steps))
    return found, taken


def too_much(
    gap: Float[Tensor, " M"],
    change: Float[Tensor, " M"],
    ups_and_downs: Float[Tensor, " M"],
    tolerance: float,
) -> Float[Tensor, " M"]:
    """A gap as a share of what is allowed, as adaptive paths have it.

    Args:
        gap: what the values miss.
        change: of the target from end to end.
        ups_and_downs: sum of its changes from step to step, unsigned.
        tolerance: share of the change that may be missed.
    """
    allowed = tolerance * change.abs().maximum(FLOOR * ups_and_downs)
    return gap.abs() / allowed.clamp(min=1e-12)


def missed_by(found: Attributed, tolerance: float) -> Float[Tensor, " M"]:
    """What paths miss as a share of what is allowed.

    Args:
        found: paths whose ups and downs were watched.
        tolerance: share of the change that may be missed.
    """
    bumps = found.change.abs() if found.ups_and_downs is None else found.ups_and_downs
    return too_much(found.gap, found.change, bumps, tolerance)


def of_rows(rest: Tail, rows: Int[Tensor, " M"]) -> Tail:
    """The target of some of the decisions alone.

    Args:
        rest: the target of N decisions.
        rows: which of them.
    """
    on = rows.to(rest.activation.device)
    kept = {name: value[on] for name, value in rest.kept.items()}
    return replace(
        rest, activation=rest.activation[on], kept=kept, run=lambda some: rest.run(rows[some])
    )

"""The null of each kind of edit: edits that should matter no more than chance.

A null is a distribution: an effect counts when it lies outside that of its null.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace as with_fields
from itertools import product

import numpy as np
import torch
from torch import Tensor

from policyscope.core.edits import Edit, Unit
from policyscope.core.errors import PolicyscopeError, UnknownName

#: How many units of nearest activity a random unit is drawn from.
POOL = 16


def null(
    edit: Edit, n: int, rng: np.random.Generator, activations: Mapping[str, Tensor]
) -> list[Edit]:
    """Draw edits from the null of an edit.

    add: directions of equal norm, uniform on the sphere of the whole site. zero, mean, clamp: for
    each edited unit one of the ``POOL`` other units of nearest mean absolute activation; mean takes
    their own means. patch: the values of random other steps.

    Args:
        edit: the edit.
        n: how many draws. Few other units give few different draws.
        rng: source of the draws.
        activations: (N, ...) recorded activations by site, to measure activity and to patch from.

    Raises:
        UnknownName: the activations of the edit's site are not given.
        PolicyscopeError: nothing else to draw, e.g. the edit takes the whole site.

    Example:
        >>> edit = Edit("add", "trunk.relu0", None, [3.0, 4.0])
        >>> draw, = null(edit, 1, np.random.default_rng(0), {"trunk.relu0": torch.zeros(2, 2)})
        >>> round(float(torch.tensor(draw.values).norm()), 6)
        5.0
    """
    if edit.site not in activations:
        raise UnknownName("site with recorded activations", edit.site, activations)
    return NULLS[edit.kind](edit, n, rng, activations[edit.site].detach())


def _directions(edit: Edit, n: int, rng: np.random.Generator, activation: Tensor) -> list[Edit]:
    """Directions of the whole site: of one unit there are but two, both the edit's own."""
    size, shape = edit.tensor.norm().item(), tuple(activation.shape[1:])
    draws = []
    for _ in range(n):
        direction = rng.standard_normal(shape)
        values = direction * (size / np.linalg.norm(direction.ravel()))
        draws.append(with_fields(edit, index=None, values=values))
    return draws


def _other_units(edit: Edit, activation: Tensor) -> tuple[list[Unit], np.ndarray, np.ndarray]:
    """Units that are not edited, their activity, and the activity of the edited ones."""
    shape = tuple(activation.shape[1:])
    edited = edit.units(shape)
    if all(i is None for i in edited[0]):
        raise PolicyscopeError(
            f"an edit of the whole site '{edit.site}' leaves no other units to compare with; edit "
            "some of its units, or ask for no null (--null 0)"
        )
    whole = [axis + 1 for axis, i in enumerate(edited[0]) if i is None]
    activity = activation.double().abs().mean([0, *whole]).flatten().numpy()
    axes = [(None,) if i is None else range(e) for i, e in zip(edited[0], shape, strict=True)]
    by_unit = dict(zip(product(*axes), activity, strict=True))
    wanted = np.array([by_unit.pop(unit) for unit in edited])
    others = list(by_unit)
    if len(others) < len(edited):
        raise PolicyscopeError(
            f"site '{edit.site}' has {len(others)} units besides the {len(edited)} edited ones; "
            "their null needs at least as many"
        )
    return others, np.array(list(by_unit.values())), wanted


def _units(edit: Edit, n: int, rng: np.random.Generator, activation: Tensor) -> list[Edit]:
    others, activity, wanted = _other_units(edit, activation)
    draws = []
    for _ in range(n):
        free = np.ones(len(others), dtype=bool)
        chosen = np.zeros(len(wanted), dtype=int)
        for place in rng.permutation(len(wanted)):
            distance = np.where(free, np.abs(activity - wanted[place]), np.inf)
            pool = np.argsort(distance, kind="stable")[: min(POOL, int(free.sum()))]
            chosen[place] = rng.choice(pool)
            free[chosen[place]] = False
        draws.append(with_fields(edit, index=tuple(others[i] for i in chosen)))
    return draws


def _units_with_means(
    edit: Edit, n: int, rng: np.random.Generator, activation: Tensor
) -> list[Edit]:
    draws = _units(edit, n, rng, activation)
    return [with_fields(d, values=d.read(activation).double().mean(0)) for d in draws]


def _steps(edit: Edit, n: int, rng: np.random.Generator, activation: Tensor) -> list[Edit]:
    recorded = edit.read(activation).double()
    values = edit.tensor[None] if edit.broadcast else edit.tensor
    if values.shape[1:] != recorded.shape[1:]:
        raise PolicyscopeError(
            f"a patch of shape {tuple(values.shape[1:])} does not fit the recorded "
            f"{tuple(recorded.shape[1:])} of site '{edit.site}'"
        )
    flat, rows_flat = recorded.reshape(len(recorded), -1), values.reshape(len(values), -1)
    others = [np.flatnonzero((flat != row).any(-1).numpy()) for row in rows_flat]
    if not all(map(len, others)):
        raise PolicyscopeError(f"no other step of site '{edit.site}' is recorded to patch from")
    draws = []
    for _ in range(n):
        new = recorded[torch.tensor([int(rng.choice(steps)) for steps in others])]
        draws.append(with_fields(edit, values=new[0] if edit.broadcast else new))
    return draws


NULLS: dict[str, Callable[[Edit, int, np.random.Generator, Tensor], list[Edit]]] = {
    "zero": _units,
    "mean": _units_with_means,
    "clamp": _units,
    "add": _directions,
    "patch": _steps,
}

"""Memory of recurrent agents: a tensor, or tuples, lists and dicts of tensors.

Every tensor has the batch as its leading axis: one row for each lane or episode.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor


def tree_map(function: Callable[..., Any], *trees: Any) -> Any:
    """Apply a function to the leaves of trees of the same form.

    Args:
        function: takes one leaf of each tree.
        trees: anything but tuples, lists, dicts and None is a leaf; None stays None.

    Example:
        >>> tree_map(lambda a, b: a + b, (1, {"c": 2}), (10, {"c": 20}))
        (11, {'c': 22})
    """
    first = trees[0]
    if first is None:
        return None
    if isinstance(first, dict):
        return {k: tree_map(function, *(t[k] for t in trees)) for k in first}
    if isinstance(first, tuple | list):
        parts = [tree_map(function, *leaves) for leaves in zip(*trees, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    return function(*trees)


def begin_anew(state: Any, fresh: Any, rows: Bool[Tensor, " N"]) -> Any:
    """Memory with some rows replaced by those of another; differentiable.

    Args:
        state: memory of N rows.
        fresh: memory to take instead, of the same form.
        rows: where to take it; the same memory is returned where that is nowhere.
    """
    if rows.device.type == "cpu" and not rows.any():  # another device would have to be waited for
        return state

    def pick(old: Tensor, new: Tensor) -> Tensor:
        return torch.where(rows.to(old.device).view(-1, *[1] * (old.dim() - 1)), new, old)

    return tree_map(pick, state, fresh)


def stack_states(states: Sequence[Any]) -> Any:
    """Memories of T steps as one with a leading axis T."""
    return tree_map(lambda *leaves: torch.stack(leaves), *states)


def memory_row(state: Any, row: int) -> Any:
    """Memory of one row as numpy arrays, without the batch axis; None without memory."""

    def one(leaf: Tensor) -> np.ndarray:
        return leaf[row].detach().cpu().numpy()

    return tree_map(one, state)


def flat_row(row: Any) -> np.ndarray:
    """Memory of one row as one array: a single tensor as it is, several one after the other.

    Args:
        row: as ``memory_row`` gives it.

    Example:
        >>> flat_row({"hidden": np.ones(2), "cell": np.zeros((1, 3))})
        array([1., 1., 0., 0., 0.])
    """
    leaves: list[np.ndarray] = []
    tree_map(leaves.append, row)
    return leaves[0] if len(leaves) == 1 else np.concatenate([leaf.ravel() for leaf in leaves])


def from_flat_row(values: np.ndarray, form: Any) -> Any:
    """Inverse of ``flat_row``: the memory in every row of a batch.

    Args:
        values: as ``flat_row`` gives it.
        form: memory of N rows, whose form and shapes are taken.
    """
    one = from_flat_rows(np.array(values)[None], form)
    return tree_map(lambda row, leaf: row.expand_as(leaf).clone(), one, form)


def flat_rows(state: Any) -> Float[Tensor, "N F"]:
    """Memory of N rows as one tensor, the numbers of its tensors one after the other."""
    leaves: list[Tensor] = []
    tree_map(lambda leaf: leaves.append(leaf.reshape(len(leaf), -1)), state)
    return torch.cat(leaves, 1)


def from_flat_rows(values: np.ndarray, form: Any) -> Any:
    """Memory of N rows from an array of N rows, each as ``flat_row`` gives it.

    Args:
        values: (N, ...) flat rows.
        form: memory of any number of rows, whose form and shapes are taken.
    """
    rest = torch.from_numpy(np.ascontiguousarray(values)).flatten(1)

    def take(leaf: Tensor) -> Tensor:
        nonlocal rest
        size = leaf[0].numel()
        own, rest = rest[:, :size], rest[:, size:]
        return own.to(leaf).reshape(-1, *leaf.shape[1:])

    return tree_map(take, form)

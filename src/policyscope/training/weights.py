"""Networks, optimisers and memories as arrays, so that a run can be saved and goes on exactly."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from policyscope.agents.memory import tree_map


def to_arrays(nets: Mapping[str, nn.Module], optimizer: Optimizer) -> dict[str, np.ndarray]:
    """Weights as ``NAME/parameter`` and moments as ``adam/index/slot``."""
    out = {
        f"{name}/{k}": v.cpu().numpy().copy()
        for name, net in nets.items()
        for k, v in net.state_dict().items()
    }
    for i, slots in optimizer.state_dict()["state"].items():
        out |= {f"adam/{i}/{k}": v.cpu().numpy().copy() for k, v in slots.items()}
    return out


def from_arrays(
    arrays: Mapping[str, np.ndarray], nets: Mapping[str, nn.Module], optimizer: Optimizer
) -> None:
    """Inverse of ``to_arrays``."""
    for name, net in nets.items():
        net.load_state_dict(_tensors(arrays, f"{name}/"))
    state = optimizer.state_dict()
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in _tensors(arrays, "adam/").items():
        index, slot = key.split("/")
        slots.setdefault(int(index), {})[slot] = value
    optimizer.load_state_dict({**state, "state": slots})
    for parameter, moments in optimizer.state.items():
        for slot, value in moments.items():
            if value.shape == parameter.shape:  # in its layout: a fused step reads both as they lie
                moments[slot] = torch.empty_like(parameter).copy_(value)


def memory_to_arrays(memory: Any, name: str) -> dict[str, np.ndarray]:
    """Memory as ``NAME/index``; nothing without.

    Example:
        >>> memory_to_arrays({"hidden": torch.ones(2)}, "actor")
        {'actor/0': array([1., 1.], dtype=float32)}
    """
    leaves: list[Tensor] = []
    tree_map(leaves.append, memory)
    return {f"{name}/{i}": leaf.cpu().numpy().copy() for i, leaf in enumerate(leaves)}


def memory_from_arrays(arrays: Mapping[str, np.ndarray], name: str, form: Any) -> Any:
    """Inverse of ``memory_to_arrays``.

    Args:
        arrays: as saved, others among them.
        name: under which the memory was saved.
        form: memory of any number of rows, whose form and device are taken; None for none.

    Example:
        >>> form = (torch.zeros(1), torch.zeros(1))
        >>> memory_from_arrays({"actor/0": np.ones(2), "actor/1": np.ones(2)}, "actor", form)
        (tensor([1., 1.]), tensor([1., 1.]))
    """
    saved = (torch.from_numpy(arrays[f"{name}/{i}"].copy()) for i in range(len(arrays)))
    return tree_map(lambda leaf: next(saved).to(leaf), form)


def _tensors(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, Tensor]:
    return {
        k.removeprefix(prefix): torch.from_numpy(v.copy())
        for k, v in arrays.items()
        if k.startswith(prefix)
    }

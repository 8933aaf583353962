"""Networks and optimisers as arrays, so that a run can be saved and goes on exactly."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer


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


def _tensors(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, Tensor]:
    return {
        k.removeprefix(prefix): torch.from_numpy(v.copy())
        for k, v in arrays.items()
        if k.startswith(prefix)
    }

"""Choice of the torch device a command runs on."""

import torch

from policyscope.core.errors import PolicyscopeError


def choose_device(name: str) -> str:
    """A device that exists here.

    Args:
        name: auto (the fastest there is), cpu, cuda or mps.

    Raises:
        PolicyscopeError: the device asked for is not there.
    """
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return next(d for d in ("cuda", "mps", "cpu") if there[d])
    if not there.get(name, False):
        raise PolicyscopeError(f"no {name} device here; use --device auto")
    return name

"""Build a network from its registered name and arguments."""

from typing import Any

from torch import nn

from policyscope.core.errors import PolicyscopeError
from policyscope.core.registry import find


def build_network(name: str, arguments: dict[str, Any]) -> nn.Module:
    """Make a network with fresh weights.

    Args:
        name: registered name, e.g. ``ego_attention``.
        arguments: constructor arguments, JSON values.

    Raises:
        UnknownName: no such network.
        PolicyscopeError: the network does not take these arguments.

    Example:
        >>> build_network("ego_attention", {"heads": 2}).attention_layer.heads
        2
    """
    network = find("network", name)
    try:
        return network(**arguments)
    except (TypeError, ValueError, ArithmeticError, LookupError, RuntimeError) as error:
        raise PolicyscopeError(f"network '{name}' cannot be built: {error}") from None

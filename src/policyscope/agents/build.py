"""Build a network from its registered name and arguments."""

from typing import Any

from torch import nn

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.plugins import VARIABLE
from policyscope.core.registry import entry, find, names


class UnknownNetwork(UnknownName):
    """A network that no module imported so far has registered."""

    def __init__(self, name: str):
        super().__init__("network", name, names("network"))
        file = f"{name}.py" if name.isidentifier() else "FILE.py"
        self.args = (
            f"{self.args[0]} A network of your own is found where the file that registers it is "
            f"named: {VARIABLE}=path/to/{file}, or import it in Python.",
        )


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
    if name not in names("network"):
        raise UnknownNetwork(name)
    try:
        network = find("network", name)
    except (ImportError, AttributeError) as error:
        place = entry("network", name)
        raise PolicyscopeError(f"network '{name}' is not to be found as {place}: {error}") from None
    try:
        return network(**arguments)
    except (TypeError, ValueError, ArithmeticError, LookupError, RuntimeError) as error:
        raise PolicyscopeError(f"network '{name}' cannot be built: {error}") from None

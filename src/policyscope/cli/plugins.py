"""The flag ``--plugin``: modules that register methods, tracks or overlays of the user's own."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from policyscope.core.errors import PolicyscopeError

Plugins = tuple[str, ...]


def import_plugins(names: Sequence[str]) -> None:
    """Import modules from the working folder or from where packages lie.

    Args:
        names: as ``import`` takes them.

    Raises:
        PolicyscopeError: one cannot be imported.
    """
    if names and "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    for name in names:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            told = f"no module named {error.name}"
            raise PolicyscopeError(f"--plugin {name} cannot be imported: {told}") from None
        except Exception as error:
            told = " ".join(str(error).split()) or type(error).__name__
            raise PolicyscopeError(f"--plugin {name} cannot be imported: {told}") from error

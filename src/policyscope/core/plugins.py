"""Modules of the user's own that register networks, methods, tracks or overlays."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from policyscope.core.errors import PolicyscopeError

VARIABLE = "POLICYSCOPE_PLUGINS"
"""Environment variable: modules or files of Python, comma-separated, imported before agents."""


def import_modules(names: Sequence[str], told_by: str) -> None:
    """Import modules from the working folder, from where packages lie, or from a file.

    Args:
        names: as ``import`` takes them, or paths that end in ``.py``.
        told_by: the flag or variable that names them, for messages.

    Raises:
        PolicyscopeError: one cannot be imported.
    """
    for name in names:
        path = Path(name)
        file = path.suffix == ".py"
        if file and not path.is_file():
            raise PolicyscopeError(f"{told_by} {name} cannot be imported: no such file")
        _look_in(path.resolve().parent if file else Path.cwd())
        try:
            module = import_module(path.stem if file else name)
        except ModuleNotFoundError as error:
            told = f"no module named {error.name}"
            raise PolicyscopeError(f"{told_by} {name} cannot be imported: {told}") from None
        except Exception as error:
            told = " ".join(str(error).split()) or type(error).__name__
            raise PolicyscopeError(f"{told_by} {name} cannot be imported: {told}") from error
        if file and Path(module.__file__ or "").resolve() != path.resolve():
            told = f"another module is called {path.stem}; rename the file"
            raise PolicyscopeError(f"{told_by} {name} cannot be imported: {told}")


def _look_in(folder: Path) -> None:
    here = folder == Path.cwd() and "" in sys.path
    if not here and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def import_named_plugins() -> None:
    """Import what the environment variable names; those imported before are left as they are.

    Raises:
        PolicyscopeError: one cannot be imported.
    """
    named = (name.strip() for name in os.environ.get(VARIABLE, "").split(","))
    import_modules([name for name in named if name], VARIABLE)

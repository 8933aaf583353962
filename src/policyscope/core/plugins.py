"""Modules of the user's own that register networks, methods, tracks or overlays."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module, invalidate_caches
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from policyscope.core.errors import PolicyscopeError

VARIABLE = "POLICYSCOPE_PLUGINS"
"""Environment variable: modules or files of Python, comma-separated, imported before agents."""


def import_modules(names: Sequence[str], told_by: str) -> None:
    """Import modules from where packages lie, from the working folder, or from a file.

    Args:
        names: as ``import`` takes them, or paths that end in ``.py``. A name is looked for where
            packages lie first. A file becomes the module of its name, so that entries of the
            registry find it; what lies beside it can be imported, after all packages.
        told_by: the flag or variable that names them, for messages.

    Raises:
        PolicyscopeError: one cannot be imported.
    """
    for name in names:
        try:
            if name.endswith(".py"):
                _import_file(Path(name).resolve())
            else:
                _import_name(name)
        except ModuleNotFoundError as error:
            told = f"no module named {error.name}"
            raise PolicyscopeError(f"{told_by} {name} cannot be imported: {told}") from None
        except Exception as error:
            told = " ".join(str(error).split()) or type(error).__name__
            raise PolicyscopeError(f"{told_by} {name} cannot be imported: {told}") from error


def _import_name(name: str) -> None:
    top = name.partition(".")[0]
    if top not in sys.modules and find_spec(top) is None:
        _look_in(Path.cwd())
    import_module(name)


def _import_file(path: Path) -> None:
    if not path.is_file():
        raise PolicyscopeError("no such file")
    name = path.stem
    if taken := _place(name):
        if taken != path:
            raise PolicyscopeError(f"another module is called {name}; rename the file")
        if name in sys.modules:
            return
    _look_in(path.parent)
    spec: Any = spec_from_file_location(name, path)
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise


def _place(name: str) -> Path | None:
    """Where the module of a name lies, imported or not; None where there is none."""
    if name in sys.modules:
        return Path(getattr(sys.modules[name], "__file__", None) or name).resolve()
    spec = find_spec(name)
    return Path(spec.origin).resolve() if spec and spec.origin else None


def _look_in(folder: Path) -> None:
    """Look for modules in a folder too, last: what lies in it hides no package."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    invalidate_caches()


def import_named_plugins() -> None:
    """Import what the environment variable names; those imported before are left as they are.

    Raises:
        PolicyscopeError: one cannot be imported.
    """
    named = (name.strip() for name in os.environ.get(VARIABLE, "").split(","))
    import_modules([name for name in named if name], VARIABLE)

"""The flag ``--plugin``: modules that register methods, tracks or overlays of the user's own."""

from collections.abc import Sequence

from policyscope.core.plugins import import_modules

Plugins = tuple[str, ...]


def import_plugins(names: Sequence[str]) -> None:
    """Import modules from where packages lie, from the working folder, or from a file.

    Args:
        names: as ``import`` takes them, or paths that end in ``.py``.

    Raises:
        PolicyscopeError: one cannot be imported.
    """
    import_modules(names, "--plugin")

"""Where verbs write what they are given no place for."""

from pathlib import Path

from policyscope.core.errors import PolicyscopeError


def require_folder(recording: str, kind: str = "FOLDER") -> None:
    """Refuse a recording at a URL where a place in or beside it is wanted.

    Args:
        recording: its folder or URL.
        kind: what ``--out`` takes.

    Raises:
        PolicyscopeError: it is at a URL.
    """
    if "://" in recording:
        raise PolicyscopeError(f"a recording at a URL needs --out {kind} for what is found")


def beside(recording: str, tail: str) -> Path:
    """A file beside a recording, called like it.

    Args:
        recording: its folder.
        tail: what follows its name, e.g. ``-3.gif``.

    Raises:
        PolicyscopeError: it is at a URL.
    """
    require_folder(recording, "FILE")
    folder = Path(recording)
    return Path(folder, "..", f"{folder.resolve().name}{tail}").resolve()

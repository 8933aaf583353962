"""Errors a user can act on: one line that names the cause and the mend."""

import difflib
import errno
import os
import re
from collections.abc import Iterable
from pathlib import Path


class PolicyscopeError(Exception):
    """An error caused by what the user gave; the command line prints its one line and exits."""


class UnknownName(PolicyscopeError):
    """A name that stands for nothing, answered with the nearest valid ones."""

    def __init__(self, kind: str, name: str, valid: Iterable[str]):
        options = sorted(set(valid))
        near = difflib.get_close_matches(name, options, n=3, cutoff=0.5)
        more = len(options) - 20
        shown = ", ".join(options[:20]) + (f" and {more} more" if more > 0 else "")
        guess = f" Did you mean {' or '.join(near)}?" if near else ""
        super().__init__(f"unknown {kind} '{name}'.{guess} Valid: {shown or 'none'}.")
        self.kind, self.name, self.valid = kind, name, options


class NoSuchFolder(UnknownName):
    """A folder that is not there, where the name of something that comes along would have done."""

    def __init__(self, kind: str, folder: str, valid: Iterable[str]):
        super().__init__(kind, folder, valid)
        named = ", ".join(self.valid)
        self.args = (
            f"{folder}: there is no such folder (give the folder of an {kind}, or {named})",
        )


class MissingPart(PolicyscopeError):
    """An optional package that a feature needs and that is not installed."""

    def __init__(self, package: str, extra: str):
        super().__init__(
            f"this needs the package '{package}'; install it with: "
            f"pip install 'policyscope[{extra}]'"
        )


class BadFile(PolicyscopeError):
    """A file or folder that cannot be read as what it should be."""

    def __init__(self, path: str | Path, cause: str, mend: str = ""):
        super().__init__(f"{path}: {cause}" + (f" ({mend})" if mend else ""))


_MENDS = {
    errno.ENOSPC: "make room on its disk or choose another place",
    errno.EDQUOT: "make room on its disk or choose another place",
    errno.EISDIR: "name a file in it",
    errno.ENOENT: "make its folder first or choose another path",
    errno.ENOTDIR: "a part of the path is a file; choose another path",
    errno.EACCES: "mend its permissions or choose another path",
    errno.EPERM: "mend its permissions or choose another path",
    errno.EROFS: "its disk is read-only; choose another place",
}


def system_error(error: Exception) -> BadFile:
    """The one line for what the operating system refused.

    Args:
        error: an ``OSError``, or one of safetensors that tells of it as ``os error N``.

    Example:
        >>> print(system_error(IsADirectoryError(21, "Is a directory", "runs")))
        runs: Is a directory (name a file in it)
    """
    named = getattr(error, "filename", None)
    path = os.fsdecode(named) if named and isinstance(named, str | bytes) else "a file"
    number = _number(error)
    mend = _MENDS.get(number, "choose another path") if number else ""
    return BadFile(path, system_cause(error), mend)


def system_cause(error: Exception) -> str:
    """What the operating system refused, in its own words.

    Example:
        >>> system_cause(RuntimeError("I/O error: ... (os error 28)"))
        'No space left on device'
    """
    number = _number(error)
    told = os.strerror(number) if number else " ".join(str(error).split())
    return told or type(error).__name__


def _number(error: Exception) -> int | None:
    told = re.search(r"os error (\d+)", str(error))
    return getattr(error, "errno", None) or (int(told[1]) if told else None)

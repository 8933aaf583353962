"""Errors a user can act on: one line that names the cause and the mend."""

import difflib
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

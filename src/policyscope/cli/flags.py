"""Reading flags: the same dataclasses as in Python, and one line for a wrong one."""

import contextlib
import io
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tyro

from policyscope.core.errors import PolicyscopeError

Flags = TypeVar("Flags")
_FRAME = "╭╮╰╯│─ \n"
_URL = re.compile(r"[A-Za-z][\w+.-]+:/")


def parse(
    kind: type[Flags],
    argv: Sequence[str],
    verb: str,
    about: str,
    below: Callable[[], str] | None = None,
) -> Flags:
    """Read the flags of a verb.

    Args:
        kind: dataclass of the flags, with a help text under each field.
        argv: arguments behind the verb.
        verb: what the verb is called, e.g. ``record``.
        about: text above the flags in ``--help``, with examples.
        below: gives the text below them.

    Raises:
        PolicyscopeError: a flag that does not exist, is missing or has a wrong value.
        SystemExit: after ``--help``.
    """
    prog = f"policyscope {verb}"
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            flags = tyro.cli(kind, args=list(argv), prog=prog, description=about)
        _require_local(flags)
        return flags
    except SystemExit as end:
        if not end.code:
            sys.stdout.write(f"\n{below()}\n" if below else "")
            raise
    raise PolicyscopeError(f"{_first_sentence(complaint.getvalue())}; see: {prog} --help") from None


def _require_local(flags: Any) -> None:
    """Refuse a URL where a path of this machine is meant: it would make folders of its parts."""
    for name, value in vars(flags).items():
        for path in value if isinstance(value, list | tuple) else [value]:
            if isinstance(path, Path) and _URL.match(str(path)):
                flag = name.replace("_", "-")
                raise PolicyscopeError(f"{flag}: {path} is a URL; give a path of this machine")


def _first_sentence(box: str) -> str:
    """What a framed complaint says before its first rule, without frame and title."""
    told: list[str] = []
    for line in box.splitlines()[1:]:
        text = line.strip(_FRAME)
        text = "" if set(text) == {"-"} else text  # a rule, where the terminal knows no others
        if (not text and told) or text.startswith("Got errors"):
            break
        told.append(text)
    return " ".join(told).strip(" .") or "these flags cannot be read"

"""Joins the page's JavaScript modules into one script, so that a page needs no other file."""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=function |const )", re.MULTILINE)


def static_folder() -> Traversable:
    """Folder of the page's sources."""
    return files("policyscope.panel") / "static"


def script(entry: str = "main.js") -> str:
    """One classic script that runs a module and all it imports.

    Imports become order and exports become plain declarations, so all modules share one scope:
    names must be unique among them, which the browser itself enforces for ``const`` and a test for
    functions.

    Args:
        entry: module to begin at.
    """
    ordered: dict[str, str] = {}
    _add(entry, ordered)
    body = "\n".join(f"// {name}\n{source}" for name, source in ordered.items())
    return f'(() => {{\n"use strict";\n{body}}})();\n'


def _add(name: str, ordered: dict[str, str]) -> None:
    if name in ordered:
        return
    source = (static_folder() / name).read_text(encoding="utf-8")
    for needed in _IMPORT.findall(source):
        _add(needed, ordered)
    ordered[name] = _EXPORT.sub("", _IMPORT.sub("", source)).lstrip()

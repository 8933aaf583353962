"""Which methods can explain a recording, as far as its header and its agent's tell."""

import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policyscope.core.errors import PolicyscopeError
from policyscope.core.files import read_json
from policyscope.core.registry import entry, find, names

Values = Mapping[str, Any]

#: Episodes that the read-out of a memory is dealt to folds from.
_FEWEST = 10


def served_methods() -> list[str]:
    """Methods that a job can run: its own process imports no plugin."""
    return [name for name in names("method") if entry("method", name).startswith("policyscope.")]


def methods_for(values: Values, folder: Path, episodes: int) -> list[str]:
    """Methods that a recording has what they need for.

    Args:
        values: of its header.
        folder: of the recording.
        episodes: how many are finished.
    """
    if not episodes:
        return []
    network = _network(folder)
    has = {
        "attention": _has_attention(values, network),
        "attribution": bool(network),
        "memory": episodes >= _FEWEST and _remembers(network),
        "through_time": _remembers(network),
        "traces": bool(values["sites"]),
    }
    return [name for name in served_methods() if has.get(name, True)]


def suggestion(values: Values, methods: list[str]) -> str:
    """Flags of ``policyscope explain`` that suit a recording; empty where no method does.

    Args:
        values: of its header.
        methods: those that can explain it.

    Example:
        >>> header = {"sites": {"gru.memory": [64], "fc": [2]}, "outputs": {"logits": [2]}}
        >>> suggestion(header, ["traces"])
        '--method traces --site gru.memory'
    """
    if not methods:
        return ""
    flags = f"--method {methods[0]}"
    return f"{flags} --site {shlex.quote(_telling(values))}" if methods[0] == "traces" else flags


def _telling(values: Values) -> str:
    """The last recorded site that is no output: one whose size none of them has."""
    sizes = {math.prod(shape) for shape in values["outputs"].values()}
    inner = [name for name, shape in values["sites"].items() if math.prod(shape) not in sizes]
    return (inner or list(values["sites"]))[-1]


def _has_attention(values: Values, network: str) -> bool:
    """Whether an attention over the rows of the observation was recorded or can be computed."""
    rows = len(values["space"]["rows"])
    if not rows or "q" not in values["outputs"]:
        return False
    shapes = [s for name, s in values["sites"].items() if name.split(".")[-1] == "pattern"]
    return any(s[1:] == [1, rows] for s in shapes) or network == "ego_attention"


def _remembers(network: str) -> bool:
    return network in names("network") and bool(getattr(find("network", network), "recurrent", 0))


def _network(folder: Path) -> str:
    try:
        return str(read_json(folder / "agent" / "agent.json")["network"]["name"])
    except (PolicyscopeError, KeyError, TypeError):
        return ""

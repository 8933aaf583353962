"""Hyperparameters as users give them: a preset, and single settings over it; imports no torch."""

import inspect
import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from math import isfinite
from typing import Any, TypeVar

from policyscope.core.errors import PolicyscopeError, UnknownName

Config = TypeVar("Config")
Bounds = Mapping[str, tuple[float, float | None]]


def configure(presets: Mapping[str, Config], preset: str, settings: Sequence[str]) -> Config:
    """A preset with single settings changed.

    Args:
        presets: configurations by name.
        preset: which one to begin with.
        settings: texts ``name=value``; a value is JSON where it can be read so, else a string.

    Raises:
        UnknownName: no such preset or setting.
        PolicyscopeError: a value of another type, or one that the configuration refuses.

    Example:
        >>> from policyscope.training.dqn.config import PRESETS
        >>> configure(PRESETS, "paper", ["lr=0.001"]).lr
        0.001
    """
    if preset not in presets:
        raise UnknownName("preset", preset, presets)
    config: Any = presets[preset]
    valid = {f.name: type(getattr(config, f.name)) for f in fields(config)}
    changes = {}
    for text in settings:
        name, _, raw = text.partition("=")
        if name not in valid:
            raise UnknownName("training setting", name, valid)
        changes[name] = _read(name, raw, valid[name])
    changed: Config = replace(config, **changes)
    return changed


def _read(name: str, raw: str, kind: type) -> Any:
    try:
        value = json.loads(raw)
    except ValueError:
        value = raw
    if kind is float and type(value) is int:
        value = float(value)
    if kind is tuple and isinstance(value, list) and all(type(v) is int for v in value):
        value = tuple(value)
    if type(value) is not kind:
        what = "list of whole numbers" if kind is tuple else kind.__name__
        raise PolicyscopeError(f"training setting {name} takes a {what}, got '{raw}'")
    return value


def require_bounds(config: Any, bounds: Bounds) -> None:
    """Refuse settings outside their bounds, least and most; a most of None is none.

    Raises:
        PolicyscopeError: with the setting and what it may be.
    """
    for name, (least, most) in bounds.items():
        value = getattr(config, name)
        if not isfinite(value):
            raise PolicyscopeError(f"training setting {name} must be a number, got {value}")
        if value < least or (most is not None and value > most):
            limit = f"between {least} and {most}" if most is not None else f"{least:g} or more"
            raise PolicyscopeError(f"training setting {name} must be {limit}, got {value:g}")


def describe(presets: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """The nearest preset and the settings in which it differs.

    Args:
        presets: configurations by name.
        values: a configuration as JSON values.

    Example:
        >>> from policyscope.training.dqn.config import PRESETS
        >>> describe(PRESETS, configure(PRESETS, "paper", ["lr=0.001"]).to_json())
        'paper, lr=0.001'
    """
    plain = {name: json.loads(json.dumps(asdict(preset))) for name, preset in presets.items()}
    values = json.loads(json.dumps(values))
    changed = {
        name: {k: v for k, v in values.items() if v != preset.get(k)}
        for name, preset in plain.items()
    }
    nearest = min(changed, key=lambda name: len(changed[name]))
    return ", ".join([nearest, *(f"{k}={v}" for k, v in changed[nearest].items())])


def settings_help(presets: Mapping[str, Any], width: int = 80) -> str:
    """What ``--set`` takes: each setting, what it means and its value in the presets.

    Args:
        presets: configurations by name, of one class; the text is that of its docstring.
        width: characters of a line.

    Example:
        >>> from policyscope.training.dqn.config import PRESETS
        >>> print(settings_help(PRESETS).splitlines()[1])
          gamma                  discount per step (paper 0.95, fast 0.97)
    """
    kind = type(next(iter(presets.values())))
    meanings, names = _meanings(kind), [f.name for f in fields(kind)]
    indent = max(map(len, names)) + 4
    lines = ["settings of --set name=value, with their values in the presets:"]
    for name in names:
        told = {preset: _plain(getattr(config, name)) for preset, config in presets.items()}
        same = len(set(told.values())) == 1
        values = next(iter(told.values())) if same else ", ".join(map(" ".join, told.items()))
        text = f"{meanings.get(name, '')} ({values})".strip()
        first = f"  {name}".ljust(indent)
        lines += textwrap.wrap(
            text, width, initial_indent=first, subsequent_indent=" " * indent,
            break_on_hyphens=False,
        )  # fmt: skip
    return "\n".join(lines)


def _meanings(kind: type) -> dict[str, str]:
    """What the docstring of a configuration says of each of its fields."""
    _, _, arguments = (inspect.getdoc(kind) or "").partition("Args:\n")
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", arguments, re.MULTILINE)
    return {name: " ".join(text.split()).rstrip(".") for name, text in found}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)

"""Options of a registered method, as flags of ``policyscope explain``."""

import inspect
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, get_args, get_type_hints

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.registry import find

Value = str | int | float | bool
#: Parameters that a job gives itself.
_GIVEN = {"recording", "command"}


def option_flags(method: str, options: Mapping[str, Value]) -> list[str]:
    """Arguments that give a method its options, each checked by name and kind.

    Args:
        method: registered name of the method.
        options: values by the name of a parameter of the method, or of its options.

    Raises:
        UnknownName: no such method or option.
        PolicyscopeError: a value of another kind or out of range.

    Example:
        >>> option_flags("attention", {"resamples": 500})
        ['--attention.resamples', '500']
    """
    known = _known(method)
    flags: list[str] = []
    for name, value in options.items():
        if name not in known:
            raise UnknownName(f"option of '{method}'", name[:200], known)
        flag, kinds = known[name]
        flags += _flag(name, flag, kinds, value)
    for kind in _configs(method).values():
        mine = {f.name for f in fields(kind)}
        kind(**{name: value for name, value in options.items() if name in mine})
    return flags


def _flag(name: str, flag: str, kinds: tuple[type, ...], value: Value) -> list[str]:
    if isinstance(value, bool):
        fits = bool in kinds
    else:
        fits = isinstance(value, kinds) or (isinstance(value, int) and float in kinds)
    if not fits:
        words = " or ".join(kind.__name__ for kind in kinds)
        raise PolicyscopeError(f"option '{name}' takes {words}, got {str(value)[:200]!r}")
    if isinstance(value, bool):
        group, dot, last = flag.rpartition(".")
        return [f"--{flag}" if value else f"--{group}{dot}no-{last}"]
    if str(value).startswith("-") or not str(value) or "\0" in str(value):
        raise PolicyscopeError(
            f"option '{name}' must not be empty, begin with '-' or hold a zero byte"
        )
    return [f"--{flag}", str(value)]


def _known(method: str) -> dict[str, tuple[str, tuple[type, ...]]]:
    """Flag and kinds of each option by its name."""
    configs = _configs(method)
    known: dict[str, tuple[str, tuple[type, ...]]] = {}
    for name, annotation in _parameters(method).items():
        if name in configs:
            hints = get_type_hints(configs[name])
            for field in fields(configs[name]):
                known[field.name] = f"{method}.{field.name}", _kinds(hints[field.name])
        else:
            known[name] = name, _kinds(annotation)
    return {name: entry for name, entry in known.items() if entry[1]}


def _configs(method: str) -> dict[str, Any]:
    """Dataclasses of options by the parameter that takes them."""
    found = {}
    for name, annotation in _parameters(method).items():
        kinds = [kind for kind in (annotation, *get_args(annotation)) if is_dataclass(kind)]
        if kinds:
            found[name] = kinds[0]
    return found


def _parameters(method: str) -> dict[str, Any]:
    function = find("method", method)
    hints = get_type_hints(inspect.unwrap(function))
    names = [name for name in inspect.signature(function).parameters if name not in _GIVEN]
    return {name: hints.get(name, Any) for name in names}


def _kinds(annotation: Any) -> tuple[type, ...]:
    kinds = get_args(annotation) or (annotation,)
    return tuple(kind for kind in kinds if kind in (str, int, float, bool) and kind is not NoneType)

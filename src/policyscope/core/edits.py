"""Edit: one serialisable change to an activation; edits compose in order and leave no trace."""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from policyscope.core.errors import PolicyscopeError, UnknownName
from policyscope.core.hooks import replace

VERSION = 1

Unit = tuple[int | None, ...]


@dataclass(frozen=True)
class Edit:
    """A change to what a site puts out.

    Args:
        kind: one of ``KINDS``: zero; mean and patch (set to values); add; clamp (set to a number).
        site: name of the site.
        index: which units: None for the whole site; ``(0, None, 3)`` gives a position on each axis
            of the site's shape, None for all of that axis (axes left out at the end count as
            None); a tuple of such tuples names several.
        values: what the kind takes: nothing, a number, or an array given as a tensor, an array or
            nested lists. For one unit it has the shape of the axes left whole, for several units
            their number before it. A patch has the batch axis N first unless ``broadcast``.
        broadcast: a patch's values hold for every row of the batch.

    Raises:
        UnknownName: no such kind.
        PolicyscopeError: values that the kind does not take, or an index that is none.

    Example:
        >>> head = Edit("zero", "attention_layer.pattern", (0,))
        >>> head.to_json()["index"]
        [[0]]
    """

    kind: str
    site: str
    index: Any = None
    values: Any = None
    broadcast: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownName("edit", self.kind, KINDS)
        object.__setattr__(self, "index", _normal_index(self.index))
        object.__setattr__(self, "values", _normal_values(self.values))
        takes = KINDS[self.kind].takes
        given = {type(None): "nothing", float: "a number"}.get(type(self.values), "an array")
        scalar_array = takes == "an array" and given == "a number"
        if given != takes and not scalar_array:
            raise PolicyscopeError(f"edit '{self.kind}' takes {takes} as values, got {given}")
        if self.broadcast and self.kind != "patch":
            raise PolicyscopeError("only a patch can be set to broadcast")

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "version": VERSION,
            "kind": self.kind,
            "site": self.site,
            "index": _lists(self.index),
            "values": _lists(self.values),
            "broadcast": self.broadcast,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Edit":
        """Inverse of ``to_json``.

        Raises:
            PolicyscopeError: another version, or something is missing or makes no edit.
        """
        if values.get("version") != VERSION:
            raise PolicyscopeError(
                f"edit of schema version {values.get('version')}, this code reads version {VERSION}"
            )
        try:
            return cls(*(values[k] for k in ("kind", "site", "index", "values", "broadcast")))
        except KeyError as error:
            raise PolicyscopeError(f"not an edit: {error} is missing") from None

    @cached_property
    def tensor(self) -> Tensor:
        """The values as a float64 tensor; empty where the kind takes none."""
        return torch.tensor([] if self.values is None else self.values, dtype=torch.float64)

    def units(self, shape: tuple[int, ...]) -> tuple[Unit, ...]:
        """The edited units of a site, each with an entry for every axis.

        Args:
            shape: shape of the site without the batch axis.

        Raises:
            PolicyscopeError: the index does not fit the shape.
        """
        if self.index is None:
            return ((None,) * len(shape),)
        for unit in self.index:
            if len(unit) > len(shape) or any(
                i is not None and not 0 <= i < extent
                for i, extent in zip(unit, shape, strict=False)
            ):
                raise PolicyscopeError(
                    f"edit of site '{self.site}': {unit} does not exist in its shape {shape}"
                )
        return tuple(unit + (None,) * (len(shape) - len(unit)) for unit in self.index)

    def read(self, activation: Tensor) -> Tensor:
        """What the edited units hold, (N, ...): shaped as the values of a patch."""
        units = self.units(tuple(activation.shape[1:]))
        parts = [activation[slices(unit)] for unit in units]
        single = self.index is None or len(parts) == 1
        return parts[0] if single else torch.stack(parts, 1)


def slices(unit: Unit) -> tuple[int | slice, ...]:
    """Index of a unit into a batch of activations."""
    return (slice(None), *(slice(None) if i is None else i for i in unit))


def _normal_index(index: Any) -> tuple[Unit, ...] | None:
    if index is None:
        return None
    units = tuple(index) if isinstance(index, tuple | list) else (index,)
    if not any(isinstance(entry, tuple | list) for entry in units):
        units = (units,)
    if not all(isinstance(unit, tuple | list) for unit in units):
        raise PolicyscopeError(f"index {index} mixes positions and units")
    try:
        normal = tuple(tuple(None if i is None else operator.index(i) for i in u) for u in units)
    except TypeError:
        raise PolicyscopeError(f"index {index} holds something that is no whole number") from None
    patterns = {tuple(i is None for i in unit) for unit in normal}
    if not all(normal) or len(patterns) != 1 or len(set(normal)) != len(normal):
        raise PolicyscopeError(
            f"index {index} must name different units, all with the same axes left whole"
        )
    return normal


def _normal_values(values: Any) -> Any:
    if values is None:
        return None
    raw = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    try:
        array = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError):
        raise PolicyscopeError("the values of an edit must be numbers in a full array") from None
    if not np.isfinite(array).all():
        raise PolicyscopeError("the values of an edit must be finite")
    return _tuples(array.tolist())


def _tuples(values: Any) -> Any:
    return tuple(map(_tuples, values)) if isinstance(values, list) else values


def _lists(values: Any) -> Any:
    return list(map(_lists, values)) if isinstance(values, tuple) else values


def _zero(old: Tensor, _values: Tensor) -> Tensor:
    return torch.zeros_like(old)


def _set(old: Tensor, values: Tensor) -> Tensor:
    return values.expand_as(old)


def _add(old: Tensor, values: Tensor) -> Tensor:
    return old + values


@dataclass(frozen=True)
class Kind:
    """How a kind of edit acts.

    Args:
        act: new activation of the edited units from the old one (N, ...) and the values.
        takes: nothing, a number or an array.
        rows: the values have the batch axis first unless the edit says ``broadcast``.
    """

    act: Callable[[Tensor, Tensor], Tensor]
    takes: str
    rows: bool = False


KINDS: dict[str, Kind] = {
    "zero": Kind(_zero, "nothing"),
    "mean": Kind(_set, "an array"),
    "add": Kind(_add, "an array"),
    "patch": Kind(_set, "an array", rows=True),
    "clamp": Kind(_set, "a number"),
}


def apply(edit: Edit, activation: Tensor) -> Tensor:
    """The edited activation; the given one stays as it is, gradients flow through.

    Args:
        edit: the change.
        activation: (N, ...) what the site puts out.

    Raises:
        PolicyscopeError: index or values do not fit; one sample is never spread over a batch
            unless the edit says ``broadcast``.
    """
    kind = KINDS[edit.kind]
    old = edit.read(activation)
    values = edit.tensor.to(activation)
    if kind.takes == "an array":
        per_row = kind.rows and not edit.broadcast
        expected = tuple(old.shape) if per_row else tuple(old.shape[1:])
        if tuple(values.shape) != expected:
            hint = "; set broadcast to give every row the same" if per_row else ""
            raise PolicyscopeError(
                f"edit '{edit.kind}' of site '{edit.site}': values of shape {tuple(values.shape)}, "
                f"expected {expected}{hint}"
            )
    new = kind.act(old, values)
    units = edit.units(tuple(activation.shape[1:]))
    parts = [new] if len(units) == 1 else new.unbind(1)
    out = activation.clone()
    for unit, part in zip(units, parts, strict=True):
        out[slices(unit)] = part
    return out


@contextmanager
def edited(modules: Mapping[str, nn.Module], edits: Sequence[Edit]) -> Iterator[None]:
    """Let edits act while the context lasts; undone on every exit path.

    Args:
        modules: modules by site name.
        edits: changes; those of one site act in the order given.

    Raises:
        UnknownName: no such site.
        PolicyscopeError: during the forward pass, an edit that does not fit its site.

    Cost: one copy of the activation for each edit and pass.
    """
    by_site: dict[str, list[Edit]] = {}
    for edit in edits:
        by_site.setdefault(edit.site, []).append(edit)

    def chain(chosen: list[Edit]) -> Callable[[Tensor], Tensor]:
        def act(output: Tensor) -> Tensor:
            for edit in chosen:
                output = apply(edit, output)
            return output

        return act

    with replace(modules, {site: chain(chosen) for site, chosen in by_site.items()}):
        yield

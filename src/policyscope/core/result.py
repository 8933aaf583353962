"""Result: labelled arrays with the method, parameters, provenance and checks behind them."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from policyscope.core.checks import Check
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.files import atomic_folder, check_schema, digest, read_json, write_json
from policyscope.core.numbers import rounded
from policyscope.core.registry import find

VERSION = 1


@dataclass(frozen=True, eq=False)
class Result:
    """What a method found, and how far it can be trusted.

    Args:
        method: registered name of the method; the figure is found by it.
        data: labelled arrays.
        parameters: what the method was called with, JSON values; ``python`` holds the line that
            makes the result again.
        provenance: where it comes from, see ``provenance``.
        checks: figures that must hold.
        unchecked: why there is nothing to check, for a purely descriptive result.

    Raises:
        PolicyscopeError: neither a check nor a reason for having none.
    """

    method: str
    data: xr.Dataset
    parameters: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    checks: Sequence[Check] = ()
    unchecked: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "checks", tuple(self.checks))
        if not self.checks and not (self.unchecked and self.unchecked.strip()):
            raise PolicyscopeError(
                f"the result of '{self.method}' has no check; add one, or say in 'unchecked' why "
                "there is nothing to check"
            )

    @property
    def passed(self) -> bool:
        """Whether every check holds; a result without checks has none that fails."""
        return all(check.passed for check in self.checks)

    @property
    def python(self) -> str | None:
        """The Python line that makes this result, if the method noted it."""
        return self.parameters.get("python")

    def figure(self) -> Any:
        """Draw it with plotly.

        Raises:
            UnknownName: no figure is registered under the method's name.
        """
        return find("figure", self.method)(self)

    def save(self, folder: str | Path, overwrite: bool = False) -> None:
        """Write ``result.json`` and ``data.zarr``; the folder appears whole or not at all.

        Args:
            folder: where to.
            overwrite: replace a result that is there.

        Raises:
            BadFile: something is there already, or a value cannot be written.
        """
        with atomic_folder(folder, overwrite) as beside:
            store = beside / "data.zarr"
            _storable(self.data).to_zarr(store, mode="w", consolidated=False, zarr_format=3)
            values = {
                "kind": "result",
                "version": VERSION,
                "method": self.method,
                "parameters": self.parameters,
                "provenance": self.provenance,
                "checks": [check.to_json() for check in self.checks],
                "unchecked": self.unchecked,
                "digest": digest(store),
            }
            write_json(beside / "result.json", values)

    @classmethod
    def load(cls, folder: str | Path) -> "Result":
        """Read a result.

        Raises:
            BadFile: missing, damaged, or of another schema version (both versions are named).
        """
        folder = Path(folder)
        path = folder / "result.json"
        values = check_schema(read_json(path), "result", VERSION, path)
        store = folder / "data.zarr"
        try:
            if digest(store) != values["digest"]:
                raise BadFile(store, "was changed or damaged after it was written", "make it again")
            return cls(
                values["method"],
                _usable(xr.open_zarr(store, consolidated=False).load()),
                values["parameters"],
                values["provenance"],
                tuple(Check.from_json(check) for check in values["checks"]),
                values["unchecked"],
            )
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise BadFile(folder, f"is not a whole result: {error!r}", "make it again") from None

    def _repr_html_(self) -> str:
        parameters = "".join(_row(k, v) for k, v in self.parameters.items() if k != "python")
        line = f"<pre>{html.escape(self.python)}</pre>" if self.python else ""
        return (
            f"<div><h4>{html.escape(self.method)}</h4>{line}<table>{parameters}</table>"
            f"{_checks_html(self.checks, self.unchecked)}{self.data._repr_html_()}</div>"
        )


def _row(*cells: Any) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(str(c))}</td>" for c in cells) + "</tr>"


def _checks_html(checks: Sequence[Check], unchecked: str | None) -> str:
    if not checks:
        return f"<p>Unchecked: {html.escape(unchecked or '')}</p>"
    rows = "".join(
        _row(c.name, rounded(c.value, 4), f"{c.sense} {rounded(c.bound, 4)}", c.n, _verdict(c))
        for c in checks
    )
    head = "".join(f"<th>{name}</th>" for name in ("check", "value", "bound", "n", ""))
    return f"<table><tr>{head}</tr>{rows}</table>"


def _verdict(check: Check) -> str:
    return "passed" if check.passed else "FAILED"


def _storable(data: xr.Dataset) -> xr.Dataset:
    """Text as variable-length strings: zarr v3 has no specification of fixed-width text."""
    for name, variable in data.variables.items():
        if variable.dtype == object and not all(isinstance(v, str) for v in variable.values.flat):
            raise PolicyscopeError(f"'{name}' of the result holds objects that are no text")
    return _cast(data, "UO", lambda text: text.astype(np.dtypes.StringDType()))


def _usable(data: xr.Dataset) -> xr.Dataset:
    """Text as plain fixed-width numpy text again."""
    return _cast(data, "T", lambda text: text.astype(object).astype(str))


def _cast(data: xr.Dataset, kinds: str, change: Callable[[np.ndarray], np.ndarray]) -> xr.Dataset:
    def cast(variables: Mapping[Any, xr.DataArray]) -> dict[Any, xr.Variable]:
        return {
            name: xr.Variable(array.dims, change(array.values), array.attrs)
            for name, array in variables.items()
            if array.dtype.kind in kinds
        }

    return data.assign_coords(cast(data.coords)).assign(cast(data.data_vars))

"""Saved results: their lines in the library, their details, and their figures as JSON."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

from policyscope.core.errors import PolicyscopeError, system_error
from policyscope.core.files import check_schema, read_json
from policyscope.core.registry import find, names
from policyscope.core.result import VERSION, Result
from policyscope.panel.contract.library import ResultLine
from policyscope.panel.contract.result import CheckLine, ResultDetail
from policyscope.panel.failures import without_folders
from policyscope.panel.shelf.asked import asked
from policyscope.panel.shelf.lines import Facts, facts, finite, recorded
from policyscope.panel.shelf.shelf import Shelf, result_signature

THEMES = ("light", "dark")
#: The opening of a recording up to its path, and the path as Python writes it.
_OPENED = re.compile(r"""(\bopen_recording\()('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")


def result_line(shelf: Shelf, res: str, folder: Path | None = None) -> ResultLine:
    """The line of a result in the library; one that cannot be read tells why.

    Args:
        shelf: what is served.
        res: id of the result.
        folder: its folder, where it is known already.

    Raises:
        UnknownName: no result of that id.
    """
    folder = folder or shelf.folder_of("result", res)
    signature = result_signature(folder)
    values = shelf.noted("header", folder, signature, lambda: _header(shelf, folder)) or {}
    line: dict[str, Any] = {"id": res, "path": shelf.path(folder)}
    if "problem" in values:
        return ResultLine(**line, problem=values["problem"])
    checks = values["checks"]
    rec = recording_of(shelf, folder, values["parameters"])
    place = shelf.found().recordings.get(rec or "")
    return ResultLine(
        **line,
        method=values["method"],
        asked=asked(values["method"], values["parameters"]),
        recording=rec,
        recording_path=None if place is None else shelf.path(place),
        made=recorded(values["provenance"]),
        checks=len(checks),
        failed=sum(not check["passed"] for check in checks),
        unchecked=values["unchecked"],
    )


def detail(shelf: Shelf, res: str) -> ResultDetail:
    """A result with its parameters, checks and the line that makes it.

    Args:
        shelf: what is served.
        res: id of the result.

    Raises:
        UnknownName: no result of that id.
        BadFile: it is damaged.
    """
    result, line = shelf.result(res), result_line(shelf, res)
    sizes = result.data.sizes
    parameters = {k: v for k, v in result.parameters.items() if k != "python"}
    return ResultDetail(
        **dict(line),
        parameters=finite(parameters),
        provenance=finite(result.provenance),
        check_lines=[
            CheckLine(**{**check.to_json(), "value": _number(check.value),
                         "bound": _number(check.bound)})
            for check in result.checks
        ],
        variables={
            str(name): [f"{dim} ({sizes[dim]})" for dim in array.dims]
            for name, array in result.data.data_vars.items()
        },
        python=_python(shelf, result, line.recording),
        figure=True,
    )  # fmt: skip


def figure(shelf: Shelf, res: str, theme: str) -> dict[str, Any]:
    """The figure of a result as plotly's JSON; a plain one where none is registered.

    Args:
        shelf: what is served.
        res: id of the result.
        theme: light or dark.

    Raises:
        UnknownName: no result of that id.
        PolicyscopeError: no such theme.
    """
    if theme not in THEMES:
        raise PolicyscopeError(f"theme must be light or dark, got '{theme[:20]}'")
    result = shelf.result(res)
    if result.method in names("figure"):
        draw = find("figure", result.method)
    else:
        from policyscope.figures.plain import draw  # here: the server starts without plotly
    themed = "mode" in inspect.signature(draw).parameters
    return json.loads((draw(result, mode=theme) if themed else draw(result)).to_json())


def recording_of(shelf: Shelf, folder: Path, parameters: dict[str, Any]) -> str | None:
    """Id of the recording that a result was made from; None where it is not in the library.

    Args:
        shelf: what is served.
        folder: of the result; one inside a recording belongs to it.
        parameters: of the result; ``recording`` tells name, weights and seed.
    """
    recordings = shelf.found().recordings
    for rec, place in recordings.items():
        if place in folder.parents:
            return rec
    told = parameters.get("recording")
    told = {"name": told} if isinstance(told, str) else told
    if not isinstance(told, dict):
        return None
    same = [rec for rec, place in recordings.items() if _is(facts(shelf, rec, place), place, told)]
    named = [rec for rec in same if recordings[rec].name == told.get("name")]
    chosen = named or same
    return chosen[0] if len(chosen) == 1 else None


def _is(known: Facts, folder: Path, told: dict[str, Any]) -> bool:
    mine = {
        "name": folder.name,
        "env": known.line.env,
        "episodes": known.line.episodes,
        "seed": known.seed,
        "weights": known.weights,
    }
    keys = ("weights", "env", "episodes", "seed") if "weights" in told else ("name",)
    return all(told.get(key) in (None, mine[key]) for key in keys)


def _header(shelf: Shelf, folder: Path) -> dict[str, Any]:
    path = folder / "result.json"
    try:
        values = check_schema(read_json(path), "result", VERSION, path)
    except (PolicyscopeError, OSError) as error:
        known = system_error(error) if isinstance(error, OSError) else error
        return {"problem": without_folders(str(known), shelf.folder)}
    shape = {"method": str, "checks": list, "parameters": dict, "provenance": dict}
    wrong = [k for k, kind in shape.items() if not isinstance(values.get(k), kind)]
    if wrong or not all(isinstance(c, dict) and "passed" in c for c in values["checks"]):
        lacks = ", ".join(wrong) or "checks"
        return {"problem": f"{shelf.path(folder)}: its result.json is damaged ({lacks})"}
    unchecked = values.get("unchecked")
    return {**{k: values[k] for k in shape}, "unchecked": unchecked and str(unchecked)}


def _python(shelf: Shelf, result: Result, rec: str | None) -> str | None:
    """The line that makes it, with its recording where the panel finds it."""
    place = shelf.found().recordings.get(rec or "")
    if result.python is None or place is None:
        return result.python
    path = shelf.typed(place)
    return _OPENED.sub(lambda found: f"{found[1]}{path!r}", result.python)


def _number(value: float) -> float | None:
    value = float(value)
    return value if abs(value) < float("inf") else None

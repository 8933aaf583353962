"""Results as they are listed: names and shapes of their arrays; the numbers are read when asked."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import xarray as xr

from policyscope.core.errors import BadFile, UnknownName
from policyscope.core.result import Result
from policyscope.panel.contract.library import ResultLine
from policyscope.panel.shelf.asked import asked
from policyscope.panel.shelf.lines import recorded
from policyscope.panel.shelf.links import refuse_links_out
from policyscope.panel.shelf.results import result_line
from policyscope.panel.shelf.shelf import Shelf, result_signature


@dataclass(frozen=True, eq=False)
class Listed:
    """A result of which nothing but the headers of its arrays was read.

    Args:
        method: its method.
        data: names, dimensions, types and attributes; only coordinates are read from it.
        load: gives the whole result, checked.
        asked: what it answers, by which it is called.
        made: ISO time, empty where it is unknown.
        path: of its folder, as a user would type it; empty where it was not saved.
        signature: changes when it is written anew.
    """

    method: str
    data: xr.Dataset
    load: Callable[[], Result]
    asked: str = ""
    made: str = ""
    path: str = ""
    signature: tuple[int, ...] = ()


Results = Mapping[str, Result | Listed]


def results_of(shelf: Shelf, rec: str) -> dict[str, Listed]:
    """Results made from a recording, by id; one that cannot be read is left out.

    Args:
        shelf: what is served.
        rec: id of the recording.

    Cost: headers are read once; a result that was damaged later is noticed when it is loaded.
    """
    found = {}
    for res, folder in shelf.found().results.items():
        line = result_line(shelf, res, folder)
        if line.recording == rec and not line.problem:
            signature = result_signature(folder)

            make = partial(_listed, shelf, line, folder, signature)
            with suppress(BadFile, UnknownName):  # the library tells what is wrong with it
                made = shelf.noted("headers", folder, signature, make)
                found[res] = made or make()
    return found


def listed(result: Result | Listed) -> Listed:
    """A result in the form in which its views are looked for."""
    if isinstance(result, Listed):
        return result
    told = asked(result.method, result.parameters)
    made = recorded(result.provenance) or ""
    return Listed(result.method, result.data, lambda: result, told, made)


def _listed(shelf: Shelf, line: ResultLine, folder: Path, signature: tuple[int, ...]) -> Listed:
    refuse_links_out([folder], shelf.folder)
    load, path, made = partial(shelf.result, line.id), shelf.typed(folder), line.made or ""
    return Listed(line.method, _headers(folder), load, line.asked, made, path, signature)


def _headers(folder: Path) -> xr.Dataset:
    try:
        return xr.open_zarr(folder / "data.zarr", consolidated=False, chunks=None)
    except Exception as error:  # zarr raises of all kinds
        cause = f"cannot be read: {' '.join(str(error).split())}"
        raise BadFile(folder / "data.zarr", cause, "make it again") from None

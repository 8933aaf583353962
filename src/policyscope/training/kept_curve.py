"""Curves that are kept beside an agent, without the run that they are of."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from policyscope.core.errors import BadFile
from policyscope.core.files import read_json, write_json
from policyscope.training.curve import Band, Looks

FILE = "curve.json"
SCHEMA = 1
_DIGITS = 4


def keep(path: Path, bands: list[Band]) -> None:
    """Write curves, window by window.

    Args:
        path: JSON file.
        bands: of ``training.curve.bands``, in the order in which they are to be drawn.
    """
    write_json(path, {"schema": SCHEMA, "bands": [_plain(asdict(band)) for band in bands]})


def kept(path: Path) -> list[Band]:
    """Read what ``keep`` wrote.

    Args:
        path: JSON file.

    Raises:
        BadFile: no such file, or nothing that ``keep`` wrote.
    """
    values = read_json(path)
    try:
        if values["schema"] != SCHEMA:
            raise BadFile(path, f"has schema {values['schema']}, this version reads {SCHEMA}")
        return [_band(one) for one in values["bands"]]
    except (KeyError, TypeError, ValueError) as error:
        raise BadFile(path, f"holds no curves ({type(error).__name__}: {error})") from error


def _band(values: dict[str, Any]) -> Band:
    columns: dict[str, Any] = {
        name: np.array(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name != "looks"
    }
    looks = {name: np.array(column) for name, column in values["looks"].items()}
    return Band(**columns, looks=Looks(**looks))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Arrays as lists of numbers, rounded."""
    return {
        name: _plain(value)
        if isinstance(value, dict)
        else np.round(value, _DIGITS).tolist()
        if isinstance(value, np.ndarray)
        else value
        for name, value in values.items()
    }

"""The whole state of a training run on disk, so that a killed run goes on exactly.

A state is a folder ``state-<step>`` with ``arrays.safetensors`` and ``state.json``, written beside
and renamed; the newest one counts and older ones are removed after it.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from policyscope.core.errors import BadFile
from policyscope.core.files import atomic_folder, check_schema, read_json, write_json

_KIND: dict[str, Any] = {"kind": "training state", "version": 1}

State = tuple[dict[str, np.ndarray], dict[str, Any]]


@contextmanager
def only_trainer(run: Path) -> Iterator[None]:
    """Hold a run's folder against other processes; a killed process lets go of it by itself.

    Raises:
        BadFile: another process trains in the folder.
    """
    with (run / "run.json").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadFile(run, "is being trained by another process", "wait or stop it") from None
        yield


def save_state(run: Path, step: int, arrays: dict[str, np.ndarray], values: dict[str, Any]) -> None:
    """Write a state and drop the older ones.

    Args:
        run: folder of the run.
        step: environment steps so far; names the state.
        arrays: arrays by name.
        values: JSON values.

    Raises:
        BadFile: the disk does not take it; the state before stays.
    """
    folder = run / f"state-{step:010d}"
    for torn in run.glob(".state-*.part"):
        shutil.rmtree(torn)
    try:
        with atomic_folder(folder) as beside:
            whole = {k: np.ascontiguousarray(v) for k, v in arrays.items()}
            save_file(whole, beside / "arrays.safetensors")
            write_json(beside / "state.json", {**_KIND, "step": step, **values})
    except (OSError, SafetensorError) as error:
        raise BadFile(folder, f"cannot be written: {error}", "then go on with --resume") from None
    for old in _states(run)[:-1]:
        shutil.rmtree(old)


def load_state(run: Path) -> State | None:
    """Read the newest state; None where the run has none yet.

    Raises:
        BadFile: the state cannot be read.
    """
    states = _states(run)
    if not states:
        return None
    values = read_json(states[-1] / "state.json")
    check_schema(values, _KIND["kind"], _KIND["version"], states[-1])
    try:
        return load_file(states[-1] / "arrays.safetensors"), values
    except (OSError, ValueError, SafetensorError) as error:
        raise BadFile(states[-1], f"corrupted training state: {error}", "remove it") from None


def _states(run: Path) -> list[Path]:
    return sorted(p for p in run.glob("state-*") if p.is_dir())

"""The whole state of a training run on disk, so that a killed run goes on exactly.

A state is a folder ``state-<step>`` with ``arrays.safetensors`` and ``state.json``, written beside
and renamed; the newest one counts and older ones are removed after it.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from policyscope.core.errors import BadFile

SCHEMA = 1


def save_state(run: Path, step: int, arrays: dict[str, np.ndarray], values: dict[str, Any]) -> None:
    """Write a state and drop the older ones.

    Args:
        run: folder of the run.
        step: environment steps so far; names the state.
        arrays: arrays by name.
        values: JSON values.
    """
    beside, folder = run / "state.part", run / f"state-{step:010d}"
    shutil.rmtree(beside, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    beside.mkdir(parents=True)
    save_file(
        {k: np.ascontiguousarray(v) for k, v in arrays.items()}, beside / "arrays.safetensors"
    )
    (beside / "state.json").write_text(json.dumps({"schema": SCHEMA, "step": step, **values}))
    beside.rename(folder)
    for old in _states(run)[:-1]:
        shutil.rmtree(old)


def load_state(run: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Read the newest state; None where the run has none yet.

    Raises:
        BadFile: the state cannot be read.
    """
    states = _states(run)
    if not states:
        return None
    try:
        values = json.loads((states[-1] / "state.json").read_text())
        arrays = load_file(states[-1] / "arrays.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise BadFile(states[-1], f"corrupted training state: {error}", "remove it") from None
    if values["schema"] != SCHEMA:
        raise BadFile(states[-1], f"state schema {values['schema']}, this reads {SCHEMA}")
    return arrays, values


def _states(run: Path) -> list[Path]:
    return sorted(p for p in run.glob("state-*") if p.is_dir())

"""Recognise who wrote a checkpoint from what is in it, and import it."""

import inspect
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.agents.importers.cleanrl import fits as cleanrl_fits
from policyscope.agents.importers.files import OLD_TORCH, check_archive, read_torch, weights_of
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.registry import find, names

#: The environment of a lineage that knows only one.
ENVIRONMENTS = {"rl_agents": "highway/intersection"}

_NAME = "name it with --lineage if it is one of these"
#: Weights by which a lineage is known; the first that fits is taken.
_SIGNS: dict[str, Callable[[Mapping[str, Tensor]], bool]] = {
    "rl_agents": lambda w: "ego_embedding.layers.0.weight" in w,
    "procgen_pytorch": lambda w: (
        "embedder.block1.conv.weight" in w or "module.embedder.block1.conv.weight" in w
    ),
    "cleanrl": cleanrl_fits,
}


def import_agent(path: str | Path, lineage: str | None = None, **hints: Any) -> Agent:
    """Import a checkpoint of any known lineage. No code in the file is run.

    Args:
        path: the checkpoint.
        lineage: registered name of its importer; recognised from the content unless given.
        hints: what the file may not say: ``env``, and what that importer takes besides. None
            stands for not given.

    Raises:
        BadFile: it is of no known lineage, damaged, or refused.
        UnknownName: no such lineage.
        PolicyscopeError: a hint that the lineage has no use for.

    Example:
        ``import_agent("coinrun.jd")``
    """
    path = Path(path)
    lineage = lineage or recognise(path)
    load = find("importer", lineage)
    given = {name: value for name, value in hints.items() if value is not None}
    for name in given.keys() - inspect.signature(load).parameters.keys():
        raise PolicyscopeError(f"--{name} says nothing about a checkpoint of lineage {lineage}")
    return load(path, **given)


def recognise(path: Path) -> str:
    """Name of the importer of a file.

    Raises:
        BadFile: missing, damaged, or of no known lineage.
    """
    if not path.is_file():
        raise BadFile(path, "no such file")
    with path.open("rb") as file:
        start = file.read(len(OLD_TORCH))
    if start[:1] == b"\x80" and start != OLD_TORCH:
        return "rl_clarity"
    if start[:2] == b"\x1f\x8b" or start[:1] == b"\x78":
        raise BadFile(path, "is compressed", "write it again uncompressed (joblib: compress=0)")
    if not zipfile.is_zipfile(path) and start != OLD_TORCH:
        raise BadFile(path, "is no checkpoint, or is truncated", _mend())
    if start != OLD_TORCH and "policy.pth" in check_archive(path):
        return "stable_baselines3"
    weights = weights_of(read_torch(path), ("state_dict", "model_state_dict"))
    for lineage, fits in _SIGNS.items():
        if fits(weights):
            return lineage
    some = ", ".join(ascii(name)[1:-1][:60] for name in list(weights)[:3])
    cause = f"is of no known lineage: its weights are {some}, ..." if some else "holds no weights"
    raise BadFile(path, cause, _mend())


def _mend() -> str:
    return f"{_NAME}: {', '.join(names('importer'))}"

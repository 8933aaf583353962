"""Which tensors of the original file an agent uses, and which of its weights the file lacks."""

import hashlib
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.agents.importers.files import read_torch, read_torch_in, weights_of
from policyscope.agents.importers.recognise import recognise
from policyscope.core.pickled_data import read_pickled


@dataclass(frozen=True)
class Origin:
    """An agent's weights beside the tensors of the file it was imported from.

    Args:
        same_file: whether the file is the one that the card names, by SHA-256; None where the card
            names none.
        tensors: how many the file holds.
        unused: names of the file's tensors that are no weights of the agent.
        missing: names of the agent's weights that are not in the file.
        weights: how many tensors the agent has.
    """

    same_file: bool | None
    tensors: int
    unused: tuple[str, ...]
    missing: tuple[str, ...]
    weights: int


def compare_origin(agent: Agent, path: Path) -> Origin:
    """Compare an agent's weights with the tensors of its original file.

    Tensors are the same where they hold the same numbers in any order, since an importer may
    transpose a kernel; so this does not lean on the importer's own word.

    Args:
        agent: the agent.
        path: the file it was imported from.

    Raises:
        BadFile: the file cannot be read as one of its lineage.
    """
    theirs = file_tensors(path)
    mine = dict(agent.net.state_dict())
    given, wanted = _numbers(theirs), _numbers(mine)
    known = source_of(agent).get("sha256")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Origin(
        digest == known if isinstance(known, str) else None,
        len(theirs),
        _left_over(given, wanted),
        _left_over(wanted, given),
        len(mine),
    )


def source_of(agent: Agent) -> dict[str, Any]:
    """The file that an agent's card names, as importers write it; empty where it names none."""
    source = agent.card.get("source")
    if not isinstance(source, dict) or not isinstance(source.get("file"), str):
        return {}
    return source


def file_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint of any known lineage by the names they have there.

    Raises:
        BadFile: missing, damaged, or of no known lineage.
    """
    lineage = recognise(path)
    if lineage == "rl_clarity":
        values = read_pickled(path)
        params = values.get("params") if isinstance(values, dict) else None
        arrays = params.items() if isinstance(params, dict) else ()
        return {str(k): torch.from_numpy(np.array(v)) for k, v in arrays if np.ndim(v)}
    if lineage == "stable_baselines3":
        with zipfile.ZipFile(path) as archive:
            return weights_of(read_torch_in(archive.read("policy.pth"), path))
    return weights_of(read_torch(path), ("state_dict", "model_state_dict"))


def _numbers(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """For each tensor a fingerprint of its numbers in float32, whatever their order."""
    return {
        name: hashlib.sha256(
            np.sort(value.detach().cpu().float().numpy(), None).tobytes()
        ).hexdigest()
        for name, value in tensors.items()
    }


def _left_over(mine: Mapping[str, str], theirs: Mapping[str, str]) -> tuple[str, ...]:
    """Names whose numbers the other side holds less often."""
    there, found = Counter(theirs.values()), []
    for name, numbers in mine.items():
        there[numbers] -= 1
        if there[numbers] < 0:
            found.append(name)
    return tuple(found)

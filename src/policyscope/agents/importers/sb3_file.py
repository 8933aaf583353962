"""What stands in a ``.zip`` of Stable-Baselines3: plain settings, spaces as text, weights.

Half of the settings are pickles. None is opened: what is needed stands beside them as plain text,
and the weights are read as weights alone.
"""

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from policyscope.agents.importers.files import check_archive, first_line, read_torch_in, weights_of
from policyscope.agents.networks.actor_critic import ACTIVATIONS
from policyscope.core.errors import BadFile
from policyscope.envs.stepper import Space

LINEAGE = "Stable-Baselines3"
_COPIES = re.compile(r"q_net_target\..*|(?:pi|vf)_(features_extractor\..*)")
_EXTRACTORS = ("FlattenExtractor", "NatureCNN")
_MOST_ACTIONS = 100_000
_NUMBERS = ("float32", "float64")


def read_model(path: Path) -> tuple[dict[str, Any], dict[str, Tensor], list[str]]:
    """Plain settings and weights of a saved model, and names of the copies of weights left out.

    Raises:
        BadFile: missing, damaged, or more than weights is where weights should be.
    """
    if not path.is_file():
        raise BadFile(path, "no such file")
    if not zipfile.is_zipfile(path):
        raise BadFile(path, "is no zip archive, or is truncated")
    if missing := {"data", "policy.pth"} - set(check_archive(path)):
        raise BadFile(path, f"has no {' and no '.join(sorted(missing))}: no model of {LINEAGE}")
    with zipfile.ZipFile(path) as archive:
        text, stored = archive.read("data"), archive.read("policy.pth")
    try:
        settings = json.loads(text)
    except ValueError as error:
        raise BadFile(path, f"its settings are not JSON: {first_line(error)}") from None
    weights = weights_of(read_torch_in(stored, path))
    if not isinstance(settings, dict) or not weights:
        raise BadFile(path, f"holds no settings or no weights: no model of {LINEAGE}")
    kept = _without_copies(weights, path)
    return settings, kept, [name for name in weights if name not in kept]


def _without_copies(weights: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """One encoder where the policy's and the value's are the same, and no target network."""
    kept = {}
    for name, value in weights.items():
        copy = _COPIES.fullmatch(name)
        if copy is None:
            kept[name] = value
        elif copy[1] and not torch.equal(value, weights.get(copy[1], torch.empty(0))):
            raise BadFile(path, "holds an encoder each for policy and value, which has no import")
    return kept


def is_true(value: Any) -> bool:
    """Whether a setting is true, plain or as text.

    Example:
        >>> is_true(True), is_true("True"), is_true("False"), is_true(None)
        (True, True, False, False)
    """
    return value is True or value == "True"


def activation_of(settings: Mapping[str, Any], path: Path) -> str:
    """Name of the activation: what the settings' text says, else the algorithm's default.

    Raises:
        BadFile: the policy has parts of its own making.
    """
    chosen = settings.get("policy_kwargs")
    chosen = chosen if isinstance(chosen, dict) else {}
    extractor = str(chosen.get("features_extractor_class", _EXTRACTORS[0]))
    if not extractor.removesuffix("'>").endswith(_EXTRACTORS):
        raise BadFile(path, "its policy has an encoder of its own, which has no import")
    if is_true(chosen.get("squash_output")):
        raise BadFile(path, "its policy squashes its output, which has no import")
    told = chosen.get("activation_fn")
    if told is None:
        return "relu" if "exploration_rate" in settings else "tanh"
    kind = str(told).removesuffix("'>").rpartition(".")[2]
    names = {made.__name__: name for name, made in ACTIVATIONS.items()}
    if kind not in names:
        raise BadFile(path, f"its activation {ascii(kind)[1:-1][:60]} has no import")
    return names[kind]


def space_in(settings: Mapping[str, Any], images: bool, path: Path) -> Space:
    """Observations and actions from the text beside the pickles.

    Args:
        settings: of the file.
        images: whether the network takes images, (C, H, W) uint8, rather than numbers.
        path: for messages.

    Raises:
        BadFile: spaces of a kind that has no import, or bounds that the text does not say.
    """
    seen: Any = settings.get("observation_space")
    done: Any = settings.get("action_space")
    if _kind(seen) != "Box" or _kind(done) not in ("Discrete", "Box"):
        kinds = f"{_kind(seen)} observations and {_kind(done)} actions"
        raise BadFile(path, f"is for {kinds}; Box to Discrete or Box have an import")
    shape, dtype = tuple(int(n) for n in _floats(seen.get("_shape"))), str(seen.get("dtype"))
    fits = (dtype == "uint8" and len(shape) == 3) if images else dtype in _NUMBERS
    if not shape or not fits:
        valid = "images of uint8" if images else " or ".join(_NUMBERS)
        raise BadFile(path, f"is for observations of {dtype[:20]} {shape}; {valid} have an import")
    if _kind(done) == "Discrete":
        count, first = (int(sum(_floats(done.get(k))[:1])) for k in ("n", "start"))
        if not 0 < count <= _MOST_ACTIONS:
            raise BadFile(path, f"is for {count:,} actions")
        return Space(shape, dtype, actions=tuple(str(first + i) for i in range(count)))
    low, high = (tuple(_floats(done.get(k))) for k in ("low", "high"))
    width = [int(n) for n in _floats(done.get("_shape"))]
    if len(low) != len(high) or width != [len(low)]:
        raise BadFile(path, "does not say the bounds of its continuous actions")
    return Space(shape, dtype, action_low=low, action_high=high)


def _kind(space: Any) -> str:
    told = str(space.get(":type:")) if isinstance(space, dict) else "unknown"
    return ascii(told.removesuffix("'>").rpartition(".")[2])[1:-1][:40]


def _floats(value: Any) -> list[float]:
    """Finite numbers in the text of an array; none where it was shortened."""
    text = str(value)
    found = re.findall(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?", text)
    return [] if "..." in text or "inf" in text or "nan" in text else [float(n) for n in found]

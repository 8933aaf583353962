"""What stands in a ``.zip`` of Stable-Baselines3: plain settings, spaces as text, weights.

Half of the settings are pickles. None is opened: what is needed stands beside them as plain text,
and the weights are read as weights alone.
"""

import json
import re
import zipfile
from collections.abc import Iterable, Mapping
from math import isfinite, prod
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
_MOST_ACTIONS, _MOST_AXES, _LARGEST = 100_000, 64, 2**63
_MOST_NESTED, _TOO_DEEP = 50, "its settings are nested too deeply"
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
    settings = settings_in(text, path)
    weights = weights_of(read_torch_in(stored, path))
    if not weights:
        raise BadFile(path, f"holds no settings or no weights: no model of {LINEAGE}")
    kept = _without_copies(weights, path)
    return settings, kept, [name for name in weights if name not in kept]


def settings_in(text: bytes, path: Path) -> dict[str, Any]:
    """Settings of a model.

    Args:
        text: the archive's ``data``.
        path: for messages.

    Raises:
        BadFile: no JSON, no object, or nested so deeply that its text cannot be written.
    """
    try:
        settings = json.loads(text)
    except ValueError as error:
        raise BadFile(path, f"its settings are not JSON: {first_line(error)}") from None
    except RecursionError:
        raise BadFile(path, _TOO_DEEP) from None
    if not isinstance(settings, dict):
        raise BadFile(path, f"holds no settings: no model of {LINEAGE}")
    level: list[Any] = [settings]
    for _ in range(_MOST_NESTED):
        level = [inner for values in level for inner in _inside(values)]
    if level:
        raise BadFile(path, _TOO_DEEP)
    return settings


def _inside(values: Any) -> Iterable[Any]:
    if isinstance(values, dict):
        return values.values()
    return values if isinstance(values, list) else ()


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
    sized = 0 < len(shape) <= _MOST_AXES and 0 < prod(shape) < _LARGEST
    if not sized or not fits:
        valid = "images of uint8" if images else " or ".join(_NUMBERS)
        told = f"{dtype[:20]} {str(shape)[:80]}"
        raise BadFile(path, f"is for observations of {told}; {valid} have an import")
    if _kind(done) == "Discrete":
        counted = [_floats(done.get(key, 0)) for key in ("n", "start")]
        if not all(counted):
            raise BadFile(path, "does not say how many actions there are, or the first of them")
        count, first = (int(numbers[0]) for numbers in counted)
        if not 0 < count <= _MOST_ACTIONS or abs(first) >= _LARGEST:
            raise BadFile(path, f"is for {count:.6g} actions from {first:.6g} on")
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
    """Numbers in the text of an array; none where it was shortened or one is not finite."""
    text = str(value)
    if any(word in text for word in ("...", "inf", "nan")):
        return []
    found = [float(n) for n in re.findall(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?", text)]
    return found if all(map(isfinite, found)) else []

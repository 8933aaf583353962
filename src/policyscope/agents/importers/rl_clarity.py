"""Import agents of "Understanding RL Vision" (rl_clarity): joblib files with TensorFlow arrays."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.agents.importers.files import filled, source
from policyscope.agents.importers.spaces import pixel_space
from policyscope.agents.networks.clear_cnn import LAYERS
from policyscope.agents.preprocess import Pixels
from policyscope.core.errors import BadFile
from policyscope.core.pickled_data import read_pickled
from policyscope.envs.spec import EnvSpec

LINEAGE = "rl_clarity, clear CNN, Baselines PPO2"
_KEY = re.compile(r"(?:.*/)?((?:pi|vf)/.*):0")
#: Settings of a run that this network computes; others have no import.
_COMPUTES = {"cnn": ("clear", None), "use_lstm": (0, None), "frame_stack": (1, None)}
_SIDE = 64


def import_checkpoint(path: str | Path, env: EnvSpec | None = None) -> Agent:
    """Turn a ``.jd`` file into an agent. Nothing in it is unpickled.

    Args:
        path: file with ``params`` and ``args``.
        env: the environment it is for; what the file says unless given.

    Raises:
        BadFile: the file is damaged, is something else, or holds a network of another kind.
        PolicyscopeError: the environment does not fit.

    Example:
        ``import_checkpoint("coinrun.jd").act(frames).outputs["value"]``
    """
    path = Path(path)
    values = read_pickled(path)
    params = values.get("params") if isinstance(values, dict) else None
    settings = values.get("args") if isinstance(values, dict) else None
    if not isinstance(params, dict) or not isinstance(settings, dict):
        raise BadFile(path, "holds no 'params' and 'args'", "give a model of rl_clarity")
    for name, computed in _COMPUTES.items():
        if settings.get(name) not in computed:
            raise BadFile(path, f"was made with {name} = {settings[name]!r}, which has no import")
    weights, unused = _weights(params, path)
    arguments: dict[str, Any] = {
        "widths": [len(weights[f"{name}.conv2d.bias"]) for name, _, _ in LAYERS],
        "dense": [len(weights["dense.bias"]), len(weights["dense_1.bias"])],
        "actions": len(weights["pi.bias"]),
        "shape": [weights["1a.conv2d.weight"].shape[1], _SIDE, _SIDE],
    }
    made = ("clear_cnn", arguments)
    net = filled(made, _flattened(weights), path)
    space, env = pixel_space(arguments["actions"], env or _env(settings))
    card = {
        "lineage": LINEAGE,
        "source": source(path),
        "config": {k: v for k, v in settings.items() if isinstance(v, str | int | float)},
        "reported": _numbers(values.get("extra")),
        "unused": unused,
    }
    return Agent(net, made, "categorical", space, "sample", Pixels(), env=env, card=card)


def _env(settings: Mapping[str, Any]) -> EnvSpec | None:
    """The environment that a run's settings name, where it is one of ours."""
    name = settings.get("env_name")
    if settings.get("env_kind") != "procgen" or name not in ("coinrun", "maze"):
        return None
    mode, painted = settings.get("distribution_mode"), settings.get("paint_vel_info")
    options = {"mode": mode} if isinstance(mode, str) else {}
    return EnvSpec(f"procgen/{name}", options | ({"paint_vel_info": True} if painted else {}))


def _weights(params: Mapping[Any, Any], path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Weights by our names in torch's layout, and names of arrays that no output depends on."""
    found, unused = {}, []
    for key, array in params.items():
        if not isinstance(key, str) or not isinstance(array, np.ndarray):
            raise BadFile(path, "its 'params' are no arrays by name")
        known = _KEY.fullmatch(key)
        if known is None:
            unused.append(key)
        else:
            found[_name(known[1])] = _torch_layout(array.astype(np.float32))
    needed = [f"{name}.conv2d" for name, _, _ in LAYERS] + ["dense", "dense_1", "pi", "vf"]
    ranks = {"weight": 2, "bias": 1}
    for name in needed:
        for part, rank in ranks.items():
            value, expected = found.get(f"{name}.{part}"), rank
            if part == "weight" and name.endswith("conv2d"):
                expected = 4
            if value is None or value.dim() != expected:
                raise BadFile(path, f"is no clear network: it has no {part} of {name}")
    return found, unused


def _name(key: str) -> str:
    """Our name of a TensorFlow variable.

    ``pi/2b/conv2d/kernel`` is ``2b.conv2d.weight``, ``pi/w`` is ``pi.weight``.
    """
    *parts, last = key.split("/")
    layer = ".".join(parts[1:]) or parts[0]
    part = {"kernel": "weight", "w": "weight", "bias": "bias", "b": "bias"}.get(last, last)
    return f"{layer}.{part}"


def _torch_layout(array: np.ndarray) -> Tensor:
    """Kernels (h, w, in, out) as (out, in, h, w), matrices (in, out) as (out, in)."""
    order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(array.ndim, tuple(range(array.ndim)))
    return torch.from_numpy(np.ascontiguousarray(array.transpose(order)))


def _flattened(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The first dense layer reads channels first here and channels last there."""
    dense, channels = weights["dense.weight"], len(weights["4a.conv2d.bias"])
    side = _SIDE // 16
    if dense.shape[1] != side * side * channels:
        return dict(weights)
    by_place = dense.view(-1, side, side, channels).permute(0, 3, 1, 2)
    return {**weights, "dense.weight": by_place.flatten(1).contiguous()}


def _numbers(extra: Any) -> dict[str, float]:
    kept = extra.items() if isinstance(extra, dict) else ()
    return {str(k): float(v) for k, v in kept if isinstance(v, int | float)}

"""Import agents of "Understanding RL Vision" (rl_clarity): joblib files with TensorFlow arrays."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.agents.importers.files import card_of, filled, plain
from policyscope.agents.importers.spaces import pixel_space
from policyscope.agents.networks.clear_cnn import LAYERS
from policyscope.agents.preprocess import Pixels
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.pickled_data import read_pickled
from policyscope.core.registry import names
from policyscope.envs.spec import EnvSpec

LINEAGE = "rl_clarity, {} CNN, Baselines PPO2"
_KEY = re.compile(r"(?:.*/)?((?:pi|vf)/.*):0")
#: Settings of a run that these networks compute; others have no import.
_COMPUTES = {"cnn": ("clear", "impala", None), "use_lstm": (0, None), "frame_stack": (1, None)}
_SIDE, _MOST_BLOCKS = 64, 6
#: Actions of ``env_kind="coinrun_old"``, which came before Procgen.
_ORIGINAL = ("IDLE", "RIGHT", "LEFT", "UP", "RIGHT_UP", "LEFT_UP", "DOWN", "A", "B")
#: What stands at the places of a block of Baselines' ``build_impala_cnn``, in order.
_BLOCK = ("conv", "res1.conv1", "res1.conv2", "res2.conv1", "res2.conv2")
_Named = Mapping[str, Tensor]
_Made = tuple[str, dict[str, Any]]


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
        chosen = settings.get(name)
        if not isinstance(chosen, str | int | None) or chosen not in computed:
            told = f"{name} = {ascii(chosen)[:60] if plain(chosen) else type(chosen).__name__}"
            raise BadFile(path, f"was made with {told}, which has no import")
    named, unused = _named(params, path)
    impala = settings.get("cnn") == "impala"
    made, weights = (_impala if impala else _clear)(named, path)
    arguments, net = made[1], filled(made, weights, path)
    env, original = env or _env(settings), arguments["actions"] == len(_ORIGINAL)
    if original and env is not None:
        told = f"the original CoinRun's ({', '.join(_ORIGINAL)})"
        raise PolicyscopeError(
            f"{path}: its actions are {told}, which no environment here has in this order; "
            "import it without --env to look at the network"
        )
    space, env = pixel_space(arguments["actions"], env)
    space = replace(space, actions=_ORIGINAL) if original else space
    card = {
        **card_of(path, LINEAGE.format("IMPALA" if impala else "clear"), unused),
        "algorithm": "PPO",
        "config": {k: v for k, v in settings.items() if isinstance(k, str) and plain(v)},
        "reported": _numbers(values.get("extra")),
    }
    return Agent(net, made, "categorical", space, "sample", Pixels(), env=env, card=card)


def _env(settings: Mapping[str, Any]) -> EnvSpec | None:
    """The environment that a run's settings name, where it is one of ours."""
    name = settings.get("env_name") if isinstance(settings.get("env_name"), str) else ""
    known = f"procgen/{name}" in names("batched environment")
    if settings.get("env_kind") != "procgen" or not known:
        return None
    mode, painted = settings.get("distribution_mode"), settings.get("paint_vel_info")
    options = {"mode": mode} if isinstance(mode, str) else {}
    return EnvSpec(f"procgen/{name}", options | ({"paint_vel_info": True} if painted else {}))


def _named(params: Mapping[Any, Any], path: Path) -> tuple[_Named, list[str]]:
    """Weights by layer in torch's layout, and names of arrays that no output depends on."""
    found, unused = {}, []
    for key, array in params.items():
        if not isinstance(key, str) or not isinstance(array, np.ndarray):
            raise BadFile(path, "its 'params' are no arrays by name")
        known = _KEY.fullmatch(key)
        if known is None:
            unused.append(key)
        else:
            found[_name(known[1])] = _torch_layout(array.astype(np.float32))
    return found, unused


def _clear(named: _Named, path: Path) -> tuple[_Made, _Named]:
    """The clear network that these weights fill."""
    layers = [f"{name}.conv2d" for name, _, _ in LAYERS]
    _require(named, layers, ["dense", "dense_1", "pi", "vf"], "clear network", path)
    arguments: dict[str, Any] = {
        "widths": [len(named[f"{layer}.bias"]) for layer in layers],
        "dense": [len(named["dense.bias"]), len(named["dense_1.bias"])],
        "actions": len(named["pi.bias"]),
        "shape": [named["1a.conv2d.weight"].shape[1], _SIDE, _SIDE],
    }
    return ("clear_cnn", arguments), _channels_first(named, "dense.weight", _SIDE // 16)


def _impala(named: _Named, path: Path) -> tuple[_Made, _Named]:
    """The IMPALA network of Baselines that these weights fill: layer_0, layer_1, ... and a head.

    Its max pools are TensorFlow's, which pad an even extent at one end only.
    """
    numbers = [int(n[1]) for name in named if (n := re.fullmatch(r"layer_(\d{1,3})\.weight", name))]
    convolutions = max(numbers, default=0)
    blocks, over = divmod(convolutions, len(_BLOCK))
    if over or not 0 < blocks <= _MOST_BLOCKS:
        told = f"{convolutions} convolutions before its dense layer, not {len(_BLOCK)} a block"
        raise BadFile(path, f"is no IMPALA network: it has {told}")
    ours = {f"layer_{convolutions}": "embedder.fc", "pi": "fc_policy", "vf": "fc_value"}
    for i in range(convolutions):
        block, place = divmod(i, len(_BLOCK))
        ours[f"layer_{i}"] = f"embedder.block{block + 1}.{_BLOCK[place]}"
    layers = [f"layer_{i}" for i in range(convolutions)]
    _require(named, layers, [f"layer_{convolutions}", "pi", "vf"], "IMPALA network", path)
    arguments: dict[str, Any] = {
        "widths": [len(named[f"layer_{len(_BLOCK) * i}.bias"]) for i in range(blocks)],
        "embedding": len(named[f"layer_{convolutions}.bias"]),
        "actions": len(named["pi.bias"]),
        "shape": [named["layer_0.weight"].shape[1], _SIDE, _SIDE],
        "pool_padding": "same",
    }
    turned = _channels_first(named, f"layer_{convolutions}.weight", _SIDE // 2**blocks)
    renamed = {}
    for name, value in turned.items():
        layer, _, part = name.rpartition(".")
        renamed[f"{ours.get(layer, layer)}.{part}"] = value
    return ("impala", arguments), renamed


def _require(
    named: _Named, convolutions: list[str], dense: list[str], what: str, path: Path
) -> None:
    ranks = {f"{name}.weight": 4 for name in convolutions} | {f"{n}.weight": 2 for n in dense}
    for name in [*convolutions, *dense]:
        for part, rank in (("weight", ranks[f"{name}.weight"]), ("bias", 1)):
            value = named.get(f"{name}.{part}")
            if value is None or value.dim() != rank:
                raise BadFile(path, f"is no {what}: it has no {part} of {name}")


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


def _channels_first(named: _Named, dense: str, side: int) -> _Named:
    """The first dense layer reads channels first here and channels last there."""
    weight = named[dense]
    channels, over = divmod(weight.shape[1], side * side)
    if over:
        return named
    by_place = weight.view(-1, side, side, channels).permute(0, 3, 1, 2)
    return {**named, dense: by_place.flatten(1).contiguous()}


def _numbers(extra: Any) -> dict[str, float]:
    kept = extra.items() if isinstance(extra, dict) else ()
    return {str(k): float(v) for k, v in kept if isinstance(v, int | float) and plain(v)}

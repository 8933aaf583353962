"""Import checkpoints of train-procgen-pytorch and its forks (``model_STEPS.pth``)."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.agents.importers.files import (
    card_of,
    filled,
    read_torch,
    require_shapes,
    weights_of,
)
from policyscope.agents.importers.spaces import pixel_space
from policyscope.agents.preprocess import Pixels
from policyscope.core.errors import BadFile
from policyscope.envs.spec import EnvSpec

LINEAGE = "train-procgen-pytorch, IMPALA, PPO"
SIGN = "embedder.block1.conv.weight"
KEYS = ("state_dict", "model_state_dict")
_RANKS = {
    **{f"embedder.block{i}.conv.weight": 4 for i in (1, 2, 3)},
    "embedder.fc.weight": 2,
    "fc_policy.weight": 2,
}
_GRU = {"gru.gru.weight_hh_l0": 2}
_START = "init_hx"
_SIDE = 64


def import_checkpoint(
    path: str | Path, env: EnvSpec | None = None, learned_start: bool = False
) -> Agent:
    """Turn a checkpoint into an agent; widths, memory and actions are read from the shapes.

    Args:
        path: file with ``state_dict`` or ``model_state_dict``; any device.
        env: the environment it is for; the file does not say.
        learned_start: begin episodes from the checkpoint's ``init_hx``. The lineage learns one and
            then lets its mask zero it at every episode but the first of a run, so that zero is
            what its agents know.

    Raises:
        BadFile: the file is damaged, is something else, or would run code on loading.
        PolicyscopeError: the environment does not fit.

    Example:
        ``import_checkpoint("model_80412672.pth", EnvSpec("procgen/coinrun"))``
    """
    path = Path(path)
    values = read_torch(path)
    weights = {k.removeprefix("module."): v for k, v in weights_of(values, KEYS).items()}
    if not weights:
        raise BadFile(path, "holds no 'state_dict' of tensors", "give a model of the lineage")
    require_shapes(weights, _RANKS, "IMPALA network of train-procgen-pytorch", path)
    arguments = _arguments(weights)
    name, recurrent = "impala", any(key.startswith("gru.") for key in weights)
    unused: list[str] = []
    if recurrent:
        require_shapes(weights, _GRU, "recurrent policy of train-procgen-pytorch", path)
        name = "impala_gru"
        arguments["memory"] = weights["gru.gru.weight_hh_l0"].shape[1]
        arguments["learned_start"] = learned_start and _START in weights
        if _START in weights and not learned_start:
            del weights[_START]
            unused.append(_START)
    made = (name, arguments)
    net, card = filled(made, weights, path), card_of(path, LINEAGE, unused)
    card["algorithm"] = "PPO"
    if steps := re.fullmatch(r"model_(\d+)", path.stem):
        card["steps"] = int(steps[1])
    space, env = pixel_space(arguments["actions"], env)
    return Agent(net, made, "categorical", space, "sample", Pixels(), env=env, card=card)


def _arguments(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    blocks = [weights[f"embedder.block{i}.conv.weight"] for i in (1, 2, 3)]
    return {
        "widths": [block.shape[0] for block in blocks],
        "embedding": weights["embedder.fc.weight"].shape[0],
        "actions": weights["fc_policy.weight"].shape[0],
        "shape": [blocks[0].shape[1], _SIDE, _SIDE],
    }

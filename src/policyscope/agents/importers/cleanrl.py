"""Import CleanRL's models: bare state dicts of DQN and PPO, also for Atari and Procgen."""

import re
from collections.abc import Callable, Mapping
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
from policyscope.agents.importers.spaces import image_space, pixel_space, space_of
from policyscope.agents.preprocess import Flat, Pixels
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space

LINEAGE = "CleanRL"
UNSCALED = (
    "CleanRL's continuous PPO trains on observations scaled by running statistics that its file "
    "does not hold: without that scaling this agent sees other numbers than it was trained on"
)
_PROCGEN = {
    r"network\.([012])\.conv\.(.*)": lambda m: f"embedder.block{int(m[1]) + 1}.conv.{m[2]}",
    r"network\.([012])\.res_block([01])\.conv([01])\.(.*)": lambda m: (
        f"embedder.block{int(m[1]) + 1}.res{int(m[2]) + 1}.conv{int(m[3]) + 1}.{m[4]}"
    ),
    r"network\.5\.(.*)": lambda m: f"embedder.fc.{m[1]}",
    r"actor\.(.*)": lambda m: f"fc_policy.{m[1]}",
    r"critic\.(.*)": lambda m: f"fc_value.{m[1]}",
}
_ATARI = {
    r"network\.([024])\.(.*)": lambda m: f"features_extractor.cnn.{m[1]}.{m[2]}",
    r"network\.7\.(.*)": lambda m: f"features_extractor.linear.0.{m[1]}",
    r"network\.9\.(.*)": lambda m: f"predict.{m[1]}",
    r"actor\.(.*)": lambda m: f"action_net.{m[1]}",
    r"critic\.(.*)": lambda m: f"value_net.{m[1]}",
}
_Renames = Mapping[str, Callable[[re.Match[str]], str]]


def import_checkpoint(path: str | Path, env: EnvSpec | None = None) -> Agent:
    """Turn a ``.cleanrl_model`` into an agent; the algorithm is read from the weights' names.

    Args:
        path: file of a state dict.
        env: the environment it is for; the file does not say.

    Raises:
        BadFile: the file is damaged, is another model, or would run code on loading.
        PolicyscopeError: the environment does not fit.

    Example:
        ``import_checkpoint("dqn.cleanrl_model", EnvSpec("gym:CartPole-v1"))``
    """
    path = Path(path)
    weights = weights_of(read_torch(path))
    if "network.0.conv.weight" in weights:
        return _procgen(weights, path, env)
    if "network.7.weight" in weights:
        return _atari(weights, path, env)
    if "network.0.weight" in weights:
        return _dqn(weights, path, env)
    if "critic.0.weight" in weights:
        return _ppo(weights, path, env)
    some = ", ".join(ascii(name)[1:-1][:60] for name in list(weights)[:3])
    raise BadFile(path, f"is no model of CleanRL that has an import: its weights are {some}, ...")


def fits(weights: Mapping[str, Tensor]) -> bool:
    """Whether the names are those of one of these models."""
    ppo = "critic.0.weight" in weights and bool(
        {"actor.0.weight", "actor_mean.0.weight"} & weights.keys()
    )
    return ppo or "network.0.weight" in weights or "network.0.conv.weight" in weights


def _procgen(weights: Mapping[str, Tensor], path: Path, env: EnvSpec | None) -> Agent:
    needed = {f"network.{i}.conv.weight": 4 for i in range(3)}
    needed |= {"network.5.weight": 2, "actor.weight": 2}
    require_shapes(weights, needed, "ppo_procgen model of CleanRL", path)
    blocks = [weights[f"network.{i}.conv.weight"] for i in range(3)]
    arguments: dict[str, Any] = {
        "widths": [block.shape[0] for block in blocks],
        "embedding": weights["network.5.weight"].shape[0],
        "actions": weights["actor.weight"].shape[0],
        "shape": [blocks[0].shape[1], 64, 64],
    }
    made = ("impala", arguments)
    net = filled(made, _renamed(weights, _PROCGEN), path)
    space, env = pixel_space(arguments["actions"], env)
    card = _card(path, "ppo_procgen")
    return Agent(net, made, "categorical", space, "sample", Pixels(), env=env, card=card)


def _atari(weights: Mapping[str, Tensor], path: Path, env: EnvSpec | None) -> Agent:
    values = "network.9.weight" in weights
    out = "network.9.weight" if values else "actor.weight"
    needed = {"network.0.weight": 4, "network.7.weight": 2, out: 2}
    require_shapes(weights, needed, "Atari model of CleanRL", path)
    channels, actions = weights["network.0.weight"].shape[1], weights[out].shape[0]
    arguments: dict[str, Any] = {
        "shape": [channels, 84, 84],
        "embedding": weights["network.7.weight"].shape[0],
        "actions": actions,
    }
    made = ("nature_q" if values else "nature_actor_critic", arguments)
    net = filled(made, _renamed(weights, _ATARI), path)
    named = tuple(str(i) for i in range(actions))
    wanted = Space((channels, 84, 84), "uint8", actions=named)
    space, env, last = image_space(wanted, env)
    head, acting = ("q", "greedy") if values else ("categorical", "sample")
    card = _card(path, "dqn_atari" if values else "ppo_atari")
    return Agent(net, made, head, space, acting, Pixels(255.0, last), env=env, card=card)


def _dqn(weights: Mapping[str, Tensor], path: Path, env: EnvSpec | None) -> Agent:
    layers = _layers(weights, "network", path)
    arguments: dict[str, Any] = {
        "features": layers[0].shape[1],
        "widths": [layer.shape[0] for layer in layers[:-1]],
        "actions": layers[-1].shape[0],
    }
    made, last = ("mlp", arguments), 2 * (len(layers) - 1)
    renames = _dense("network", "layers.{}", "predict", last)
    net = filled(made, _renamed(weights, renames), path)
    space, env = _space(arguments["features"], arguments["actions"], env)
    card = _card(path, "dqn")
    return Agent(net, made, "q", space, "greedy", Flat(), env=env, card=card)


def _ppo(weights: Mapping[str, Tensor], path: Path, env: EnvSpec | None) -> Agent:
    gaussian = "actor_mean.0.weight" in weights
    part = "actor_mean" if gaussian else "actor"
    policy, value = _layers(weights, part, path), _layers(weights, "critic", path)
    arguments: dict[str, Any] = {
        "features": policy[0].shape[1],
        "policy": [layer.shape[0] for layer in policy[:-1]],
        "value": [layer.shape[0] for layer in value[:-1]],
        "actions": policy[-1].shape[0],
        "activation": "tanh",
        "gaussian": gaussian,
    }
    names: dict[str, Any] = {}
    for ours, theirs, count, head in (
        ("policy", part, len(policy), "action_net"), ("value", "critic", len(value), "value_net"),
    ):  # fmt: skip
        place = f"mlp_extractor.{ours}_net.{{}}"
        names |= _dense(theirs, place, head, 2 * (count - 1), step=1)
    names["actor_logstd"] = lambda _: "log_std"
    ours_by_name = _renamed(weights, names)
    if gaussian and ours_by_name.get("log_std") is not None:
        ours_by_name["log_std"] = ours_by_name["log_std"].flatten()
    made = ("actor_critic", arguments)
    net = filled(made, ours_by_name, path)
    features, actions = arguments["features"], arguments["actions"]
    space, env = (_box_space if gaussian else _space)(features, actions, env)
    card = _card(path, "ppo_continuous_action" if gaussian else "ppo")
    if gaussian:
        card["caution"] = UNSCALED
    head = "gaussian" if gaussian else "categorical"
    return Agent(net, made, head, space, "sample", Flat(), env=env, card=card)


def _layers(weights: Mapping[str, Tensor], part: str, path: Path) -> list[Tensor]:
    """Matrices of a perceptron in their order: every other place of a ``Sequential``."""
    found: list[Tensor] = []
    while (name := f"{part}.{2 * len(found)}.weight") in weights:
        if weights[name].dim() != 2:
            raise BadFile(path, f"{name} is no matrix")
        found.append(weights[name])
    if not found:
        raise BadFile(path, f"it has no {part}.0.weight")
    return found


def _dense(part: str, place: str, head: str, last: int, step: int = 2) -> dict[str, Any]:
    """Renames of a perceptron: hidden layers to a place, the last one to a head."""

    def rename(match: re.Match[str]) -> str:
        index = int(match[1])
        layer = head if index == last else place.format(index // step)
        return f"{layer}.{match[2]}"

    return {rf"{part}\.(\d+)\.(.*)": rename}


def _renamed(weights: Mapping[str, Tensor], renames: _Renames) -> dict[str, Tensor]:
    def ours(name: str) -> str:
        for pattern, rename in renames.items():
            if match := re.fullmatch(pattern, name):
                return rename(match)
        return name

    return {ours(name): value for name, value in weights.items()}


def _space(features: int, actions: int, env: EnvSpec | None) -> tuple[Space, EnvSpec | None]:
    named = tuple(str(i) for i in range(actions))
    return space_of(Space((features,), "float32", actions=named), env)


def _box_space(features: int, numbers: int, env: EnvSpec | None) -> tuple[Space, EnvSpec | None]:
    if env is None:
        raise PolicyscopeError(
            "CleanRL's file does not say the bounds of its continuous actions; name the "
            "environment of the training (--env)"
        )
    bounds = (0.0,) * numbers
    return space_of(Space((features,), "float32", action_low=bounds, action_high=bounds), env)


def _card(path: Path, algorithm: str) -> dict[str, Any]:
    return {**card_of(path, LINEAGE), "algorithm": algorithm}

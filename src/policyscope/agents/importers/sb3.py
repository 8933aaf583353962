"""Import agents of Stable-Baselines3 (``.zip``): PPO, A2C, DQN, and sb3-contrib's RecurrentPPO."""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from policyscope.agents.agent import Agent
from policyscope.agents.importers.files import card_of, filled, plain, require_shapes
from policyscope.agents.importers.sb3_file import (
    LINEAGE,
    activation_of,
    is_true,
    read_model,
    space_in,
)
from policyscope.agents.importers.sb3_normalise import (
    UNSCALED,
    beside,
    read_statistics,
    was_normalised,
)
from policyscope.agents.importers.spaces import image_space, space_of
from policyscope.agents.preprocess import Flat, Pixels
from policyscope.core.errors import BadFile
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space

#: Weights by which a network that has no import is known, and its name.
_OTHERS = {
    "actor.mu.": "SAC, TD3 or DDPG", "quantile_net.": "QR-DQN",
    "mlp_extractor.shared_net.": "a network with shared layers (before version 1.8)",
    "features_extractor.extractors.": "a network for dictionaries",
    "q_net.features_extractor.extractors.": "a network for dictionaries",
}  # fmt: skip
_KEPT = ("num_timesteps", "gamma", "gae_lambda", "learning_rate", "n_steps", "n_epochs", "ent_coef",
         "vf_coef", "batch_size", "n_envs", "seed", "exploration_final_eps")  # fmt: skip
_CNN, _LSTM = "features_extractor.cnn.0.weight", "lstm_actor.weight_hh_l0"
_DENSE = "features_extractor.linear.0.weight"


def import_checkpoint(
    path: str | Path, env: EnvSpec | None = None, normalize: str | Path | None = None
) -> Agent:
    """Turn a saved model into an agent.

    Args:
        path: the ``.zip`` that ``model.save`` writes.
        env: the environment it is for, which the file does not name. Images may come with their
            channels first or last.
        normalize: statistics that ``VecNormalize.save`` wrote. Where the model was trained behind
            one, or is a DQN, whose file does not say, a file of the usual name beside it
            (vecnormalize.pkl) is taken.

    Raises:
        BadFile: a file is damaged, holds an algorithm or a space that has no import, or would
            run code on loading.
        PolicyscopeError: the environment does not fit.

    Example:
        ``import_checkpoint("ppo_cartpole.zip", EnvSpec("gym:CartPole-v1"))``
    """
    path = Path(path)
    settings, weights, unused = read_model(path)
    for start, what in _OTHERS.items():
        if any(name.startswith(start) for name in weights):
            raise BadFile(path, f"holds {what}, which has no import")
    if is_true(settings.get("use_sde")):
        raise BadFile(path, "explores by gSDE, which has no import")
    wanted = space_in(settings, _CNN in weights or f"q_net.{_CNN}" in weights, path)
    activation = activation_of(settings, path)
    values = any(name.startswith("q_net.") for name in weights)
    network, arguments = (_q if values else _actor_critic)(weights, wanted, activation, path)
    numbers = len(wanted.actions) or len(wanted.action_low)
    if arguments["actions"] != numbers:
        told = f"{arguments['actions']} actions, its settings say {numbers}"
        raise BadFile(path, f"its weights are for {told}")
    made = (network, arguments)
    net = filled(made, _q_names(weights, arguments) if values else weights, path)
    card = {
        **card_of(path, LINEAGE, unused),
        "algorithm": _algorithm(settings, weights, values),
        "config": {k: settings[k] for k in _KEPT if k in settings and plain(settings[k])},
    }
    preprocess, space, env = _preprocess(wanted, settings, env)
    scaled = _statistics(path, normalize, settings, wanted, card)
    preprocess = preprocess if scaled is None else scaled
    head = "q" if values else "gaussian" if wanted.action_low else "categorical"
    acting = "greedy" if values else "sample"
    return Agent(net, made, head, space, acting, preprocess, env=env, card=card)


def _statistics(
    path: Path,
    normalize: str | Path | None,
    settings: Mapping[str, Any],
    wanted: Space,
    card: dict[str, Any],
) -> nn.Module | None:
    """What normalises observations, noted on the card; a caution where it is missing."""
    scaled = was_normalised(settings)
    given = normalize or (None if scaled is False else beside(path))
    if given is None:
        if scaled:
            card["caution"] = UNSCALED
        return None
    if wanted.obs_dtype == "uint8":
        raise BadFile(given, "normalises observations; this model's are images, scaled by itself")
    card["normalised"] = card_of(Path(given), LINEAGE)["source"]
    return read_statistics(Path(given), wanted.obs_shape)


def _algorithm(settings: Mapping[str, Any], weights: Mapping[str, Tensor], values: bool) -> str:
    if values:
        return "DQN"
    return "RecurrentPPO" if _LSTM in weights else "PPO" if "clip_range" in settings else "A2C"


def _preprocess(
    wanted: Space, settings: Mapping[str, Any], env: EnvSpec | None
) -> tuple[nn.Module, Space, EnvSpec | None]:
    if wanted.obs_dtype != "uint8":
        space, env = space_of(wanted, env)
        return Flat(), space, env
    space, env, last = image_space(wanted, env)
    policy = settings.get("policy_kwargs")
    scaled = not isinstance(policy, dict) or is_true(policy.get("normalize_images", True))
    return Pixels(255.0 if scaled else 1.0, last), space, env


_Made = tuple[str, dict[str, Any]]


def _q(weights: Mapping[str, Tensor], wanted: Space, activation: str, path: Path) -> _Made:
    layers = _layers(weights, "q_net.q_net", path)
    if activation != "relu" or wanted.action_low or not layers:
        raise BadFile(path, f"is a DQN with {activation} or continuous actions: it has no import")
    arguments: dict[str, Any] = {
        "widths": [layer.shape[0] for layer in layers[:-1]],
        "actions": layers[-1].shape[0],
    }
    if f"q_net.{_CNN}" in weights:
        return "nature_q", arguments | _image(weights, "q_net.", wanted, path)
    return "mlp", arguments | {"features": prod(wanted.obs_shape)}


def _q_names(weights: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> dict[str, Tensor]:
    """Our names of a Q-network's weights."""
    hidden = len(arguments["widths"])
    ours = {f"q_net.{2 * i}": f"layers.{i}" for i in range(hidden)} | {
        f"q_net.{2 * hidden}": "predict"
    }
    named = {}
    for name, value in weights.items():
        layer, _, part = name.removeprefix("q_net.").rpartition(".")
        named[f"{ours.get(layer, layer)}.{part}"] = value
    return named


def _actor_critic(
    weights: Mapping[str, Tensor], wanted: Space, activation: str, path: Path
) -> _Made:
    require_shapes(weights, {"action_net.weight": 2}, f"policy of {LINEAGE}", path)
    arguments: dict[str, Any] = {
        part: [layer.shape[0] for layer in _layers(weights, f"mlp_extractor.{part}_net", path)]
        for part in ("policy", "value")
    }
    arguments["actions"] = weights["action_net.weight"].shape[0]
    arguments |= {"activation": activation, "gaussian": bool(wanted.action_low)}
    images = _CNN in weights
    network = "nature_actor_critic" if images else "actor_critic"
    features = {"features": prod(wanted.obs_shape)}
    arguments |= _image(weights, "", wanted, path) if images else features
    if _LSTM not in weights:
        return network, arguments
    require_shapes(weights, {_LSTM: 2}, "LSTM", path)
    own = "lstm" if "lstm_critic.weight_hh_l0" in weights else "linear"
    critic = own if own == "lstm" or "critic.weight" in weights else "shared"
    return f"{network}_lstm", arguments | {"memory": weights[_LSTM].shape[1], "critic": critic}


def _image(weights: Mapping[str, Tensor], start: str, wanted: Space, path: Path) -> dict[str, Any]:
    require_shapes(weights, {f"{start}{_DENSE}": 2}, "encoder of images", path)
    return {
        "shape": list(wanted.obs_shape),
        "embedding": weights[f"{start}{_DENSE}"].shape[0],
    }


def _layers(weights: Mapping[str, Tensor], part: str, path: Path) -> list[Tensor]:
    """Matrices of a perceptron in their order: every other place of a ``Sequential``."""
    found: list[Tensor] = []
    while (name := f"{part}.{2 * len(found)}.weight") in weights:
        found.append(weights[name])
    if any(layer.dim() != 2 for layer in found):
        raise BadFile(path, f"its {part} is no perceptron")
    return found

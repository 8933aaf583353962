"""The original of an agent of Stable-Baselines3: the library's own policy, with its weights.

The library's ``load`` unpickles what a file holds. Here the policy is built by its constructor from
the plain text beside the pickles, and the weights are read as weights alone.
"""

import ast
import re
import zipfile
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from policyscope.agents.agent import Agent
from policyscope.agents.doctor.parity import Original, Widened
from policyscope.agents.heads import Outputs
from policyscope.agents.importers.files import check_archive, read_torch_in
from policyscope.agents.importers.sb3_file import settings_in, space_in
from policyscope.agents.preprocess import Normalise
from policyscope.core.errors import BadFile
from policyscope.core.hooks import capture
from policyscope.envs.stepper import Space

_POLICIES = {
    ("stable_baselines3.common.policies", "ActorCriticPolicy"),
    ("stable_baselines3.common.policies", "ActorCriticCnnPolicy"),
    ("stable_baselines3.dqn.policies", "DQNPolicy"),
    ("stable_baselines3.dqn.policies", "CnnPolicy"),
    ("sb3_contrib.common.recurrent.policies", "RecurrentActorCriticPolicy"),
    ("sb3_contrib.common.recurrent.policies", "RecurrentActorCriticCnnPolicy"),
}
_LAYERS = "stable_baselines3.common.torch_layers"
_WITHOUT_EFFECT = ("optimizer_class", "optimizer_kwargs", "ortho_init")
_PLAIN = {
    "net_arch", "log_std_init", "normalize_images", "share_features_extractor", "lstm_hidden_size",
    "n_lstm_layers", "shared_lstm", "enable_critic_lstm", "features_extractor_kwargs",
}  # fmt: skip


def installed(path: Path) -> str | None:
    """Name of the package that a file's policy needs and that is not installed; None if it is."""
    module, _ = _policy_class(_settings(path), path)
    package = module.partition(".")[0]
    return None if find_spec(package) else package


def sb3_original(path: Path, agent: Agent) -> Original:
    """What the library computes from a file, in float64.

    Args:
        path: the ``.zip`` that ``model.save`` writes.
        agent: from it the layout of observations, and what normalises them, are taken.

    Raises:
        BadFile: the policy is none of the library's own, or its settings are not plain text.
    """
    settings = _settings(path)
    module, name = _policy_class(settings, path)
    with zipfile.ZipFile(path) as archive:
        weights = read_torch_in(archive.read("policy.pth"), path)
    images = any("features_extractor.cnn.0" in key for key in weights)
    seen, done = _spaces(space_in(settings, images, path))
    try:
        policy = getattr(import_module(module), name)(
            seen, done, lambda _: 0.0, **_arguments(settings, path)
        )
        policy.load_state_dict(weights)
    except Exception as error:  # on settings that it never wrote the library can raise anything
        told = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadFile(path, f"{name} of the library cannot be built from it: {told}") from None
    policy = policy.double().set_training_mode(False) or policy
    _widen(policy)
    ask = _values if name in ("DQNPolicy", "CnnPolicy") else _answers
    answer = _remembering if agent.recurrent else ask
    shape = seen.shape

    def original(obs: Tensor, state: Any = None) -> Any:
        x = agent.preprocess(obs) if isinstance(agent.preprocess, Normalise) else obs
        if x.dim() == 4 and tuple(x.shape[1:]) != tuple(shape):
            x = x.permute(0, 3, 1, 2)
        return answer(policy, x.reshape(len(x), *shape), state)

    return original


def _settings(path: Path) -> dict[str, Any]:
    if not path.is_file() or not zipfile.is_zipfile(path) or "data" not in check_archive(path):
        raise BadFile(path, "is no model of Stable-Baselines3")
    with zipfile.ZipFile(path) as archive:
        return settings_in(archive.read("data"), path)


def _policy_class(settings: dict[str, Any], path: Path) -> tuple[str, str]:
    """Module and name of the policy's class, from the text beside its pickle."""
    told = settings.get("policy_class")
    told = told if isinstance(told, dict) else {}
    name = re.match(r"<function (\w+)\.", str(told.get("__init__")))
    found = str(told.get("__module__")), name[1] if name else ""
    if found not in _POLICIES:
        raise BadFile(
            path, f"its policy {ascii('.'.join(found))[1:-1][:80]} is none of the library's"
        )
    return found


def _spaces(space: Space) -> tuple[Any, Any]:
    image = space.obs_dtype == "uint8"
    low, high = (0, 255) if image else (-np.inf, np.inf)
    seen = spaces.Box(low, high, space.obs_shape, np.dtype(space.obs_dtype).type)
    if space.actions:
        return seen, spaces.Discrete(len(space.actions))
    least, most = (np.array(b, np.float32) for b in (space.action_low, space.action_high))
    return seen, spaces.Box(least, most, dtype=np.float32)


def _arguments(settings: dict[str, Any], path: Path) -> dict[str, Any]:
    """Arguments of the policy's constructor; what is left out has the library's own default."""
    chosen = settings.get("policy_kwargs")
    arguments: dict[str, Any] = {}
    for key, value in (chosen if isinstance(chosen, dict) else {}).items():
        if key.startswith(":") or key in _WITHOUT_EFFECT:
            continue
        if key in ("activation_fn", "features_extractor_class"):
            place = nn if key == "activation_fn" else import_module(_LAYERS)
            kind = str(value).removesuffix("'>").rpartition(".")[2]
            arguments[key] = getattr(place, kind, None)
            known = key in arguments and isinstance(arguments[key], type)
        else:
            known = key in _PLAIN
            arguments[key] = _literal(value)
        if not known:
            raise BadFile(
                path, f"its setting {ascii(key)[1:-1][:40]} cannot be given to the library"
            )
    return arguments


def _literal(value: Any) -> Any:
    try:
        return ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value


def _widen(policy: Any) -> None:
    """Let the encoders take the library's float32 observations in float64."""
    for owner in (policy, getattr(policy, "q_net", None)):
        for part in ("features_extractor", "pi_features_extractor", "vf_features_extractor"):
            inner = getattr(owner, part, None)
            if isinstance(inner, nn.Module) and not isinstance(inner, nn.Sequential):
                setattr(owner, part, nn.Sequential(Widened(nn.Identity()), inner))


def _values(policy: Any, obs: Tensor, _: Any) -> Outputs:
    return {"q": policy.q_net(obs)}


def _answers(policy: Any, obs: Tensor, _: Any) -> Outputs:
    return _heads(policy, lambda: policy(obs, deterministic=True)[1])


def _remembering(policy: Any, obs: Tensor, state: Any) -> tuple[Outputs, Any]:
    states = import_module("sb3_contrib.common.recurrent.type_aliases").RNNStates
    if state is None:
        shape = (policy.lstm_hidden_state_shape[0], len(obs), policy.lstm_hidden_state_shape[2])
        empty = torch.zeros(shape, dtype=torch.float64)
        state = states((empty, empty), (empty, empty))
    kept: list[Any] = []

    def value() -> Tensor:
        _, values, _, after = policy(obs, state, torch.zeros(len(obs)).double(), deterministic=True)
        kept.append(after)
        return values

    return _heads(policy, value), kept[0]


def _heads(policy: Any, value: Callable[[], Tensor]) -> Outputs:
    """What one pass puts out, the policy's answer before it becomes a distribution."""
    with capture({"answer": policy.action_net}, ["answer"]) as seen:
        found = value()
    if not hasattr(policy, "log_std"):
        return {"logits": seen["answer"], "value": found[:, 0]}
    spread = policy.log_std.expand_as(seen["answer"])
    return {"mean": seen["answer"], "log_std": spread, "value": found[:, 0]}

"""Import checkpoints of rl-agents' DQN with an ``EgoAttentionNetwork``."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from policyscope.agents.agent import Agent
from policyscope.agents.importers.files import card_of, filled, read_torch
from policyscope.core.errors import BadFile, PolicyscopeError
from policyscope.core.files import read_json
from policyscope.envs.make import make_lane, versioned
from policyscope.envs.spec import EnvSpec
from policyscope.envs.stepper import Space

LINEAGE = "rl-agents DQNAgent, EgoAttentionNetwork"
_LAYERS = ("embedding_layer", "others_embedding_layer", "attention_layer", "output_layer")
_KEEPS_MEANING = {"activation": "RELU", "dropout_factor": 0, "presence_feature_idx": 0}


def import_checkpoint(
    path: str | Path,
    config: str | Path | None = None,
    heads: int | None = None,
    env: EnvSpec | None = None,
) -> Agent:
    """Turn a checkpoint of rl-agents (``.tar``, in truth a torch archive) into an agent.

    Widths, features and actions are read from the shapes of the weights. The number of heads
    cannot be: it comes from the configuration or from ``heads``.

    Args:
        path: file with ``state_dict`` and ``optimizer``.
        config: the agent's JSON configuration; ``base_config`` in it is followed.
        heads: number of attention heads, where no configuration says it.
        env: the environment it was trained in, which gives features and actions their names;
            ``highway/intersection`` unless said.

    Raises:
        BadFile: the file is damaged, is something else, or would run code on loading.
        PolicyscopeError: the head count is missing or contradictory, or the configuration asks for
            something that this network does not compute.

    Example:
        ``import_checkpoint("latest.tar", heads=4)``
    """
    path = Path(path)
    checkpoint = read_checkpoint(path)
    weights = checkpoint["state_dict"]
    settings = read_config(config) if config else {}
    arguments = _architecture(weights, path)
    model = settings.get("model", {})
    _check_model(model, arguments)
    arguments["heads"] = _head_count(model, heads)
    made = ("ego_attention", arguments)
    net = filled(made, weights, path)
    env = versioned(env or EnvSpec("highway/intersection"))
    space = _space(env, arguments)
    card = {
        **card_of(path, LINEAGE),
        "algorithm": "DQN",
        "config": settings,
        "updates": _updates(checkpoint.get("optimizer")),
    }
    return Agent(net, made, "q", space, "greedy", env=env, card=card)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Contents of a torch archive, read without running anything in it.

    Raises:
        BadFile: missing, truncated, corrupted, of another format, or refused because it would run
            code.
    """
    values = read_torch(path)
    weights = values.get("state_dict") if isinstance(values, dict) else None
    if not isinstance(weights, Mapping) or not all(isinstance(v, Tensor) for v in weights.values()):
        raise BadFile(path, "holds no 'state_dict' of tensors", "give a checkpoint of rl-agents")
    return values


def read_config(path: str | Path) -> dict[str, Any]:
    """Configuration with its ``base_config`` filled in, the child's values on top.

    A relative ``base_config`` is looked for in the working directory, as rl-agents does, then in
    the folder of the file that names it and in that folder's parents.

    Raises:
        BadFile: a file is missing or not JSON, or the bases form a cycle.
    """
    return _config_chain(Path(path), ())


def _config_chain(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in seen:
        raise BadFile(path, "its base_config leads back to itself")
    values = read_json(path)
    if not isinstance(values, dict):
        raise BadFile(path, "is not a configuration: no JSON object")
    base = values.pop("base_config", None)
    if base is None:
        return values
    places = [Path(), path.resolve().parent, *path.resolve().parent.parents]
    found = next((place / base for place in places if (place / base).is_file()), None)
    if found is None:
        raise BadFile(path, f"base_config '{base}' is found neither here nor in a parent folder")
    return _updated(_config_chain(found, (*seen, path.resolve())), values)


def _updated(base: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in child.items():
        old = merged.get(key)
        both = isinstance(value, dict) and isinstance(old, dict)
        merged[key] = _updated(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _architecture(weights: Mapping[str, Tensor], path: Path) -> dict[str, Any]:
    """Constructor arguments without the heads, from the shapes."""
    embedding = _widths(weights, "ego_embedding")
    decoder = _widths(weights, "output_layer")
    first = weights.get("ego_embedding.layers.0.weight")
    predict = weights.get("output_layer.predict.weight")
    matrices = [w for w in (first, predict) if w is not None and w.dim() == 2]
    if first is None or predict is None or len(matrices) < 2 or not (embedding and decoder):
        some = ", ".join(list(weights)[:3])
        raise BadFile(path, f"is no EgoAttentionNetwork: its weights are {some}, ...")
    return {
        "features": first.shape[1],
        "embedding": embedding,
        "width": embedding[-1],
        "decoder": decoder,
        "actions": predict.shape[0],
    }


def _space(env: EnvSpec, arguments: dict[str, Any]) -> Space:
    """Names and shapes of the environment, if they are those of the weights."""
    lane = make_lane(env)
    space = lane.space
    lane.close()
    features, actions = space.obs_shape[-1], len(space.actions)
    if (features, actions) != (arguments["features"], arguments["actions"]):
        raise PolicyscopeError(
            f"the weights read {arguments['features']} features and choose among "
            f"{arguments['actions']} actions, {env.id} gives {features} and {actions}; "
            "name the environment of the training (--env, --env-set)"
        )
    return space


def _widths(weights: Mapping[str, Tensor], part: str) -> list[int]:
    pattern = re.compile(rf"{part}\.layers\.(\d\d?\d?)\.weight")
    found = {int(m[1]): v.shape[0] for name, v in weights.items()
             if (m := pattern.fullmatch(name)) and v.dim()}  # fmt: skip
    return [found[i] for i in sorted(found)]


def _check_model(model: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Refuse a configuration that computes something else, or that is of other weights."""
    kind = model.get("type", "EgoAttentionNetwork")
    if kind != "EgoAttentionNetwork":
        raise PolicyscopeError(f"the configuration's model is a {kind}, not an EgoAttentionNetwork")
    if model.get("self_attention_layer"):
        raise PolicyscopeError("the configuration has a self_attention_layer, which has no import")
    for part in (
        "",
        "embedding_layer",
        "others_embedding_layer",
        "attention_layer",
        "output_layer",
    ):
        settings = (model.get(part) or {}) if part else model
        for key, expected in _KEEPS_MEANING.items():
            if settings.get(key, expected) != expected:
                raise PolicyscopeError(
                    f"the configuration's {part or 'model'}.{key} is {settings[key]!r}; "
                    f"only {expected!r} has an import"
                )
    stated = {
        "embedding_layer.layers": arguments["embedding"],
        "others_embedding_layer.layers": arguments["embedding"],
        "attention_layer.feature_size": arguments["width"],
        "output_layer.layers": arguments["decoder"],
    }
    for place, actual in stated.items():
        part, key = place.split(".")
        value = (model.get(part) or {}).get(key, actual)
        if value != actual:
            raise PolicyscopeError(f"the configuration says {place} {value}, the weights {actual}")


def _head_count(model: dict[str, Any], heads: int | None) -> int:
    stated = (model.get("attention_layer") or {}).get("heads")
    if stated is not None and (not isinstance(stated, int) or stated < 1):
        raise PolicyscopeError(f"the configuration's heads are {stated!r}, not a positive number")
    if stated is None and heads is None:
        raise PolicyscopeError(
            "the number of attention heads cannot be read from the weights; "
            "give the run's configuration (--config) or --heads"
        )
    if stated is not None and heads is not None and stated != heads:
        raise PolicyscopeError(f"the configuration says {stated} heads, --heads says {heads}")
    count = heads if stated is None else stated
    if count is None or count < 1:
        raise PolicyscopeError(f"the number of heads is {count}, it must be positive")
    return count


def _updates(optimizer: Any) -> int | None:
    """Gradient updates that Adam counted."""
    state = optimizer.get("state") if isinstance(optimizer, dict) else None
    steps = [int(s["step"]) for s in (state or {}).values() if isinstance(s, dict) and "step" in s]
    return max(steps, default=None)
